//! What the provider tells those who look: the debug log, and the executable started by hand.

use crate::app::Behaviour;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::Workspace;
use std::process::Command;

with_both_terraforms!(
    the_debug_log_is_readable_and_keeps_secrets,
    the_host_tells_the_truth_about_itself
);

fn the_debug_log_is_readable_and_keeps_secrets(terraform: &Terraform) {
    const SECRET: &str = "correct-horse-battery";
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.write("password", SECRET);
    let reference = format!("file:{}", workspace.path("password").display());
    let secrets = format!(r#"secrets = {{ DB_PASSWORD = "{reference}" }}"#);
    workspace.configure(Web::new(&workspace, "1.0.0").fleet(&secrets));
    let variables = [("TF_LOG", "DEBUG"), ("TF_LOG_PATH", "debug.log")];
    workspace
        .start_with(&["apply", "-auto-approve", "-no-color"], &variables)
        .wait()
        .succeeded();

    let log = std::fs::read_to_string(workspace.path("debug.log")).unwrap();
    let ours: Vec<_> = log
        .lines()
        .filter(|line| line.contains("provider.terraform-provider-immutable"))
        .collect();
    assert!(
        ours.iter()
            .any(|line| line.contains("[DEBUG]") || line.contains("[INFO]")),
        "no line of ours has a level"
    );
    assert!(
        ours.iter().any(|line| line.contains("web")),
        "no line of ours names the fleet: {ours:#?}"
    );
    assert!(!log.contains(SECRET), "the log holds the secret");
    let unparsed: Vec<_> = ours
        .iter()
        .filter(|line| line.contains("\"@message\""))
        .collect();
    assert!(
        unparsed.is_empty(),
        "Terraform could not read: {unparsed:#?}"
    );
    workspace.destroy();
}

fn the_host_tells_the_truth_about_itself(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.configure(Web::new(&workspace, "1.0.0"));
    workspace.apply_in_full();
    let host = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_terraform-provider-immutable"))
            .arg("host")
            .args(arguments)
            .current_dir(workspace.path(""))
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "host {arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let status = host(&["status"]);
    for fact in ["web@1.0.0", &workspace.listener().to_string()] {
        assert!(status.contains(fact), "no {fact:?} in:\n{status}");
    }
    let mut words = status.split_whitespace();
    let member = words
        .find(|word| word.starts_with("web-1-"))
        .expect("the status names members");
    assert!(host(&["logs", member]).contains("version 1.0.0 starts and serves"));
    host(&["stop"]);
    workspace.wait_until("the host and its members are gone", || {
        workspace.processes().is_empty()
    });
    // Nothing is to be changed, so the apply waits for nothing: members boot as after a power cut.
    workspace.apply_in_full();
    workspace.wait_until("the members that the host started again are well", || {
        workspace
            .get("/")
            .is_ok_and(|answer| answer.contains("200 OK"))
    });
    workspace.serves("1.0.0");
    workspace.destroy();
}
