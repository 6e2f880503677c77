//! Actions: what they tell while they go on, and how they end on good days and bad ones.

use crate::calls::{answered, dynamic};
use crate::harbor::Coast;
use crate::terraform::Terraform;
use immutable::diagnostic::{Diagnostic, Diagnostics};
use immutable::resource::Context;
use immutable::resource::action::{Invocable, Progress};
use immutable::schema::{Applied, Attributes, Bounded, Planned, Schema, Stage};
use immutable::value::{Path, Tree, json};
use immutable_proto::tfplugin6 as wire;
use immutable_proto::tfplugin6::provider_server::Provider as _;
use tokio_stream::StreamExt as _;
use tonic::Request;
use wire::invoke_action::event::Type;

pub(crate) struct Signals;

/// Hoists a signal.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub(crate) struct Signal<S: Stage = Applied> {
    /// What it says.
    #[tf(required)]
    pub(crate) text: S::Of<String>,
    /// How often it is said.
    #[tf(optional, default = 2)]
    pub(crate) times: S::Of<Bounded<1, 9>>,
}

impl Invocable for Signals {
    const NAME: &'static str = "signal";
    type Model<S: Stage> = Signal<S>;
    type Configured = Coast;

    fn validate(&self, signal: &Signal<Planned>) -> Diagnostics {
        let is_empty = signal.text.known().is_some_and(String::is_empty);
        let refused = is_empty.then(|| Diagnostic::invalid(Path::of("text"), "Say something."));
        refused.into_iter().collect()
    }

    async fn invoke(
        &self,
        context: &Context<Coast>,
        signal: Signal,
        progress: &Progress,
    ) -> Diagnostics {
        for _ in 0..signal.times.get() {
            progress.say(format!("hoisted {}", signal.text));
        }
        match signal.text.as_str() {
            "wait" => {
                context.cancel.cancelled().await;
                progress.say("hauled down");
                Diagnostic::error("Stopped", "Nobody answered yet.").into()
            }
            "fog" => Diagnostic::error("Nobody saw it", "It is foggy.").into(),
            "pirates" => panic!("boarded"),
            _ => Diagnostics::none(),
        }
    }
}

fn config(text: &str) -> wire::DynamicValue {
    let of = Schema::of::<Signal<Planned>>(0).value_type();
    let config = json::decode(text.as_bytes()).expect("JSON");
    dynamic(
        &json::conform(config, &of).expect("a value of its type"),
        &of,
    )
}

/// What an action told: its lines, and what was said at its end.
#[derive(Debug, PartialEq)]
struct Told {
    lines: Vec<String>,
    said: Vec<String>,
}

/// Follows an action to its end; `on_line` is called after each of its lines.
async fn follow(
    terraform: &Terraform,
    name: &str,
    config: wire::DynamicValue,
    mut on_line: impl AsyncFnMut(),
) -> Told {
    let request = wire::invoke_action::Request {
        action_type: name.to_owned(),
        config: Some(config),
        ..Default::default()
    };
    let service = &terraform.service;
    let mut events = answered(service.invoke_action(Request::new(request)).await);
    let mut lines = Vec::new();
    while let Some(event) = events.next().await {
        let event = event.expect("no action ends with a status");
        match event.r#type.expect("an event of some kind") {
            Type::Progress(progress) => {
                lines.push(progress.message);
                on_line().await;
            }
            Type::Completed(completed) => {
                assert!(events.next().await.is_none(), "the end is the end");
                let said = completed.diagnostics.into_iter();
                return Told {
                    lines,
                    said: said.map(|it| it.summary).collect(),
                };
            }
        }
    }
    panic!("an action that merely ends counts as a success: {lines:?}");
}

async fn invoke(terraform: &Terraform, name: &str, text: &str) -> Told {
    follow(terraform, name, config(text), async || {}).await
}

fn told(lines: &[&str], said: &[&str]) -> Told {
    let owned = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect();
    Told {
        lines: owned(lines),
        said: owned(said),
    }
}

#[tokio::test]
async fn an_action_tells_its_progress_and_then_how_it_ended() {
    let terraform = Terraform::new().await;
    let bug = "InvokeAction failed because of a bug in the provider: boarded";
    for (text, said) in [
        ("all well", &[][..]),
        ("fog", &["Nobody saw it"]),
        ("pirates", &[bug]),
    ] {
        let config = format!(r#"{{"text": "{text}"}}"#);
        let line = format!("hoisted {text}");
        let expected = told(&[&line, &line], said);
        assert_eq!(invoke(&terraform, "harbor_signal", &config).await, expected);
    }
}

#[tokio::test]
async fn an_action_that_there_is_not_is_refused_by_every_call() {
    let terraform = Terraform::new().await;
    for (name, refusal) in [
        ("harbor_flare", "There is no action type harbor_flare"),
        ("harborsignal", "There is no action type harborsignal"),
        ("signal", "There is no action type signal"),
        ("", "There is no action type "),
    ] {
        let refused = invoke(&terraform, name, r#"{"text": "help"}"#).await;
        assert_eq!(refused, told(&[], &[refusal]));
        let (validated, planned) = checked(&terraform, name, config(r#"{"text": "help"}"#)).await;
        assert_eq!(validated, [refusal]);
        assert_eq!(planned, [refusal]);
    }
}

/// What is said of a configuration when it is validated, and when it is planned.
async fn checked(
    terraform: &Terraform,
    name: &str,
    config: wire::DynamicValue,
) -> (Vec<String>, Vec<String>) {
    let service = &terraform.service;
    let summaries = |diagnostics: Vec<wire::Diagnostic>| {
        let summaries = diagnostics.into_iter().map(|it| it.summary);
        summaries.collect::<Vec<_>>()
    };
    let request = wire::validate_action_config::Request {
        type_name: name.to_owned(),
        config: Some(config.clone()),
    };
    let validated = service.validate_action_config(Request::new(request)).await;
    let request = wire::plan_action::Request {
        action_type: name.to_owned(),
        config: Some(config),
        ..Default::default()
    };
    let planned = service.plan_action(Request::new(request)).await;
    (
        summaries(answered(validated).diagnostics),
        summaries(answered(planned).diagnostics),
    )
}

#[tokio::test]
async fn a_bad_configuration_is_refused_before_anything_is_done() {
    let terraform = Terraform::new().await;
    for (text, problems) in [
        (r#"{"text": "help"}"#, 0),
        (r#"{"text": "help", "times": 10}"#, 1),
        (r#"{"text": null}"#, 1),
        (r#"{"text": "", "times": 0}"#, 2),
    ] {
        let (validated, planned) = checked(&terraform, "harbor_signal", config(text)).await;
        assert_eq!(validated.len(), problems, "{text}: {validated:?}");
        assert_eq!(planned, validated);
        let invoked = invoke(&terraform, "harbor_signal", text).await;
        assert_eq!(invoked.lines.is_empty(), problems > 0, "{text}");
        assert_eq!(invoked.said.is_empty(), problems == 0, "{text}");
    }
    let garbage = wire::DynamicValue {
        msgpack: vec![0xc1],
        json: Vec::new(),
    };
    let refused = follow(&terraform, "harbor_signal", garbage, async || {}).await;
    assert_eq!((refused.lines.len(), refused.said.len()), (0, 1));
}

#[tokio::test]
async fn what_is_unknown_is_no_problem_before_the_action_is_invoked() {
    let terraform = Terraform::new().await;
    let of = Schema::of::<Signal<Planned>>(0).value_type();
    let unknown = json::decode(br#"{"text": null}"#).expect("JSON");
    let Tree::Map(mut unknown) = json::conform(unknown, &of).expect("a value of its type") else {
        panic!("an object");
    };
    unknown.insert("text".to_owned(), Tree::Unknown);
    let unknown = dynamic(&Tree::Map(unknown), &of);
    let (validated, planned) = checked(&terraform, "harbor_signal", unknown).await;
    assert_eq!((validated.len(), planned.len()), (0, 0));
}

#[tokio::test]
async fn no_action_is_done_before_the_provider_is_configured() {
    let terraform = Terraform::unconfigured();
    let refused = invoke(&terraform, "harbor_signal", r#"{"text": "help"}"#).await;
    assert_eq!(refused, told(&[], &["The provider is not configured"]));
}

#[tokio::test]
async fn an_action_that_is_told_to_stop_still_says_how_it_ended() {
    let terraform = Terraform::new().await;
    let stop = async || {
        let stop = Request::new(wire::stop_provider::Request::default());
        assert_eq!(
            answered(terraform.service.stop_provider(stop).await).error,
            ""
        );
    };
    let once = config(r#"{"text": "wait", "times": 1}"#);
    let stopped = follow(&terraform, "harbor_signal", once, stop).await;
    assert_eq!(
        stopped,
        told(&["hoisted wait", "hauled down"], &["Stopped"])
    );
}

#[tokio::test]
async fn actions_are_listed_and_described() {
    let service = Terraform::unconfigured().service;
    let metadata = service.get_metadata(Request::new(Default::default())).await;
    let names = answered(metadata).actions.into_iter();
    let names: Vec<String> = names.map(|it| it.type_name).collect();
    assert_eq!(names, ["harbor_signal"]);
    let schema = service.get_provider_schema(Request::new(Default::default()));
    let schemas = answered(schema.await).action_schemas;
    let schema = schemas["harbor_signal"].schema.clone().expect("a schema");
    let block = schema.block.expect("a block");
    assert_eq!(block.description, "Hoists a signal.");
    let attributes: Vec<&str> = block.attributes.iter().map(|it| &*it.name).collect();
    assert_eq!(attributes, ["text", "times"]);
}
