//! Calls that were given up and arrive when much else has happened: after another fleet of the name
//! has begun, or after the last one is gone. What arrives within a rollout is in the fault table.

use crate::fleet::{FIRST, SECOND, all_on, holder, web};
use crate::place::Place;
use immutable::cloud::{Cloud, Holder};
use immutable::driver::Ending;
use immutable::model::ReleaseRef;
use immutable::rollout::{Goal, Strategy, Traffic};
use serde_json::{Value, json};
use std::time::Duration;

/// More changes than a test sends: what waits for so many arrives when it is told to.
const NEVER: u32 = 1000;

impl Place {
    /// Lets a call be late; it arrives after so many other changes.
    fn late(&self, operation: &str, after: u32, wait: u32) -> u64 {
        self.fault(json!({
            "kind": "late", "operation": operation, "after": after, "count": 1, "wait": wait,
        }))
    }

    /// What has arrived late of an order, each with the status of its answer.
    fn arrived(&self, order: u64) -> Value {
        self.told(order)["arrived"].clone()
    }

    async fn reaches_goal(&self, goal: Goal) {
        let done = self.run(goal, Strategy::BlueGreen).await;
        assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    }

    async fn serves(&self, release: &ReleaseRef) {
        self.reaches_goal(self.goal(self.launch(release), 2)).await;
    }

    /// What is left of fleets' memory.
    fn remembered(&self) -> Vec<String> {
        let mut left = self.leftovers().remove("parameters").unwrap_or_default();
        left.retain(|name| name.contains("/fleets/"));
        left
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_deleted_for_an_earlier_fleet_of_the_name_is_made_again() {
    let place = Place::new();
    let (first, second) = (place.release("1").await, place.release("2").await);
    place.serves(&first).await;
    // The record goes last; its deletion arrives in the middle of the next fleet's making.
    let order = place.late("DeleteParameter", 2, 7);
    place.reaches_goal(Goal::Absent).await;
    assert_eq!(place.remembered(), [""; 0]);
    place.serves(&second).await;
    assert_eq!(place.arrived(order), json!([["ssm:DeleteParameter", 200]]));
    let world = place.another().observe(&web(), &[]).await.unwrap();
    assert_eq!(world.stable, Some(FIRST));
    assert_eq!(world.generations[&FIRST].members.len(), 2);
    place.reaches_goal(Goal::Absent).await;
    assert_eq!(place.remembered(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_arrives_after_its_fleet_is_gone_is_no_fleet() {
    let place = Place::new();
    let (first, second) = (place.release("1").await, place.release("2").await);
    place.serves(&first).await;
    // Writes of a removal: the lease, then what it is about to do.
    place.late("PutParameter", 2, NEVER);
    place.reaches_goal(Goal::Absent).await;
    assert_eq!(place.remembered(), [""; 0]);
    place.end_faults();
    assert_eq!(place.remembered(), ["/immutable/fleets/web/record"]);

    let other = place.another();
    assert_eq!(other.fleets().await.unwrap(), []);
    let world = other.observe(&web(), &[]).await.unwrap();
    assert!(world.settings.is_none() && world.generations.is_empty());
    // The next fleet of the name takes its place, and goes without a trace.
    place.serves(&second).await;
    assert_eq!(place.world().await.stable, Some(FIRST));
    place.reaches_goal(Goal::Absent).await;
    assert_eq!(place.remembered(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_arrives_after_the_lease_was_given_back_changes_nothing() {
    let place = Place::new();
    let (first, second) = (place.release("1").await, place.release("2").await);
    place.serves(&first).await;
    place.late("PutParameter", 5, NEVER);
    place.serves(&second).await;
    place.end_faults();
    let world = place.another().observe(&web(), &[]).await.unwrap();
    assert_eq!(world.stable, Some(SECOND));
    let numbers: Vec<_> = world.generations.keys().copied().collect();
    assert_eq!(numbers, [SECOND]);
    let Traffic::Known { written, .. } = world.traffic else {
        panic!("the front cannot be read");
    };
    assert_eq!(written, all_on(SECOND));
    // Nobody holds a lease by it either.
    let (heir, fleet) = (place.another(), web());
    let other = Holder("another".to_owned());
    let lease = heir.take_lease(&fleet, &other, Duration::from_secs(60));
    let fence = lease.await.unwrap().fence;
    heir.release_lease(&fleet, fence).await.unwrap();
    assert_ne!(other, holder());
    place.reaches_goal(Goal::Absent).await;
    assert_eq!(place.remembered(), [""; 0]);
}
