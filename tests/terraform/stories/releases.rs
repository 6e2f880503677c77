//! The line of images: versions that never change, going back, and what is kept.

use crate::app::Behaviour;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::{Workspace, files_below};
use serde_json::json;
use std::process::Command;

with_both_terraforms!(
    going_back_to_a_version_in_the_history_needs_no_image,
    what_is_beyond_keep_goes,
    a_version_never_changes_its_content,
    archives_are_images_too,
    a_release_that_does_not_verify_is_not_accepted,
    a_release_in_use_is_not_destroyed,
    provenance_is_stored_with_the_image,
);

/// A release alone, without a fleet.
fn release(version: &str, more: &str) -> String {
    format!(
        r#"
resource "immutable_image_release" "web" {{
  name    = "web"
  version = "{version}"
  source  = {{ path = "images/{version}" }}
  {more}
}}
"#
    )
}

fn history(workspace: &Workspace) -> Vec<String> {
    let attributes = workspace.attributes("immutable_image_release.web");
    let history = attributes["history"]
        .as_array()
        .expect("the history is a list");
    history
        .iter()
        .map(|release| release["version"].as_str().unwrap().to_owned())
        .collect()
}

fn going_back_to_a_version_in_the_history_needs_no_image(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    let web = Web::new(&workspace, "1.0.0");
    for version in ["1.0.0", "1.1.0"] {
        workspace.bake(version, Behaviour::Serves);
        workspace.configure(web.version(version));
        workspace.apply_in_full();
    }
    std::fs::remove_dir_all(workspace.path("images/1.0.0")).unwrap();
    workspace.configure(&web);
    workspace.apply_in_full();
    workspace.serves("1.0.0");
    workspace.destroy();
}

fn what_is_beyond_keep_goes(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    for version in ["1.0.0", "1.1.0", "1.2.0", "1.3.0"] {
        workspace.bake(version, Behaviour::Serves);
        workspace.configure(release(version, "keep = 2"));
        workspace.apply_in_full();
    }
    assert_eq!(history(&workspace), ["1.3.0", "1.2.0", "1.1.0"]);
    workspace.configure(release("1.3.0", "keep = 1"));
    workspace.apply_in_full();
    assert_eq!(history(&workspace), ["1.3.0", "1.2.0"]);
    workspace.destroy();
}

fn a_version_never_changes_its_content(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.configure(release("1.0.0", ""));
    workspace.apply_in_full();
    workspace.write("images/1.0.0/more", "content that was not there");
    workspace
        .plan()
        .failed_with(&["Version 1.0.0 has other content"]);
    workspace
        .apply()
        .failed_with(&["Version 1.0.0 has other content"]);
    std::fs::remove_file(workspace.path("images/1.0.0/more")).unwrap();
    workspace.plan_is_empty();
    workspace.destroy();
}

fn archives_are_images_too(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("tree", Behaviour::Serves);
    let archives = [
        ("1.0.0", "tar", "-cf"),
        ("1.1.0", "tar.gz", "-czf"),
        ("1.2.0", "tar.zst", "--zstd -cf"),
    ];
    let web = Web::new(&workspace, "");
    for (version, ending, options) in archives {
        let image = workspace.path(&format!("images/web-{version}.{ending}"));
        workspace.write("images/tree/release", &format!("{version} serves\n"));
        let packed = Command::new("tar")
            .args(options.split(' '))
            .arg(&image)
            .args(["-C", workspace.path("images/tree").to_str().unwrap(), "."])
            .status();
        assert!(packed.unwrap().success(), "tar {options}");
        let hcl = web.version(version).to_string();
        let source = format!("images/{version}");
        workspace.configure(hcl.replace(&source, &format!("images/web-{version}.{ending}")));
        workspace.apply_in_full();
        workspace.serves(version);
    }
    workspace.destroy();
}

fn a_release_that_does_not_verify_is_not_accepted(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.bake("1.1.0", Behaviour::Answers500);
    let verify = |timeout: &str| {
        format!(r#"verify = {{ port = 8080, path = "/healthz", timeout = "{timeout}" }}"#)
    };
    let web = Web::new(&workspace, "1.0.0").release(&verify("60s"));
    workspace.configure(&web);
    workspace.apply_in_full();
    let images = files_below(&workspace.path(".immutable")).len();

    workspace.configure(web.version("1.1.0").release(&verify("8s")));
    let failure = workspace
        .apply()
        .failed_with(&["web@1.1.0", "version 1.1.0 starts and answers_500"]);
    assert!(
        !failure.stdout.contains("immutable_fleet.web: Modifying"),
        "{}",
        failure.everything()
    );
    workspace.serves("1.0.0");
    assert_eq!(history(&workspace), ["1.0.0"]);
    let after = files_below(&workspace.path(".immutable")).len();
    assert!(
        after <= images + 2,
        "{images} files before, {after} after the failure"
    );
    workspace.plan_has_changes();

    workspace.configure(&web);
    workspace.apply_in_full();
    workspace.destroy();
}

fn a_release_in_use_is_not_destroyed(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    let web = Web::new(&workspace, "1.0.0");
    workspace.configure(&web);
    workspace.apply_in_full();
    // The fleet stays in the world, out of Terraform's sight.
    workspace
        .run(&["state", "rm", "immutable_fleet.web"])
        .succeeded();
    let refused = workspace.run(&["destroy", "-auto-approve", "-no-color"]);
    refused.failed_with(&["The line web is in use", "the fleet web"]);
    workspace.serves("1.0.0");

    workspace
        .run(&["import", "-no-color", "immutable_fleet.web", "web"])
        .succeeded();
    workspace.destroy();
}

fn provenance_is_stored_with_the_image(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.configure(release(
        "1.0.0",
        r#"provenance = { git_commit = "9f2c1e7" }"#,
    ));
    workspace.apply_in_full();
    let attributes = workspace.attributes("immutable_image_release.web");
    assert_eq!(
        attributes["history"][0]["provenance"],
        json!({ "git_commit": "9f2c1e7" })
    );
    assert_eq!(attributes["id"], "web@1.0.0");
    assert!(
        attributes["digest"]
            .as_str()
            .is_some_and(|digest| !digest.is_empty()),
        "{attributes}"
    );
    workspace.destroy();
}
