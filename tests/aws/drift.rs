//! What someone does by hand to a fleet is seen, and repaired or told.

use crate::account::between;
use crate::fleet::{FIRST, all_on, web};
use crate::place::Place;
use immutable::cloud::Cloud;
use immutable::driver::Ending;
use immutable::model::{Weight, Weights};
use immutable::rollout::{Action, Foreign, MemberState, Strategy, Traffic};
use serde_json::json;
use std::collections::BTreeSet;

async fn serving(place: &Place) {
    let first = place.release("1").await;
    let goal = place.goal(place.launch(&first), 2);
    let done = place.run(goal, Strategy::BlueGreen).await;
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
}

fn running(world: &immutable::rollout::World) -> BTreeSet<String> {
    let members = world.generations[&FIRST].members.iter();
    members
        .filter(|member| member.state == MemberState::Running && member.streak > 0)
        .map(|member| member.id.0.clone())
        .collect()
}

/// The ARNs of the rule that the fleet owns and of its first target group.
fn rule_and_target(place: &Place) -> (String, String) {
    let rule = place.inventory()["rules"][0].clone();
    let told = place.query(
        "elasticloadbalancing",
        "2015-12-01",
        &[
            ("Action", "DescribeTargetGroups"),
            ("Names.member.1", "im-web-1"),
        ],
    );
    let target = between(&told, "<TargetGroupArn>", "</TargetGroupArn>");
    (rule, target)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_terminated_by_hand_is_replaced_by_its_group() {
    let place = Place::new();
    serving(&place).await;
    let before = running(&place.world().await);
    let victim = before.first().unwrap().clone();
    place.ec2(&[("Action", "TerminateInstances"), ("InstanceId.1", &victim)]);
    let world = place
        .until("two others", |world| {
            let now = running(world);
            now.len() == 2 && !now.contains(&victim)
        })
        .await;
    assert_eq!(Foreign::of(&world), Foreign::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_with_other_security_groups_is_told_and_replaced() {
    let place = Place::new();
    serving(&place).await;
    let victim = running(&place.world().await).first().unwrap().clone();
    let vpc = place.text("vpc_id");
    let made = place.ec2(&[
        ("Action", "CreateSecurityGroup"),
        ("GroupName", "by-hand"),
        ("GroupDescription", "by hand"),
        ("VpcId", &vpc),
    ]);
    let group = between(&made, "<groupId>", "</groupId>");
    place.ec2(&[
        ("Action", "ModifyInstanceAttribute"),
        ("InstanceId", &victim),
        ("GroupId.1", &group),
    ]);
    // A process that has looked before sees it within a minute; this one looks for the first time.
    let world = place.another().observe(&web(), &[]).await.unwrap();
    let members = &world.generations[&FIRST].members;
    let drifted = members
        .iter()
        .find(|member| member.drift.is_some())
        .unwrap();
    assert_eq!(drifted.id.0, victim);
    assert!(drifted.drift.as_ref().unwrap().contains(&group));

    let first = "web@1".parse().unwrap();
    let release = immutable::model::ReleaseRef::Release(first);
    let goal = place.goal(place.launch(&release), 2);
    let cloud = place.another();
    let policy = crate::fleet::policy(Strategy::BlueGreen);
    let done = place.run_with(&cloud, goal, policy).await;
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    assert!(!running(&done.world.unwrap()).contains(&victim));
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_changed_by_hand_are_told_with_both_values() {
    let place = Place::new();
    serving(&place).await;
    let (rule, target) = rule_and_target(&place);
    let vpc = place.text("vpc_id");
    let made = place.query(
        "elasticloadbalancing",
        "2015-12-01",
        &[
            ("Action", "CreateTargetGroup"),
            ("Name", "theirs"),
            ("Protocol", "HTTP"),
            ("Port", "80"),
            ("VpcId", &vpc),
        ],
    );
    let theirs = between(&made, "<TargetGroupArn>", "</TargetGroupArn>");
    let tuple = "Actions.member.1.ForwardConfig.TargetGroups.member";
    place.query(
        "elasticloadbalancing",
        "2015-12-01",
        &[
            ("Action", "ModifyRule"),
            ("RuleArn", &rule),
            ("Actions.member.1.Type", "forward"),
            (&format!("{tuple}.1.TargetGroupArn"), &target),
            (&format!("{tuple}.1.Weight"), "1"),
            (&format!("{tuple}.2.TargetGroupArn"), &theirs),
            (&format!("{tuple}.2.Weight"), "1"),
        ],
    );
    let half = Weights::from([(FIRST, Weight::new(50).unwrap())]);
    let foreign = Foreign::of(&place.world().await).weights.unwrap();
    assert_eq!(foreign.shown, half);
    assert_eq!(foreign.written, all_on(FIRST));
    // Approved in a plan, it is taken for ours; then the traffic can be given back.
    let fence = place.fence().await;
    for weights in [half.clone(), all_on(FIRST)] {
        let before = half.clone();
        let shift = Action::ShiftTraffic { weights, before };
        place.cloud.act(&web(), fence, &shift).await.unwrap();
    }
    assert_eq!(Foreign::of(&place.world().await), Foreign::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_and_a_target_group_deleted_by_hand_are_made_again() {
    let place = Place::new();
    serving(&place).await;
    let (rule, target) = rule_and_target(&place);
    let delete = |action: &str, name: &str, arn: &str| {
        let action = ("Action", action);
        place.query("elasticloadbalancing", "2015-12-01", &[action, (name, arn)]);
    };
    delete("DeleteRule", "RuleArn", &rule);
    delete("DeleteTargetGroup", "TargetGroupArn", &target);
    let world = place.world().await;
    let Traffic::Known { weights, .. } = &world.traffic else {
        panic!("{world:#?}")
    };
    assert_eq!(*weights, Weights::new());
    let fence = place.fence().await;
    for (weights, before) in [
        (Weights::new(), Weights::new()),
        (all_on(FIRST), Weights::new()),
    ] {
        let shift = Action::ShiftTraffic { weights, before };
        place.cloud.act(&web(), fence, &shift).await.unwrap();
    }
    let world = place.until("well", |world| running(world).len() == 2).await;
    assert_eq!(Foreign::of(&world), Foreign::default());
    let (_, again) = rule_and_target(&place);
    assert_ne!(again, target);
    // AWS launches nothing for a group that still names the target group that is gone.
    let before = running(&place.world().await);
    let victim = before.first().unwrap().clone();
    place.ec2(&[("Action", "TerminateInstances"), ("InstanceId.1", &victim)]);
    let replaced = |world: &_| running(world).len() == 2 && !running(world).contains(&victim);
    place.until("replaced", replaced).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_group_whose_making_was_cut_off_is_found_and_used() {
    let place = Place::new();
    serving(&place).await;
    let (rule, target) = rule_and_target(&place);
    let balancing = |parameters: &[(&str, &str)]| {
        place.query("elasticloadbalancing", "2015-12-01", parameters);
    };
    balancing(&[("Action", "DeleteRule"), ("RuleArn", &rule)]);
    balancing(&[("Action", "DeleteTargetGroup"), ("TargetGroupArn", &target)]);
    let fence = place.fence().await;
    let shift = |weights, before| Action::ShiftTraffic { weights, before };
    let nothing = shift(Weights::new(), Weights::new());
    place.cloud.act(&web(), fence, &nothing).await.unwrap();
    let operation = "AttachLoadBalancerTargetGroups";
    place.fault(json!({ "kind": "error", "operation": operation, "count": 1 }));
    let back = shift(all_on(FIRST), Weights::new());
    let cut_off = place.cloud.act(&web(), fence, &back).await;
    cut_off.unwrap_err();
    place.cloud.act(&web(), fence, &back).await.unwrap();
    place.until("well", |world| running(world).len() == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_whose_conditions_place_or_stickiness_were_changed_by_hand_shows_and_is_set_again() {
    let place = Place::new();
    serving(&place).await;
    let (rule, target) = rule_and_target(&place);
    let set = place.settings().front.unwrap();
    let shown = |world: &immutable::rollout::World| {
        let settings = world.settings.clone().unwrap();
        settings.front.unwrap()
    };
    assert_eq!(shown(&place.world().await), set);
    let forward = "Actions.member.1.ForwardConfig";
    let by_hand = [
        vec![
            ("Action", "ModifyRule"),
            ("RuleArn", &rule),
            ("Conditions.member.1.Field", "path-pattern"),
            (
                "Conditions.member.1.PathPatternConfig.Values.member.1",
                "/theirs",
            ),
        ],
        vec![
            ("Action", "SetRulePriorities"),
            ("RulePriorities.member.1.RuleArn", &rule),
            ("RulePriorities.member.1.Priority", "77"),
        ],
        vec![
            ("Action", "ModifyRule"),
            ("RuleArn", &rule),
            ("Actions.member.1.Type", "forward"),
            (
                "Actions.member.1.ForwardConfig.TargetGroups.member.1.TargetGroupArn",
                &target,
            ),
            (
                "Actions.member.1.ForwardConfig.TargetGroups.member.1.Weight",
                "100",
            ),
            (
                "Actions.member.1.ForwardConfig.TargetGroupStickinessConfig.Enabled",
                "true",
            ),
            (
                "Actions.member.1.ForwardConfig.TargetGroupStickinessConfig.DurationSeconds",
                "300",
            ),
        ],
    ];
    assert!(
        by_hand[2]
            .iter()
            .skip(3)
            .all(|(name, _)| name.starts_with(forward))
    );
    let goal = || {
        let first = immutable::model::ReleaseRef::parse("web@1").unwrap();
        place.goal(place.launch(&first), 2)
    };
    for change in &by_hand {
        place.query("elasticloadbalancing", "2015-12-01", change);
        let world = place.world().await;
        assert_ne!(shown(&world), set, "{change:?}");
        let done = place.run(goal(), Strategy::BlueGreen).await;
        assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
        let world = place.world().await;
        assert_eq!(shown(&world), set, "{change:?}");
        assert_eq!(Foreign::of(&world), Foreign::default(), "{change:?}");
    }
}
