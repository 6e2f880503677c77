//! Questions about what runs where, asked of a cloud in memory.

use crate::calls::{Known, answered, dynamic};
use crate::place::Place;
use crate::stage::{Stage, has_errors};
use immutable::cloud::Cloud as _;
use immutable::model::{Package, ReleaseId, Sbom};
use immutable::protocol::Service;
use immutable::resource::inventory::{Question, Search, Wanted};
use immutable::schema::{Attributes, Planned, Schema};
use immutable::value::{Tree, json, msgpack};
use immutable_proto::tfplugin6 as wire;
use immutable_proto::tfplugin6::provider_server::Provider as _;
use serde_json::{Value, json};
use std::sync::Arc;
use tonic::Request;

/// What a data source said.
#[derive(Debug)]
struct Said {
    answer: Tree,
    diagnostics: Vec<wire::Diagnostic>,
}

impl Said {
    /// One attribute's list, a line for each object: the values of the named attributes.
    fn told(&self, attribute: &str, of: &[&str]) -> Vec<String> {
        let Tree::Seq(objects) = self.answer.entry(attribute) else {
            panic!("{attribute} is no list: {self:?}");
        };
        let told = |object: &Tree| {
            let values = of.iter().map(|name| match object.entry(name) {
                Tree::Str(text) => text.clone(),
                Tree::Num(number) => number.to_string(),
                other => format!("{other:?}"),
            });
            values.collect::<Vec<_>>().join(" ")
        };
        objects.iter().map(told).collect()
    }
}

async fn ask<A: Attributes>(service: &Arc<Service<Place>>, name: &str, config: Value) -> Said {
    let of = Schema::of::<A>(0).value_type();
    let config = json::decode(config.to_string().as_bytes()).expect("JSON");
    let config = json::conform(config, &of).expect("a value of its type");
    let request = wire::read_data_source::Request {
        type_name: format!("immutable_{name}"),
        config: Some(dynamic(&config, &of)),
        ..Default::default()
    };
    let response = answered(service.read_data_source(Request::new(request)).await);
    let answer = response.state.map_or(Tree::Null, |state| {
        msgpack::decode(&state.msgpack, &of).expect("a value of its type")
    });
    Said {
        answer,
        diagnostics: response.diagnostics,
    }
}

/// The fleet `web` at rest on a release.
async fn serving(release: &str) -> Stage {
    let stage = Stage::new().await;
    stage.bake(&["1.0.0", "1.1.0", "nightly"]).await;
    let config = format!(
        r#"{{"name": "web", "release": "{release}", "size": 2,
            "traffic": {{"port": 8080, "listener": "127.0.0.1:8088"}}}}"#
    );
    let config = stage.fleets.config(&config);
    stage.fleets.settle(&Known::nothing(), &config).await;
    stage
}

fn id(version: &str) -> ReleaseId {
    format!("web@{version}").parse().expect("a release")
}

#[tokio::test]
async fn what_has_no_version_is_undecided_and_never_left_out() {
    for (release, reason) in [
        ("web@nightly", "its version does not begin with a number"),
        (
            "image-1",
            "it runs an image as it stands, which has no version",
        ),
    ] {
        let stage = serving(release).await;
        let service = &stage.fleets.service;
        let older = json!({"version": "< 1.1.0"});
        let said = ask::<Question<Planned>>(service, "inventory", older).await;
        assert_eq!(said.diagnostics, []);
        assert_eq!(said.told("fleets", &["name"]), Vec::<String>::new());
        let undecided = said.told("undecided", &["fleet", "generation", "release", "reason"]);
        assert_eq!(undecided, [format!("web 1 {release} {reason}")]);
        // Other filters let nothing through that they exclude, whatever its version.
        let other = json!({"version": "< 1.1.0", "release": "api"});
        let said = ask::<Question<Planned>>(service, "inventory", other).await;
        assert_eq!(said.told("undecided", &["fleet"]), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_rollout_that_rests_until_the_next_apply_is_held() {
    for (hold, phase) in [("next_apply", "held"), ("1h", "shifting")] {
        let stage = serving("web@1.0.0").await;
        let known = stage.fleets.import("immutable_fleet", "web").await.known;
        let config = format!(
            r#"{{"name": "web", "release": "web@1.1.0", "size": 2,
                "traffic": {{"port": 8080, "listener": "127.0.0.1:8088"}},
                "rollout": {{"strategy": "canary", "steps": [{{"weight": 50, "hold": "{hold}"}}]}}}}"#
        );
        // By then the first step is reached.
        stage.stop_after(std::time::Duration::from_secs(600));
        let told = stage
            .fleets
            .apply_all(&known, &stage.fleets.config(&config))
            .await;
        assert_eq!(told.known.state.entry("phase"), &Tree::from(phase));
        let said = ask::<Question<Planned>>(&stage.fleets.service, "inventory", json!({})).await;
        assert_eq!(
            said.told("fleets", &["name", "phase"]),
            [format!("web {phase}")]
        );
    }
}

#[tokio::test]
async fn a_fleet_that_cannot_be_observed_is_an_error() {
    let stage = serving("web@1.0.0").await;
    stage.web(|fleet| fleet.faults.unreadable = 1_000);
    let said = ask::<Question<Planned>>(&stage.fleets.service, "inventory", json!({})).await;
    assert!(has_errors(&said.diagnostics), "{said:?}");
    let detail = &said.diagnostics[0].detail;
    assert!(
        detail.contains("the answer would be incomplete"),
        "{detail}"
    );
    assert!(said.answer.is_null());
}

#[tokio::test]
async fn nothing_is_asked_before_the_provider_is_configured() {
    let mut stage = serving("web@1.0.0").await;
    stage.restart_in(Tree::Unknown).await;
    let said = ask::<Question<Planned>>(&stage.fleets.service, "inventory", json!({})).await;
    let summary = &said.diagnostics[0].summary;
    assert!(
        summary.contains("the provider's settings are not known yet"),
        "{summary}"
    );
}

#[tokio::test]
async fn a_release_that_is_still_being_tried_is_found_by_its_exact_version_alone() {
    let stage = Stage::new().await;
    let sim = &stage.place.sim;
    stage.bake(&["1.0.0"]).await;
    sim.set_current(&id("1.0.0")).await.expect("it is there");
    stage.pass(std::time::Duration::from_secs(60));
    stage.bake(&["1.1.0", "1.0.1"]).await;
    let service = &stage.fleets.service;
    for (version, found) in [
        (json!(null), "web@1.0.0"),
        (json!(">= 1.0"), "web@1.0.0"),
        (json!("1.1.0"), "web@1.1.0"),
    ] {
        let wanted = json!({"name": "web", "version": version});
        let said = ask::<Wanted<Planned>>(service, "image_release", wanted).await;
        assert_eq!(said.diagnostics, []);
        assert_eq!(said.answer.entry("id"), &Tree::from(found), "{version}");
    }
    sim.set_current(&id("1.0.1")).await.expect("it is there");
    let highest = json!({"name": "web", "version": ">= 1.0"});
    let said = ask::<Wanted<Planned>>(service, "image_release", highest).await;
    assert_eq!(said.answer.entry("id"), &Tree::from("web@1.1.0"));
}

#[tokio::test]
async fn a_package_is_affected_safe_or_undecided() {
    let stage = serving("web@1.0.0").await;
    let service = &stage.fleets.service;
    let package = |name: &str, version: &str| Package {
        name: name.to_owned(),
        version: version.to_owned(),
        purl: String::new(),
    };
    let bill = Sbom::of([package("log4j-core", "2.14.1"), package("tool", "main")]);
    let sim = &stage.place.sim;
    sim.store_sbom(&id("1.0.0"), &bill)
        .await
        .expect("it is there");
    for (question, affected, undecided) in [
        (json!({"package": "log4j-core", "versions": "< 2.15"}), 1, 0),
        (
            json!({"package": "log4j-core", "versions": ">= 2.15"}),
            0,
            0,
        ),
        (json!({"package": "log4j-core"}), 1, 0),
        (json!({"package": "openssl"}), 0, 0),
        (json!({"package": "tool"}), 1, 0),
        (json!({"package": "tool", "versions": "< 2"}), 0, 1),
    ] {
        let said = ask::<Search<Planned>>(service, "affected_fleets", question.clone()).await;
        let count = |attribute| said.told(attribute, &[]).len();
        assert_eq!(
            (count("fleets"), count("undecided")),
            (affected, undecided),
            "{question}"
        );
        // An answer that is not whole is told as such.
        assert_eq!(said.diagnostics.len(), undecided, "{said:?}");
    }
}
