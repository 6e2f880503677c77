//! What stands against a fleet is told in the plan, and nothing is asked where nothing will be done.

use super::{serving, web};
use crate::calls::Known;
use crate::stage::Stage;
use immutable::cloud::{Doubt, Finding, Subject};
use immutable_proto::tfplugin6::Diagnostic;

const ERROR: i32 = 1;
const WARNING: i32 = 2;

fn finding(about: Subject, doubt: Doubt) -> Finding {
    Finding {
        about,
        doubt,
        why: "It is as it is.".to_owned(),
    }
}

fn told(diagnostics: &[Diagnostic]) -> Vec<(i32, &str)> {
    let told = diagnostics.iter();
    told.map(|it| (it.severity, it.summary.as_str())).collect()
}

#[tokio::test]
async fn everything_wrong_is_told_in_the_plan_and_what_may_come_is_a_warning() {
    let stage = Stage::new().await;
    stage.bake(&["1"]).await;
    stage.place.sim.set_findings(vec![
        finding(Subject::Subnets, Doubt::Wrong),
        finding(Subject::Priority, Doubt::Wrong),
        finding(Subject::Release, Doubt::Missing),
        finding(Subject::Alarms, Doubt::Missing),
        finding(Subject::Listener, Doubt::Unread),
    ]);
    let config = web(&stage, "web@1", "");
    let plan = stage.fleets.plan(&Known::nothing(), &config).await;
    assert_eq!(
        told(&plan.diagnostics),
        [
            (ERROR, "Invalid value for aws.subnet_ids"),
            (ERROR, "Invalid value for traffic.priority"),
            (WARNING, "Not there yet: rollout.alarms"),
            (WARNING, "Could not look ahead: traffic.listener"),
        ]
    );
}

#[tokio::test]
async fn what_is_still_missing_stops_the_apply_before_its_first_write() {
    let stage = Stage::new().await;
    stage.bake(&["1"]).await;
    let config = web(&stage, "web@1", "");
    stage.place.sim.set_findings(vec![
        finding(Subject::Alarms, Doubt::Missing),
        finding(Subject::Listener, Doubt::Unread),
    ]);
    let nothing = Known::nothing();
    let plan = stage.fleets.plan(&nothing, &config).await;
    let applied = stage.fleets.apply(&nothing, &config, plan).await;
    let error = (ERROR, "Invalid value for rollout.alarms");
    assert_eq!(told(&applied.diagnostics), [error]);
    assert_eq!(stage.runs(), (0, String::new()));
    stage.web(|fleet| assert_eq!(fleet.settings, None));
}

#[tokio::test]
async fn a_plan_without_changes_asks_nothing_and_one_with_asks_for_what_will_change() {
    let (stage, known) = serving("").await;
    stage.place.sim.take_wishes();
    let same = web(&stage, "web@1", "");
    stage.fleets.look_ahead(&known, &same).await;
    assert_eq!(stage.place.sim.take_wishes(), []);

    stage
        .fleets
        .look_ahead(&known, &web(&stage, "web@2", ""))
        .await;
    let wishes = stage.place.sim.take_wishes();
    let [wish] = wishes.as_slice() else {
        panic!("{wishes:#?}")
    };
    let release = wish.launch.as_ref().and_then(|it| it.release.clone());
    assert_eq!(release.map(|it| it.to_string()).as_deref(), Some("web@2"));
    assert_eq!((wish.more_members, &wish.front), (3, &None));

    let rolling = r#""rollout": {"strategy": "rolling", "surge": "1", "alarms": ["web-5xx"]}"#;
    let only_policy = web(&stage, "web@1", rolling);
    stage.fleets.look_ahead(&known, &only_policy).await;
    let wishes = stage.place.sim.take_wishes();
    assert_eq!(wishes.len(), 1, "{wishes:#?}");
    assert_eq!((&wishes[0].launch, wishes[0].more_members), (&None, 0));
    assert_eq!(wishes[0].alarms, ["web-5xx"]);

    stage
        .fleets
        .look_ahead(&known, &web(&stage, "web@2", rolling))
        .await;
    let wishes = stage.place.sim.take_wishes();
    assert_eq!(wishes[0].more_members, 1, "a batch at a time");
}
