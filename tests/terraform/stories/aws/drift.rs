//! What others do at the console to a fleet on AWS.

use crate::account::between;
use crate::app::Behaviour;
use crate::aws::{AwsWeb, Site};
use crate::terraform::Terraform;

with_both_terraforms!(
    an_instance_terminated_by_hand_comes_again,
    an_instance_with_another_security_group_is_replaced,
    weights_changed_by_hand_are_shown_and_taken_over,
    a_target_group_deleted_by_hand_is_made_again,
);

const BALANCING: (&str, &str) = ("elasticloadbalancing", "2015-12-01");

fn fleet(terraform: &Terraform) -> (Site, AwsWeb) {
    let site = Site::new(terraform);
    let web = AwsWeb::new(&site, "1.0.0", &site.image("1.0.0", Behaviour::Serves));
    site.configure(&web);
    site.apply_in_full();
    (site, web)
}

/// One call of load balancing by hand.
fn balancing(site: &Site, parameters: &[(&str, &str)]) -> String {
    let (service, version) = BALANCING;
    site.account().query(service, version, parameters)
}

/// The ARNs of the rule that the fleet owns and of its generation's target group.
fn rule_and_target(site: &Site) -> (String, String) {
    let rule = site.made()["rules"][0].clone();
    let names = ("Names.member.1", "im-web-1");
    let told = balancing(site, &[("Action", "DescribeTargetGroups"), names]);
    let target = between(&told, "<TargetGroupArn>", "</TargetGroupArn>");
    (rule, target)
}

fn an_instance_terminated_by_hand_comes_again(terraform: &Terraform) {
    let (site, _) = fleet(terraform);
    let before = site.instances();
    let victim = before.first().unwrap();
    let terminate = [("Action", "TerminateInstances"), ("InstanceId.1", victim)];
    site.account().ec2(&terminate);
    site.wait_until("another one serves in its place", || {
        let now = site.instances();
        now.len() == 2 && !now.contains(victim)
    });
    site.apply().succeeded();
    site.plan_is_empty();
    assert_eq!(site.attributes("immutable_fleet.web")["generation"], 1);
    site.destroy();
}

fn an_instance_with_another_security_group_is_replaced(terraform: &Terraform) {
    let (site, _) = fleet(terraform);
    let victim = site.instances().first().unwrap().clone();
    let vpc = site.account().text("vpc_id");
    let made = site.account().ec2(&[
        ("Action", "CreateSecurityGroup"),
        ("GroupName", "by-hand"),
        ("GroupDescription", "by hand"),
        ("VpcId", &vpc),
    ]);
    let group = between(&made, "<groupId>", "</groupId>");
    site.account().ec2(&[
        ("Action", "ModifyInstanceAttribute"),
        ("InstanceId", &victim),
        ("GroupId.1", &group),
    ]);
    site.plan_has_changes().says("drifted");
    site.apply_under_load();
    // The member that differed is drained when the apply ends, and may still run for a moment.
    site.wait_until("it has gone", || !site.instances().contains(&victim));
    assert_eq!(site.instances().len(), 2);
    let delete = [("Action", "DeleteSecurityGroup"), ("GroupId", &group)];
    site.account().ec2(&delete);
    site.destroy();
}

fn weights_changed_by_hand_are_shown_and_taken_over(terraform: &Terraform) {
    let (site, web) = fleet(terraform);
    let (rule, target) = rule_and_target(&site);
    let vpc = site.account().text("vpc_id");
    let made = balancing(
        &site,
        &[
            ("Action", "CreateTargetGroup"),
            ("Name", "theirs"),
            ("Protocol", "HTTP"),
            ("Port", "80"),
            ("VpcId", &vpc),
        ],
    );
    let theirs = between(&made, "<TargetGroupArn>", "</TargetGroupArn>");
    let forward = |group: usize, field: &str| {
        format!("Actions.member.1.ForwardConfig.TargetGroups.member.{group}.{field}")
    };
    balancing(
        &site,
        &[
            ("Action", "ModifyRule"),
            ("RuleArn", &rule),
            ("Actions.member.1.Type", "forward"),
            (&forward(1, "TargetGroupArn"), &target),
            (&forward(1, "Weight"), "1"),
            (&forward(2, "TargetGroupArn"), &theirs),
            (&forward(2, "Weight"), "1"),
        ],
    );
    // Both values are told, and the apply goes on from what the plan has shown.
    let plan = site.plan_has_changes();
    plan.says("50%");
    site.apply_in_full();
    site.serves("1.0.0");
    let delete = [("Action", "DeleteTargetGroup"), ("TargetGroupArn", &theirs)];
    balancing(&site, &delete);

    let image = site.image("1.1.0", Behaviour::Serves);
    site.configure(web.version("1.1.0", &image));
    site.apply_under_load();
    site.serves("1.1.0");
    site.destroy();
}

fn a_target_group_deleted_by_hand_is_made_again(terraform: &Terraform) {
    let (site, _) = fleet(terraform);
    let (rule, target) = rule_and_target(&site);
    balancing(&site, &[("Action", "DeleteRule"), ("RuleArn", &rule)]);
    let delete = [("Action", "DeleteTargetGroup"), ("TargetGroupArn", &target)];
    balancing(&site, &delete);
    site.wait_until("nobody answers for the fleet", || {
        site.get("/").unwrap().contains("404")
    });
    let before = site.instances();

    site.plan_has_changes();
    site.apply_in_full();
    site.serves("1.0.0");
    assert_eq!(site.instances(), before);
    assert_ne!(rule_and_target(&site).1, target);
    site.destroy();
}
