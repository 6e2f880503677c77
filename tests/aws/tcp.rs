//! Fleets behind a network load balancer, whose listener they have for themselves.

use crate::account::between;
use crate::fleet::{FIRST, SECOND, all_on, web, words};
use crate::place::Place;
use immutable::cloud::{Cloud, Doubt, ErrorKind, Subject, Wish};
use immutable::driver::Ending;
use immutable::model::{Front, Protocol, ReleaseRef, Settings, Weight, Weights};
use immutable::rollout::{Action, CanaryStep, Foreign, Goal, Hold, Strategy, Traffic};
use std::time::Duration;

const BALANCING: (&str, &str) = ("elasticloadbalancing", "2015-12-01");

fn settings(place: &Place) -> Settings {
    let settings = place.settings();
    let front = settings.front.as_ref().unwrap();
    let front = Front {
        protocol: Protocol::Tcp,
        priority: None,
        ..front.clone()
    };
    Settings {
        front: Some(front),
        drain: Duration::from_secs(1),
        ..settings
    }
}

pub(crate) fn goal(place: &Place, release: &ReleaseRef) -> Goal {
    let Goal::Fleet(mut goal) = place.goal(place.launch(release), 2) else {
        unreachable!("it is a fleet")
    };
    goal.settings = settings(place);
    Goal::Fleet(goal)
}

/// What the listener forwards to: each target group's ARN with its weight.
fn forwards(place: &Place) -> Vec<(String, String)> {
    let arn = place.text("listener_arn");
    let asked = [
        ("Action", "DescribeListeners"),
        ("ListenerArns.member.1", arn.as_str()),
    ];
    let told = place.query(BALANCING.0, BALANCING.1, &asked);
    let groups = told.split("<TargetGroups>").nth(1).unwrap_or(&told);
    let groups = groups.split("</TargetGroups>").next().unwrap();
    let each = groups.split("<TargetGroupArn>").skip(1);
    each.map(|one| {
        let arn = one.split("</TargetGroupArn>").next().unwrap().to_owned();
        let weight = one.split_once("<Weight>").map(|(_, rest)| rest);
        let weight = weight.and_then(|rest| rest.split("</Weight>").next());
        (arn, weight.unwrap_or_default().to_owned())
    })
    .collect()
}

fn listener_tags(place: &Place) -> String {
    let arn = place.text("listener_arn");
    let asked = [
        ("Action", "DescribeTags"),
        ("ResourceArns.member.1", arn.as_str()),
    ];
    place.query(BALANCING.0, BALANCING.1, &asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_loses_no_connection_and_gives_the_listener_back() {
    let place = Place::with("network");
    let before = forwards(&place);
    let made_before = place.inventory();
    assert_eq!(before.len(), 1, "{before:?}");
    let first = place.release("1").await;
    let created = place.run(goal(&place, &first), Strategy::BlueGreen).await;
    assert!(matches!(created.ending, Ending::Reached(_)), "{created:#?}");
    let endpoint = place.cloud.endpoint(&web()).await.unwrap();
    assert_eq!(endpoint, Some(format!("tcp://{}", place.text("endpoint"))));
    assert!(listener_tags(&place).contains("<Value>web</Value>"));

    let client = place.client();
    let second = place.release("2").await;
    let half = Strategy::Canary {
        steps: vec![CanaryStep {
            weight: Weight::new(50).unwrap(),
            hold: Hold::For(Duration::from_millis(500)),
        }],
    };
    let updated = place.run(goal(&place, &second), half).await;
    let answers = client.findings();
    assert!(matches!(updated.ending, Ending::Reached(_)), "{updated:#?}");
    assert!(answers.bad.is_empty(), "{:?}", answers.bad);
    assert!(answers.versions.contains("web@2"), "{answers:?}");
    let Traffic::Known { weights, .. } = place.world().await.traffic else {
        panic!("the listener cannot be read")
    };
    assert_eq!(weights, all_on(SECOND));

    let gone = place.run(Goal::Absent, Strategy::BlueGreen).await;
    assert!(matches!(gone.ending, Ending::Reached(_)), "{gone:#?}");
    let after = forwards(&place);
    assert_eq!(after.len(), 1, "{after:?}");
    assert_eq!(after[0].0, before[0].0);
    assert!(!listener_tags(&place).contains("immutable:"));
    place
        .until("as before", |_| {
            let mut now = place.inventory();
            now.retain(|kind, _| made_before.contains_key(kind) && kind != "parameters");
            ["groups", "launch_templates", "target_groups", "instances"]
                .iter()
                .all(|kind| now.get(*kind) == made_before.get(*kind))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_target_group_of_weight_none_is_taken_over_as_well() {
    let place = Place::with("network");
    let group = forwards(&place)[0].0.clone();
    let tuple = "DefaultActions.member.1.ForwardConfig.TargetGroups.member.1";
    place.query(
        BALANCING.0,
        BALANCING.1,
        &[
            ("Action", "ModifyListener"),
            ("ListenerArn", &place.text("listener_arn")),
            ("DefaultActions.member.1.Type", "forward"),
            (&format!("{tuple}.TargetGroupArn"), &group),
            (&format!("{tuple}.Weight"), "0"),
        ],
    );
    let wish = Wish {
        fleet: web(),
        launch: None,
        more_members: 0,
        front: settings(&place).front,
        alarms: Vec::new(),
    };
    assert_eq!(place.cloud.preflight(&wish).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_changed_by_hand_are_told_with_both_values() {
    let place = Place::with("network");
    let first = place.release("1").await;
    let done = place.run(goal(&place, &first), Strategy::BlueGreen).await;
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    let groups = forwards(&place);
    let listener = place.text("listener_arn");
    let tuple = "DefaultActions.member.1.ForwardConfig.TargetGroups.member";
    let mut change = vec![
        ("Action".to_owned(), "ModifyListener".to_owned()),
        ("ListenerArn".to_owned(), listener),
        (
            "DefaultActions.member.1.Type".to_owned(),
            "forward".to_owned(),
        ),
    ];
    for ((arn, _), number) in groups.iter().zip(1..) {
        change.push((format!("{tuple}.{number}.TargetGroupArn"), arn.clone()));
        change.push((format!("{tuple}.{number}.Weight"), "1".to_owned()));
    }
    let change: Vec<(&str, &str)> = change
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    place.query(BALANCING.0, BALANCING.1, &change);
    let foreign = Foreign::of(&place.world().await).weights.unwrap();
    let half = Weights::from([(FIRST, Weight::new(50).unwrap())]);
    assert_eq!((foreign.shown, foreign.written), (half, all_on(FIRST)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_serves_others_is_not_taken() {
    let place = Place::with("network");
    let first = place.release("1").await;
    let wish = Wish {
        fleet: "other".parse().unwrap(),
        launch: None,
        more_members: 0,
        front: settings(&place).front,
        alarms: Vec::new(),
    };
    assert_eq!(place.cloud.preflight(&wish).await, []);
    let done = place.run(goal(&place, &first), Strategy::BlueGreen).await;
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    let found = place.another().preflight(&wish).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(
        (found[0].about, found[0].doubt),
        (Subject::Listener, Doubt::Wrong)
    );
    assert!(found[0].why.contains("the fleet web's"), "{found:#?}");

    let with_hosts = Wish {
        fleet: web(),
        front: settings(&place).front.map(|front| Front {
            hosts: vec!["web.example.com".to_owned()],
            ..front
        }),
        ..wish
    };
    let found = place.another().preflight(&with_hosts).await;
    assert_eq!(found[0].about, Subject::Conditions, "{found:#?}");

    // A stranger's targets behind the listener are not cut off.
    let place = Place::with("network");
    let image = place.image("1");
    let subnet = place.network["subnet_ids"][0].as_str().unwrap().to_owned();
    let started = place.ec2(&[
        ("Action", "RunInstances"),
        ("ImageId", &image),
        ("InstanceType", "t3.micro"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("SubnetId", &subnet),
    ]);
    let instance = between(&started, "<instanceId>", "</instanceId>");
    let group = forwards(&place)[0].0.clone();
    let register = [
        ("Action", "RegisterTargets"),
        ("TargetGroupArn", group.as_str()),
        ("Targets.member.1.Id", instance.as_str()),
    ];
    place.query(BALANCING.0, BALANCING.1, &register);
    let fence = place.fence().await;
    let configure = Action::Configure(settings(&place));
    let refused = place.cloud.act(&web(), fence, &configure).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Invalid);
    assert!(
        words(&refused).contains("it serves 1 targets"),
        "{}",
        words(&refused)
    );
    place.ec2(&[
        ("Action", "TerminateInstances"),
        ("InstanceId.1", &instance),
    ]);
}
