//! Releases that someone else touches: images that are removed by hand, two applies that move a line
//! at once, and a trial that is told to stop.

use crate::account::Account;
use crate::fleet::words;
use crate::place::Place;
use immutable::cloud::{Cloud, ErrorKind, NewRelease, Probe, Reach, Trial};
use immutable::model::{ImageSource, Release, ReleaseId};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const HOME: &str = "us-east-1";
const WEST: &str = "us-west-2";

fn id(version: &str) -> ReleaseId {
    format!("web@{version}").parse().unwrap()
}

impl Place {
    async fn found(&self, version: &str) -> Release {
        let line = self.cloud.line(&id(version).line).await.unwrap().unwrap();
        let mut releases = line.releases.into_iter();
        releases.find(|it| it.id == id(version)).unwrap()
    }

    async fn current(&self) -> Option<ReleaseId> {
        let line = self.cloud.line(&id("1").line).await.unwrap();
        line.and_then(|line| line.current)
    }

    /// What a person does who wants an image gone.
    fn deregister(&self, image: &str) {
        for action in ["DisableImageDeregistrationProtection", "DeregisterImage"] {
            self.ec2(&[("Action", action), ("ImageId", image)]);
        }
    }

    /// Lets the calls that an order holds go on.
    fn goes_on(&self, order: u64) {
        Account::release(self, order);
    }

    async fn taken_in_alone(&self, version: &str) {
        let new = NewRelease {
            id: id(version),
            source: ImageSource::Image(self.image(version)),
            provenance: BTreeMap::new(),
        };
        self.cloud.import(&new).await.unwrap();
    }

    fn endless_probe(&self) -> Probe {
        Probe {
            // Nobody listens there.
            port: 9,
            path: None,
            timeout: Duration::from_secs(600),
            tags: BTreeMap::from([("team".to_owned(), "edge".to_owned())]),
            ..self.probe()
        }
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "never {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_someone_deregistered_is_missed_and_made_again() {
    let place = Place::new();
    let west = place.elsewhere(WEST);
    let reach = Reach {
        regions: BTreeMap::from([(WEST.to_owned(), None)]),
        ..Reach::default()
    };
    place.release("1").await;
    place.cloud.spread(&id("1"), &reach).await.unwrap();
    place.cloud.set_current(&id("1")).await.unwrap();
    let before = place.found("1").await;
    assert!(place.cloud.missing(&before).await.unwrap().is_empty());

    west.deregister(&before.image_ids[WEST]);
    let missing = place.cloud.missing(&before).await.unwrap();
    assert_eq!(missing, BTreeSet::from([WEST.to_owned()]));
    place.cloud.spread(&id("1"), &reach).await.unwrap();
    place.cloud.set_current(&id("1")).await.unwrap();
    let after = place.found("1").await;
    assert_ne!(after.image_ids[WEST], before.image_ids[WEST]);
    assert!(place.cloud.missing(&after).await.unwrap().is_empty());
    assert_eq!(west.found("1").await.image_id, after.image_ids[WEST]);
    assert_eq!(west.current().await, Some(id("1")));
    assert_eq!(west.inventory()["images"], [after.image_ids[WEST].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_whose_own_image_is_gone_is_refused() {
    let place = Place::new();
    place.release("1").await;
    let release = place.found("1").await;
    place.deregister(&release.image_id);
    let missing = place.cloud.missing(&release).await.unwrap();
    assert_eq!(missing, BTreeSet::from([HOME.to_owned()]));
    let refused = place.cloud.spread(&id("1"), &Reach::default()).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotFound);
    for expected in [release.image_id.as_str(), "deregistered", "new version"] {
        assert!(words(&refused).contains(expected), "{}", words(&refused));
    }
    // The line is not stuck: it moves on, and the lost one goes.
    place.release("2").await;
    place.cloud.remove_release(&id("1")).await.unwrap();
    assert_eq!(place.current().await, Some(id("2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_move_a_line_at_the_same_moment_one_is_told() {
    let place = Place::new();
    for version in ["1", "2", "3", "1"] {
        place.release(version).await;
    }
    // The slow one has looked, and writes when the other one is done.
    let hold = json!({ "kind": "hold", "operation": "PutParameter", "count": 1 });
    let order = place.fault(hold);
    let slow = place.another();
    let moving = tokio::spawn(async move { slow.move_line(&id("2"), Some(&id("1"))).await });
    until("it writes", || place.holds(order)).await;
    let quick = place.another();
    quick.move_line(&id("3"), Some(&id("1"))).await.unwrap();
    assert_eq!(place.current().await, Some(id("3")));
    place.goes_on(order);
    let refused = moving.await.unwrap().unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert!(words(&refused).contains("web@3"), "{}", words(&refused));

    // The same of a line's first release.
    let place = Place::new();
    for version in ["1", "2"] {
        place.taken_in_alone(version).await;
    }
    let order = place.fault(json!({
        "kind": "hold", "operation": "PutParameter", "count": 1, "after": 1,
    }));
    let slow = place.another();
    let moving = tokio::spawn(async move { slow.move_line(&id("1"), None).await });
    until("it writes", || place.holds(order)).await;
    place.another().move_line(&id("2"), None).await.unwrap();
    place.goes_on(order);
    let refused = moving.await.unwrap().unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert_eq!(place.current().await, Some(id("2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_whose_answer_got_lost_is_no_strangers() {
    let place = Place::new();
    for version in ["1", "2", "1"] {
        place.release(version).await;
    }
    place.fault(json!({ "kind": "lost_reply", "operation": "PutParameter", "count": 1 }));
    let cloud = place.another();
    cloud.move_line(&id("2"), Some(&id("1"))).await.unwrap_err();
    cloud.move_line(&id("2"), Some(&id("1"))).await.unwrap();
    assert_eq!(place.current().await, Some(id("2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_that_is_told_to_stop_leaves_no_instance() {
    let place = Place::new();
    place.release("1").await;
    let (cloud, probe) = (place.another(), place.endless_probe());
    let stop = CancellationToken::new();
    let told = stop.clone();
    let trial = tokio::spawn(async move { cloud.verify(&id("1"), &probe, &told).await });
    until("an instance runs", || {
        place.inventory()["instances"].len() == 1
    })
    .await;
    let told = place.ec2(&[("Action", "DescribeInstances")]);
    for tag in ["immutable:trial", "web@1", "team", "edge"] {
        assert!(told.contains(tag), "{tag}: {told}");
    }
    stop.cancel();
    assert_eq!(trial.await.unwrap().unwrap(), Trial::Stopped);
    until("it is gone", || place.inventory()["instances"].is_empty()).await;
}
