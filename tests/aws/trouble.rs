//! Calls that are throttled, and credentials that run out: nothing is decided from what was not said.

use crate::fleet::{FIRST, SECOND, holder, policy, web, words};
use crate::place::Place;
use immutable::cloud::ErrorKind;
use immutable::driver::{Driver, Ending, MachineClock, Order, Outcome, Pace, Progress};
use immutable::rollout::{Foreign, Goal, Strategy};
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Every call that a look consists of.
const LOOKS: [&str; 6] = [
    "DescribeAutoScalingGroups",
    "DescribeInstances",
    "DescribeRules",
    "DescribeScalingActivities",
    "DescribeTargetHealth",
    "GetParameters",
];

async fn serving(place: &Place) {
    let first = place.release("1").await;
    let done = place
        .run(place.goal(place.launch(&first), 2), Strategy::BlueGreen)
        .await;
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
}

/// An apply by another process.
async fn applied(place: &Place, goal: Goal) -> Outcome {
    let cloud = place.another();
    let driver = Driver {
        cloud: &cloud,
        clock: &MachineClock,
        pace: Pace::NEAR,
        progress: Progress::silent(),
    };
    let order = Order {
        fleet: web(),
        goal,
        policy: policy(Strategy::BlueGreen),
        accepted: Foreign::default(),
        holder: holder(),
        deadline: Duration::from_secs(120),
        cancel: CancellationToken::new(),
    };
    driver.run(&order).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_look_is_no_look_and_costs_no_request() {
    let place = Place::new();
    serving(&place).await;
    let second = place.release("2").await;
    let client = place.client();
    // Each is refused several times in a row, at its first calls and again later on.
    for operation in LOOKS {
        for after in [1, 9, 20] {
            let order =
                json!({ "kind": "throttle", "operation": operation, "after": after, "count": 4 });
            place.fault(order);
        }
    }
    let done = place
        .run(place.goal(place.launch(&second), 2), Strategy::BlueGreen)
        .await;
    let answers = client.findings();
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    assert!(answers.bad.is_empty(), "{:?}", answers.bad);
    assert_eq!(place.world().await.stable, Some(SECOND));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_whose_credentials_run_out_stops_and_the_next_one_goes_on() {
    let place = Place::new();
    serving(&place).await;
    let second = place.release("2").await;
    let goal = || place.goal(place.launch(&second), 2);
    // From the moment at which the second generation's group is made, whoever asks is refused.
    place.fault(json!({
        "kind": "error", "operation": "DescribeTargetHealth", "status": 403, "count": 0,
        "code": "ExpiredToken", "message": "The security token included in the request is expired",
    }));
    let stopped = applied(&place, goal()).await;
    let Ending::CloudFailed(error) = &stopped.ending else {
        panic!("{stopped:#?}")
    };
    assert_eq!(error.kind, ErrorKind::Denied);
    let said = words(error);
    for part in [
        "the credentials have expired",
        "Renew them",
        "goes on from there",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let seen = stopped.world.as_ref().unwrap();
    assert_eq!(seen.stable, Some(FIRST), "what was reached is told");
    place.end_faults();
    let world = place.world().await;
    assert_eq!(world.stable, Some(FIRST), "nothing was shifted");
    let client = place.client();
    let done = applied(&place, goal()).await;
    let answers = client.findings();
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    assert!(answers.bad.is_empty(), "{:?}", answers.bad);
    assert_eq!(place.world().await.stable, Some(SECOND));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_run_out_at_any_call_leave_what_the_next_apply_finishes() {
    let place = Place::new();
    serving(&place).await;
    let second = place.release("2").await;
    // Each apply gets some calls further than the one before.
    for calls in [2, 6, 12, 20, 30] {
        place.fault(json!({
            "kind": "error", "operation": "*", "status": 400, "after": calls, "count": 0,
            "code": "ExpiredTokenException", "message": "The security token is expired",
        }));
        let stopped = applied(&place, place.goal(place.launch(&second), 2)).await;
        place.end_faults();
        if let Ending::Reached(_) = stopped.ending {
            break;
        }
        let Ending::CloudFailed(error) = &stopped.ending else {
            panic!("after {calls} calls: {stopped:#?}")
        };
        assert_eq!(error.kind, ErrorKind::Denied, "after {calls} calls");
    }
    let done = applied(&place, place.goal(place.launch(&second), 2)).await;
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    assert_eq!(place.world().await.stable, Some(SECOND));
    assert_eq!(place.inventory()["groups"].len(), 1);
}
