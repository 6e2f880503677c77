//! Rollouts that rest at a step: the next merge of a pipeline is the approval.

use crate::app::Behaviour;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::Workspace;

with_both_terraforms!(
    an_apply_rests_at_a_step_and_the_next_one_goes_on,
    a_rollout_that_rests_is_superseded_or_taken_back,
);

/// A fleet that serves 1.0.0, and whose next release rests at a fifth of the traffic.
fn resting(workspace: &Workspace) -> Web {
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        workspace.bake(version, Behaviour::Serves);
    }
    let rollout = r#"strategy = "canary", bake = "300ms", launch_deadline = "20s",
        steps = [{ weight = 20, hold = "next_apply" }]"#;
    let web = Web::new(workspace, "1.0.0").rollout(rollout);
    workspace.configure(&web);
    workspace.apply_in_full();
    workspace.configure(web.version("1.1.0"));
    web
}

fn an_apply_rests_at_a_step_and_the_next_one_goes_on(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    resting(&workspace);
    let plan = workspace.plan_has_changes();
    plan.says("hold generation 2 at 20% until the next apply");
    let applied = workspace.apply().succeeded();
    applied.says("Generation 2 is held at 20% until the next apply");
    let held = workspace.attributes("immutable_fleet.web");
    assert_eq!(held["phase"], "held");
    assert_eq!(held["release"], "web@1.1.0");
    assert_eq!(held["generation"], 1);

    let plan = workspace.plan_has_changes();
    plan.says("shift traffic: generation 2 20% -> 100%, generation 1 80% -> 0%");
    workspace.apply_in_full();
    workspace.serves("1.1.0");
    let done = workspace.attributes("immutable_fleet.web");
    assert_eq!(done["phase"], "stable");
    assert_eq!(done["generation"], 2);
    workspace.destroy();
}

fn a_rollout_that_rests_is_superseded_or_taken_back(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    let web = resting(&workspace);
    workspace.apply().succeeded();

    workspace.configure(web.version("1.2.0"));
    let plan = workspace.plan_has_changes();
    plan.says("destroy generation 2: 1 member of web@1.1.0")
        .says("hold generation 3 at 20% until the next apply");
    workspace.apply().succeeded();
    assert_eq!(workspace.attributes("immutable_fleet.web")["phase"], "held");

    workspace.configure(&web);
    let plan = workspace.plan_has_changes();
    plan.says("destroy generation 3: 1 member of web@1.2.0");
    workspace.apply_in_full();
    workspace.serves("1.0.0");
    let back = workspace.attributes("immutable_fleet.web");
    assert_eq!(back["phase"], "stable");
    assert_eq!(back["generation"], 1);
    workspace.destroy();
}
