//! What an operator does at 2 AM to a fleet on AWS, and sees of it from outside Terraform.

use crate::account::{REGION, standin};
use crate::app::Behaviour;
use crate::aws::{AwsWeb, Site};
use crate::terraform::{Output, Terraform};
use std::process::Command;

with_the_newest_terraform!(
    a_rollout_that_rests_is_watched_and_ended,
    a_member_is_taken_out_to_be_looked_at,
);

fn configuration(action: &str) -> String {
    let address = &standin().address;
    format!(
        r#"
terraform {{
  required_providers {{
    immutable = {{ source = "immutable-fleets/immutable" }}
  }}
}}

provider "immutable" {{
  aws = {{ region = "{REGION}", endpoint_url = "http://{address}" }}
}}
{action}"#
    )
}

fn invoke(site: &Site, action: &str, name: &str) -> Output {
    site.write("operations/main.tf", &configuration(action));
    let invoke = format!("-invoke=action.{name}.web");
    let apply = ["-chdir=operations", "apply", "-auto-approve", "-no-color"];
    site.run(&[&apply[..], &[&invoke]].concat())
}

fn abort(site: &Site) -> Output {
    let action = r#"
action "immutable_fleet_abort" "web" {
  config {
    fleet  = "web"
    reason = "too many errors"
    by     = "alice"
  }
}
"#;
    invoke(site, action, "immutable_fleet_abort")
}

fn look_at(site: &Site, member: &str, keep_for: &str) -> Output {
    let action = format!(
        r#"
action "immutable_break_glass" "web" {{
  config {{
    fleet    = "web"
    member   = "{member}"
    reason   = "it is slow"
    ticket   = "OPS-42"
    by       = "alice"
    keep_for = "{keep_for}"
  }}
}}
"#
    );
    invoke(site, &action, "immutable_break_glass")
}

/// What `watch` shows at once.
fn watched(site: &Site) -> String {
    let shown = Command::new(env!("CARGO_BIN_EXE_terraform-provider-immutable"))
        .args(["watch", "web", "--once", "--region", REGION])
        .envs(site.account().environment())
        .output()
        .unwrap();
    assert!(shown.status.success(), "{shown:?}");
    String::from_utf8(shown.stdout).unwrap()
}

fn a_rollout_that_rests_is_watched_and_ended(terraform: &Terraform) {
    let site = Site::new(terraform);
    let first = site.image("1.0.0", Behaviour::Serves);
    let canary = r#"launch_deadline = "30s", strategy = "canary", steps = [{ weight = 50, hold = "next_apply" }]"#;
    let web = AwsWeb::new(&site, "1.0.0", &first).rollout(canary);
    site.configure(&web);
    site.apply_in_full();

    let load = site.load();
    let second = site.image("1.1.0", Behaviour::Serves);
    site.configure(web.version("1.1.0", &second));
    site.apply().succeeded();
    assert_eq!(site.attributes("immutable_fleet.web")["phase"], "held");
    let seen = watched(&site);
    let rests = "generation 2 is held at 50% until the next apply";
    assert!(seen.contains(rests), "{seen}");

    abort(&site)
        .succeeded()
        .says("alice ended the rollout: too many errors");
    let tally = load.end_without_loss();
    assert!(tally.served.contains_key("1.1.0"), "{tally:?}");
    site.serves("1.0.0");
    site.plan()
        .failed_with(&["web@1.1.0", "alice ended the rollout", "retry"]);
    site.configure(&web);
    site.apply_in_full();
    site.destroy();
}

fn a_member_is_taken_out_to_be_looked_at(terraform: &Terraform) {
    let site = Site::new(terraform);
    let web = AwsWeb::new(&site, "1.0.0", &site.image("1.0.0", Behaviour::Serves));
    site.configure(&web);
    site.apply_in_full();
    let member = site.instances().pop_first().unwrap();

    let load = site.load();
    let taken = look_at(&site, &member, "1h").succeeded();
    taken.says(&format!("member {member} is out of the traffic for alice"));
    load.end_without_loss();
    site.wait_until("what came in its place for a moment has gone", || {
        site.instances().len() == 3
    });
    let instances = site.instances();
    assert!(instances.contains(&member), "{instances:?}");
    let plan = site.plan();
    assert_eq!(plan.code(), Some(0), "{}", plan.everything());
    plan.says(&member).says("OPS-42");
    look_at(&site, &member, "1h")
        .succeeded()
        .says("is out of the traffic for alice");
    site.destroy();
}
