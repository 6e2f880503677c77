//! The good days of a fleet.

use super::{on_aws, seconds, serving, web};
use crate::calls::Known;
use crate::stage::{Stage, changes, web as web_name};
use expect_test::expect;
use immutable::cloud::sim::Event;
use immutable::cloud::{Cloud as _, Holder};
use immutable::model::GenerationNumber;
use immutable::resource::site::CloudKind;
use immutable::value::Tree;

const CANARY: &str = r#""rollout": {"strategy": "canary", "steps": [{"weight": 5, "hold": "5m"},
    {"weight": 50, "hold": "5m"}], "bake": "10m"}"#;
const PROTECTED: &str = "Could not remove the fleet web: it is protected from deletion";
const ROLLING: &str = r#""rollout": {"strategy": "rolling", "surge": "1", "min_healthy": "3"}"#;

#[tokio::test]
async fn a_fleet_is_made_changed_resized_and_removed() {
    let (stage, known) = serving("").await;
    assert_eq!(known.state.entry("id"), &Tree::from("web"));
    assert_eq!(known.state.entry("phase"), &Tree::from("stable"));
    assert_eq!(known.state.entry("generation"), &Tree::from(1));

    let next = web(&stage, "web@2", "");
    let ahead = stage.fleets.look_ahead(&known, &next).await;
    assert_eq!(ahead.planned.entry("generation"), &Tree::from(2));
    expect![[r#"
        create generation 2: 3 members of web@2
        wait until 3 of 3 are healthy (at least 30s)
        shift traffic: generation 2 0% -> 100%, generation 1 100% -> 0%
        bake 10m at full weight
        trust generation 2
        drain generation 1 (30s)
        destroy generation 1: 3 members of web@1
        in all: at least 3 serving, at most 6 running, 10m30s or more"#]]
    .assert_eq(&ahead.forecast().join("\n"));
    let told = stage.fleets.settle(&known, &next).await;
    assert_eq!(stage.runs(), (1, "web@2".to_owned()));

    let mut known = told.known;
    for size in ["5", "2"] {
        let resized = super::WEB.replace("web@1", "web@2");
        let resized = resized.replace(r#""size": 3"#, &format!(r#""size": {size}"#));
        let resized = stage.fleets.config(&resized);
        known = stage.fleets.settle(&known, &resized).await.known;
        assert_eq!(known.state.entry("generation"), &Tree::from(2));
    }
    let gone = stage.fleets.destroy(&known).await;
    assert_eq!(gone.diagnostics, []);
    assert!(gone.known.state.is_null());
    assert_eq!(stage.runs(), (0, String::new()));
    stage.web(|fleet| assert_eq!(fleet.settings, None));
}

#[tokio::test]
async fn every_strategy_keeps_what_the_plan_promised() {
    for kind in [CloudKind::Local, CloudKind::Aws] {
        for strategy in [r#""retry": null"#, CANARY, ROLLING] {
            let stage = Stage::on(kind, &[("team", "edge")]).await;
            stage.bake(&["1", "2"]).await;
            let config = |release: &str| match kind {
                CloudKind::Local => web(&stage, release, strategy),
                CloudKind::Aws => on_aws(&stage, release, strategy),
            };
            let built = stage
                .fleets
                .settle(&Known::nothing(), &config("web@1"))
                .await;
            let moved = stage.fleets.settle(&built.known, &config("web@2")).await;
            assert_eq!(stage.runs(), (1, "web@2".to_owned()), "{kind:?} {strategy}");
            let gone = stage.fleets.destroy(&moved.known).await;
            assert_eq!(gone.diagnostics, [], "{kind:?} {strategy}");
        }
    }
}

#[tokio::test]
async fn a_fleet_of_workers_has_no_front() {
    let stage = Stage::new().await;
    stage.bake(&["1", "2"]).await;
    let config = |release: &str| {
        let text = r#"{"name": "web", "release": "web@1", "size": 2}"#;
        stage.fleets.config(&text.replace("web@1", release))
    };
    let built = stage
        .fleets
        .settle(&Known::nothing(), &config("web@1"))
        .await;
    assert!(built.known.state.entry("endpoint").is_null());
    let moved = stage.fleets.settle(&built.known, &config("web@2")).await;
    let with_front = web(&stage, "web@2", "");
    let told = stage.fleets.settle(&moved.known, &with_front).await;
    assert_eq!(
        told.known.state.entry("endpoint"),
        &Tree::from("http://127.0.0.1:8088")
    );
    let told = stage.fleets.settle(&told.known, &config("web@2")).await;
    assert!(told.known.state.entry("endpoint").is_null());
}

#[tokio::test]
async fn a_change_of_the_way_alone_is_left_for_actions_and_asks_for_nothing_else() {
    let (stage, known) = serving("").await;
    // Its members are not well; that is no reason to hold such a change up.
    (0..3).for_each(|_| stage.happen(Event::Ill(GenerationNumber(1))));
    let quiet = r#""timeouts": {"update": "1h"}, "deletion_protection": true"#;
    let known = way_changes(
        &stage,
        &known,
        quiet,
        &["deletion_protection", "timeouts"],
        0,
    )
    .await;
    let heard =
        format!(r#"{quiet}, "retry": "again", "rollout": {{"bake": "1h", "keep_previous": "1h"}}"#);
    // A lease is taken, the word is left, and the lease is given back.
    let known = way_changes(&stage, &known, &heard, &["retry", "rollout"], 3).await;
    let left = stage.web(|fleet| fleet.intent.clone()).expect("a word");
    assert_eq!(left.goal.retry.as_deref(), Some("again"));
    assert_eq!(left.policy.keep_previous, seconds(3600));
    assert_eq!(known.state.entry("phase"), &Tree::from("stable"));
}

#[tokio::test]
async fn a_change_of_the_way_that_cannot_be_left_is_made_with_a_warning() {
    let (stage, known) = serving("").await;
    let other = Holder("another apply".to_owned());
    let fleet = web_name();
    let lease = stage.place.sim.take_lease(&fleet, &other, seconds(60));
    lease.await.expect("it is free");
    let config = web(&stage, "web@1", r#""retry": "again""#);
    let told = stage.fleets.apply_all(&known, &config).await;
    let (is_error, summary, detail) = told.only();
    assert!(!is_error);
    assert_eq!(summary, "The fleet web does not know of its new limits yet");
    assert!(detail.contains("Another apply holds it"), "{detail}");
    assert_eq!(told.known.state.entry("retry"), &Tree::from("again"));
}

/// Applies a change of these attributes alone, which takes so many calls.
async fn way_changes(
    stage: &Stage,
    known: &Known,
    more: &str,
    changed: &[&str],
    needs: u64,
) -> Known {
    let config = web(stage, "web@1", more);
    let ahead = stage.fleets.look_ahead(known, &config).await;
    assert_eq!(changes(&ahead), changed);
    let calls = stage.place.sim.calls();
    let told = stage.fleets.apply_plan(ahead, &config).await;
    assert_eq!(told.diagnostics, []);
    assert_eq!(stage.place.sim.calls(), calls + needs);
    told.known
}

#[tokio::test]
async fn health_and_drain_change_no_member() {
    let (stage, known) = serving("").await;
    let config = web(&stage, "web@1", r#""drain": "1m30s""#);
    let told = stage.fleets.settle(&known, &config).await;
    assert_eq!(told.forecast()[0], "change front and checks");
    assert_eq!(told.known.state.entry("generation"), &Tree::from(1));
    assert_eq!(stage.web(|fleet| fleet.launched), 3);
}

#[tokio::test]
async fn a_kept_generation_serves_again_at_once_and_goes_when_its_time_is_over() {
    let keep = r#""rollout": {"keep_previous": "1h"}"#;
    let (stage, known) = serving(keep).await;
    let second = web(&stage, "web@2", keep);
    let moved = stage.fleets.settle(&known, &second).await;
    assert_eq!(stage.runs(), (2, "web@2".to_owned()));
    let launched = stage.web(|fleet| fleet.launched);

    stage.pass(seconds(600));
    stage.fleets.nothing_to_do(&moved.known, &second).await;
    let back = web(&stage, "web@1", keep);
    let back = stage.fleets.settle(&moved.known, &back).await;
    assert_eq!(back.known.state.entry("generation"), &Tree::from(1));
    assert_eq!(stage.web(|fleet| fleet.launched), launched);

    // The one that is kept now is generation 2.
    stage.pass(seconds(3600));
    let first = web(&stage, "web@1", keep);
    let ahead = stage.fleets.look_ahead(&back.known, &first).await;
    expect![[r#"
        drain generation 2 (30s)
        destroy generation 2: 3 members of web@2
        in all: at least 3 serving, at most 6 running, 0s or more"#]]
    .assert_eq(&ahead.forecast().join("\n"));
    stage.fleets.settle(&back.known, &first).await;
    assert_eq!(stage.runs(), (1, "web@1".to_owned()));
}

#[tokio::test]
async fn a_shorter_or_longer_time_to_keep_counts_from_when_it_began() {
    let (stage, known) = serving(r#""rollout": {"keep_previous": "1h"}"#).await;
    let kept = |time: &str| {
        let keep = format!(r#""rollout": {{"keep_previous": "{time}"}}"#);
        web(&stage, "web@2", &keep)
    };
    let moved = stage.fleets.settle(&known, &kept("1h")).await;
    stage.pass(seconds(1800));
    let longer = stage.fleets.look_ahead(&moved.known, &kept("2h")).await;
    assert_eq!(changes(&longer), ["rollout"]);
    let shorter = stage.fleets.look_ahead(&moved.known, &kept("40m")).await;
    assert_eq!(changes(&shorter), ["rollout"]);
    let over = stage.fleets.look_ahead(&moved.known, &kept("20m")).await;
    assert_eq!(over.forecast()[0], "drain generation 1 (30s)");
    stage.fleets.settle(&moved.known, &kept("20m")).await;
    assert_eq!(stage.runs(), (1, "web@2".to_owned()));
}

#[tokio::test]
async fn a_protected_fleet_is_neither_destroyed_nor_replaced() {
    let protected = r#""deletion_protection": true"#;
    let (stage, known) = serving(protected).await;
    let refused = stage.fleets.destroy(&known).await;
    let (is_error, summary, _) = refused.only();
    assert!(is_error);
    assert_eq!(summary, PROTECTED);

    let text = super::WEB.replace(r#""name": "web""#, r#""name": "other""#);
    let renamed = stage.fleets.config(&text);
    let refused = stage.fleets.look_ahead(&known, &renamed).await;
    assert_eq!(refused.only().1, PROTECTED);

    // A destroy that was planned before the protection came.
    let plan = stage.fleets.plan(&known, &Tree::Null).await;
    let applied = stage.fleets.apply(&known, &Tree::Null, plan).await;
    assert_eq!(applied.diagnostics[0].summary, PROTECTED);
    assert_eq!(stage.runs(), (1, "web@1".to_owned()));

    let open = web(&stage, "web@1", "");
    let told = stage.fleets.settle(&known, &open).await;
    let plan = stage.fleets.plan(&told.known, &renamed).await;
    assert_eq!(plan.requires_replace.len(), 1);
    assert!(
        stage
            .fleets
            .destroy(&told.known)
            .await
            .known
            .state
            .is_null()
    );
}
