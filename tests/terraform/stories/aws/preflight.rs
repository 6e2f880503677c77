//! What a plan on AWS finds before anything is written.

use crate::account::between;
use crate::app::Behaviour;
use crate::aws::{AwsWeb, Site};
use crate::terraform::Terraform;
use serde_json::Value;

with_both_terraforms!(a_plan_tells_all_mistakes_at_once_and_writes_nothing);
with_the_newest_terraform!(
    two_fleets_that_want_one_place_are_told_of_each_other,
    a_profile_that_does_not_exist_is_named_with_the_launch,
);

const LONGEST: &str = "api-with-the-longest-name-of-all";

/// A fleet with a mistake in every other line, as it may be written at the end of a long day.
fn mistaken(site: &Site) -> String {
    let network = &site.account().network;
    let (subnet, listener) = (&network["subnet_ids"][0], &network["listener_arn"]);
    let user_data = "#".repeat(17_000);
    let long = "v".repeat(257);
    format!(
        r#"
resource "immutable_fleet" "web" {{
  name    = "web"
  release = "ami-00000000000000000"
  size    = 2
  tags    = {{ "aws:team" = "edge", note = "{long}" }}
  aws = {{
    instance_types     = ["t3.enormous"]
    subnet_ids         = [{subnet}, "subnet-0123"]
    security_group_ids = ["sg-0123"]
    user_data          = "{user_data}"
  }}
  traffic = {{
    port     = 8080
    listener = {listener}
    priority = 10
    paths    = ["/1", "/2", "/3", "/4", "/5", "/6"]
  }}
  rollout = {{
    alarms = ["web-5xx"]
  }}
}}
"#
    )
}

/// What a plan finds: the line that is shown, and what is said of it. Of an attribute in an object
/// Terraform underlines the object, so that the summary names the whole path.
fn findings(site: &Site, severity: &str) -> Vec<Finding> {
    let plan = site.run(&["plan", "-json"]);
    let lines = plan.stdout.lines().map(|line| {
        let told: Value = serde_json::from_str(line).unwrap();
        told["diagnostic"].clone()
    });
    let told = lines.filter(|told| told["severity"] == severity);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let each = told.map(|told| Finding {
        line: text(&told["snippet"]["code"]).trim().to_owned(),
        summary: text(&told["summary"]),
        detail: text(&told["detail"]),
    });
    each.collect()
}

#[derive(Debug)]
struct Finding {
    line: String,
    summary: String,
    detail: String,
}

impl Finding {
    /// Whether it is about an attribute and says so.
    fn is(&self, path: &str, says: &str) -> bool {
        let top = path.split('.').next().unwrap();
        let is_at = self.line.starts_with(top) && self.summary.ends_with(&format!(" {path}"));
        is_at && self.detail.contains(says)
    }
}

#[track_caller]
fn check(found: &[Finding], path: &str, says: &str) {
    let is_there = found.iter().any(|finding| finding.is(path, says));
    assert!(is_there, "no {says:?} at {path} in {found:#?}");
}

fn a_plan_tells_all_mistakes_at_once_and_writes_nothing(terraform: &Terraform) {
    let site = Site::new(terraform);
    take_priority(&site, "10");
    let before = site.made();
    site.configure(mistaken(&site));
    site.account().forget_calls();
    let errors = findings(&site, "error");
    for (path, says) in [
        ("release", "There is no image ami-00000000000000000"),
        ("tags", "keys that begin with aws: are AWS's own"),
        ("tags", "The value of note has 257 characters"),
        (
            "aws.instance_types",
            "There is no instance type t3.enormous",
        ),
        ("aws.subnet_ids", "There is no subnet subnet-0123"),
        (
            "aws.security_group_ids",
            "There is no security group sg-0123",
        ),
        ("aws.user_data", "EC2 takes 16384"),
        (
            "traffic.priority",
            "10 is taken on this listener by the rule",
        ),
        ("traffic", "a rule has room for 5"),
    ] {
        check(&errors, path, says);
    }
    assert_eq!(errors.len(), 9, "{errors:#?}");
    let place = format!("Region us-east-1, account {}", site.account().account);
    let are_placed = errors.iter().all(|finding| finding.detail.contains(&place));
    assert!(are_placed, "{errors:#?}");
    let warnings = findings(&site, "warning");
    check(
        &warnings,
        "rollout.alarms",
        "no CloudWatch alarm \"web-5xx\"",
    );
    for call in site.account().calls().into_keys() {
        let operation = call.split_once(':').unwrap().1;
        let is_read = ["Describe", "Get"]
            .iter()
            .any(|it| operation.starts_with(it));
        assert!(is_read, "a plan has made {call}");
    }
    assert_eq!(site.made(), before);

    // What holds for the fleet as a whole: where its parts lie, and what each zone offers.
    let (vpc, subnet) = another_network(&site);
    let text = mistaken(&site);
    let text = text.replace("\"t3.enormous\"", "\"c7g.large\"");
    let far = zone_without(&site);
    let text = text.replace("\"subnet-0123\"", &format!("\"{far}\""));
    site.configure(&text);
    let errors = findings(&site, "error");
    check(
        &errors,
        "aws.subnet_ids",
        "us-east-1e, where c7g.large is not offered",
    );
    site.configure(text.replace(&far, &subnet));
    check(&findings(&site, "error"), "aws.subnet_ids", &vpc);
}

/// A stranger's rule.
fn take_priority(site: &Site, priority: &str) {
    let listener = site.account().text("listener_arn");
    let theirs = [
        ("Action", "CreateRule"),
        ("ListenerArn", listener.as_str()),
        ("Priority", priority),
        ("Conditions.member.1.Field", "path-pattern"),
        ("Conditions.member.1.Values.member.1", "/theirs"),
        ("Actions.member.1.Type", "fixed-response"),
        ("Actions.member.1.FixedResponseConfig.StatusCode", "200"),
    ];
    site.account()
        .query("elasticloadbalancing", "2015-12-01", &theirs);
}

/// Another VPC with a subnet.
fn another_network(site: &Site) -> (String, String) {
    let account = site.account();
    let vpc = account.ec2(&[("Action", "CreateVpc"), ("CidrBlock", "10.9.0.0/16")]);
    let vpc = between(&vpc, "<vpcId>", "</vpcId>");
    let subnet = subnet(site, &vpc, "10.9.1.0/24", "us-east-1a");
    (vpc, subnet)
}

/// A subnet of the account's VPC in a zone that has no instances of newer types.
fn zone_without(site: &Site) -> String {
    let vpc = site.account().text("vpc_id");
    let asked = [("Action", "DescribeVpcs"), ("VpcId.1", vpc.as_str())];
    let told = site.account().ec2(&asked);
    let block = between(&told, "<cidrBlock>", ".0.0/16");
    subnet(site, &vpc, &format!("{block}.192.0/18"), "us-east-1e")
}

fn subnet(site: &Site, vpc: &str, block: &str, zone: &str) -> String {
    let made = site.account().ec2(&[
        ("Action", "CreateSubnet"),
        ("VpcId", vpc),
        ("CidrBlock", block),
        ("AvailabilityZone", zone),
    ]);
    between(&made, "<subnetId>", "</subnetId>")
}

fn two_fleets_that_want_one_place_are_told_of_each_other(terraform: &Terraform) {
    let site = Site::new(terraform);
    let web = AwsWeb::new(&site, "1.0.0", &site.image("1.0.0", Behaviour::Serves)).to_string();
    let fleet = &web[web.find("resource \"immutable_fleet\"").unwrap()..];
    let api = fleet.replace("\"immutable_fleet\" \"web\"", "\"immutable_fleet\" \"api\"");
    // As long as a name may be: what is made from it is shortened where AWS takes less.
    let api = api.replace("name    = \"web\"", &format!("name    = {LONGEST:?}"));
    let too_long = api.replace(LONGEST, &format!("{LONGEST}x"));
    site.configure(format!("{web}{too_long}"));
    site.plan()
        .failed_with(&["name", "1 to 32 lower-case letters"]);
    site.configure(format!("{web}{api}"));
    let failed = site.apply();
    failed.failed_with(&[
        "10",
        "is taken on this listener by the rule arn:",
        "choose another",
    ]);
    // One of them has it, and the other one is told whose it is.
    let plan = site.plan();
    let told = plan.failed_with(&[
        "10 is taken on this listener by the rule",
        "which is the fleet",
    ]);
    let elsewhere = |fleet: &str| fleet.replace("priority = 10", "priority = 20");
    let (web, api) = match told.stderr.contains(&format!("{LONGEST}'s")) {
        true => (elsewhere(&web), api),
        false => (web, elsewhere(&api)),
    };
    site.configure(format!("{web}{api}"));
    site.apply_in_full();
    assert_eq!(site.made()["rules"].len(), 2);
    site.destroy();
}

fn a_profile_that_does_not_exist_is_named_with_the_launch(terraform: &Terraform) {
    let site = Site::new(terraform);
    let web = AwsWeb::new(&site, "1.0.0", &site.image("1.0.0", Behaviour::Serves)).to_string();
    // EC2 tells of a profile only when something is launched with it.
    let typo = web.replace(
        "instance_types ",
        "instance_profile = \"wbe\"\n    instance_types ",
    );
    let typo = typo.replace("launch_deadline = \"30s\"", "launch_deadline = \"12s\"");
    site.configure(&typo);
    site.apply().failed_with(&[
        "Invalid IAM Instance Profile name",
        "aws.instance_profile names none that EC2 knows in this account",
    ]);
    site.configure(&web);
    site.apply_in_full();
    site.serves("1.0.0");
    site.destroy();
}
