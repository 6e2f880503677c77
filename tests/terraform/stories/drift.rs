//! What others do to a fleet behind Terraform's back.

use crate::app::Behaviour;
use crate::processes::Role;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::{Workspace, files_below};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;

with_both_terraforms!(
    a_member_killed_by_hand_is_started_again,
    a_member_stopped_by_hand_gets_no_traffic,
    a_changed_file_in_an_image_is_drift,
    drift_can_be_reported_only,
);

fn fleet(terraform: &Terraform, fleet: &str) -> Workspace {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.configure(Web::new(&workspace, "1.0.0").fleet(fleet));
    workspace.apply_in_full();
    workspace
}

fn a_member_killed_by_hand_is_started_again(terraform: &Terraform) {
    let workspace = fleet(terraform, "");
    let before = workspace.member_ids();
    let victim = workspace.processes_as(Role::Member).remove(0);
    victim.signal(Signal::KILL);
    workspace.wait_until("another member is there", || {
        let now = workspace.member_ids();
        now.len() == 2 && now != before
    });
    workspace.wait_until("both serve", || workspace.serving_processes().len() == 2);
    workspace.apply_in_full();
    assert_eq!(workspace.attributes("immutable_fleet.web")["generation"], 1);
    workspace.destroy();
}

fn a_member_stopped_by_hand_gets_no_traffic(terraform: &Terraform) {
    let workspace = fleet(terraform, "");
    let victim = workspace.processes_as(Role::Member).remove(0);
    victim.signal(Signal::STOP);
    // Requests that were given to it before its check failed may be lost; after that, none is.
    workspace.wait_until("its check has failed", || {
        (0..20).all(|_| workspace.get("/").is_ok())
    });
    victim.signal(Signal::CONT);
    workspace.apply_in_full();
    workspace.destroy();
}

/// Changes the program that the members were started from, as root with a good intention would.
fn touch_image(workspace: &Workspace) {
    let unpacked = files_below(&workspace.path(".immutable"));
    let program = unpacked.iter().find(|path| path.ends_with("root/bin/web"));
    let program = program.unwrap_or_else(|| panic!("no image in {unpacked:#?}"));
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    let patched = fs::read_to_string(program).unwrap() + "# patched by hand\n";
    fs::write(program, patched).unwrap();
}

fn a_changed_file_in_an_image_is_drift(terraform: &Terraform) {
    let workspace = fleet(terraform, "");
    let before = workspace.serving_processes();
    touch_image(&workspace);
    // The host looks at its images from time to time.
    workspace.wait_until("the plan knows", || workspace.plan().code() == Some(2));
    workspace.plan_has_changes().says("drifted");
    workspace.apply_in_full();
    workspace.serves("1.0.0");
    assert!(workspace.serving_processes().is_disjoint(&before));
    workspace.destroy();
}

fn drift_can_be_reported_only(terraform: &Terraform) {
    let workspace = fleet(terraform, r#"drift = "report""#);
    let before = workspace.serving_processes();
    touch_image(&workspace);
    // The host looks at its images from time to time.
    workspace.wait_until("both members are reported", || {
        workspace
            .run(&["apply", "-refresh-only", "-auto-approve", "-no-color"])
            .succeeded();
        let drifted = workspace.attributes("immutable_fleet.web")["drifted"].clone();
        drifted.as_array().map(Vec::len) == Some(2)
    });
    workspace.apply().succeeded();
    assert_eq!(workspace.serving_processes(), before);
    workspace.destroy();
}
