//! The bad days: what fails, what is interrupted, what takes too long.

use super::{on_aws, seconds, serving, web};
use crate::calls::Known;
use crate::stage::{BOOTS, Stage, changes, has_errors};
use expect_test::expect;
use immutable::cloud::sim::{Event, Fate};
use immutable::cloud::{Cloud as _, Holder};
use immutable::model::Weight;
use immutable::resource::site::CloudKind;
use immutable::value::Tree;

fn members_are(stage: &Stage, fate: Fate) {
    stage.happen(Event::Fate(fate));
}

#[tokio::test]
async fn a_failed_rollout_goes_back_and_is_refused_until_something_changes() {
    let (stage, known) = serving("").await;
    members_are(&stage, Fate::exiting(BOOTS, seconds(25)));
    let second = web(&stage, "web@2", "");
    let failed = stage.fleets.apply_all(&known, &second).await;
    let (is_error, summary, detail) = failed.only();
    assert!(is_error);
    assert_eq!(summary, "The rollout of web@2 to the fleet web failed");
    expect![[r#"
        Generation 2 (web@2), member m3: 3 members ended by themselves, 0 of 3 are healthy: exited with status 1. The end of its output:

            last words of m3

        Now there are:
          - generation 1 (web@1): 3 of 3 members are healthy, 100% of the traffic, stable

        The next plan refuses exactly this change. Choose another release, correct the configuration, or give retry a value that it did not have yet to try the same again."#]].assert_eq(detail);
    assert_eq!(stage.runs(), (1, "web@1".to_owned()));
    let state = &failed.known.state;
    assert_eq!(state.entry("release"), &Tree::from("web@1"));
    assert_eq!(state.entry("phase"), &Tree::from("stable"));
    assert!(!state.entry("failure").is_null());

    // Members would be well by now; nothing has told the provider so.
    members_are(&stage, Fate::well(BOOTS));
    let refused = stage.fleets.look_ahead(&failed.known, &second).await;
    assert_eq!(
        refused.only().1,
        "web@2 was rolled back and is not tried again by itself"
    );
    let first = web(&stage, "web@1", "");
    stage.fleets.nothing_to_do(&failed.known, &first).await;

    let again = web(&stage, "web@2", r#""retry": "1""#);
    let told = stage.fleets.settle(&failed.known, &again).await;
    assert!(told.known.state.entry("failure").is_null());
    assert_eq!(stage.runs(), (1, "web@2".to_owned()));
}

#[tokio::test]
async fn another_release_follows_a_failed_one_without_asking() {
    let (stage, known) = serving("").await;
    members_are(&stage, Fate::sick(BOOTS));
    let second = web(&stage, "web@2", "");
    let failed = stage.fleets.apply_all(&known, &second).await;
    assert!(has_errors(&failed.diagnostics));
    members_are(&stage, Fate::well(BOOTS));
    let third = web(&stage, "web@3", "");
    stage.fleets.settle(&failed.known, &third).await;
    assert_eq!(stage.runs(), (1, "web@3".to_owned()));
}

#[tokio::test]
async fn a_failed_first_rollout_leaves_nothing() {
    let stage = Stage::new().await;
    stage.bake(&["1"]).await;
    members_are(&stage, Fate::exiting(BOOTS, seconds(25)));
    let config = web(&stage, "web@1", "");
    let failed = stage.fleets.apply_all(&Known::nothing(), &config).await;
    let (is_error, summary, detail) = failed.only();
    assert!(is_error);
    assert_eq!(summary, "The first rollout of the fleet web failed");
    assert!(detail.contains("last words of m"), "{detail}");
    assert!(detail.contains("Nothing of the fleet is left"), "{detail}");
    assert!(failed.known.state.is_null());
    assert_eq!(stage.runs().0, 0);
    stage.web(|fleet| assert_eq!(fleet.settings, None));

    members_are(&stage, Fate::well(BOOTS));
    stage.fleets.settle(&failed.known, &config).await;
}

#[tokio::test]
async fn an_interrupted_create_is_kept_and_goes_on() {
    let mut stage = Stage::new().await;
    stage.bake(&["1"]).await;
    let config = web(&stage, "web@1", "");
    stage.stop_after(seconds(10));
    let told = stage.fleets.apply_all(&Known::nothing(), &config).await;
    let (is_error, summary, detail) = told.only();
    // An error would make Terraform destroy what is there before it goes on.
    assert!(!is_error);
    assert_eq!(summary, "Interrupted: the fleet web stands where it was");
    assert!(
        detail.ends_with("The next apply goes on from here."),
        "{detail}"
    );
    assert_eq!(told.known.state.entry("phase"), &Tree::from("launching"));

    stage.restart().await;
    let launched = stage.web(|fleet| fleet.launched);
    let ahead = stage.fleets.look_ahead(&told.known, &config).await;
    assert!(changes(&ahead).contains(&"phase".to_owned()));
    stage.fleets.settle(&told.known, &config).await;
    assert_eq!(stage.web(|fleet| fleet.launched), launched);
    assert_eq!(stage.runs(), (1, "web@1".to_owned()));
}

#[tokio::test]
async fn a_create_interrupted_before_anything_runs_goes_on() {
    let mut stage = Stage::new().await;
    stage.bake(&["1"]).await;
    let config = web(&stage, "web@1", "");
    stage.web(|fleet| fleet.faults.room = Some(0));
    stage.stop_after(seconds(10));
    let told = stage.fleets.apply_all(&Known::nothing(), &config).await;
    assert!(!told.only().0);
    assert_eq!(
        told.known.state.entry("generations"),
        &Tree::Seq(Vec::new())
    );

    stage.restart().await;
    stage.web(|fleet| fleet.faults.room = None);
    stage.fleets.settle(&told.known, &config).await;
    assert_eq!(stage.runs(), (1, "web@1".to_owned()));
}

#[tokio::test]
async fn a_create_that_was_killed_is_taken_over() {
    let mut stage = Stage::new().await;
    stage.bake(&["1", "2"]).await;
    let config = web(&stage, "web@1", "");
    stage.stop_after(seconds(10));
    stage.fleets.apply_all(&Known::nothing(), &config).await;
    // Terraform was killed as well: nobody has stored anything.
    stage.restart().await;
    let launched = stage.web(|fleet| fleet.launched);
    stage.fleets.settle(&Known::nothing(), &config).await;
    assert_eq!(stage.web(|fleet| fleet.launched), launched);

    // The remains of another attempt that never served make room.
    let mut stage = Stage::new().await;
    stage.bake(&["1", "2"]).await;
    stage.stop_after(seconds(10));
    stage.fleets.apply_all(&Known::nothing(), &config).await;
    stage.restart().await;
    let other = web(&stage, "web@2", "");
    let told = stage.fleets.settle(&Known::nothing(), &other).await;
    assert_eq!(told.known.state.entry("generation"), &Tree::from(1));
    assert_eq!(stage.runs(), (1, "web@2".to_owned()));
}

#[tokio::test]
async fn an_interrupted_update_says_where_it_stands_and_goes_on() {
    let (mut stage, known) = serving("").await;
    let second = web(&stage, "web@2", "");
    stage.stop_after(seconds(10));
    let told = stage.fleets.apply_all(&known, &second).await;
    let (is_error, summary, detail) = told.only();
    assert!(is_error);
    assert_eq!(summary, "Interrupted: the fleet web stands where it was");
    expect![[r#"
        The apply was told to stop and did so before the next step.

        Now there are:
          - generation 2 (web@2): 0 of 3 members are healthy, 0% of the traffic
          - generation 1 (web@1): 3 of 3 members are healthy, 100% of the traffic, stable

        The next plan shows the rest of the way, and the next apply goes on from here."#]]
    .assert_eq(detail);
    let state = &told.known.state;
    assert_eq!(state.entry("release"), &Tree::from("web@1"));
    assert_eq!(state.entry("generation"), &Tree::from(1));
    assert_eq!(state.entry("phase"), &Tree::from("launching"));

    stage.restart().await;
    let launched = stage.web(|fleet| fleet.launched);
    let on = stage.fleets.settle(&told.known, &second).await;
    assert_eq!(on.known.state.entry("generation"), &Tree::from(2));
    assert_eq!(stage.web(|fleet| fleet.launched), launched);
}

#[tokio::test]
async fn an_interrupted_update_can_be_given_up() {
    let (mut stage, known) = serving("").await;
    let second = web(&stage, "web@2", "");
    stage.stop_after(seconds(10));
    let told = stage.fleets.apply_all(&known, &second).await;
    stage.restart().await;
    let first = web(&stage, "web@1", "");
    let ahead = stage.fleets.look_ahead(&told.known, &first).await;
    assert!(
        ahead
            .forecast()
            .iter()
            .any(|step| step.starts_with("destroy generation 2")),
        "{:?}",
        ahead.forecast()
    );
    stage.fleets.settle(&told.known, &first).await;
    assert_eq!(stage.runs(), (1, "web@1".to_owned()));
}

#[tokio::test]
async fn an_update_interrupted_at_any_moment_is_finished_or_given_up() {
    for moment in [0, 1, 20, 30, 45, 60, 300, 640, 652, 660] {
        for release in ["web@2", "web@1"] {
            let (mut stage, known) = serving("").await;
            let second = web(&stage, "web@2", "");
            stage.stop_after(seconds(moment));
            let told = stage.fleets.apply_all(&known, &second).await;
            stage.restart().await;
            let wanted = web(&stage, release, "");
            stage.fleets.settle(&told.known, &wanted).await;
            assert_eq!(stage.runs(), (1, release.to_owned()), "after {moment}s");
        }
    }
}

#[tokio::test]
async fn a_rollback_interrupted_at_any_moment_is_finished_by_the_same_plan() {
    let mut finished = 0;
    for moment in (195..=260).step_by(5) {
        let (mut stage, known) = serving("").await;
        members_are(&stage, Fate::exiting(BOOTS, seconds(200)));
        let second = web(&stage, "web@2", "");
        stage.stop_after(seconds(moment));
        let told = stage.fleets.apply_all(&known, &second).await;
        stage.restart().await;
        let again = stage.fleets.apply_all(&told.known, &second).await;
        assert!(has_errors(&again.diagnostics), "after {moment}s");
        assert_eq!(stage.runs(), (1, "web@1".to_owned()), "after {moment}s");
        let warning = "The rollback of web@2 is not finished";
        finished += usize::from(again.diagnostics.iter().any(|it| it.summary == warning));
        let refused = stage.fleets.look_ahead(&again.known, &second).await;
        assert_eq!(
            refused.only().1,
            "web@2 was rolled back and is not tried again by itself"
        );
    }
    assert!(finished > 0, "no interruption met a rollback");
}

#[tokio::test]
async fn a_removal_interrupted_at_any_moment_is_finished_or_taken_back() {
    for moment in 0..=6 {
        for is_wanted in [true, false] {
            let (mut stage, known) = serving("").await;
            stage.stop_after(seconds(moment));
            let told = stage.fleets.destroy(&known).await;
            stage.restart().await;
            if is_wanted {
                let first = web(&stage, "web@1", "");
                stage.fleets.settle(&told.known, &first).await;
                assert_eq!(stage.runs(), (1, "web@1".to_owned()), "after {moment}s");
            } else if !told.known.state.is_null() {
                let gone = stage.fleets.destroy(&told.known).await;
                assert_eq!(gone.diagnostics, [], "after {moment}s");
            }
        }
    }
}

#[tokio::test]
async fn an_update_that_runs_out_of_time_goes_on_in_the_next_one() {
    let short = r#""timeouts": {"update": "30s"}"#;
    let (stage, known) = serving("").await;
    let hasty = web(&stage, "web@2", short);
    let told = stage.fleets.apply_all(&known, &hasty).await;
    let (is_error, summary, detail) = told.only();
    assert!(is_error);
    assert_eq!(summary, "Could not update the fleet web in time");
    expect![[r#"
        timeouts.update is 30s, and that is over. What it waited for last: Generation 2: 0 of 3 are healthy.

        Now there are:
          - generation 2 (web@2): 0 of 3 members are healthy and 3 are about to be, 0% of the traffic
          - generation 1 (web@1): 3 of 3 members are healthy, 100% of the traffic, stable

        The next plan shows the rest of the way, and the next apply goes on from here."#]].assert_eq(detail);
    let patient = web(&stage, "web@2", "");
    stage.fleets.settle(&told.known, &patient).await;
}

#[tokio::test]
async fn a_create_that_runs_out_of_time_is_kept_to_be_replaced() {
    let stage = Stage::new().await;
    stage.bake(&["1"]).await;
    let hasty = web(&stage, "web@1", r#""timeouts": {"create": "30s"}"#);
    let told = stage.fleets.apply_all(&Known::nothing(), &hasty).await;
    let (is_error, summary, detail) = told.only();
    assert!(is_error);
    assert_eq!(summary, "Could not create the fleet web in time");
    expect![[r#"
        timeouts.create is 30s, and that is over. What it waited for last: Generation 1: 0 of 3 are healthy.

        Now there are:
          - generation 1 (web@1): 0 of 3 members are healthy and 3 are about to be, 0% of the traffic

        The next apply removes what there is and starts over."#]].assert_eq(detail);
    // Terraform destroys what it takes for broken, and makes it again.
    let gone = stage.fleets.destroy(&told.known).await;
    assert_eq!(gone.diagnostics, []);
    let patient = web(&stage, "web@1", "");
    stage.fleets.settle(&gone.known, &patient).await;
}

const PATIENT: &str = r#""retry": null"#;

/// A create that runs out of time when its traffic has moved and not settled yet.
async fn created_too_late() -> Stage {
    let stage = Stage::on(CloudKind::Aws, &[]).await;
    stage.bake(&["1", "2"]).await;
    let hasty = on_aws(&stage, "web@1", r#""timeouts": {"create": "100s"}"#);
    let told = stage.fleets.apply_all(&Known::nothing(), &hasty).await;
    let (is_error, summary, detail) = told.only();
    assert!(is_error);
    assert_eq!(summary, "Could not create the fleet web in time");
    assert!(detail.contains("100% of the traffic"), "{detail}");
    assert!(detail.contains("The next apply takes it over"), "{detail}");
    assert!(told.known.state.is_null(), "it would be destroyed");
    stage
}

#[tokio::test]
async fn a_create_that_runs_out_of_time_when_it_serves_already_is_taken_over() {
    let stage = created_too_late().await;
    assert_eq!(stage.web(|fleet| fleet.generations.len()), 1);
    let patient = on_aws(&stage, "web@1", PATIENT);
    stage.fleets.settle(&Known::nothing(), &patient).await;
    assert_eq!(stage.runs(), (1, "web@1".to_owned()));
}

#[tokio::test]
async fn what_serves_before_it_is_trusted_is_not_cleared_away_for_another_fleet() {
    let stage = created_too_late().await;
    let other = on_aws(&stage, "web@2", PATIENT);
    let told = stage.fleets.apply_all(&Known::nothing(), &other).await;
    let (is_error, summary, _) = told.only();
    assert!(is_error);
    assert_eq!(summary, "The fleet web exists already");
    let all = stage.web(|fleet| fleet.weights.values().copied().collect::<Vec<_>>());
    assert_eq!(all, [Weight::ALL]);
}

#[tokio::test]
async fn a_removal_that_runs_out_of_time_goes_on_in_the_next_one() {
    let (stage, known) = serving(r#""timeouts": {"delete": "2s"}"#).await;
    let told = stage.fleets.destroy(&known).await;
    let (is_error, summary, _) = told.only();
    assert!(is_error);
    assert_eq!(summary, "Could not destroy the fleet web in time");
    assert!(!told.known.state.is_null());
    stage.pass(seconds(60));
    let gone = stage.fleets.destroy(&told.known).await;
    assert_eq!(gone.diagnostics, []);
    assert_eq!(stage.runs().0, 0);
}

#[tokio::test]
async fn a_fleet_that_another_process_changes_is_left_alone() {
    let (stage, known) = serving("").await;
    let other = Holder("terraform on a colleague's machine".to_owned());
    let (sim, name) = (&stage.place.sim, crate::stage::web());
    let lease = sim.take_lease(&name, &other, seconds(90)).await;
    lease.expect("nobody holds it");
    let second = web(&stage, "web@2", "");
    let told = stage.fleets.apply_all(&known, &second).await;
    let (is_error, summary, detail) = told.only();
    assert!(is_error);
    assert_eq!(
        summary,
        "Could not update the fleet web: another process changes it"
    );
    assert!(detail.contains("a colleague's machine"), "{detail}");
    assert_eq!(stage.runs(), (1, "web@1".to_owned()));
    assert_eq!(told.known.state.entry("release"), &Tree::from("web@1"));
    stage.pass(seconds(91));
    stage.fleets.settle(&told.known, &second).await;
}

#[tokio::test]
async fn an_outage_ends_the_apply_with_the_clouds_words_and_loses_nothing() {
    let (stage, known) = serving("").await;
    let second = web(&stage, "web@2", "");
    let ahead = stage.fleets.look_ahead(&known, &second).await;
    stage.web(|fleet| fleet.faults.throttled = 1000);
    let told = stage.fleets.apply_plan(ahead, &second).await;
    let (is_error, _, detail) = told.only();
    assert!(is_error);
    expect![[r#"
        Too many requests.

        This may pass by itself: run the same command again.

        Now there are:
          - generation 1 (web@1): 3 of 3 members are healthy, 100% of the traffic, stable

        The next plan shows the rest of the way, and the next apply goes on from here."#]]
    .assert_eq(detail);
    stage.web(|fleet| fleet.faults.throttled = 0);
    stage.fleets.settle(&told.known, &second).await;
}

#[tokio::test]
async fn a_cloud_that_cannot_be_read_keeps_the_state() {
    let (stage, known) = serving("").await;
    stage.web(|fleet| fleet.faults.unreadable = 1000);
    let read = stage.fleets.read(&known).await;
    assert!(has_errors(&read.diagnostics));
    let kept = stage.fleets.read_value(read.new_state.as_ref());
    assert_eq!((kept, read.private), (known.state, known.private));
}

#[tokio::test]
async fn a_release_that_is_not_there_fails_before_anything_changes() {
    let (stage, known) = serving("").await;
    let missing = web(&stage, "web@9", "");
    let told = stage.fleets.apply_all(&known, &missing).await;
    let (is_error, _, detail) = told.only();
    assert!(is_error);
    expect![[r#"
        There is no such release.

        Now there are:
          - generation 1 (web@1): 3 of 3 members are healthy, 100% of the traffic, stable

        The next plan shows the rest of the way, and the next apply goes on from here."#]]
    .assert_eq(detail);
    assert_eq!(stage.runs(), (1, "web@1".to_owned()));
}
