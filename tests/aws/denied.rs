//! Each call that is made, denied once: whoever applies hears which permission is missing, and once it
//! is granted the next attempt goes on.

use crate::account::{between, control};
use crate::fleet::{FIRST, all_on, policy, web, words};
use crate::permissions::calls_of_the_code;
use crate::place::Place;
use immutable::cloud::{Cloud, Doubt, LaunchWish, NewRelease, Reach, Wish};
use immutable::driver::Ending;
use immutable::model::{
    Fingerprint, Front, ImageSource, Protocol, ReleaseId, ReleaseRef, Scaling, Tracking, Weights,
};
use immutable::rollout::{Action, FleetGoal, Goal, MemberState, Parked, Policy, Strategy, World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tokio_util::sync::CancellationToken;

/// The calls by the moment at which they are needed, in the order in which that needs them.
const NEEDED: [(&str, &[&str]); 23] = [
    (
        "look ahead",
        &[
            "ssm:GetParameters",
            "ec2:DescribeImages",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeInstanceTypeOfferings",
            "ec2:DescribeSubnets",
            "ec2:DescribeSecurityGroups",
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeRules",
            "cloudwatch:DescribeAlarms",
        ],
    ),
    (
        "look for room",
        &["elasticloadbalancing:DescribeAccountLimits"],
    ),
    (
        "look for room for TCP",
        &["elasticloadbalancing:DescribeLoadBalancerAttributes"],
    ),
    (
        "create",
        &[
            "ssm:PutParameter",
            "ec2:CreateLaunchTemplate",
            "elasticloadbalancing:CreateTargetGroup",
            "ec2:DescribeLaunchTemplates",
            "elasticloadbalancing:ModifyTargetGroupAttributes",
            "elasticloadbalancing:CreateRule",
            "autoscaling:CreateAutoScalingGroup",
            "autoscaling:SuspendProcesses",
            "autoscaling:DescribeAutoScalingGroups",
            "ec2:DescribeInstances",
            "elasticloadbalancing:DescribeTargetHealth",
            "elasticloadbalancing:ModifyRule",
        ],
    ),
    ("look ahead again", &["elasticloadbalancing:DescribeTags"]),
    ("move", &["elasticloadbalancing:SetRulePriorities"]),
    (
        "check otherwise",
        &["elasticloadbalancing:ModifyTargetGroup"],
    ),
    (
        "track",
        &[
            "autoscaling:PutScalingPolicy",
            "autoscaling:DescribePolicies",
        ],
    ),
    ("track no more", &["autoscaling:DeletePolicy"]),
    ("grow", &["autoscaling:UpdateAutoScalingGroup"]),
    ("want room", &["autoscaling:DescribeScalingActivities"]),
    (
        "shrink",
        &["autoscaling:TerminateInstanceInAutoScalingGroup"],
    ),
    (
        "repair",
        &[
            "elasticloadbalancing:DescribeTargetGroups",
            "autoscaling:AttachLoadBalancerTargetGroups",
            "autoscaling:DetachLoadBalancerTargetGroups",
        ],
    ),
    ("park", &["autoscaling:DetachInstances"]),
    ("wait for a hook", &["autoscaling:DescribeLifecycleHooks"]),
    ("fail", &["ec2:GetConsoleOutput"]),
    (
        "import",
        &[
            "ec2:DescribeLaunchTemplateVersions",
            "ssm:GetParametersByPath",
        ],
    ),
    (
        "destroy",
        &[
            "autoscaling:DeleteAutoScalingGroup",
            "elasticloadbalancing:DeleteRule",
            "elasticloadbalancing:DeleteTargetGroup",
            "ec2:DeleteLaunchTemplate",
            "ssm:DeleteParameter",
        ],
    ),
    (
        "listen to TCP",
        &[
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:ModifyListener",
            "elasticloadbalancing:RemoveTags",
        ],
    ),
    (
        "release",
        &[
            "ec2:CreateTags",
            "ec2:RunInstances",
            "ec2:TerminateInstances",
            "ec2:DescribeRegions",
            "ec2:CopyImage",
            "ec2:ModifyImageAttribute",
            "ec2:ModifySnapshotAttribute",
            "ec2:EnableImageDeregistrationProtection",
            "ec2:EnableImageDeprecation",
            "ec2:DisableImageDeprecation",
        ],
    ),
    (
        "remove the release",
        &[
            "ec2:DisableImageDeregistrationProtection",
            "ec2:DeregisterImage",
            "ec2:DeleteSnapshot",
        ],
    ),
    ("leave an image", &["ec2:DeleteTags"]),
    ("work without traffic", &["ec2:DescribeInstanceStatus"]),
];

fn needed(moment: &str) -> &'static [&'static str] {
    let (_, calls) = NEEDED.iter().find(|(it, _)| *it == moment).unwrap();
    calls
}

#[test]
fn every_call_of_the_code_is_denied_here() {
    let denied: Vec<&str> = NEEDED
        .iter()
        .flat_map(|(_, calls)| *calls)
        .copied()
        .collect();
    let each: BTreeSet<String> = denied.iter().map(|call| (*call).to_owned()).collect();
    assert_eq!(each.len(), denied.len(), "one is there twice");
    assert_eq!(each, calls_of_the_code());
}

/// Denies a call until an attempt has told of it.
async fn denied(place: &Place, permission: &str, attempt: impl AsyncFn() -> String) {
    let operation = permission.split_once(':').unwrap().1;
    place.fault(json!({ "kind": "denied", "operation": operation, "count": 0 }));
    let told = attempt().await;
    place.end_faults();
    let says = format!("lack the permission {permission}");
    assert!(told.contains(&says), "nothing missed {permission}: {told}");
}

/// Denies all calls of a moment in turn, and then none.
async fn each_denied(place: &Place, moment: &str, attempt: impl AsyncFn() -> String) {
    for permission in needed(moment) {
        denied(place, permission, &attempt).await;
    }
    let told = attempt().await;
    assert_eq!(told, "", "{moment}");
}

/// What an apply tells when it fails.
async fn applied(place: &Place, goal: Goal, policy: Policy) -> String {
    match place.run_with(&place.another(), goal, policy).await.ending {
        Ending::Reached(_) => String::new(),
        Ending::CloudFailed(error) => words(&error),
        Ending::RolledBack(failure) => failure.cause.output,
        other => panic!("{other:#?}"),
    }
}

fn failed<T>(done: immutable::cloud::Result<T>) -> String {
    done.err().map(|error| words(&error)).unwrap_or_default()
}

impl Place {
    /// A goal with a change.
    fn changed(&self, version: &str, size: u32, change: impl FnOnce(&mut FleetGoal)) -> Goal {
        let release = ReleaseRef::parse(&format!("web@{version}")).unwrap();
        let Goal::Fleet(mut goal) = self.goal(self.launch(&release), size) else {
            unreachable!("it is a fleet")
        };
        change(&mut goal);
        Goal::Fleet(goal)
    }

    fn by_hand(&self, service: &str, asked: &[(&str, &str)]) -> String {
        let version = match service {
            "autoscaling" => "2011-01-01",
            _ => "2015-12-01",
        };
        self.query(service, version, asked)
    }
}

fn usual() -> Policy {
    policy(Strategy::BlueGreen)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_plans_hears_which_permission_is_missing() {
    let place = Place::new();
    let release = ReleaseRef::Image(place.image("1"));
    let launch = place.launch(&release);
    let wish = Wish {
        fleet: web(),
        launch: Some(LaunchWish {
            release: Some(release),
            platform: Some(launch.platform.clone()),
            whole: Some(launch),
        }),
        more_members: 2,
        front: place.settings().front,
        alarms: Vec::new(),
    };
    let heard = Wish {
        alarms: vec!["web-5xx".to_owned()],
        ..wish.clone()
    };
    for permission in needed("look ahead") {
        denied(&place, permission, async || looked(&place, &heard).await).await;
    }
    assert_eq!(looked(&place, &wish).await, "");

    let crowded = Wish {
        more_members: 1001,
        ..wish.clone()
    };
    for permission in needed("look for room") {
        denied(&place, permission, async || looked(&place, &crowded).await).await;
    }
    let place = Place::with("network");
    let front = place.settings().front.map(|front| Front {
        protocol: Protocol::Tcp,
        priority: None,
        ..front
    });
    let crowded = Wish {
        launch: None,
        front,
        ..crowded
    };
    for permission in needed("look for room for TCP") {
        denied(&place, permission, async || looked(&place, &crowded).await).await;
    }
}

/// What a look ahead finds wrong.
async fn looked(place: &Place, wish: &Wish) -> String {
    let found = place.another().preflight(wish).await;
    let wrong = found.iter().filter(|it| it.doubt == Doubt::Wrong);
    wrong.map(|it| it.why.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_applies_hears_it_at_every_step_of_a_life() {
    let place = Place::new();
    place.release("1").await;
    let applies = async |goal: Goal| applied(&place, goal, usual()).await;
    let as_it_was = || place.changed("1", 2, |_| {});
    each_denied(&place, "create", async || applies(as_it_was()).await).await;
    let again = Wish {
        fleet: web(),
        launch: None,
        more_members: 0,
        front: place.settings().front,
        alarms: Vec::new(),
    };
    each_denied(&place, "look ahead again", async || {
        looked(&place, &again).await
    })
    .await;
    let moved = |goal: &mut FleetGoal| goal.settings.front.as_mut().unwrap().priority = Some(11);
    each_denied(&place, "move", async || {
        applies(place.changed("1", 2, moved)).await
    })
    .await;
    let checked = |goal: &mut FleetGoal| {
        moved(goal);
        goal.settings.check.streak = 3;
    };
    each_denied(&place, "check otherwise", async || {
        applies(place.changed("1", 2, checked)).await
    })
    .await;
    let tracked = |goal: &mut FleetGoal| {
        let (min, max, cpu) = (1, 5, 60);
        goal.settings.scaling = Scaling::Tracking(Tracking { min, max, cpu });
    };
    each_denied(&place, "track", async || {
        applies(place.changed("1", 2, tracked)).await
    })
    .await;
    each_denied(&place, "track no more", async || applies(as_it_was()).await).await;
    grown(&place).await;
    each_denied(&place, "shrink", async || applies(as_it_was()).await).await;
    repaired(&place, as_it_was).await;
    member_taken_out(&place).await;
    held_by_a_hook(&place).await;
    failing(&place).await;
    each_denied(&place, "import", async || {
        let cloud = place.another();
        let one = cloud.launch_template(&web(), FIRST).await;
        failed(one) + &failed(cloud.fleets().await)
    })
    .await;
    each_denied(&place, "destroy", async || applies(Goal::Absent).await).await;
    place
        .until("empty", |_| {
            let left = place.leftovers();
            left.keys().all(|kind| kind == "parameters")
        })
        .await;
}

/// A member more, for which there is no room at first.
async fn grown(place: &Place) {
    let failing = json!({ "code": "InsufficientInstanceCapacity", "account": place.account });
    control("POST", "launches", &failing);
    let grows = async || applied(place, place.changed("1", 3, |_| {}), usual()).await;
    for permission in [needed("grow"), needed("want room")].concat() {
        denied(place, permission, &grows).await;
    }
    let path = format!("launches?account={}", place.account);
    control("DELETE", &path, &Value::Null);
    assert_eq!(grows().await, "");
}

/// The target group is deleted by hand and made again.
async fn repaired(place: &Place, goal: impl Fn() -> Goal) {
    let rule = place.inventory()["rules"][0].clone();
    let names = ("Names.member.1", "im-web-1");
    let balancing = "elasticloadbalancing";
    let asked = place.by_hand(balancing, &[("Action", "DescribeTargetGroups"), names]);
    let target = between(&asked, "<TargetGroupArn>", "</TargetGroupArn>");
    place.by_hand(balancing, &[("Action", "DeleteRule"), ("RuleArn", &rule)]);
    let delete = [
        ("Action", "DeleteTargetGroup"),
        ("TargetGroupArn", target.as_str()),
    ];
    place.by_hand(balancing, &delete);
    let fence = place.fence().await;
    each_denied(place, "repair", async || {
        let mut told = String::new();
        for weights in [Weights::new(), all_on(FIRST)] {
            let before = Weights::new();
            let shift = Action::ShiftTraffic { weights, before };
            told += &failed(place.another().act(&web(), fence, &shift).await);
        }
        told
    })
    .await;
    assert_eq!(applied(place, goal(), usual()).await, "");
}

/// A member is taken out of its group to be looked at, and goes.
async fn member_taken_out(place: &Place) {
    let world = place.world().await;
    let member = world.generations[&FIRST].members[0].id.clone();
    let parked = Parked {
        member: member.clone(),
        generation: FIRST,
        release: ReleaseRef::parse("web@1").unwrap(),
        by: "alice".to_owned(),
        reason: "it is slow".to_owned(),
        ticket: String::new(),
        until: world.now,
    };
    let fence = place.fence().await;
    each_denied(place, "park", async || {
        let park = Action::Park(parked.clone());
        failed(place.another().act(&web(), fence, &park).await)
    })
    .await;
    let unpark = Action::Unpark { member };
    place.cloud.act(&web(), fence, &unpark).await.unwrap();
}

/// Someone puts a hook on the group, and a member waits for it.
async fn held_by_a_hook(place: &Place) {
    let named = [
        ("AutoScalingGroupName", "immutable-web-1"),
        ("LifecycleHookName", "by-hand"),
    ];
    let put = [
        ("Action", "PutLifecycleHook"),
        ("LifecycleTransition", "autoscaling:EC2_INSTANCE_LAUNCHING"),
        ("HeartbeatTimeout", "3600"),
        ("DefaultResult", "CONTINUE"),
    ];
    place.by_hand("autoscaling", &[&put[..], &named].concat());
    let members = place.world().await.generations[&FIRST].members.clone();
    let victim = members.first().unwrap().id.0.clone();
    place.ec2(&[("Action", "TerminateInstances"), ("InstanceId.1", &victim)]);
    let held = |world: &World| {
        let mut members = world.generations[&FIRST].members.iter();
        members.any(|member| {
            let words = member.last_error.as_deref().unwrap_or_default();
            words.contains("by-hand")
        })
    };
    let world = place.until("held", held).await;
    let looks = async || failed(place.another().observe(&web(), &[]).await);
    each_denied(place, "wait for a hook", looks).await;
    let mut members = world.generations[&FIRST].members.iter();
    let waiting = members.find(|it| it.state == MemberState::Launching);
    let waiting = &waiting.unwrap().id.0;
    let goes_on = [
        ("Action", "CompleteLifecycleAction"),
        ("LifecycleActionResult", "CONTINUE"),
        ("InstanceId", waiting),
    ];
    place.by_hand("autoscaling", &[&goes_on[..], &named].concat());
    let delete = [("Action", "DeleteLifecycleHook")];
    place.by_hand("autoscaling", &[&delete[..], &named].concat());
}

/// A version fails: what it wrote cannot be read, and the verdict says why.
async fn failing(place: &Place) {
    place.release("2").await;
    for (permission, is_there) in [(needed("fail")[0], false), ("none", true)] {
        if !is_there {
            let operation = permission.split_once(':').unwrap().1;
            place.fault(json!({ "kind": "denied", "operation": operation, "count": 0 }));
        }
        let goal = place.changed("2", 2, |goal| {
            let mut launch = goal.launch.clone().unwrap();
            launch
                .config
                .insert("CRASH".to_owned(), is_there.to_string());
            goal.fingerprint = Fingerprint::of(&launch);
            goal.launch = Some(launch);
        });
        let output = applied(place, goal, usual()).await;
        place.end_faults();
        let says = format!("lack the permission {permission}");
        assert_eq!(output.contains(&says), !is_there, "{output}");
        assert_eq!(output.contains("it cannot go on"), is_there, "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_workers_or_a_listener_for_tcp_hears_it() {
    let place = Place::with("network");
    place.release("1").await;
    let without_front = |goal: &mut FleetGoal| {
        goal.settings.front = None;
        let mut launch = goal.launch.clone().unwrap();
        launch.port = None;
        goal.fingerprint = Fingerprint::of(&launch);
        goal.launch = Some(launch);
    };
    each_denied(&place, "work without traffic", async || {
        applied(&place, place.changed("1", 1, without_front), usual()).await
    })
    .await;
    assert_eq!(applied(&place, Goal::Absent, usual()).await, "");

    let tcp = |goal: &mut FleetGoal| {
        let front = goal.settings.front.as_mut().unwrap();
        front.protocol = Protocol::Tcp;
        front.priority = None;
    };
    let calls = needed("listen to TCP");
    let [made, gone] = [&calls[..2], &calls[2..]];
    for permission in made {
        denied(&place, permission, async || {
            applied(&place, place.changed("1", 1, tcp), usual()).await
        })
        .await;
    }
    assert_eq!(
        applied(&place, place.changed("1", 1, tcp), usual()).await,
        ""
    );
    for permission in gone {
        denied(&place, permission, async || {
            applied(&place, Goal::Absent, usual()).await
        })
        .await;
    }
    assert_eq!(applied(&place, Goal::Absent, usual()).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_releases_hears_it() {
    let place = Place::new();
    let ids = ["web@1", "web@2"].map(|id| id.parse::<ReleaseId>().unwrap());
    let reach = Reach {
        regions: BTreeMap::from([("us-west-2".to_owned(), None)]),
        accounts: BTreeSet::from(["111111111111".to_owned()]),
        ..Reach::default()
    };
    let probe = place.probe();
    each_denied(&place, "release", async || {
        let done = async {
            let cloud = place.another();
            for id in &ids {
                let new = NewRelease {
                    id: id.clone(),
                    source: ImageSource::Image(place.image(id.version.as_str())),
                    provenance: BTreeMap::new(),
                };
                cloud.import(&new).await?;
                cloud.verify(id, &probe, &CancellationToken::new()).await?;
                cloud.check_reach(&reach).await?;
                cloud.spread(id, &reach).await?;
                cloud.set_current(id).await?;
            }
            cloud.set_current(&ids[0]).await
        };
        failed(done.await)
    })
    .await;
    each_denied(&place, "remove the release", async || {
        failed(place.another().remove_release(&ids[1]).await)
    })
    .await;
    // One that never became current stays with whoever made its image.
    let never = NewRelease {
        id: "web@3".parse().unwrap(),
        source: ImageSource::Image(place.image("3")),
        provenance: BTreeMap::new(),
    };
    place.cloud.import(&never).await.unwrap();
    each_denied(&place, "leave an image", async || {
        failed(place.another().remove_release(&never.id).await)
    })
    .await;
}
