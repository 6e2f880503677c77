//! What others do to a fleet: weights, sizes, members touched by hand, the fleet gone.

use super::{serving, web};
use crate::calls::Known;
use crate::stage::{Stage, changes, lines};
use expect_test::expect;
use immutable::cloud::sim::Event;
use immutable::model::{GenerationNumber, Weight, Weights};
use immutable::value::Tree;

const FIRST: GenerationNumber = GenerationNumber(1);

#[tokio::test]
async fn a_change_that_the_plan_did_not_show_stops_the_apply_and_the_next_plan_accepts_it() {
    let (stage, known) = serving("").await;
    let second = web(&stage, "web@2", "");
    let ahead = stage.fleets.look_ahead(&known, &second).await;
    stage.happen(Event::Capacity(FIRST, 5));
    let halted = stage.fleets.apply_plan(ahead, &second).await;
    let (is_error, summary, detail) = halted.only();
    assert!(is_error);
    assert_eq!(
        summary,
        "Could not update the fleet web: it stands still until someone looks"
    );
    expect![[r#"
        Someone else changed the capacity of generation 1: it is 5, this provider wrote 3; set it back, or plan again and approve going on from there.

        Now there are:
          - generation 1 (web@1): 3 of 5 members are healthy, 100% of the traffic, stable

        The next plan shows the rest of the way, and the next apply goes on from here."#]].assert_eq(detail);

    let ahead = stage.fleets.look_ahead(&halted.known, &second).await;
    assert_eq!(ahead.known.state.entry("phase"), &Tree::from("interfered"));
    expect![[r#"
        take generation 1 as it is: 5 members
        create generation 2: 3 members of web@2
        wait until 3 of 3 are healthy (at least 30s)
        shift traffic: generation 2 0% -> 100%, generation 1 100% -> 0%
        bake 10m at full weight
        trust generation 2
        drain generation 1 (30s)
        destroy generation 1: 5 members of web@1
        in all: at least 3 serving, at most 8 running, 10m30s or more"#]]
    .assert_eq(&ahead.forecast().join("\n"));
    // What a halted apply leaves says so without another look.
    let plan = stage.fleets.plan(&halted.known, &second).await;
    let planned = stage.fleets.read_value(plan.planned_state.as_ref());
    assert_eq!(planned.entry("forecast"), ahead.planned.entry("forecast"));

    let told = stage.fleets.apply_plan(ahead, &second).await;
    assert_eq!(told.diagnostics, []);
    stage.fleets.nothing_to_do(&told.known, &second).await;
    assert_eq!(stage.runs(), (1, "web@2".to_owned()));
}

#[tokio::test]
async fn weights_of_a_stranger_are_shown_and_taken_back() {
    let keep = r#""rollout": {"keep_previous": "1h"}"#;
    let (stage, known) = serving(keep).await;
    let second = web(&stage, "web@2", keep);
    let moved = stage.fleets.settle(&known, &second).await;
    stage.happen(Event::Weights(Weights::from([(FIRST, Weight::ALL)])));
    let ahead = stage.fleets.look_ahead(&moved.known, &second).await;
    expect![[r#"
        take traffic as it is: generation 1 100%
        shift traffic: generation 2 0% -> 100%, generation 1 100% -> 0%
        keep generation 1 warm for 1h; the first apply after that removes it
        in all: at least 3 serving, at most 6 running, 0s or more"#]]
    .assert_eq(&ahead.forecast().join("\n"));
    stage.fleets.settle(&moved.known, &second).await;
    assert_eq!(stage.web(|fleet| fleet.weight(FIRST)), Weight::NONE);
}

#[tokio::test]
async fn touched_members_are_replaced_or_reported() {
    let (stage, known) = serving("").await;
    stage.happen(Event::Drift(FIRST));
    let reporting = web(&stage, "web@1", r#""drift": "report""#);
    let reported = stage.fleets.apply_all(&known, &reporting).await;
    assert_eq!(reported.diagnostics, []);
    let drifted = reported.known.state.entry("drifted").element(0);
    assert_eq!(drifted.entry("reason"), &Tree::from("was touched by hand"));
    stage
        .fleets
        .nothing_to_do(&reported.known, &reporting)
        .await;

    let replacing = web(&stage, "web@1", "");
    let ahead = stage.fleets.look_ahead(&reported.known, &replacing).await;
    expect![[r#"
        grow generation 1: 3 -> 4 members
        wait until 4 of 4 are healthy (at least 30s)
        shrink generation 1: 4 -> 3 members
        in all: at least 3 serving, at most 4 running, 30s or more"#]]
    .assert_eq(&ahead.forecast().join("\n"));
    let told = stage.fleets.settle(&reported.known, &replacing).await;
    assert_eq!(told.known.state.entry("drifted"), &Tree::Seq(Vec::new()));
    assert_eq!(told.known.state.entry("generation"), &Tree::from(1));
}

#[tokio::test]
async fn a_fleet_that_someone_removed_is_made_again() {
    let (stage, known) = serving("").await;
    let elsewhere = stage.fleets.destroy(&known).await;
    assert_eq!(elsewhere.diagnostics, []);
    assert_eq!(stage.fleets.refreshed(&known).await, Known::nothing());
    // A destroy of what is gone is fine, too.
    let plan = stage.fleets.plan(&known, &Tree::Null).await;
    let gone = stage.fleets.apply(&known, &Tree::Null, plan).await;
    assert_eq!(gone.diagnostics, []);
    let config = web(&stage, "web@1", "");
    stage.fleets.settle(&known, &config).await;
}

#[tokio::test]
async fn a_fleet_of_another_configuration_is_not_taken_over() {
    let (stage, _) = serving("").await;
    let other = web(&stage, "web@2", "");
    let told = stage.fleets.apply_all(&Known::nothing(), &other).await;
    let (is_error, summary, detail) = told.only();
    assert!(is_error);
    assert_eq!(summary, "The fleet web exists already");
    assert!(
        detail.contains("terraform import immutable_fleet."),
        "{detail}"
    );
    assert!(told.known.state.is_null());
    assert_eq!(stage.runs(), (1, "web@1".to_owned()));
}

#[tokio::test]
async fn a_member_that_dies_at_rest_makes_no_difference() {
    let (stage, known) = serving("").await;
    stage.happen(Event::Exit(FIRST));
    let config = web(&stage, "web@1", "");
    let ahead = stage.fleets.look_ahead(&known, &config).await;
    assert_eq!(changes(&ahead), [""; 0]);
    assert_eq!(lines(ahead.planned.entry("forecast")), [""; 0]);
}

#[tokio::test]
async fn what_a_secret_holds_is_told_to_nobody() {
    let stage = Stage::new().await;
    let config = web(&stage, "web@1", r#""secrets": {"TOKEN": "hunter2"}"#);
    let told = stage.fleets.look_ahead(&Known::nothing(), &config).await;
    assert!(told.only().0);
    let all = format!("{:?}", told.diagnostics);
    assert!(!all.contains("hunter2"), "{all}");
}

#[tokio::test]
async fn a_fleet_that_serves_stays_when_a_create_that_found_it_fails() {
    let (stage, _) = serving("").await;
    stage.happen(Event::Capacity(FIRST, 5));
    let config = web(&stage, "web@1", "");
    let told = stage.fleets.apply_all(&Known::nothing(), &config).await;
    let (is_error, summary, detail) = told.only();
    assert!(is_error);
    let stands = "Could not create the fleet web: it stands still until someone looks";
    assert_eq!(summary, stands);
    assert!(detail.contains("The next apply takes it over"), "{detail}");
    assert!(told.known.state.is_null());
    assert_eq!(stage.runs(), (1, "web@1".to_owned()));
}

#[tokio::test]
async fn a_fleet_that_was_taken_over_is_not_destroyed_by_the_same_apply() {
    let (mut stage, old) = serving("").await;
    stage.restart().await;
    // What a replacement does that creates before it destroys.
    let config = web(&stage, "web@1", "");
    let new = stage.fleets.settle(&Known::nothing(), &config).await;
    let gone = stage.fleets.destroy(&old).await;
    let (is_error, summary, _) = gone.only();
    assert!(!is_error);
    assert_eq!(summary, "The fleet web stays: this apply has taken it over");
    assert!(gone.known.state.is_null());
    assert_eq!(stage.runs(), (1, "web@1".to_owned()));
    // The next one destroys as ever.
    stage.restart().await;
    let gone = stage.fleets.destroy(&new.known).await;
    assert_eq!(gone.diagnostics, []);
    assert_eq!(stage.runs().0, 0);
}
