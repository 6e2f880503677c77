//! Releases in several regions and accounts.

use crate::account::control;
use crate::fleet::{FIRST, web, words};
use crate::place::Place;
use immutable::cloud::{
    Cloud, ErrorKind, Fence, Holder, LaunchWish, NewRelease, Probe, Reach, Trial, Wish,
};
use immutable::model::{ImageSource, Line, ReleaseId, ReleaseRef};
use immutable::rollout::Action;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const WEST: &str = "us-west-2";
const EUROPE: &str = "eu-west-1";

fn id(version: &str) -> ReleaseId {
    format!("web@{version}").parse().unwrap()
}

fn to(regions: &[&str]) -> Reach {
    let regions = regions.iter().map(|region| ((*region).to_owned(), None));
    Reach {
        regions: regions.collect(),
        ..Reach::default()
    }
}

impl Place {
    /// Starts an instance by hand.
    fn run_one(&self, image: &str) -> String {
        let run = self.ec2(&[
            ("Action", "RunInstances"),
            ("ImageId", image),
            ("InstanceType", "t3.micro"),
            ("MinCount", "1"),
            ("MaxCount", "1"),
        ]);
        crate::account::between(&run, "<instanceId>", "</instanceId>")
    }

    /// What `terraform apply` does for a new version.
    async fn released(&self, version: &str, reach: &Reach) {
        self.taken_in(version).await;
        self.cloud.spread(&id(version), reach).await.unwrap();
        self.cloud.set_current(&id(version)).await.unwrap();
    }

    async fn taken_in(&self, version: &str) {
        let new = NewRelease {
            id: id(version),
            source: ImageSource::Image(self.image(version)),
            provenance: BTreeMap::from([("commit".to_owned(), "9f2c1e7".to_owned())]),
        };
        self.cloud.import(&new).await.unwrap();
    }

    async fn line(&self) -> Option<Line> {
        self.cloud.line(&id("1").line).await.unwrap()
    }

    /// The ids of a release's images by region.
    async fn image_ids(&self, version: &str) -> BTreeMap<String, String> {
        let line = self.line().await.unwrap();
        let found = line.releases.into_iter().find(|it| it.id == id(version));
        found.unwrap().image_ids
    }

    fn images(&self) -> Vec<String> {
        self.inventory()["images"].clone()
    }

    /// What EC2 tells of an image.
    fn described(&self, image: &str) -> String {
        self.ec2(&[("Action", "DescribeImages"), ("ImageId.1", image)])
    }

    /// Nothing of releases is left in this region but what a test registered itself.
    fn is_clear(&self) -> bool {
        let left = self.inventory();
        ["images", "snapshots", "parameters"]
            .into_iter()
            .all(|kind| left[kind].is_empty())
    }

    fn key(&self, alias: &str) {
        let made = self.json("kms", "TrentService.CreateKey", &json!({}));
        let key = made["KeyMetadata"]["KeyId"].clone();
        let wish = json!({ "AliasName": alias, "TargetKeyId": key });
        self.json("kms", "TrentService.CreateAlias", &wish);
    }

    /// Another account's place in the same region.
    fn account_beside(&self) -> Place {
        Place::new()
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
async fn a_release_is_copied_to_every_region_and_goes_from_all() {
    let place = Place::new();
    let (west, europe) = (place.elsewhere(WEST), place.elsewhere(EUROPE));
    let mut reach = to(&[WEST, EUROPE, "us-east-1"]);
    reach.tags.insert("team".to_owned(), "edge".to_owned());
    place.released("1", &reach).await;
    let ids = place.image_ids("1").await;
    assert_eq!(
        ids.keys().collect::<Vec<_>>(),
        [EUROPE, "us-east-1", WEST],
        "the home region is no copy"
    );
    for there in [&west, &europe] {
        assert_eq!(there.images(), [ids[&there.region].clone()]);
        let line = there.line().await.unwrap();
        assert_eq!(line.current, Some(id("1")));
        assert_eq!(line.releases[0].image_id, ids[&there.region]);
        let told = there.described(&ids[&there.region]);
        let of = format!("us-east-1/{}", ids["us-east-1"]);
        for expected in [
            "immutable:release/web@1",
            "accepted",
            "9f2c1e7",
            "edge",
            &of,
        ] {
            assert!(told.contains(expected), "{expected}: {told}");
        }
        assert!(told.contains("enabled-without-cooldown"), "{told}");
    }

    // Again, nothing is made.
    place.forget_calls();
    place.cloud.spread(&id("1"), &reach).await.unwrap();
    let calls = place.calls();
    let writes = ["CopyImage", "PutParameter", "CreateTags"];
    let made = calls
        .keys()
        .filter(|name| writes.iter().any(|write| name.ends_with(write)));
    assert_eq!(made.count(), 0, "{calls:?}");

    place.cloud.remove_release(&id("1")).await.unwrap();
    for there in [&place, &west, &europe] {
        assert!(
            there.is_clear(),
            "{}: {:?}",
            there.region,
            there.inventory()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_in_another_region_runs_that_regions_copy_and_keeps_it() {
    let place = Place::new();
    let west = place.elsewhere(WEST).with_network();
    place.released("1", &to(&[WEST])).await;
    let release = ReleaseRef::Release(id("1"));
    let holder = Holder("the test".to_owned());
    let lease = west
        .cloud
        .take_lease(&web(), &holder, Duration::from_secs(600))
        .await
        .unwrap();
    create(&west, lease.fence, &release).await.unwrap();
    let copy = place.image_ids("1").await[WEST].clone();
    let world = west.cloud.observe(&web(), &[]).await.unwrap();
    assert_eq!(world.generations[&FIRST].image_id, copy);

    place.released("2", &to(&[WEST])).await;
    assert_eq!(place.cloud.users(&id("1")).await.unwrap(), [web()]);
    let refused = place.cloud.remove_release(&id("1")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert!(
        words(&refused).contains("fleet web in us-west-2"),
        "{}",
        words(&refused)
    );
    // It is whole: no region has lost its part.
    assert_eq!(place.images().len(), 2);
    assert_eq!(west.images().len(), 2);
    // Nor does it go when the region is not named any more.
    let narrower = place.cloud.spread(&id("1"), &to(&[])).await.unwrap_err();
    assert_eq!(narrower.kind, ErrorKind::Conflict);
    assert_eq!(west.images().len(), 2);
}

async fn create(place: &Place, fence: Fence, release: &ReleaseRef) -> immutable::cloud::Result<()> {
    let configure = Action::Configure(place.settings());
    place.cloud.act(&web(), fence, &configure).await?;
    let launch = place.launch(release);
    let create = place.create(FIRST, launch);
    place.cloud.act(&web(), fence, &create).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_where_the_release_is_not_is_told_what_to_do() {
    let place = Place::new();
    let west = place.elsewhere(WEST).with_network();
    place.released("1", &to(&[])).await;
    let fence = west.fence().await;
    let release = ReleaseRef::Release(id("1"));
    let refused = create(&west, fence, &release).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotFound);
    assert!(
        words(&refused).contains("aws.copy_to"),
        "{}",
        words(&refused)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_instance_or_a_template_uses_anywhere_stays() {
    let place = Place::new();
    let west = place.elsewhere(WEST).with_network();
    place.released("1", &to(&[WEST])).await;
    place.released("2", &to(&[WEST])).await;
    let copy = place.image_ids("1").await[WEST].clone();
    // What uses it is on the last page, and those before are empty.
    place.small_pages();
    let other = place.image_ids("2").await[WEST].clone();
    west.ec2(&[
        ("Action", "CreateLaunchTemplate"),
        ("LaunchTemplateName", "before-it"),
        ("LaunchTemplateData.ImageId", &other),
    ]);
    let first = west.run_one(&other);
    let made = west.ec2(&[
        ("Action", "CreateLaunchTemplate"),
        ("LaunchTemplateName", "by-hand"),
        ("LaunchTemplateData.ImageId", &copy),
    ]);
    assert!(made.contains("by-hand"));
    let refused = place.cloud.remove_release(&id("1")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert!(
        words(&refused).contains("launch template by-hand"),
        "{}",
        words(&refused)
    );
    west.ec2(&[
        ("Action", "DeleteLaunchTemplate"),
        ("LaunchTemplateName", "by-hand"),
    ]);
    let instance = west.run_one(&copy);
    let refused = place.cloud.remove_release(&id("1")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert!(words(&refused).contains(&instance), "{}", words(&refused));
    assert_eq!((place.images().len(), west.images().len()), (2, 2));
    west.ec2(&[
        ("Action", "TerminateInstances"),
        ("InstanceId.1", &instance),
        ("InstanceId.2", &first),
    ]);
    until("terminated", || west.inventory()["instances"].is_empty()).await;
    place.cloud.remove_release(&id("1")).await.unwrap();
    assert_eq!((place.images().len(), west.images().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_apply_has_begun_is_taken_up_and_never_made_twice() {
    for kind in ["lost_reply", "hold_after"] {
        let place = Place::new();
        let (west, europe) = (place.elsewhere(WEST), place.elsewhere(EUROPE));
        place.taken_in("1").await;
        place.fault(json!({ "kind": kind, "operation": "CopyImage", "count": 2 }));
        let cloud = place.another();
        let task = tokio::spawn(async move { cloud.spread(&id("1"), &to(&[WEST, EUROPE])).await });
        if kind == "hold_after" {
            until("both copies were asked for", || {
                west.images().len() == 1 && europe.images().len() == 1
            })
            .await;
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        } else {
            assert!(task.await.unwrap().unwrap_err().kind.is_transient());
        }
        assert_eq!(place.line().await.unwrap().current, None);
        let heir = place.another();
        heir.spread(&id("1"), &to(&[WEST, EUROPE])).await.unwrap();
        heir.set_current(&id("1")).await.unwrap();
        assert_eq!(
            (west.images().len(), europe.images().len()),
            (1, 1),
            "{kind}"
        );
        place.cloud.remove_release(&id("1")).await.unwrap();
        assert!(west.is_clear() && europe.is_clear() && place.is_clear());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_a_release_may_fail_once_or_lose_its_answer() {
    let changes = [
        "CopyImage",
        "CreateTags",
        "EnableImageDeregistrationProtection",
        "EnableImageDeprecation",
        "ModifyImageAttribute",
        "ModifySnapshotAttribute",
        "PutParameter",
        "DisableImageDeregistrationProtection",
        "DeregisterImage",
        "DeleteParameter",
    ];
    let place = Place::new();
    let west = place.elsewhere(WEST);
    let mut reach = to(&[WEST]);
    reach.accounts.insert("111111111111".to_owned());
    for operation in changes {
        for kind in ["lost_reply", "error"] {
            let what = format!("{kind} at {operation}");
            place.fault(json!({ "kind": kind, "operation": operation, "count": 1 }));
            let versions = [1, 2].map(|number| format!("{operation}.{kind}.{number}"));
            let mut failures = 0;
            for version in &versions {
                failures += in_the_end(&place, version, &reach).await;
            }
            let line = place.line().await.unwrap();
            assert_eq!(line.current, Some(id(&versions[1])), "{what}");
            assert_eq!(
                (place.images().len(), west.images().len()),
                (2, 2),
                "{what}"
            );
            for version in &versions {
                while place.cloud.remove_release(&id(version)).await.is_err() {
                    failures += 1;
                    assert!(failures < 5, "{what}");
                }
            }
            assert_eq!(failures, 1, "{what}: the fault was met");
            for there in [&place, &west] {
                assert!(there.is_clear(), "{what}: {:?}", there.inventory());
            }
        }
    }
}

/// Applies again until it goes well; tells how often it did not.
async fn in_the_end(place: &Place, version: &str, reach: &Reach) -> u32 {
    let new = NewRelease {
        id: id(version),
        source: ImageSource::Image(place.image(version)),
        provenance: BTreeMap::new(),
    };
    for failures in 0..5 {
        let cloud = place.another();
        let done = async {
            cloud.import(&new).await?;
            cloud.spread(&id(version), reach).await?;
            cloud.set_current(&id(version)).await
        };
        match done.await {
            Ok(()) => return failures,
            Err(error) => assert!(error.kind.is_transient(), "{}", words(&error)),
        }
    }
    panic!("it never goes well")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_fails_leaves_the_current_release_and_is_made_anew() {
    let place = Place::new();
    let (west, europe) = (place.elsewhere(WEST), place.elsewhere(EUROPE));
    place.released("1", &to(&[WEST, EUROPE])).await;
    place.taken_in("2").await;
    let mut reach = to(&[WEST, EUROPE]);
    reach
        .regions
        .insert(WEST.to_owned(), Some("alias/images".to_owned()));
    let failed = place.cloud.spread(&id("2"), &reach).await.unwrap_err();
    assert_eq!(failed.kind, ErrorKind::Invalid);
    for expected in ["us-west-2", "Given key ID is not accessible"] {
        assert!(words(&failed).contains(expected), "{}", words(&failed));
    }
    for there in [&place, &west, &europe] {
        assert_eq!(there.line().await.unwrap().current, Some(id("1")));
    }

    // The key is made, and the same release is applied again; what has arrived is used.
    west.key("alias/images");
    let arrived = europe.images();
    place.cloud.spread(&id("2"), &reach).await.unwrap();
    place.cloud.set_current(&id("2")).await.unwrap();
    assert_eq!(europe.images(), arrived);
    assert_eq!(west.images().len(), 2, "the failed one is gone");
    for version in ["1", "2"] {
        place.cloud.remove_release(&id(version)).await.unwrap();
    }
    assert!(west.is_clear() && europe.is_clear() && place.is_clear());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_is_given_up_leaves_nothing_of_its_copies() {
    let place = Place::new();
    let west = place.elsewhere(WEST);
    place.taken_in("1").await;
    place.fault(json!({ "kind": "lost_reply", "operation": "CopyImage", "count": 1 }));
    let failed = place.cloud.spread(&id("1"), &to(&[WEST])).await;
    assert!(failed.unwrap_err().kind.is_transient());
    assert_eq!(west.images().len(), 1);
    place.cloud.remove_release(&id("1")).await.unwrap();
    assert!(west.is_clear());
    // The image was its maker's before, and was never accepted.
    assert_eq!(place.images().len(), 1);
    // It may come again, and nothing is mistaken for what was removed.
    place.released("1", &to(&[WEST])).await;
    assert_eq!(west.images().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_come_and_go_with_the_same_release() {
    let place = Place::new();
    let (west, europe) = (place.elsewhere(WEST), place.elsewhere(EUROPE));
    place.released("1", &to(&[WEST])).await;
    place.released("1", &to(&[EUROPE])).await;
    assert!(west.is_clear(), "{:?}", west.inventory());
    assert_eq!(europe.line().await.unwrap().current, Some(id("1")));
    let ids = place.image_ids("1").await;
    assert_eq!(ids.keys().collect::<Vec<_>>(), [EUROPE, "us-east-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_must_exist_and_be_enabled() {
    let place = Place::new();
    let reach = to(&["us-west-9", WEST, "moon-north-1"]);
    let refused = place.cloud.check_reach(&reach).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Invalid);
    for expected in [
        "there is no region us-west-9",
        "there is no region moon-north-1",
    ] {
        assert!(words(&refused).contains(expected), "{}", words(&refused));
    }
    let asked = to(&["me-south-1"]);
    let refused = place.cloud.check_reach(&asked).await.unwrap_err();
    assert!(
        words(&refused).contains("me-south-1 is not enabled"),
        "{}",
        words(&refused)
    );
    place.cloud.check_reach(&to(&[WEST, EUROPE])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_encrypted_with_its_regions_key() {
    let place = Place::new();
    let west = place.elsewhere(WEST);
    west.key("alias/images");
    let mut reach = to(&[WEST]);
    reach
        .regions
        .insert(WEST.to_owned(), Some("alias/images".to_owned()));
    place.released("1", &reach).await;
    let snapshot = west.inventory()["snapshots"][0].clone();
    let told = west.ec2(&[("Action", "DescribeSnapshots"), ("SnapshotId.1", &snapshot)]);
    assert!(told.contains("<encrypted>true</encrypted>"), "{told}");
    assert!(told.contains("alias/images"), "{told}");
    assert!(told.contains("immutable:release"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_runs_what_is_shared_with_it_and_trusted_by_it() {
    let place = Place::new();
    let theirs = place.account_beside();
    let mut reach = to(&[WEST]);
    reach.accounts.insert(theirs.account.clone());
    place.released("1", &reach).await;
    place.released("10", &to(&[])).await;
    let ids = place.image_ids("1").await;
    let release = ReleaseRef::Release(id("1"));
    let fence = theirs.fence().await;

    // Whoever is not trusted is not believed, whatever an image says of itself.
    let refused = create(&theirs, fence, &release).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotFound);
    assert!(
        words(&refused).contains("release_owners"),
        "{}",
        words(&refused)
    );

    let trusting = theirs.trusting(&place.account);
    let configure = Action::Configure(theirs.settings());
    trusting.act(&web(), fence, &configure).await.unwrap();
    let create = theirs.create(FIRST, theirs.launch(&release));
    trusting.act(&web(), fence, &create).await.unwrap();
    let world = trusting.observe(&web(), &[]).await.unwrap();
    assert_eq!(world.generations[&FIRST].image_id, ids["us-east-1"]);

    // A release that is not current any more can still be gone back to.
    control("POST", "deprecations", &json!({ "account": place.account }));
    let launch = theirs.launch(&release);
    let wish = Wish {
        fleet: "another".parse().unwrap(),
        launch: Some(LaunchWish {
            release: Some(release.clone()),
            platform: Some(launch.platform.clone()),
            whole: Some(launch),
        }),
        more_members: 2,
        front: None,
        alarms: Vec::new(),
    };
    assert_eq!(trusting.preflight(&wish).await, []);
    drop(theirs);

    // Their snapshots are shared too, and in the other region.
    let west = place.elsewhere(WEST);
    for there in [&place, &west] {
        let shared = there.shared_snapshots();
        assert_eq!(shared.len(), 1, "{}: {shared:?}", there.region);
    }
    reach.accounts = BTreeSet::new();
    place.cloud.spread(&id("1"), &reach).await.unwrap();
    for there in [&place, &west] {
        assert!(there.shared_snapshots().is_empty());
        let image = &ids[&there.region];
        let told = there.ec2(&[
            ("Action", "DescribeImageAttribute"),
            ("ImageId", image),
            ("Attribute", "launchPermission"),
        ]);
        assert!(!told.contains("<userId>"), "{told}");
    }
}

impl Place {
    /// The snapshots that any other account may read.
    fn shared_snapshots(&self) -> Vec<String> {
        let all = self.inventory().remove("snapshots").unwrap_or_default();
        let is_shared = |snapshot: &String| {
            let told = self.ec2(&[
                ("Action", "DescribeSnapshotAttribute"),
                ("SnapshotId", snapshot),
                ("Attribute", "createVolumePermission"),
            ]);
            told.contains("<userId>")
        };
        all.into_iter().filter(is_shared).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_falls_out_of_current_is_deprecated_everywhere_and_comes_back() {
    let place = Place::new();
    let west = place.elsewhere(WEST);
    let reach = to(&[WEST]);
    place.released("1", &reach).await;
    let first = place.image_ids("1").await;
    let is_deprecated = |there: &Place| {
        let told = there.described(&first[&there.region]);
        told.contains("<deprecationTime>")
    };
    assert!(!is_deprecated(&place) && !is_deprecated(&west));
    place.released("2", &reach).await;
    assert!(is_deprecated(&place) && is_deprecated(&west));
    place.cloud.set_current(&id("1")).await.unwrap();
    assert!(!is_deprecated(&place) && !is_deprecated(&west));
    let second = place.image_ids("2").await;
    let told = west.described(&second[WEST]);
    assert!(told.contains("<deprecationTime>"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deprecation_that_its_owner_set_is_left_alone() {
    let place = Place::new();
    let image = place.image("1");
    place.ec2(&[
        ("Action", "EnableImageDeprecation"),
        ("ImageId", &image),
        ("DeprecateAt", "2031-01-02T03:04:00Z"),
    ]);
    place.released("1", &to(&[])).await;
    place.released("2", &to(&[])).await;
    place.cloud.set_current(&id("1")).await.unwrap();
    assert!(place.described(&image).contains("2031-01-02T03:04"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_its_owner_protects_outlives_its_releases() {
    let place = Place::new();
    let image = place.image("1");
    place.ec2(&[
        ("Action", "EnableImageDeregistrationProtection"),
        ("ImageId", &image),
    ]);
    place.released("1", &to(&[])).await;
    place.cloud.remove_release(&id("1")).await.unwrap();
    assert_eq!(place.images(), std::slice::from_ref(&image));
    let told = place.described(&image);
    assert!(told.contains("enabled-without-cooldown"), "{told}");
    assert!(!told.contains("immutable:release"), "{told}");
    assert!(place.line().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_deregisters_a_release_by_hand() {
    let place = Place::new();
    place.released("1", &to(&[])).await;
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        place.ec2(&[
            ("Action", "DeregisterImage"),
            ("ImageId", &place.image("1")),
        ])
    }));
    assert!(refused.is_err());
    assert_eq!(place.images().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_another_account_is_run_and_copied_and_left_alone() {
    let (theirs, ours) = (Place::new(), Place::new());
    let image = theirs.image("1");
    theirs.ec2(&[
        ("Action", "ModifyImageAttribute"),
        ("ImageId", &image),
        ("LaunchPermission.Add.1.UserId", &ours.account),
    ]);
    let new = NewRelease {
        id: id("1"),
        source: ImageSource::Image(image.clone()),
        provenance: BTreeMap::new(),
    };
    ours.cloud.import(&new).await.unwrap();
    let mut reach = to(&[WEST]);
    ours.cloud.spread(&id("1"), &reach).await.unwrap();
    ours.cloud.set_current(&id("1")).await.unwrap();
    let told = theirs.described(&image);
    assert!(!told.contains("immutable:"), "{told}");
    reach.accounts.insert("111111111111".to_owned());
    let refused = ours.cloud.spread(&id("1"), &reach).await.unwrap_err();
    assert!(
        words(&refused).contains("aws.share_with"),
        "{}",
        words(&refused)
    );
    ours.cloud.remove_release(&id("1")).await.unwrap();
    assert_eq!(theirs.images(), [image]);
    assert!(ours.is_clear() && ours.elsewhere(WEST).is_clear());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_changed_from_its_home_alone() {
    let place = Place::new();
    let west = place.elsewhere(WEST);
    place.released("1", &to(&[WEST])).await;
    let refused = west.cloud.remove_release(&id("1")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert!(words(&refused).contains("us-east-1"), "{}", words(&refused));
    let refused = west.cloud.set_current(&id("1")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);

    // Nor is a release of the same name that was made there taken for a copy.
    let europe = place.elsewhere(EUROPE);
    europe.taken_in("1").await;
    let refused = place.cloud.spread(&id("1"), &to(&[EUROPE])).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::AlreadyExists);
    assert!(words(&refused).contains("eu-west-1"), "{}", words(&refused));
    assert_eq!(europe.images().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_image_is_not_taken_in_yet() {
    let place = Place::new();
    let image = place.image("1");
    let copy = place.ec2(&[
        ("Action", "CopyImage"),
        ("Name", "slow"),
        ("SourceImageId", &image),
        ("SourceRegion", "us-east-1"),
        ("KmsKeyId", "alias/none"),
        ("Encrypted", "true"),
    ]);
    let copy = crate::account::between(&copy, "<imageId>", "</imageId>");
    let source = ImageSource::Image(copy);
    let refused = place.cloud.inspect(&source).await.unwrap_err();
    let is_told = ["pending", "failed"]
        .iter()
        .any(|state| words(&refused).contains(state));
    assert!(is_told, "{}", words(&refused));
    until("failed", || {
        place.described(&copy_of(&source)).contains("failed")
    })
    .await;
    let refused = place.cloud.inspect(&source).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Invalid);
}

fn copy_of(source: &ImageSource) -> String {
    match source {
        ImageSource::Image(image) => image.clone(),
        ImageSource::Path(path) => panic!("{}", path.display()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_named_and_nothing_is_released() {
    for operation in [
        "CopyImage",
        "ModifyImageAttribute",
        "ModifySnapshotAttribute",
        "EnableImageDeregistrationProtection",
        "CreateTags",
    ] {
        let place = Place::new();
        place.fault(json!({ "kind": "denied", "operation": operation, "count": 0 }));
        let mut reach = to(&[WEST]);
        reach.accounts.insert("111111111111".to_owned());
        let new = NewRelease {
            id: id("1"),
            source: ImageSource::Image(place.image("1")),
            provenance: BTreeMap::new(),
        };
        let done = async {
            place.cloud.import(&new).await?;
            place.cloud.spread(&id("1"), &reach).await?;
            place.cloud.set_current(&id("1")).await
        };
        let refused = done.await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Denied, "{}", words(&refused));
        let permission = format!("ec2:{operation}");
        assert!(words(&refused).contains(&permission), "{}", words(&refused));
        let line = place.line().await;
        assert_eq!(line.and_then(|line| line.current), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_image_wrote_that_did_not_pass_is_told_of_every_type() {
    let place = Place::new();
    place.taken_in("1").await;
    for instance_type in ["t3.micro", "t2.micro"] {
        let probe = Probe {
            // Nobody listens there.
            port: 9,
            path: None,
            timeout: Duration::from_secs(5),
            place: Some(place.trial_place(instance_type)),
            ..place.probe()
        };
        let stop = CancellationToken::new();
        let trial = place.cloud.verify(&id("1"), &probe, &stop).await.unwrap();
        let Trial::Failed { output, .. } = &trial else {
            panic!("{trial:?}")
        };
        assert!(output.contains("starts"), "{instance_type}: {output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throw_away_instance_that_outlived_its_process_goes() {
    let place = Place::new();
    place.taken_in("1").await;
    for ended_by in ["another trial", "its removal"] {
        // The port never answers: nobody listens there.
        let endless = Probe {
            port: 9,
            ..place.probe()
        };
        let cloud = place.another();
        let trial = tokio::spawn(async move {
            cloud
                .verify(&id("1"), &endless, &CancellationToken::new())
                .await
        });
        until("an instance runs", || {
            place.inventory()["instances"].len() == 1
        })
        .await;
        trial.abort();
        assert!(trial.await.unwrap_err().is_cancelled());
        if ended_by == "another trial" {
            let passed = place
                .cloud
                .verify(&id("1"), &place.probe(), &CancellationToken::new())
                .await;
            assert_eq!(passed.unwrap(), Trial::Passed);
        } else {
            place.cloud.remove_release(&id("1")).await.unwrap();
        }
        until(ended_by, || place.inventory()["instances"].is_empty()).await;
    }
}
