//! What is released can be installed: one command, and `terraform init` finds it without a network.

use crate::app::Behaviour;
use crate::terraform::{Output, Terraform};
use crate::web::Web;
use crate::workspace::{Workspace, architecture, files_below};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

with_both_terraforms!(init_finds_what_was_installed);

const VERSION: &str = env!("CARGO_PKG_VERSION");
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/package");
const BINARY: &str = env!("CARGO_BIN_EXE_terraform-provider-immutable");

fn init_finds_what_was_installed(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    // A new user: nothing configured, nothing installed, and no registry to be reached.
    workspace.write("terraform.rc", "");
    let home = workspace.path("home");
    let environment = [
        ("HOME", home.to_str().unwrap()),
        ("HTTPS_PROXY", "http://127.0.0.1:9"),
    ];
    let terraform = |arguments: &[&str]| workspace.start_with(arguments, &environment).wait();
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.configure(Web::new(&workspace, "1.0.0"));
    terraform(&["init", "-no-color"]).failed_with(&["immutable-fleets/immutable"]);

    let binary = format!("linux_{}={BINARY}", architecture());
    let package = |output: &str| {
        let output = workspace.path(output);
        let output = output.to_str().unwrap();
        let arguments = ["--binary", &binary, "--output", output, "--install"];
        package(&arguments, &home).succeeded()
    };
    package("first").says("without a network");
    terraform(&["init", "-no-color"])
        .succeeded()
        .says(&format!("Installed immutable-fleets/immutable v{VERSION}"));
    let lock = fs::read_to_string(workspace.path(".terraform.lock.hcl")).unwrap();
    assert!(lock.contains(&format!("version = \"{VERSION}\"")), "{lock}");
    assert!(lock.contains("h1:"), "{lock}");
    terraform(&["plan", "-no-color"])
        .succeeded()
        .says("create generation 1: 2 members of web@1.0.0");

    // Whoever packs the same executable again satisfies the same lock file.
    package("second");
    fs::remove_dir_all(workspace.path(".terraform")).unwrap();
    terraform(&["init", "-no-color", "-lockfile=readonly"]).succeeded();
}

#[test]
fn a_package_is_what_a_registry_takes() {
    let directory = tempfile::tempdir().unwrap();
    let executable = directory.path().join("executable");
    fs::write(&executable, "not really").unwrap();
    let pack = |name: &str| {
        let output = directory.path().join(name);
        let [amd64, arm64] =
            ["amd64", "arm64"].map(|it| format!("linux_{it}={}", executable.display()));
        let arguments = ["--binary", &amd64, "--binary", &arm64, "--output"];
        let arguments = [&arguments[..], &[output.to_str().unwrap()]].concat();
        package(&arguments, directory.path()).succeeded();
        output
    };
    let (first, second) = (pack("first"), pack("second"));

    let mut names: Vec<String> = files_below(&first).iter().map(|path| name(path)).collect();
    names.sort();
    let expected = [
        "SHA256SUMS",
        "linux_amd64.zip",
        "linux_arm64.zip",
        "manifest.json",
    ];
    let expected = expected.map(|it| format!("terraform-provider-immutable_{VERSION}_{it}"));
    assert_eq!(names, expected);
    for name in &names {
        let read = |place: &Path| fs::read(place.join(name)).unwrap();
        assert_eq!(read(&first), read(&second), "{name} differs");
    }
    let check = Command::new("sha256sum")
        .args(["--check", "--strict", &names[0]])
        .current_dir(&first)
        .output()
        .unwrap();
    Output::of("sha256sum", &[], check).succeeded();
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(first.join(&names[3])).unwrap()).unwrap();
    assert_eq!(
        manifest["metadata"]["protocol_versions"],
        serde_json::json!(["6.0"])
    );
    contains(
        &first.join(&names[1]),
        &[
            (&format!("terraform-provider-immutable_v{VERSION}"), "755"),
            ("LICENSE-APACHE", "644"),
            ("LICENSE-MIT", "644"),
            ("THIRD-PARTY-NOTICES.txt", "644"),
        ],
    );
}

/// The build itself takes minutes; a cargo that has built already stands in for it.
#[test]
fn without_an_executable_one_is_built_for_what_the_toolchain_has() {
    let directory = tempfile::tempdir().unwrap();
    let executable = directory.path().join("executable");
    fs::write(&executable, "not really").unwrap();
    let cargo = directory.path().join("cargo");
    let message = serde_json::json!({ "reason": "compiler-artifact", "executable": executable });
    fs::write(
        &cargo,
        format!(
            "#!/bin/sh\necho \"$@\" > {0}/asked\necho '{message}'\n",
            directory.path().display()
        ),
    )
    .unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let output = directory.path().join("package");
    let path = std::env::var("PATH").unwrap();
    let run = Command::new(PACKAGE)
        .arg("--output")
        .arg(&output)
        .env("PATH", format!("{}:{path}", directory.path().display()))
        .output()
        .unwrap();
    Output::of("package", &[], run).succeeded();
    let asked = fs::read_to_string(directory.path().join("asked")).unwrap();
    assert!(
        asked.contains("build --release --locked --bin terraform-provider-immutable"),
        "{asked}"
    );
    let mine = format!(
        "terraform-provider-immutable_{VERSION}_linux_{}.zip",
        architecture()
    );
    assert!(output.join(mine).exists(), "{:?}", files_below(&output));
}

/// Fails the story unless an archive holds these files with these modes.
fn contains(archive: &Path, wanted: &[(&str, &str)]) {
    const LIST: &str = "import sys, zipfile
for entry in zipfile.ZipFile(sys.argv[1]).infolist():
    print(entry.filename, oct(entry.external_attr >> 16)[2:])";
    let listed = Command::new("python3")
        .args(["-c", LIST])
        .arg(archive)
        .output()
        .unwrap();
    let listed = Output::of("list", &[], listed).succeeded();
    for (name, mode) in wanted {
        let line = format!("{name} {mode}");
        assert!(
            listed.stdout.lines().any(|it| it == line),
            "no {line} in:\n{}",
            listed.stdout
        );
    }
}

#[test]
fn an_unknown_platform_is_refused_by_name() {
    let refused = package(&["--binary", "plan9_amd64=/dev/null"], Path::new("/"));
    assert_eq!(refused.code(), Some(2));
    assert!(
        refused
            .stderr
            .contains("'plan9_amd64' is no platform of ours"),
        "{}",
        refused.stderr
    );
}

fn package(arguments: &[&str], home: &Path) -> Output {
    let run = Command::new(PACKAGE)
        .args(arguments)
        .env("HOME", home)
        .output()
        .unwrap();
    Output::of("package", arguments, run)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}
