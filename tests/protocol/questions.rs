//! Data sources, functions and lists, on good days and bad ones.

use crate::calls::{answered, dynamic};
use crate::chartroom::Chart;
use crate::terraform::Terraform;
use immutable::schema::{Planned, Schema};
use immutable::value::{Tree, Type, json, msgpack};
use immutable_proto::tfplugin6 as wire;
use immutable_proto::tfplugin6::provider_server::Provider as _;
use std::collections::BTreeMap;
use tokio_stream::StreamExt as _;
use tonic::Request;

fn tree(text: &str) -> Tree {
    json::decode(text.as_bytes()).expect("JSON")
}

async fn chart(terraform: &Terraform, config: &str) -> wire::read_data_source::Response {
    let of = Schema::of::<Chart<Planned>>(0).value_type();
    let config = json::conform(tree(config), &of).expect("a value of its type");
    let request = wire::read_data_source::Request {
        type_name: "harbor_chart".to_owned(),
        config: Some(dynamic(&config, &of)),
        ..Default::default()
    };
    answered(
        terraform
            .service
            .read_data_source(Request::new(request))
            .await,
    )
}

#[tokio::test]
async fn a_data_source_answers_what_was_asked() {
    let terraform = Terraform::new().await;
    let response = chart(&terraform, r#"{"sea": "North"}"#).await;
    assert_eq!(response.diagnostics, []);
    let of = Schema::of::<Chart<Planned>>(0).value_type();
    let state = response.state.expect("an answer");
    let state = msgpack::decode(&state.msgpack, &of).expect("a value of its type");
    let expected = tree(r#"{"sea": "North", "scale": 1000, "depth": 5000}"#);
    assert_eq!(state, expected);
}

#[tokio::test]
async fn a_data_source_that_fails_says_so_and_answers_nothing() {
    let terraform = Terraform::new().await;
    for (sea, summary) in [
        ("Dead", "No such sea"),
        ("Silent", "No answer from chart"),
        (
            "Sargasso",
            "ReadDataSource failed because of a bug in the provider: adrift",
        ),
    ] {
        let response = chart(&terraform, &format!(r#"{{"sea": "{sea}"}}"#)).await;
        assert_eq!(response.diagnostics.len(), 1, "{response:?}");
        assert_eq!(response.diagnostics[0].summary, summary);
        assert_eq!(response.state, None);
    }
    let unconfigured = Terraform::unconfigured();
    let response = chart(&unconfigured, r#"{"sea": "North"}"#).await;
    assert_eq!(
        response.diagnostics[0].summary,
        "The provider is not configured"
    );
}

#[tokio::test]
async fn a_data_sources_configuration_is_checked() {
    let terraform = Terraform::unconfigured();
    let of = Schema::of::<Chart<Planned>>(0).value_type();
    for (config, problems) in [
        (r#"{"sea": "North"}"#, 0),
        (r#"{"sea": "North", "scale": 0}"#, 1),
        (r#"{"sea": "", "scale": 0}"#, 2),
    ] {
        let config = json::conform(tree(config), &of).expect("a value of its type");
        let request = wire::validate_data_resource_config::Request {
            type_name: "harbor_chart".to_owned(),
            config: Some(dynamic(&config, &of)),
        };
        let request = Request::new(request);
        let answer = answered(
            terraform
                .service
                .validate_data_resource_config(request)
                .await,
        );
        assert_eq!(answer.diagnostics.len(), problems, "{answer:?}");
    }
}

async fn call(name: &str, arguments: &[(&str, Type)]) -> Result<Tree, (Option<i64>, String)> {
    let arguments = arguments.iter().map(|(text, of)| dynamic(&tree(text), of));
    let request = wire::call_function::Request {
        name: name.to_owned(),
        arguments: arguments.collect(),
    };
    // Functions are called in processes that are never configured.
    let service = Terraform::unconfigured().service;
    let response = answered(service.call_function(Request::new(request)).await);
    match (response.result, response.error) {
        (Some(result), None) => {
            let of = Type::List(Box::new(Type::String));
            Ok(msgpack::decode(&result.msgpack, &of).expect("a list of texts"))
        }
        (None, Some(error)) => Err((error.function_argument, error.text)),
        both => panic!("{both:?}"),
    }
}

#[tokio::test]
async fn a_function_answers_or_names_the_argument_to_blame() {
    let from = (r#""Oslo""#, Type::String);
    let boat = |text| (text, Type::Dynamic);
    let route = call("route", &[from.clone(), boat(r#"{"length": 4}"#)]).await;
    assert_eq!(route, Ok(tree(r#"["Oslo", "black", "4"]"#)));
    for (arguments, blamed, text) in [
        (
            [from.clone(), boat(r#"{"length": 4, "sails": 2}"#)],
            Some(1),
            "boat.sails: There is no such attribute; there are length, colour",
        ),
        (
            [from.clone(), boat("{}")],
            Some(1),
            "boat.length: A number is required, not null",
        ),
        (
            [("\"Troja\"", Type::String), boat(r#"{"length": 4}"#)],
            Some(0),
            "It was burnt down",
        ),
        (
            [("\"Nowhere\"", Type::String), boat(r#"{"length": 4}"#)],
            None,
            "There is no way",
        ),
        (
            [("\"Atlantis\"", Type::String), boat(r#"{"length": 4}"#)],
            None,
            "CallFunction failed because of a bug in the provider: it sank",
        ),
    ] {
        let error = call("route", &arguments).await.expect_err(text);
        assert_eq!(error, (blamed, text.to_owned()));
    }
    let unknown = call("rout", &[]).await.expect_err("there is none");
    assert_eq!(
        unknown.1,
        "this version of the provider has no function rout"
    );
}

#[tokio::test]
async fn signatures_are_told_twice_and_are_the_same() {
    let service = Terraform::unconfigured().service;
    let schema = service
        .get_provider_schema(Request::new(Default::default()))
        .await;
    let schema = answered(schema).functions;
    let listed = answered(
        service
            .get_functions(Request::new(Default::default()))
            .await,
    )
    .functions;
    assert_eq!(schema, listed);
    let route = &listed["route"];
    assert_eq!(route.summary, "Finds a way.");
    let types: Vec<&[u8]> = route.parameters.iter().map(|it| &*it.r#type).collect();
    assert_eq!(types, [&br#""string""#[..], br#""dynamic""#]);
}

/// The display names of a list's events, and what it said at its end.
async fn listed(filter: &str, limit: i64, whole: bool) -> (Vec<String>, Vec<String>) {
    let terraform = Terraform::new().await;
    let of = Type::Object(BTreeMap::from([("flag".to_owned(), Type::String)]));
    let request = wire::list_resource::Request {
        type_name: "harbor_ship".to_owned(),
        config: Some(dynamic(&tree(filter), &of)),
        include_resource_object: whole,
        limit,
    };
    let events = terraform.service.list_resource(Request::new(request)).await;
    let mut events = answered(events);
    let (mut found, mut said) = (Vec::new(), Vec::new());
    while let Some(event) = events.next().await {
        let event = event.expect("no list ends with a status");
        said.extend(event.diagnostic.iter().map(|it| it.summary.clone()));
        if event.identity.is_some() {
            assert_eq!(event.resource_object.is_some(), whole);
            found.push(event.display_name);
        }
    }
    (found, said)
}

#[tokio::test]
async fn a_list_tells_its_objects_until_its_limit() {
    let none: Vec<String> = Vec::new();
    let all = ["Ada of Oslo", "Bel of Oslo", "Cid of Oslo"].map(str::to_owned);
    for whole in [false, true] {
        assert_eq!(listed("{}", 100, whole).await, (all.to_vec(), none.clone()));
        assert_eq!(
            listed("{}", 2, whole).await,
            (all[..2].to_vec(), none.clone())
        );
    }
}

#[tokio::test]
async fn a_list_that_fails_ends_with_an_event_that_says_so() {
    for (flag, said) in [
        ("white", "No ship flies it"),
        (
            "black",
            "ListResource failed because of a bug in the provider: pirates",
        ),
    ] {
        let filter = format!(r#"{{"flag": "{flag}"}}"#);
        let (found, told) = listed(&filter, 100, false).await;
        assert_eq!((found.len(), told), (0, vec![said.to_owned()]));
    }
}
