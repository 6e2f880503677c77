//! What is found before anything is written: everything at once, each with what is to blame.

use crate::account::{between, control};
use crate::fleet::{FIRST, web};
use crate::place::Place;
use immutable::cloud::{Cloud, Doubt, Finding, LaunchWish, Subject, Wish};
use immutable::driver::Ending;
use immutable::model::{AwsLaunch, LaunchTemplate, Platform, Protocol, ReleaseRef, RootVolume};
use immutable::rollout::Strategy;
use serde_json::json;
use std::collections::BTreeMap;

fn wish(place: &Place, release: &ReleaseRef) -> Wish {
    wish_for(place, place.launch(release))
}

fn wish_for(place: &Place, launch: LaunchTemplate) -> Wish {
    Wish {
        fleet: web(),
        launch: Some(LaunchWish {
            release: Some(launch.release.clone()),
            platform: Some(launch.platform.clone()),
            whole: Some(launch),
        }),
        more_members: 2,
        front: place.settings().front,
        alarms: Vec::new(),
    }
}

/// A wish whose launch is good but for one change.
fn changed(place: &Place, change: impl FnOnce(&mut LaunchTemplate, &mut AwsLaunch)) -> Wish {
    let mut launch = place.launch(&ReleaseRef::Image(place.image("1")));
    let Platform::Aws(mut aws) = launch.platform.clone() else {
        unreachable!("it is for AWS")
    };
    change(&mut launch, &mut aws);
    launch.platform = Platform::Aws(aws);
    wish_for(place, launch)
}

fn check(found: &[Finding], about: Subject, doubt: Doubt, says: &str) {
    let is_it = |it: &Finding| it.about == about && it.doubt == doubt && it.why.contains(says);
    assert!(
        found.iter().any(is_it),
        "no {about:?} that says {says:?}: {found:#?}"
    );
}

async fn refused(place: &Place, wish: &Wish, about: Subject, says: &str) {
    let found = place.cloud.preflight(wish).await;
    check(&found, about, Doubt::Wrong, says);
    assert_eq!(found.len(), 1, "{found:#?}");
    let account = format!("account {}", place.account);
    assert!(found[0].why.contains(&account), "{found:#?}");
    assert!(found[0].why.contains("us-east-1"), "{found:#?}");
}

/// Makes another VPC with a subnet.
fn elsewhere(place: &Place) -> (String, String) {
    let vpc = place.ec2(&[("Action", "CreateVpc"), ("CidrBlock", "10.9.0.0/16")]);
    let vpc = between(&vpc, "<vpcId>", "</vpcId>");
    let subnet = place.ec2(&[
        ("Action", "CreateSubnet"),
        ("VpcId", &vpc),
        ("CidrBlock", "10.9.1.0/24"),
        // None of the load balancer's: what is said of VPCs is said of zones no more.
        ("AvailabilityZone", "us-east-1f"),
    ]);
    (vpc, between(&subnet, "<subnetId>", "</subnetId>"))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stands_against_a_good_wish_and_looking_again_costs_nothing() {
    let place = Place::new();
    let release = place.release("1").await;
    place.forget_calls();
    let wish = wish(&place, &release);
    assert_eq!(place.cloud.preflight(&wish).await, []);
    let first: u64 = place.calls().values().sum();
    assert!(first <= 10, "{:?}", place.calls());
    // Another fleet of the same network: only its own record is read.
    place.forget_calls();
    let other = Wish {
        fleet: "api".parse().unwrap(),
        ..wish
    };
    assert_eq!(place.cloud.preflight(&other).await, []);
    let calls = place.calls();
    assert_eq!(calls.values().sum::<u64>(), 1, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_pages_is_read_to_its_end() {
    let place = Place::new();
    place.image("another");
    let wish = changed(&place, |_, _| {});
    place.small_pages();
    assert_eq!(place.cloud.preflight(&wish).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_found_at_once() {
    let place = Place::new();
    let mut wish = changed(&place, |launch, aws| {
        launch.tags = BTreeMap::from([("aws:mine".to_owned(), "1".to_owned())]);
        launch.release = ReleaseRef::Image("ami-00000000000000000".to_owned());
        aws.instance_types.push("t3.enormous".to_owned());
        aws.subnet_ids.push("subnet-0123".to_owned());
        aws.security_group_ids.push("sg-0123".to_owned());
        aws.user_data = Some("#!".repeat(9000));
    });
    wish.alarms = vec!["web-5xx".to_owned()];
    let front = wish.front.as_mut().unwrap();
    front.listener = front.listener.replace("us-east-1", "eu-west-1");
    let found = place.cloud.preflight(&wish).await;
    let wrong = [
        (
            Subject::Release,
            "no image ami-00000000000000000 in us-east-1",
        ),
        (Subject::InstanceTypes, "no instance type t3.enormous"),
        (Subject::Subnets, "no subnet subnet-0123"),
        (Subject::SecurityGroups, "no security group sg-0123"),
        (Subject::UserData, "EC2 takes 16384"),
        (Subject::Tags, "aws:mine"),
        (
            Subject::Listener,
            "in eu-west-1, and the provider works in us-east-1",
        ),
    ];
    for (about, says) in wrong {
        check(&found, about, Doubt::Wrong, says);
    }
    check(&found, Subject::Alarms, Doubt::Missing, "\"web-5xx\"");
    assert_eq!(found.len(), wrong.len() + 1, "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_wrong_region_nothing_is_there_and_each_finding_says_where() {
    let place = Place::new();
    let wish = changed(&place, |_, _| {});
    let found = place.elsewhere("us-west-2").cloud.preflight(&wish).await;
    for (about, says) in [
        (Subject::Release, "in us-west-2, or it is not shared"),
        (Subject::Subnets, "There is no subnet"),
        (Subject::SecurityGroups, "There is no security group"),
        (
            Subject::Listener,
            "is in us-east-1, and the provider works in us-west-2",
        ),
    ] {
        check(&found, about, Doubt::Wrong, says);
    }
    assert_eq!(found.len(), 4, "{found:#?}");
    let is_placed = |it: &Finding| it.why.contains("(Region us-west-2, account ");
    assert!(found.iter().all(is_placed), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_or_an_image_that_is_still_being_made_may_come() {
    let place = Place::new();
    let release = ReleaseRef::parse("web@9").unwrap();
    let found = place.cloud.preflight(&wish(&place, &release)).await;
    check(&found, Subject::Release, Doubt::Missing, "no release web@9");
    let image = place.image("1");
    let wait = json!({ "account": place.account, "seconds": 3600 });
    control("POST", "copies", &wait);
    let copied = place.ec2(&[
        ("Action", "CopyImage"),
        ("Name", "copy"),
        ("SourceImageId", &image),
        ("SourceRegion", "us-east-1"),
    ]);
    let copy = ReleaseRef::Image(between(&copied, "<imageId>", "</imageId>"));
    let found = place.cloud.preflight(&wish(&place, &copy)).await;
    check(&found, Subject::Release, Doubt::Missing, "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_runs_on_its_own_architecture() {
    let place = Place::new();
    let wish = changed(&place, |_, aws| {
        aws.instance_types = vec!["m7g.large".to_owned()]
    });
    refused(&place, &wish, Subject::InstanceTypes, "is built for x86_64").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subnets_groups_and_listener_share_a_vpc_with_room_in_it() {
    let place = Place::new();
    let (vpc, subnet) = elsewhere(&place);
    let wish = changed(&place, |_, aws| aws.subnet_ids.push(subnet.clone()));
    refused(&place, &wish, Subject::Subnets, "several VPCs").await;

    let wish = changed(&place, |_, aws| {
        aws.subnet_ids = vec![subnet.clone()];
        aws.security_group_ids.clear();
    });
    refused(&place, &wish, Subject::Listener, &vpc).await;

    let made = place.ec2(&[
        ("Action", "CreateSecurityGroup"),
        ("GroupName", "theirs"),
        ("GroupDescription", "theirs"),
        ("VpcId", &vpc),
    ]);
    let group = between(&made, "<groupId>", "</groupId>");
    let wish = changed(&place, |_, aws| aws.security_group_ids.push(group));
    refused(&place, &wish, Subject::SecurityGroups, &vpc).await;

    let many = Wish {
        more_members: 100_000,
        front: None,
        ..changed(&place, |_, _| {})
    };
    refused(&place, &many, Subject::Subnets, "100000 members come").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_zone_offers_one_of_the_types() {
    let place = Place::new();
    let vpc = place.text("vpc_id");
    let told = place.ec2(&[("Action", "DescribeVpcs"), ("VpcId.1", &vpc)]);
    let block = between(&told, "<cidrBlock>", ".0.0/16");
    // An old zone, which has old types alone.
    let subnet = place.ec2(&[
        ("Action", "CreateSubnet"),
        ("VpcId", &vpc),
        ("CidrBlock", &format!("{block}.192.0/18")),
        ("AvailabilityZone", "us-east-1e"),
    ]);
    let subnet = between(&subnet, "<subnetId>", "</subnetId>");
    // Workers: the load balancer is not in that zone.
    let there = |types: &[&str]| Wish {
        front: None,
        ..changed(&place, |_, aws| {
            aws.subnet_ids.push(subnet.clone());
            aws.instance_types = types.iter().map(|it| (*it).to_owned()).collect();
        })
    };
    let only_new = there(&["t3.micro", "t3.small"]);
    let says = format!("{subnet} is in us-east-1e, where t3.micro or t3.small is not offered");
    refused(&place, &only_new, Subject::Subnets, &says).await;
    let with_old = there(&["t3.micro", "m3.medium"]);
    assert_eq!(place.cloud.preflight(&with_old).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_must_exist_and_speak_what_the_fleet_does() {
    let place = Place::new();
    let mut wish = changed(&place, |_, _| {});
    wish.front.as_mut().unwrap().protocol = Protocol::Tcp;
    refused(&place, &wish, Subject::Listener, "network load balancer").await;
    let mut wish = changed(&place, |_, _| {});
    let front = wish.front.as_mut().unwrap();
    front.paths = (0..6).map(|number| format!("/{number}")).collect();
    refused(&place, &wish, Subject::Conditions, "room for 5").await;
    let front = wish.front.as_mut().unwrap();
    front.listener = front.listener.replace("listener/", "listener/x");
    refused(&place, &wish, Subject::Listener, "no listener").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_balancer_is_in_every_zone_of_the_subnets() {
    let place = Place::new();
    let vpc = place.text("vpc_id");
    let told = place.ec2(&[("Action", "DescribeVpcs"), ("VpcId.1", &vpc)]);
    let range = between(&told, "<cidrBlock>", "</cidrBlock>");
    let made = place.ec2(&[
        ("Action", "CreateSubnet"),
        ("VpcId", &vpc),
        ("CidrBlock", &range.replace(".0.0/16", ".192.0/18")),
        ("AvailabilityZone", "us-east-1d"),
    ]);
    let subnet = between(&made, "<subnetId>", "</subnetId>");
    let wish = changed(&place, |_, aws| aws.subnet_ids.push(subnet.clone()));
    let says = format!("{subnet} is in us-east-1d, and the listener's load balancer is in");
    refused(&place, &wish, Subject::Subnets, &says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_balancer_has_room_for_rules_target_groups_and_members() {
    let place = Place::new();
    let crowded = |more_members| Wish {
        more_members,
        ..changed(&place, |_, _| {})
    };
    assert_eq!(place.cloud.preflight(&crowded(1000)).await, []);
    let says = "1001 targets of its load balancer at least, which has room for 1000";
    refused(&place, &crowded(1001), Subject::Listener, says).await;
    let limits = json!({ "targets-per-application-load-balancer": 2000 });
    let wish = json!({ "account": place.account, "limits": limits });
    control("POST", "limits", &wish);
    assert_eq!(place.another().preflight(&crowded(1001)).await, []);

    let listener = place.text("listener_arn");
    for number in 101..=200 {
        let (priority, path) = (number.to_string(), format!("/{number}"));
        let theirs = [
            ("Action", "CreateRule"),
            ("ListenerArn", listener.as_str()),
            ("Priority", priority.as_str()),
            ("Conditions.member.1.Field", "path-pattern"),
            ("Conditions.member.1.Values.member.1", path.as_str()),
            ("Actions.member.1.Type", "fixed-response"),
            ("Actions.member.1.FixedResponseConfig.StatusCode", "200"),
        ];
        place.query("elasticloadbalancing", "2015-12-01", &theirs);
    }
    let found = place.another().preflight(&crowded(2)).await;
    let says = "101 rules of its load balancer at least, which has room for 100";
    check(&found, Subject::Listener, Doubt::Wrong, says);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_load_balancer_has_room_by_zone_or_in_all() {
    let place = Place::with("network");
    let wish = || {
        let mut wish = changed(&place, |_, _| {});
        let front = wish.front.as_mut().unwrap();
        (front.protocol, front.priority) = (Protocol::Tcp, None);
        wish.more_members = 501;
        wish
    };
    assert_eq!(place.cloud.preflight(&wish()).await, []);
    let asked = [
        ("Action", "ModifyLoadBalancerAttributes"),
        ("LoadBalancerArn", &place.text("load_balancer_arn")),
        (
            "Attributes.member.1.Key",
            "load_balancing.cross_zone.enabled",
        ),
        ("Attributes.member.1.Value", "true"),
    ];
    place.query("elasticloadbalancing", "2015-12-01", &asked);
    let says = "501 targets of its load balancer at least, which has room for 500";
    refused(&place, &wish(), Subject::Listener, says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_among_the_rules_is_free_or_the_fleets_own() {
    let place = Place::new();
    let theirs = [
        ("Action", "CreateRule"),
        ("ListenerArn", &place.text("listener_arn")),
        ("Priority", "10"),
        ("Conditions.member.1.Field", "path-pattern"),
        ("Conditions.member.1.Values.member.1", "/theirs"),
        ("Actions.member.1.Type", "fixed-response"),
        ("Actions.member.1.FixedResponseConfig.StatusCode", "200"),
    ];
    place.query("elasticloadbalancing", "2015-12-01", &theirs);
    let wish = changed(&place, |_, _| {});
    refused(&place, &wish, Subject::Priority, "10 is taken").await;

    let place = Place::new();
    let release = place.release("1").await;
    let goal = place.goal(place.launch(&release), 2);
    let done = place.run(goal, Strategy::BlueGreen).await;
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    let own = Wish {
        launch: None,
        ..wish_for(&place, place.launch(&release))
    };
    assert_eq!(place.another().preflight(&own).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_that_was_begun_is_not_judged_again() {
    let place = Place::new();
    let release = place.release("1").await;
    let goal = place.goal(place.launch(&release), 2);
    let done = place.run(goal, Strategy::BlueGreen).await;
    assert!(done.world.unwrap().generations.contains_key(&FIRST));
    let crowded = Wish {
        more_members: 100_000,
        ..wish(&place, &release)
    };
    assert_eq!(place.another().preflight(&crowded).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_volume_holds_the_image() {
    let place = Place::new();
    let wish = changed(&place, |_, aws| {
        aws.root_volume = Some(RootVolume {
            size_gb: Some(1),
            ..RootVolume::default()
        });
    });
    refused(&place, &wish, Subject::RootVolume, "size_gb is 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_fit_what_aws_allows() {
    let place = Place::new();
    let wish = changed(&place, |launch, _| {
        launch.tags = (0..60)
            .map(|n| (format!("tag-{n}"), String::new()))
            .collect();
    });
    refused(&place, &wish, Subject::Tags, "AWS allows 50").await;
    for (key, value, says) in [
        ("k".repeat(129), String::new(), "129 characters"),
        ("key".to_owned(), "v".repeat(257), "257 characters"),
        (
            "key".to_owned(),
            "a,b".to_owned(),
            "Elastic Load Balancing takes",
        ),
    ] {
        let wish = changed(&place, |launch, _| {
            launch.tags = BTreeMap::from([(key, value)]);
        });
        refused(&place, &wish, Subject::Tags, says).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_moment_is_no_fault() {
    let place = Place::new();
    let wish = Wish {
        alarms: vec!["web-5xx".to_owned()],
        ..changed(&place, |_, _| {})
    };
    for (operation, about) in [
        ("GetParameters", Subject::Fleet),
        ("DescribeImages", Subject::Release),
        ("DescribeInstanceTypes", Subject::InstanceTypes),
        ("DescribeInstanceTypeOfferings", Subject::Subnets),
        ("DescribeSubnets", Subject::Subnets),
        ("DescribeSecurityGroups", Subject::SecurityGroups),
        ("DescribeListeners", Subject::Listener),
        ("DescribeLoadBalancers", Subject::Listener),
        ("DescribeRules", Subject::Priority),
        ("DescribeAlarms", Subject::Alarms),
    ] {
        place.fault(json!({ "kind": "throttle", "operation": operation, "count": 0 }));
        let found = place.another().preflight(&wish).await;
        place.end_faults();
        check(&found, about, Doubt::Unread, "could not be looked at");
    }
}
