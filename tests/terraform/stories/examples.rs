//! Every example applies as it stands, and leaves nothing. Those that use modules are in
//! `modules.rs`; those for AWS are planned where a stand-in for AWS is, in `tests/aws`.

use crate::terraform::{Output, Terraform};
use crate::workspace::{Workspace, files_below};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;

with_both_terraforms!(
    the_web_example_works,
    the_workers_example_works,
    the_packer_example_works,
    the_inventory_example_works,
);

with_the_newest_terraform!(the_break_glass_example_works);

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

#[test]
fn every_example_has_its_test() {
    let entries = fs::read_dir(EXAMPLES)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "break-glass",
            "canary",
            "inventory",
            "modules",
            "packer",
            "pipeline",
            "quickstart",
            "regions",
            "web",
            "workers"
        ]
    );
}

/// A copy of the examples, so that nothing is left in the repository.
pub(super) fn copy(terraform: &Terraform) -> Workspace {
    let workspace = Workspace::new(terraform);
    let copied = Command::new("cp")
        .args(["-r", EXAMPLES])
        .arg(workspace.path("examples"))
        .status();
    assert!(copied.unwrap().success());
    workspace
}

fn in_example(workspace: &Workspace, name: &str, arguments: &[&str]) -> Output {
    let directory = format!("-chdir=examples/{name}");
    let listener = workspace.listener().to_string();
    let variables = [("TF_VAR_listener", listener.as_str())];
    workspace
        .start_with(&[&[directory.as_str()], arguments].concat(), &variables)
        .wait()
}

/// Applies the example, looks at it, and removes it.
fn works(workspace: &Workspace, name: &str, look: impl Fn()) {
    in_example(workspace, name, &["apply", "-auto-approve", "-no-color"]).succeeded();
    look();
    in_example(
        workspace,
        name,
        &["plan", "-no-color", "-detailed-exitcode"],
    )
    .succeeded();
    in_example(workspace, name, &["destroy", "-auto-approve", "-no-color"]).succeeded();
    workspace.nothing_is_left();
    let files = files_below(&workspace.path("examples").join(name).join(".immutable"));
    assert!(files.is_empty(), "files are left: {files:#?}");
}

fn greets(workspace: &Workspace) {
    let answer = workspace.get("/").unwrap();
    assert!(answer.contains("hello from member on port"), "{answer}");
}

fn the_web_example_works(terraform: &Terraform) {
    let workspace = copy(terraform);
    works(&workspace, "web", || greets(&workspace));
}

fn the_workers_example_works(terraform: &Terraform) {
    let workspace = copy(terraform);
    works(&workspace, "workers", || {
        let workers = workspace.processes();
        let is_worker = |command: &str| command.contains("/worker");
        assert!(
            workers
                .iter()
                .filter(|process| is_worker(&process.command))
                .count()
                >= 2,
            "{workers:#?}"
        );
        let next = ["plan", "-no-color", "-var=image_version=1.1.0"];
        in_example(&workspace, "workers", &next)
            .succeeded()
            .says("in all: at least 2 serving, at most 3 running");
    });
}

fn the_inventory_example_works(terraform: &Terraform) {
    let workspace = copy(terraform);
    let apply = ["apply", "-auto-approve", "-no-color"];
    in_example(&workspace, "web", &apply).succeeded();
    let ask = [&apply[..], &["-var=directory=../web/.immutable"]].concat();
    in_example(&workspace, "inventory", &ask).succeeded();
    let told = in_example(&workspace, "inventory", &["output", "-json"]).json();
    assert_eq!(told["outdated"]["value"], json!(["web"]), "{told}");
    assert_eq!(told["affected"]["value"], json!([]), "{told}");
    let undecided = json!(["web: no bill of materials is stored with its release"]);
    assert_eq!(told["undecided"]["value"], undecided, "{told}");
    in_example(
        &workspace,
        "web",
        &["destroy", "-auto-approve", "-no-color"],
    )
    .succeeded();
    workspace.nothing_is_left();
}

fn the_packer_example_works(terraform: &Terraform) {
    let workspace = copy(terraform);
    let directory = workspace.path("examples/packer");
    let tar = Command::new("tar")
        .args(["-cf", "web.tar", "-C", "../web/app", "."])
        .current_dir(&directory)
        .status();
    assert!(tar.unwrap().success());
    bake(&directory);
    works(&workspace, "packer", || greets(&workspace));
}

fn the_break_glass_example_works(terraform: &Terraform) {
    let workspace = copy(terraform);
    works(&workspace, "web", || {
        let members = operate(&workspace, &["apply", "-auto-approve", "-no-color"]);
        let members = members.succeeded().stdout;
        let mut quoted = members.split('"').skip(1).step_by(2);
        let member = quoted
            .find(|text| text.starts_with("web-1-"))
            .unwrap_or_else(|| panic!("{members}"));
        let look = [
            "apply",
            "-auto-approve",
            "-no-color",
            "-invoke=action.immutable_break_glass.look",
            &format!("-var=member={member}"),
            "-var=reason=it is slow",
        ];
        operate(&workspace, &look)
            .succeeded()
            .says(&format!("member {member} is out of the traffic"));
        in_example(&workspace, "web", &["plan", "-no-color"])
            .succeeded()
            .says(&format!(
                "The member {member} of the fleet web is out of the traffic"
            ));
        greets(&workspace);
    });
}

fn operate(workspace: &Workspace, arguments: &[&str]) -> Output {
    in_example(workspace, "break-glass", arguments)
}

/// Runs packer on the template in a directory; where there is no packer, writes what it wrote when
/// there was.
pub(super) fn bake(directory: &Path) {
    let packer = Command::new("packer")
        .args(["build", "-force", "-color=false", "image.pkr.hcl"])
        .current_dir(directory)
        .env("CHECKPOINT_DISABLE", "1")
        .env("PACKER_CONFIG_DIR", directory)
        .output();
    match packer {
        Ok(output) => assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        ),
        Err(_) => {
            fs::write(directory.join("packer-manifest.json"), MANIFEST).unwrap();
            fs::create_dir_all(directory.join("out")).unwrap();
            fs::copy(directory.join("web.tar"), directory.join("out/web.tar")).unwrap();
        }
    }
}

const MANIFEST: &str = r#"{
  "builds": [
    {
      "name": "web",
      "builder_type": "file",
      "build_time": 1795236134,
      "files": [
        {
          "name": "out/web.tar",
          "size": 10240
        }
      ],
      "artifact_id": "File",
      "packer_run_uuid": "ed2e7889-1c38-32a6-b9d5-15793f2dec32",
      "custom_data": null
    }
  ],
  "last_run_uuid": "ed2e7889-1c38-32a6-b9d5-15793f2dec32"
}"#;
