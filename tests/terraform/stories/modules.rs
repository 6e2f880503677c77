//! The module that people copy passes its own tests, rolls out from a pipeline, and in one place
//! after the other.

use super::examples::copy;
use crate::terraform::{Output, Terraform};
use crate::workspace::{Workspace, files_below, free_address};
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::process::Command;

with_both_terraforms!(
    the_fleet_module_passes_its_own_tests,
    the_pipeline_rolls_out_what_it_showed,
    a_version_that_fails_in_one_place_does_not_come_to_the_next,
);

fn the_fleet_module_passes_its_own_tests(terraform: &Terraform) {
    let workspace = installed(terraform);
    workspace.write(
        "examples/modules/fleet/tests/listener.auto.tfvars",
        &format!("listener = \"{}\"\n", workspace.listener()),
    );
    let module = "-chdir=examples/modules/fleet";
    workspace.run(&[module, "init", "-no-color"]).succeeded();
    let tests = workspace.run(&[module, "test", "-no-color"]).succeeded();
    assert!(
        tests.stdout.contains("Success!") && tests.stdout.contains(" 0 failed"),
        "{}",
        tests.everything()
    );
    nothing_is_left_of(&workspace, "modules/fleet");
}

fn the_pipeline_rolls_out_what_it_showed(terraform: &Terraform) {
    let workspace = installed(terraform);
    let rollout = |arguments: &[&str]| pipeline(&workspace, "./rollout", arguments);

    rollout(&["plan", "1.0.0"]).succeeded();
    rollout(&["apply"])
        .succeeded()
        .says("web@1.0.0 as generation 1");
    assert!(workspace.get("/").unwrap().contains("hello from member"));
    rollout(&["check", "1.0.0"]).succeeded();
    rollout(&["check", "1.1.0"]).failed_with(&["the fleets are not as configured"]);

    rollout(&["plan", "1.1.0"])
        .succeeded()
        .says("generation 2 0% -> 5%, generation 1 100% -> 95%");
    let page = fs::read_to_string(workspace.path("examples/pipeline/rollout.md")).unwrap();
    assert!(
        page.contains("create generation 2: 1 member of web@"),
        "{page}"
    );
    let picture = fs::read_to_string(workspace.path("examples/pipeline/rollout.html")).unwrap();
    assert!(picture.contains("<svg"), "{picture}");
    rollout(&["apply"])
        .succeeded()
        .says("web@1.1.0 as generation 2");
    rollout(&["apply"]).failed_with(&["rollout.plan"]);

    let main = workspace.path("examples/pipeline/main.tf");
    let without_fleet = fs::read_to_string(&main).unwrap();
    let (head, _) = without_fleet.split_once("module \"web\"").unwrap();
    fs::write(&main, head).unwrap();
    rollout(&["plan", "1.1.0"]).failed_with(&[
        "this plan removes module.web.immutable_fleet.this",
        "run it by hand",
    ]);
    pipeline(
        &workspace,
        "terraform",
        &["apply", "-auto-approve", "-var=image_version=1.1.0"],
    )
    .succeeded();
    nothing_is_left_of(&workspace, "pipeline");
}

fn a_version_that_fails_in_one_place_does_not_come_to_the_next(terraform: &Terraform) {
    let workspace = installed(terraform);
    let second = free_address().to_string();
    let listener = workspace.listener().to_string();
    let variables = [
        ("TF_VAR_listener", listener.as_str()),
        ("TF_VAR_second_listener", second.as_str()),
    ];
    let run = |arguments: &[&str]| {
        let arguments = [&["-chdir=examples/regions/rehearsal"], arguments].concat();
        workspace.start_with(&arguments, &variables).wait()
    };
    let apply = |version: &str| {
        let version = format!("-var=image_version={version}");
        run(&["apply", "-auto-approve", "-no-color", &version])
    };
    run(&["init", "-no-color"]).succeeded();
    apply("1.0.0").succeeded();
    assert!(workspace.get("/").unwrap().contains("the first place"));
    apply("1.1.0")
        .succeeded()
        .says(&format!("\"second\" = \"web@1.1.0 at http://{second}\""));

    workspace.write("examples/web/app/bin/web", "#!/bin/sh\nexit 3\n");
    apply("1.2.0").failed_with(&["The rollout of web@1.2.0 to the fleet web failed"]);
    let releases: Vec<_> = ["first", "second"]
        .map(|place| format!("module.{place}.immutable_image_release.this"))
        .iter()
        .map(|address| run(&["state", "show", "-no-color", address]).stdout)
        .collect();
    assert!(releases[0].contains("\"web@1.2.0\""), "{}", releases[0]);
    assert!(!releases[1].contains("\"web@1.2.0\""), "{}", releases[1]);
    assert!(workspace.get("/").unwrap().contains("the first place"));

    // Terraform plans before it destroys, and this plan is refused: the version has other content.
    run(&["destroy", "-auto-approve", "-no-color"]).failed_with(&["A release never changes"]);
    run(&["destroy", "-auto-approve", "-no-color", "-refresh=false"]).succeeded();
    nothing_is_left_of(&workspace, "regions/rehearsal");
    assert!(TcpStream::connect(second).is_err());
}

/// The examples, with the provider installed as a user has it.
fn installed(terraform: &Terraform) -> Workspace {
    let workspace = copy(terraform);
    workspace.use_mirror();
    workspace
}

/// Runs a command where the pipeline does, with the workspace's Terraform on the PATH.
fn pipeline(workspace: &Workspace, command: &str, arguments: &[&str]) -> Output {
    let bin = workspace.path("bin");
    if !bin.exists() {
        fs::create_dir(&bin).unwrap();
        symlink(workspace.terraform().command(), bin.join("terraform")).unwrap();
    }
    let path = std::env::var("PATH").unwrap();
    let run = Command::new(command)
        .args(arguments)
        .current_dir(workspace.path("examples/pipeline"))
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("TF_CLI_CONFIG_FILE", workspace.path("terraform.rc"))
        .env("TF_CLI_ARGS", "-no-color")
        .env("TF_VAR_listener", workspace.listener().to_string())
        .env("CHECKPOINT_DISABLE", "1")
        .output()
        .unwrap();
    Output::of(command, arguments, run)
}

fn nothing_is_left_of(workspace: &Workspace, example: &str) {
    workspace.nothing_is_left();
    let directory = workspace.path("examples").join(example).join(".immutable");
    let files = files_below(&directory);
    assert!(files.is_empty(), "files are left: {files:#?}");
}
