//! What a person asks for beside the configuration.

use super::{serving, web};
use crate::calls::{answered, dynamic};
use crate::stage::Stage;
use expect_test::expect;
use immutable::cloud::sim::Event;
use immutable::model::GenerationNumber;
use immutable::resource::action::{BreakGlass, Rollback};
use immutable::schema::{Planned, Schema};
use immutable::value::{Type, json};
use immutable_proto::tfplugin6 as wire;
use immutable_proto::tfplugin6::provider_server::Provider as _;
use tokio_stream::StreamExt as _;
use tonic::Request;
use wire::invoke_action::event::Type as Event_;

/// Rolls the fleet back, and returns the last line and what was said at the end.
async fn roll_back(stage: &Stage) -> (String, Vec<wire::Diagnostic>) {
    let of = Schema::of::<Rollback<Planned>>(0).value_type();
    let config = r#"{"fleet": "web", "reason": "it is slow", "by": "alice"}"#;
    invoke(stage, "immutable_fleet_rollback", (config, &of)).await
}

/// Invokes an action, and returns the last line and what was said at the end.
async fn invoke(
    stage: &Stage,
    action: &str,
    (config, of): (&str, &Type),
) -> (String, Vec<wire::Diagnostic>) {
    let config = json::decode(config.as_bytes());
    let config = json::conform(config.expect("JSON"), of).expect("a value of its type");
    let request = wire::invoke_action::Request {
        action_type: action.to_owned(),
        config: Some(dynamic(&config, of)),
        ..Default::default()
    };
    let service = &stage.fleets.service;
    let mut events = answered(service.invoke_action(Request::new(request)).await);
    let mut last = String::new();
    while let Some(event) = events.next().await {
        match event.expect("no status").r#type.expect("an event") {
            Event_::Progress(progress) => last = progress.message,
            Event_::Completed(completed) => return (last, completed.diagnostics),
        }
    }
    panic!("it ended without a word");
}

#[tokio::test]
async fn what_is_said_of_a_member_that_is_looked_at_fits_its_tags() {
    let (stage, _) = serving("").await;
    let of = Schema::of::<BreakGlass<Planned>>(0).value_type();
    let config = format!(
        r#"{{"fleet": "web", "member": "m0", "reason": "{}", "ticket": "{}"}}"#,
        "r".repeat(300),
        "t".repeat(256)
    );
    let (_, said) = invoke(&stage, "immutable_break_glass", (&config, &of)).await;
    let [refusal] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert!(refusal.detail.contains("300 characters"), "{refusal:?}");
    assert!(refusal.attribute.is_some(), "{refusal:?}");
}

#[tokio::test]
async fn a_rollback_to_a_generation_that_does_not_get_well_says_what_is_missing() {
    let keeps = r#""rollout": {"keep_previous": "24h"}"#;
    let (stage, known) = serving(keeps).await;
    let second = web(&stage, "web@2", keeps);
    let known = stage.fleets.settle(&known, &second).await.known;
    (0..2).for_each(|_| stage.happen(Event::Ill(GenerationNumber(1))));
    let (_, said) = roll_back(&stage).await;
    let [refusal] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert_eq!(refusal.summary, "Could not roll back the fleet web");
    expect![[r#"
        Generation 1, which is kept warm, has 1 of 3 healthy: fewer than the fleet must have, and fewer than serve now. They did not get well within 10m. Member m0: answered 500.

        Generation 2 still has all of the traffic. To go back all the same, apply the earlier release: new members are made from it."#]].assert_eq(&refusal.detail);
    stage.fleets.nothing_to_do(&known, &second).await;
    assert_eq!(stage.runs().1, "web@2");
}

#[tokio::test]
async fn a_rollback_is_not_undone_by_the_next_apply_whatever_retry_was() {
    let keeps = r#""rollout": {"keep_previous": "24h"}"#;
    let (stage, known) = serving(keeps).await;
    let known = stage
        .fleets
        .settle(&known, &web(&stage, "web@2", keeps))
        .await
        .known;
    let again = web(&stage, "web@2", &format!(r#"{keeps}, "retry": "again""#));
    let known = stage.fleets.settle(&known, &again).await.known;
    let (last, said) = roll_back(&stage).await;
    assert_eq!(said, []);
    assert_eq!(last, "generation 1 serves, generation 2 is gone");
    let refused = stage.fleets.look_ahead(&known, &again).await;
    let (is_error, summary, detail) = refused.only();
    assert!(is_error);
    assert_eq!(
        summary,
        "web@2 was rolled back and is not tried again by itself"
    );
    assert!(
        detail.contains("terraform destroy -refresh=false"),
        "{detail}"
    );
    assert_eq!(stage.runs().1, "web@1");
}
