//! What a generation is started from, and what becomes of launches that fail.

use crate::account::{between, control};
use crate::fleet::{FIRST, policy, web};
use crate::place::Place;
use immutable::cloud::Cloud;
use immutable::driver::{Ending, Outcome};
use immutable::model::{AwsLaunch, Fingerprint, LaunchTemplate, Platform, RootVolume};
use immutable::rollout::{Action, Member, MemberState, Policy, Strategy, World};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const PROFILE: &str = "web-profile";
const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000";
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db";

/// A launch that asks for everything there is.
fn rich(place: &Place, launch: LaunchTemplate) -> LaunchTemplate {
    let Platform::Aws(aws) = launch.platform.clone() else {
        unreachable!("it is for AWS")
    };
    let made = [
        ("Action", "CreateInstanceProfile"),
        ("InstanceProfileName", PROFILE),
    ];
    place.query("iam", "2010-05-08", &made);
    LaunchTemplate {
        secrets: BTreeMap::from([("DB_PASSWORD".to_owned(), SECRET.to_owned())]),
        tags: BTreeMap::from([("team".to_owned(), "edge".to_owned())]),
        platform: Platform::Aws(AwsLaunch {
            instance_types: vec!["t3.micro".to_owned(), "t3.small".to_owned()],
            instance_profile: Some(PROFILE.to_owned()),
            user_data: Some("#!/bin/sh\necho mine\n".to_owned()),
            root_volume: Some(RootVolume {
                size_gb: Some(30),
                volume_type: Some("gp3".to_owned()),
                kms_key: Some(KEY.to_owned()),
            }),
            spot: true,
            ..aws
        }),
        ..launch
    }
}

fn group(place: &Place) -> String {
    let name = [
        ("Action", "DescribeAutoScalingGroups"),
        ("AutoScalingGroupNames.member.1", "immutable-web-1"),
    ];
    place.query("autoscaling", "2011-01-01", &name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_leaves_new_members_alone_for_as_long_as_they_may_take() {
    for (deadline, grace) in [(60, 300), (1200, 1200)] {
        let place = Place::new();
        let release = place.release("1").await;
        let policy = Policy {
            launch_deadline: Duration::from_secs(deadline),
            ..policy(Strategy::BlueGreen)
        };
        let goal = place.goal(place.launch(&release), 1);
        let done = place.run_with(&place.cloud, goal, policy).await;
        assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
        let group = group(&place);
        let says = format!("<HealthCheckGracePeriod>{grace}</HealthCheckGracePeriod>");
        assert!(group.contains(&says), "no {says} in {group}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_asked_for_is_in_template_and_group_and_read_back() {
    let place = Place::new();
    let release = place.release("1").await;
    let launch = rich(&place, place.launch(&release));
    let done = place
        .run(place.goal(launch.clone(), 2), Strategy::BlueGreen)
        .await;
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");

    let template = place.ec2(&[
        ("Action", "DescribeLaunchTemplateVersions"),
        ("LaunchTemplateName", "immutable-web-1"),
    ]);
    for says in [
        "<httpTokens>required</httpTokens>",
        "<httpPutResponseHopLimit>2</httpPutResponseHopLimit>",
        "<encrypted>true</encrypted>",
        "<deleteOnTermination>true</deleteOnTermination>",
        "<volumeSize>30</volumeSize>",
        "<volumeType>gp3</volumeType>",
        &format!("<kmsKeyId>{KEY}</kmsKeyId>"),
        &format!("<name>{PROFILE}</name>"),
        "<key>team</key>",
        "<resourceType>instance</resourceType>",
        "<resourceType>volume</resourceType>",
    ] {
        assert!(template.contains(says), "no {says} in {template}");
    }
    assert!(!template.contains("<keyName>"), "{template}");
    let group = group(&place);
    let types = between(&group, "<Overrides>", "</Overrides>");
    let first = types.find("t3.micro").unwrap();
    assert!(
        first < types.find("t3.small").unwrap(),
        "best first: {types}"
    );
    for says in [
        "<OnDemandPercentageAboveBaseCapacity>0<",
        "<SpotAllocationStrategy>price-capacity-optimized<",
        "<HealthCheckType>ELB<",
        "<CapacityRebalance>true<",
    ] {
        assert!(group.contains(says), "no {says} in {group}");
    }
    let instances = place.ec2(&[("Action", "DescribeInstances")]);
    assert_eq!(instances.matches("<instanceLifecycle>spot<").count(), 2);

    let told = place
        .another()
        .launch_template(&web(), FIRST)
        .await
        .unwrap();
    let told = told.unwrap();
    assert_eq!(told, launch);
    assert_eq!(Fingerprint::of(&told), Fingerprint::of(&launch));
}

async fn run_with_failures(place: &Place, failures: serde_json::Value, policy: Policy) -> Outcome {
    let release = place.release("1").await;
    let mut order = failures;
    order["account"] = json!(place.account);
    control("POST", "launches", &order);
    let goal = place.goal(place.launch(&release), 2);
    place.run_with(&place.cloud, goal, policy).await
}

#[tokio::test(flavor = "multi_thread")]
async fn want_of_room_is_waited_out() {
    for code in [
        "InsufficientInstanceCapacity",
        "InsufficientFreeAddressesInSubnet",
        "VcpuLimitExceeded",
        "InvalidIamInstanceProfile",
    ] {
        let place = Place::new();
        let failures = json!({ "code": code, "count": 5 });
        let done = run_with_failures(&place, failures, policy(Strategy::BlueGreen)).await;
        assert!(
            matches!(done.ending, Ending::Reached(_)),
            "{code}: {done:#?}"
        );
    }
}

/// More members than one answer tells activities of.
const MANY: u32 = 110;

#[tokio::test(flavor = "multi_thread")]
async fn launches_that_failed_are_told_however_many_succeeded_since() {
    let place = Place::new();
    let release = place.light_release("1").await;
    let failures = json!({
        "code": "Client.InternalError", "count": 3, "account": place.account,
    });
    control("POST", "launches", &failures);
    let fence = place.fence().await;
    let cloud = &place.cloud;
    let configure = Action::Configure(place.settings());
    cloud.act(&web(), fence, &configure).await.unwrap();
    let mut create = place.create(FIRST, place.launch(&release));
    if let Action::CreateGeneration { size, .. } = &mut create {
        *size = MANY;
    }
    cloud.act(&web(), fence, &create).await.unwrap();
    let running = |world: &World| {
        let members = world.generations[&FIRST].members.iter();
        let running = members.filter(|member| member.state == MemberState::Running);
        running
            .map(|member| member.id.0.clone())
            .collect::<Vec<_>>()
    };
    let has_all = |world: &World| running(world).len() == MANY as usize;
    place.until("all of them", has_all).await;
    // Another process has seen none of this until a member is missing.
    let cloud = place.another();
    let world = cloud.observe(&web(), &[]).await.unwrap();
    let victim = running(&world).pop().unwrap();
    place.ec2(&[("Action", "TerminateInstances"), ("InstanceId.1", &victim)]);
    let is_failed = |member: &&Member| {
        member.state == MemberState::Failed && member.id.0.starts_with("launch-")
    };
    let ends = Instant::now() + Duration::from_secs(60);
    loop {
        let world = cloud.observe(&web(), &[]).await.unwrap();
        let failed = world.generations[&FIRST].members.iter().filter(is_failed);
        if failed.count() == 3 {
            break;
        }
        assert!(Instant::now() < ends, "they are never told: {world:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_is_not_seen_yet_is_waited_for() {
    let place = Place::new();
    let release = place.release("1").await;
    let refusal = place.fault(json!({
        "kind": "error", "operation": "CreateAutoScalingGroup", "status": 400, "count": 3,
        "code": "ValidationError",
        "message": "You must use a valid fully-formed launch template. Value (web) for parameter \
                    iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
    }));
    let done = place
        .run(place.goal(place.launch(&release), 2), Strategy::BlueGreen)
        .await;
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    assert_eq!(place.told(refusal)["hits"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_that_never_succeeds_ends_the_rollout_in_awss_words() {
    let short = Policy {
        launch_deadline: Duration::from_secs(3),
        ..policy(Strategy::BlueGreen)
    };
    let usual = || policy(Strategy::BlueGreen);
    for (code, policy, says, advises) in [
        (
            "Client.InternalError",
            usual(),
            "Client error on launch",
            "KMS key",
        ),
        ("VcpuLimitExceeded", short, "vCPU capacity", "higher quota"),
    ] {
        let place = Place::new();
        let failures = json!({ "code": code, "count": 0 });
        let done = run_with_failures(&place, failures, policy).await;
        let Ending::RolledBack(failure) = &done.ending else {
            panic!("{code}: {done:#?}")
        };
        let summary = &failure.cause.summary;
        assert!(summary.contains(says), "{code}: {summary}");
        assert!(summary.contains(advises), "{code}: {summary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_a_lifecycle_hook_holds_says_so_and_until_when() {
    let place = Place::new();
    let release = place.release("1").await;
    let done = place
        .run(place.goal(place.launch(&release), 2), Strategy::BlueGreen)
        .await;
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    let hook = [
        ("Action", "PutLifecycleHook"),
        ("AutoScalingGroupName", "immutable-web-1"),
        ("LifecycleHookName", "by-hand"),
        ("LifecycleTransition", "autoscaling:EC2_INSTANCE_LAUNCHING"),
        ("HeartbeatTimeout", "3600"),
        ("DefaultResult", "CONTINUE"),
    ];
    place.query("autoscaling", "2011-01-01", &hook);
    let members = place.world().await.generations[&FIRST].members.clone();
    let victim = members.first().unwrap().id.0.clone();
    place.ec2(&[("Action", "TerminateInstances"), ("InstanceId.1", &victim)]);
    let world = place
        .until("held", |world| {
            let mut members = world.generations[&FIRST].members.iter();
            members.any(|member| {
                let words = member.last_error.as_deref().unwrap_or_default();
                member.state == MemberState::Launching && words.contains("by-hand")
            })
        })
        .await;
    let mut members = world.generations[&FIRST].members.iter();
    let held = members
        .find(|it| it.state == MemberState::Launching)
        .unwrap();
    let words = held.last_error.clone().unwrap();
    assert!(
        words.contains("it waits for the lifecycle hook by-hand until "),
        "{words}"
    );
    assert!(words.contains("then CONTINUE"), "{words}");
}
