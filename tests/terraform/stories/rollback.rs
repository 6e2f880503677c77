//! Releases that fail: the traffic stays where it was, and the apply says why.

use crate::app::Behaviour;
use crate::load::Load;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::Workspace;

with_both_terraforms!(
    a_release_that_exits_is_rolled_back,
    a_release_that_never_listens_is_rolled_back,
    a_release_that_answers_500_is_rolled_back,
    a_release_that_hangs_is_rolled_back,
    a_release_that_failed_waits_for_another_or_a_retry,
    a_first_release_that_fails_can_be_fixed_forward,
    a_fleet_whose_release_failed_can_be_destroyed,
);

/// A good release serves; a bad one comes. Requests in flight see nothing of it.
fn is_rolled_back(terraform: &Terraform, behaviour: Behaviour, fragments: &[&str]) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.bake("2.0.0", behaviour);
    let web = Web::new(&workspace, "1.0.0");
    let bad = web.version("2.0.0");
    let bad = bad.rollout(r#"bake = "300ms", launch_deadline = "8s""#);
    workspace.configure(&web);
    workspace.apply_in_full();
    let before = workspace.serving_processes();

    let load = Load::start(workspace.listener());
    workspace.configure(&bad);
    let failure = workspace.apply().failed_with(&["web@2.0.0", "web@1.0.0"]);
    let failure = failure.failed_with(fragments);
    // The end of the failed member's output is there to read.
    failure.failed_with(&["version 2.0.0 starts and"]);
    let tally = load.end_without_loss();
    assert_eq!(tally.served.keys().collect::<Vec<_>>(), ["1.0.0"]);
    assert_eq!(workspace.serving_processes(), before);
    assert_eq!(
        workspace.member_ids().len(),
        2,
        "the failed members are not gone"
    );

    let next = workspace.plan();
    next.failed_with(&["web@2.0.0", "retry"]);

    workspace.configure(&web);
    workspace.apply_in_full();
    assert_eq!(workspace.serving_processes(), before);
    workspace.destroy();
}

fn a_release_that_exits_is_rolled_back(terraform: &Terraform) {
    is_rolled_back(
        terraform,
        Behaviour::Exits,
        &["exit", "7", "no license for this machine"],
    );
}

fn a_release_that_never_listens_is_rolled_back(terraform: &Terraform) {
    is_rolled_back(terraform, Behaviour::NeverListens, &["healthy"]);
}

fn a_release_that_answers_500_is_rolled_back(terraform: &Terraform) {
    is_rolled_back(terraform, Behaviour::Answers500, &["500"]);
}

fn a_release_that_hangs_is_rolled_back(terraform: &Terraform) {
    is_rolled_back(terraform, Behaviour::Hangs, &["healthy"]);
}

fn a_release_that_failed_waits_for_another_or_a_retry(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.bake("2.0.0", Behaviour::Serves);
    // What makes the release fail is outside its image and its launch template.
    let reference = format!("file:{}", workspace.path("behaviour").display());
    let secrets = format!(r#"secrets = {{ BEHAVIOUR = "{reference}" }}"#);
    let web = Web::new(&workspace, "1.0.0").fleet(&secrets);
    workspace.write("behaviour", "serves");
    workspace.configure(&web);
    workspace.apply_in_full();

    workspace.write("behaviour", "exits");
    workspace.configure(web.version("2.0.0"));
    workspace.apply().failed_with(&["web@2.0.0"]);
    workspace.write("behaviour", "serves");
    workspace.plan().failed_with(&["web@2.0.0", "retry"]);
    workspace.apply().failed_with(&["web@2.0.0", "retry"]);
    workspace.serves("1.0.0");

    workspace.configure(
        web.version("2.0.0")
            .fleet(&format!("{secrets}\n  retry = \"1\"")),
    );
    workspace.plan_has_changes();
    workspace.apply_in_full();
    workspace.serves("2.0.0");
    workspace.destroy();
}

fn a_first_release_that_fails_can_be_fixed_forward(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Exits);
    workspace.bake("1.0.1", Behaviour::Serves);
    let web = Web::new(&workspace, "1.0.0");
    workspace.configure(&web);
    workspace
        .apply()
        .failed_with(&["web@1.0.0", "no license for this machine"]);

    workspace.configure(web.version("1.0.1"));
    workspace.apply_in_full();
    workspace.serves("1.0.1");
    workspace.destroy();
}

fn a_fleet_whose_release_failed_can_be_destroyed(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.bake("2.0.0", Behaviour::Exits);
    let web = Web::new(&workspace, "1.0.0");
    workspace.configure(&web);
    workspace.apply_in_full();
    workspace.configure(web.version("2.0.0"));
    workspace.apply().failed_with(&["web@2.0.0"]);
    workspace.is_destroyed_without_its_plan("web@2.0.0");
}
