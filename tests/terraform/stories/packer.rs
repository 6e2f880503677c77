//! Images that packer made.

use super::examples;
use crate::app::Behaviour;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::Workspace;
use std::process::Command;

with_both_terraforms!(a_manifest_of_packers_file_builder_is_a_source);

fn a_manifest_of_packers_file_builder_is_a_source(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    let web = Web::new(&workspace, "");
    for version in ["1.0.0", "1.1.0"] {
        build(&workspace, version);
        let hcl = web.version(version).to_string();
        let path = format!("path = \"images/{version}\"");
        let manifest = r#"packer_manifest = "packer-manifest.json", packer_build = "web""#;
        workspace.configure(hcl.replace(&path, manifest));
        workspace.apply_in_full();
        workspace.serves(version);
    }
    workspace.configure(web.version("1.2.0").to_string().replace(
        "path = \"images/1.2.0\"",
        r#"packer_manifest = "packer-manifest.json", packer_build = "shop""#,
    ));
    workspace
        .plan()
        .failed_with(&["packer_manifest", "no build \"shop\"", "it has \"web\""]);
    workspace.configure("");
    workspace.apply().succeeded();
    workspace.nothing_is_left();
}

fn build(workspace: &Workspace, version: &str) {
    workspace.bake(version, Behaviour::Serves);
    let tree = workspace.path("images").join(version);
    let tar = Command::new("tar")
        .arg("-cf")
        .arg(workspace.path("web.tar"))
        .arg("-C")
        .arg(tree)
        .arg(".")
        .status();
    assert!(tar.unwrap().success());
    workspace.write(
        "image.pkr.hcl",
        include_str!("../../../examples/packer/image.pkr.hcl"),
    );
    examples::bake(&workspace.path(""));
}
