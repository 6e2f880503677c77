//! What an operator does at 2 AM, from a configuration of its own: no state, no lock to wait for.

use crate::app::Behaviour;
use crate::load::Load;
use crate::terraform::{Output, Terraform};
use crate::web::Web;
use crate::workspace::Workspace;
use std::process::Command;

with_the_newest_terraform!(
    an_abort_ends_the_rollout_of_an_apply_that_is_under_way,
    an_abort_ends_a_rollout_that_rests,
    a_promotion_ends_the_hold_of_an_apply_that_is_under_way,
    a_promotion_takes_on_a_rollout_that_rests,
    a_rollback_returns_to_the_generation_that_is_kept,
    a_rehearsal_goes_there_and_back,
    a_rehearsal_follows_every_update_that_triggers_it,
    a_fleet_that_was_rolled_back_can_be_destroyed,
    a_member_is_taken_out_replaced_and_never_returned,
);

const OPERATIONS: &str = r#"
terraform {
  required_providers {
    immutable = { source = "immutable-fleets/immutable" }
  }
}

provider "immutable" {
  local = { directory = "../.immutable" }
}

action "immutable_fleet_abort" "web" {
  config {
    fleet  = "web"
    reason = "too many errors"
    by     = "alice"
  }
}

action "immutable_fleet_promote" "web" {
  config {
    fleet  = "web"
    reason = "looks good"
    by     = "alice"
  }
}

action "immutable_fleet_rollback" "web" {
  config {
    fleet  = "web"
    reason = "customers complain"
    by     = "alice"
  }
}

action "immutable_fleet_rehearse" "web" {
  config {
    fleet  = "web"
    weight = 10
  }
}
"#;

fn serving(terraform: &Terraform, rollout: &str) -> (Workspace, Web) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.bake("1.1.0", Behaviour::Serves);
    workspace.write("operations/main.tf", OPERATIONS);
    let rollout = format!(r#"bake = "300ms", launch_deadline = "20s", {rollout}"#);
    let web = Web::new(&workspace, "1.0.0").rollout(&rollout);
    workspace.configure(&web);
    workspace.apply_in_full();
    (workspace, web)
}

fn canary(hold: &str) -> String {
    format!(r#"strategy = "canary", steps = [{{ weight = 20, hold = "{hold}" }}]"#)
}

fn invoke(workspace: &Workspace, action: &str) -> Output {
    let invoke = format!("-invoke=action.immutable_fleet_{action}.web");
    workspace.run(&[
        "-chdir=operations",
        "apply",
        "-auto-approve",
        "-no-color",
        &invoke,
    ])
}

/// Waits until clients get to see the new version.
fn sees(workspace: &Workspace, version: &str) {
    let mark = format!("x-version: {version}");
    let is_seen = || {
        let answer = workspace.get("/");
        answer.is_ok_and(|answer| answer.to_lowercase().contains(&mark))
    };
    workspace.wait_until("clients see the new version", is_seen);
}

fn an_abort_ends_the_rollout_of_an_apply_that_is_under_way(terraform: &Terraform) {
    let (workspace, web) = serving(terraform, &canary("1h"));
    workspace.configure(web.version("1.1.0"));
    let load = Load::start(workspace.listener());
    let apply = workspace.start(&["apply", "-auto-approve", "-no-color"]);
    sees(&workspace, "1.1.0");
    let aborted = invoke(&workspace, "abort").succeeded();
    aborted.says("generation 2 is gone");
    apply
        .wait()
        .failed_with(&["alice ended the rollout: too many errors"]);
    load.end_without_loss();
    workspace.serves("1.0.0");
    workspace
        .plan()
        .failed_with(&["web@1.1.0", "alice ended the rollout", "retry"]);
    let again = invoke(&workspace, "abort").succeeded();
    again.says("no rollout is under way");
    workspace.configure(&web);
    workspace.apply_in_full();
    workspace.destroy();
}

fn an_abort_ends_a_rollout_that_rests(terraform: &Terraform) {
    let (workspace, web) = serving(terraform, &canary("next_apply"));
    workspace.configure(web.version("1.1.0"));
    workspace.apply().succeeded();
    let aborted = invoke(&workspace, "abort").succeeded();
    aborted
        .says("give up generation 2: alice ended the rollout: too many errors")
        .says("shift traffic: generation 1 80% -> 100%, generation 2 20% -> 0%")
        .says("generation 2 is gone");
    workspace
        .plan()
        .failed_with(&["web@1.1.0", "alice ended the rollout", "retry"]);
    workspace.configure(web.version("1.1.0").fleet(r#"retry = "again""#));
    workspace.apply().succeeded();
    workspace.apply_in_full();
    workspace.serves("1.1.0");
    workspace.destroy();
}

fn a_promotion_ends_the_hold_of_an_apply_that_is_under_way(terraform: &Terraform) {
    let (workspace, web) = serving(terraform, &canary("1h"));
    workspace.configure(web.version("1.1.0"));
    let apply = workspace.start(&["apply", "-auto-approve", "-no-color"]);
    sees(&workspace, "1.1.0");
    invoke(&workspace, "promote").succeeded();
    apply.wait().succeeded();
    workspace.serves("1.1.0");
    let again = invoke(&workspace, "promote").succeeded();
    again.says("no rollout is under way");
    workspace.plan_is_empty();
    workspace.destroy();
}

fn a_promotion_takes_on_a_rollout_that_rests(terraform: &Terraform) {
    let (workspace, web) = serving(terraform, &canary("next_apply"));
    workspace.configure(web.version("1.1.0"));
    workspace.apply().succeeded();
    let promoted = invoke(&workspace, "promote").succeeded();
    promoted.says("trust generation 2");
    workspace.serves("1.1.0");
    workspace.plan_is_empty();
    workspace.destroy();
}

fn a_rollback_returns_to_the_generation_that_is_kept(terraform: &Terraform) {
    let (workspace, web) = serving(terraform, r#"keep_previous = "1h""#);
    invoke(&workspace, "rollback").failed_with(&["No earlier generation is kept warm"]);
    let before = workspace.serving_processes();
    workspace.configure(web.version("1.1.0"));
    workspace.apply().succeeded();
    workspace.serves("1.1.0");
    let load = Load::start(workspace.listener());
    invoke(&workspace, "rollback")
        .succeeded()
        .says("generation 1 serves, generation 2 is gone");
    load.end_without_loss();
    assert_eq!(workspace.serving_processes(), before);
    workspace
        .plan()
        .failed_with(&["web@1.1.0", "alice went back from it", "retry"]);
    invoke(&workspace, "rollback")
        .succeeded()
        .says("generation 2 of web@1.1.0 was given up already");
    workspace.configure(&web);
    workspace.apply_in_full();
    workspace.destroy();
}

fn break_glass(member: &str, keep_for: &str) -> String {
    format!(
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
    )
}

fn look_at(workspace: &Workspace, member: &str, keep_for: &str) -> Output {
    workspace.write("operations/glass.tf", &break_glass(member, keep_for));
    workspace.run(&[
        "-chdir=operations",
        "apply",
        "-auto-approve",
        "-no-color",
        "-invoke=action.immutable_break_glass.web",
    ])
}

/// The first running member whose id begins like this, as the host tells.
fn a_member(workspace: &Workspace, beginning: &str) -> String {
    let host = Command::new(env!("CARGO_BIN_EXE_terraform-provider-immutable"))
        .args(["host", "status"])
        .current_dir(workspace.path(""))
        .output()
        .unwrap();
    let status = String::from_utf8(host.stdout).unwrap();
    let mut words = status.split_whitespace();
    let member = words.find(|word| word.starts_with(beginning));
    member.unwrap_or_else(|| panic!("{status}")).to_owned()
}

fn a_member_is_taken_out_replaced_and_never_returned(terraform: &Terraform) {
    let (workspace, web) = serving(terraform, "");
    look_at(&workspace, "web-1-nobody", "1h").failed_with(&["No member web-1-nobody"]);
    let member = &a_member(&workspace, "web-1-");

    let load = Load::start(workspace.listener());
    let taken = look_at(&workspace, member, "1h").succeeded();
    taken.says(&format!("member {member} is out of the traffic for alice"));
    load.end_without_loss();
    assert_eq!(workspace.serving_processes().len(), 2);
    workspace.wait_until("it and those that serve are left", || {
        workspace.member_ids().len() == 3
    });
    let plan = workspace.plan();
    assert_eq!(plan.code(), Some(0), "{}", plan.everything());
    let told = format!("The member {member} of the fleet web is out of the traffic");
    plan.says(&told).says("OPS-42");
    let parked = workspace.attributes("immutable_fleet.web");
    assert_eq!(parked["phase"], "stable");
    look_at(&workspace, member, "1h")
        .succeeded()
        .says("is out of the traffic for alice");

    let serving = workspace.serving_processes();
    assert_eq!(serving.len(), 2);
    workspace.bake("1.2.0", Behaviour::Serves);
    workspace.configure(web.version("1.2.0"));
    workspace.apply().succeeded();
    assert_eq!(workspace.member_ids().len(), 3, "the member is not kept");

    let another = a_member(&workspace, "web-2-");
    look_at(&workspace, &another, "1ms").succeeded();
    let plan = workspace.plan_has_changes();
    plan.says(&format!("remove member {another}"));
    workspace.apply_in_full();
    workspace.wait_until("the first one and those that serve are left", || {
        workspace.member_ids().len() == 3
    });
    workspace.destroy();
}

fn a_rehearsal_goes_there_and_back(terraform: &Terraform) {
    let (workspace, web) = serving(terraform, r#"keep_previous = "1h""#);
    invoke(&workspace, "rehearse").failed_with(&["No earlier generation is kept warm"]);
    workspace.configure(web.version("1.1.0"));
    workspace.apply().succeeded();
    let load = Load::start(workspace.listener());
    let rehearsed = invoke(&workspace, "rehearse").succeeded();
    rehearsed
        .says("shift traffic: generation 1 0% -> 10%, generation 2 100% -> 90%")
        .says("10% of the traffic went to generation 1 and back in");
    load.end_without_loss();
    workspace.serves("1.1.0");
    workspace.plan_is_empty();
    workspace.destroy();
}

fn a_rehearsal_follows_every_update_that_triggers_it(terraform: &Terraform) {
    let (workspace, web) = serving(terraform, r#"keep_previous = "1h""#);
    workspace.write(
        "rehearsal.tf",
        r#"
action "immutable_fleet_rehearse" "web" {
  config {
    fleet  = immutable_fleet.web.name
    reason = "generation ${immutable_fleet.web.generation} has taken over"
    by     = "the pipeline"
  }
}
"#,
    );
    let triggers = r#"
  lifecycle {
    action_trigger {
      events  = [after_update]
      actions = [action.immutable_fleet_rehearse.web]
    }
  }
"#;
    let web = web.fleet(triggers);
    workspace.configure(web.version("1.1.0"));
    workspace.plan_has_changes().says("1 to invoke");
    let load = Load::start(workspace.listener());
    let applied = workspace.apply_in_full();
    applied
        .says("the pipeline: generation 2 has taken over")
        .says("5% of the traffic went to generation 1 and back in");
    load.end_without_loss();
    workspace.serves("1.1.0");

    // An action that fails does not undo what it was to follow.
    let cold = web.rollout(r#"bake = "300ms", launch_deadline = "20s""#);
    workspace.bake("1.2.0", Behaviour::Serves);
    workspace.configure(cold.version("1.2.0"));
    let failed = workspace.apply();
    failed.failed_with(&["No earlier generation is kept warm"]);
    workspace.serves("1.2.0");
    workspace.plan_is_empty();
    workspace.destroy();
}

fn a_fleet_that_was_rolled_back_can_be_destroyed(terraform: &Terraform) {
    let (workspace, web) = serving(terraform, r#"keep_previous = "1h""#);
    workspace.configure(web.version("1.1.0"));
    workspace.apply().succeeded();
    invoke(&workspace, "rollback").succeeded();
    workspace.is_destroyed_without_its_plan("web@1.1.0");
}
