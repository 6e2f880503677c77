//! Calls that fail, get lost or are cut off: whoever comes next goes on, and nothing is made twice.

use crate::fleet::{FIRST, holder, web, words};
use crate::place::Place;
use immutable::cloud::{Cloud, ErrorKind, Holder};
use immutable::driver::Ending;
use immutable::rollout::{Action, Goal, Strategy};
use serde_json::json;
use std::time::Duration;

/// Every call that making a fleet and its first generation changes something with.
const CHANGES: [&str; 7] = [
    "PutParameter",
    "CreateLaunchTemplate",
    "CreateTargetGroup",
    "ModifyTargetGroupAttributes",
    "CreateRule",
    "CreateAutoScalingGroup",
    "ModifyRule",
];

async fn bears(kind: &str, operation: &str) {
    let place = Place::new();
    let release = place.release("1").await;
    println!("{kind} at {operation}");
    place.fault(json!({ "kind": kind, "operation": operation, "after": 0, "count": 1 }));
    let goal = place.goal(place.launch(&release), 2);
    let done = place.run(goal, Strategy::BlueGreen).await;
    assert!(
        matches!(done.ending, Ending::Reached(_)),
        "{kind} at {operation}: {done:#?}"
    );
    let there = place.inventory();
    for kind in ["launch_templates", "groups", "rules"] {
        assert_eq!(there[kind].len(), 1, "{kind} at {operation}: {there:?}");
    }
    assert_eq!(there["instances"].len(), 2, "{operation}: {there:?}");
    let gone = place.run(Goal::Absent, Strategy::BlueGreen).await;
    assert!(matches!(gone.ending, Ending::Reached(_)), "{gone:#?}");
    let ours = |place: &Place| {
        let left = place.leftovers();
        left.into_iter()
            .filter(|(kind, _)| kind != "parameters")
            .collect::<Vec<_>>()
    };
    place.until("empty", |_| ours(&place).is_empty()).await;
    let left = place.leftovers().remove("parameters").unwrap_or_default();
    let of_fleets = left.iter().filter(|name| name.contains("/fleets/"));
    assert_eq!(of_fleets.count(), 0, "{kind} at {operation}: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_of_any_change_makes_nothing_twice() {
    for operation in CHANGES {
        bears("lost_reply", operation).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_change_is_made_later() {
    for operation in CHANGES {
        bears("throttle", operation).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_aws_itself_is_waited_out() {
    for operation in CHANGES {
        bears("error", operation).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_just_now_and_is_not_seen_yet_is_waited_for() {
    for words in [
        "You must use a valid fully-formed launch template. The specified launch template, with \
         template name immutable-web-1, does not exist.",
        "Provided Target Groups may not be valid. Please ensure they exist and try again.",
    ] {
        let place = Place::new();
        let release = place.release("1").await;
        place.fault(json!({
            "kind": "error", "operation": "CreateAutoScalingGroup", "status": 400, "count": 2,
            "code": "ValidationError", "message": words,
        }));
        let goal = place.goal(place.launch(&release), 1);
        let done = place.run(goal, Strategy::BlueGreen).await;
        assert!(
            matches!(done.ending, Ending::Reached(_)),
            "{words}: {done:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_goes_on_with_what_one_left() {
    let place = Place::new();
    let release = place.release("1").await;
    let fence = place.fence().await;
    let cloud = &place.cloud;
    let configure = Action::Configure(place.settings());
    cloud.act(&web(), fence, &configure).await.unwrap();
    let create = place.create(FIRST, place.launch(&release));
    // The group is never made: the process dies before.
    place.fault(json!({ "kind": "error", "operation": "CreateAutoScalingGroup", "count": 1 }));
    cloud.act(&web(), fence, &create).await.unwrap_err();
    assert!(place.world().await.generations.is_empty());
    assert_eq!(place.world().await.latest.0, 0);

    // What was left of one release gives way to another one's.
    let second = place.release("2").await;
    let other = place.create(FIRST, place.launch(&second));
    let heir = place.another();
    let lease = heir
        .take_lease(&web(), &holder(), Duration::from_secs(60))
        .await
        .unwrap();
    heir.act(&web(), lease.fence, &other).await.unwrap();
    let world = heir.observe(&web(), &[]).await.unwrap();
    assert_eq!(world.generations[&FIRST].release, second);
    assert_eq!(place.inventory()["launch_templates"].len(), 1);
    assert_eq!(place.inventory()["target_groups"].len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_take_a_lease_at_once_one_gets_it() {
    let place = Place::new();
    for round in 0..3 {
        let takers: Vec<_> = (0..4).map(|_| place.another()).collect();
        let takes = takers.iter().enumerate().map(|(number, cloud)| async move {
            let holder = Holder(format!("taker {number}"));
            let fleet = web();
            let lease = cloud.take_lease(&fleet, &holder, Duration::from_secs(60));
            lease.await.map(|lease| (number, lease))
        });
        let taken = futures_util::future::join_all(takes).await;
        let (won, lost): (Vec<_>, Vec<_>) = taken.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "round {round}: {won:?}");
        for error in lost.into_iter().map(Result::unwrap_err) {
            assert_eq!(error.kind, ErrorKind::Conflict, "{}", words(&error));
        }
        let (number, lease) = won.into_iter().next().unwrap().unwrap();
        let cloud = &takers[number];
        if round == 0 {
            let configure = Action::Configure(place.settings());
            cloud.act(&web(), lease.fence, &configure).await.unwrap();
        }
        cloud.release_lease(&web(), lease.fence).await.unwrap();
    }
    // A lease that is given back leaves one parameter, the fleet's.
    assert_eq!(
        place.inventory()["parameters"],
        ["/immutable/fleets/web/record"]
    );
}
