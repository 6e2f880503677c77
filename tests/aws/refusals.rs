//! What can never succeed is refused with words that say what to change.

use crate::fleet::{FIRST, web, words};
use crate::place::Place;
use immutable::cloud::{Cloud, Error, ErrorKind, NewRelease};
use immutable::driver::Ending;
use immutable::model::{
    AwsLaunch, ImageSource, LaunchTemplate, Platform, Protocol, ReleaseRef, Settings,
};
use immutable::rollout::{Action, Goal, Strategy};
use serde_json::json;
use std::collections::BTreeMap;

async fn configure(place: &Place, settings: Settings) -> Error {
    let fence = place.fence().await;
    let action = Action::Configure(settings);
    place.cloud.act(&web(), fence, &action).await.unwrap_err()
}

async fn create(place: &Place, change: impl FnOnce(&mut LaunchTemplate, &mut AwsLaunch)) -> Error {
    let fence = place.fence().await;
    let configure = Action::Configure(place.settings());
    place.cloud.act(&web(), fence, &configure).await.unwrap();
    let image = ReleaseRef::Image(place.image("1"));
    let mut launch = place.launch(&image);
    let Platform::Aws(mut aws) = launch.platform.clone() else {
        unreachable!("it is for AWS")
    };
    change(&mut launch, &mut aws);
    launch.platform = Platform::Aws(aws);
    let action = place.create(FIRST, launch);
    place.cloud.act(&web(), fence, &action).await.unwrap_err()
}

fn check(error: &Error, kind: ErrorKind, says: &str) {
    assert_eq!(error.kind, kind, "{}", words(error));
    assert!(words(error).contains(says), "{}", words(error));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_must_exist_and_speak_http() {
    let place = Place::new();
    let mut settings = place.settings();
    let front = settings.front.as_mut().unwrap();
    front.listener = front.listener.replace("listener/", "listener/x");
    let error = configure(&place, settings.clone()).await;
    check(&error, ErrorKind::Invalid, "there is no listener");
    let mut settings = place.settings();
    settings.front.as_mut().unwrap().protocol = Protocol::Tcp;
    let error = configure(&place, settings).await;
    check(
        &error,
        ErrorKind::Invalid,
        "not TCP or TLS as traffic.protocol",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_place_is_not_taken() {
    let place = Place::new();
    let listener = place.text("listener_arn");
    place.query(
        "elasticloadbalancing",
        "2015-12-01",
        &[
            ("Action", "CreateRule"),
            ("ListenerArn", &listener),
            ("Priority", "10"),
            ("Conditions.member.1.Field", "path-pattern"),
            ("Conditions.member.1.Values.member.1", "/theirs"),
            ("Actions.member.1.Type", "fixed-response"),
            ("Actions.member.1.FixedResponseConfig.StatusCode", "200"),
        ],
    );
    let error = configure(&place, place.settings()).await;
    check(&error, ErrorKind::Invalid, "traffic.priority 10 is taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_must_exist_here() {
    let place = Place::new();
    let missing = "ami-00000000000000000".to_owned();
    let error = create(&place, |launch, _| {
        launch.release = ReleaseRef::Image(missing.clone());
    })
    .await;
    check(&error, ErrorKind::NotFound, &missing);
    assert!(place.leftovers().keys().all(|kind| kind == "parameters"));
    let inspected = place.cloud.inspect(&ImageSource::Image(missing)).await;
    assert_eq!(inspected.unwrap_err().kind, ErrorKind::NotFound);
    let path = ImageSource::Path("build/web.tar".into());
    let error = place.cloud.inspect(&path).await.unwrap_err();
    check(&error, ErrorKind::Invalid, "image_id");
}

#[tokio::test(flavor = "multi_thread")]
async fn subnets_must_exist_and_share_a_vpc() {
    let place = Place::new();
    let error = create(&place, |_, aws| {
        aws.subnet_ids = vec!["subnet-0123".to_owned()]
    })
    .await;
    check(&error, ErrorKind::NotFound, "subnet-0123");

    let place = Place::new();
    let vpc = place.ec2(&[("Action", "CreateVpc"), ("CidrBlock", "10.9.0.0/16")]);
    let vpc = crate::account::between(&vpc, "<vpcId>", "</vpcId>");
    let subnet = place.ec2(&[
        ("Action", "CreateSubnet"),
        ("VpcId", &vpc),
        ("CidrBlock", "10.9.1.0/24"),
    ]);
    let subnet = crate::account::between(&subnet, "<subnetId>", "</subnetId>");
    let error = create(&place, |_, aws| aws.subnet_ids.push(subnet)).await;
    check(&error, ErrorKind::Invalid, "several VPCs");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_type_must_be_known_and_user_data_fit() {
    let place = Place::new();
    let error = create(&place, |_, aws| aws.instance_types.clear()).await;
    check(&error, ErrorKind::Invalid, "aws.instance_types");
    let place = Place::new();
    let error = create(&place, |_, aws| aws.user_data = Some("#!".repeat(9000))).await;
    check(&error, ErrorKind::Invalid, "EC2 takes 16384");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_was_never_accepted_stays_its_makers() {
    let place = Place::new();
    let tried = NewRelease {
        id: "web@1".parse().unwrap(),
        source: ImageSource::Image(place.image("1")),
        provenance: BTreeMap::new(),
    };
    place.cloud.import(&tried).await.unwrap();
    place.cloud.remove_release(&tried.id).await.unwrap();
    assert_eq!(place.inventory()["images"].len(), 1);
    assert!(place.inventory()["parameters"].is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_goes_with_the_last_release_that_is_made_of_it() {
    let place = Place::new();
    place.release("1").await;
    let twin = NewRelease {
        id: "web@1-again".parse().unwrap(),
        source: ImageSource::Image(place.image("1")),
        provenance: BTreeMap::new(),
    };
    place.cloud.import(&twin).await.unwrap();
    place.cloud.set_current(&twin.id).await.unwrap();
    let remove = |id: &str| {
        let id = id.parse().unwrap();
        let cloud = &place.cloud;
        async move { cloud.remove_release(&id).await.unwrap() }
    };
    remove("web@1").await;
    assert_eq!(place.inventory()["images"].len(), 1);
    remove("web@1-again").await;
    assert!(place.inventory()["images"].is_empty());
    assert!(place.inventory()["snapshots"].is_empty());
    assert!(place.inventory()["parameters"].is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_asked_for_no_place_takes_another_where_somebody_was_quicker() {
    let place = Place::new();
    let release = place.release("1").await;
    let mut settings = place.settings();
    settings.front.as_mut().unwrap().priority = None;
    let fence = place.fence().await;
    let configure = Action::Configure(settings);
    place.cloud.act(&web(), fence, &configure).await.unwrap();
    let theirs = [
        ("Action", "CreateRule"),
        ("ListenerArn", &place.text("listener_arn")),
        ("Priority", "1"),
        ("Conditions.member.1.Field", "path-pattern"),
        ("Conditions.member.1.Values.member.1", "/theirs"),
        ("Actions.member.1.Type", "fixed-response"),
        ("Actions.member.1.FixedResponseConfig.StatusCode", "200"),
    ];
    place.query("elasticloadbalancing", "2015-12-01", &theirs);
    // The place that it takes instead is not written down yet when the answer is lost.
    place.fault(json!({ "kind": "lost_reply", "operation": "CreateRule", "after": 1, "count": 1 }));
    let create = place.create(FIRST, place.launch(&release));
    assert!(place.cloud.act(&web(), fence, &create).await.is_err());
    assert_eq!(place.made()["rules"].len(), 2);
    place.cloud.act(&web(), fence, &create).await.unwrap();
    assert_eq!(place.made()["rules"].len(), 2);
    let gone = place.run(Goal::Absent, Strategy::BlueGreen).await;
    assert!(matches!(gone.ending, Ending::Reached(_)), "{gone:#?}");
    assert_eq!(place.made()["rules"].len(), 1, "theirs is left alone");
}
