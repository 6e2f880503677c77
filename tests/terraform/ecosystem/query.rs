//! What Terraform finds and writes by itself: `terraform query`, import by identity, generated
//! configuration.

use crate::app::Behaviour;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::Workspace;
use std::fs;

with_both_terraforms!(what_is_imported_is_written_as_configuration);
with_the_newest_terraform!(
    fleets_and_lines_are_found_by_a_query,
    an_identity_is_enough_to_import,
);

/// A fleet and a line that nobody runs, both out of Terraform's sight.
fn forgotten(terraform: &Terraform) -> (Workspace, Web) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    let web = Web::new(&workspace, "1.0.0").release(r#"provenance = { git_commit = "9f2c1e7" }"#);
    let spare = r#"
resource "immutable_image_release" "spare" {
  name    = "spare"
  version = "2.0.0"
  source  = { path = "images/1.0.0" }
}
"#;
    workspace.configure(format!("{web}{spare}"));
    workspace.apply_in_full();
    let all = [
        "immutable_fleet.web",
        "immutable_image_release.web",
        "immutable_image_release.spare",
    ];
    workspace
        .run(&[&["state", "rm"], &all[..]].concat())
        .succeeded();
    workspace.configure("");
    (workspace, web)
}

/// Applies what was generated, finds nothing to do, and removes it all.
fn settles(workspace: &Workspace, imported: usize) {
    let plan = workspace.plan();
    let summary = format!("Plan: {imported} to import, 0 to add, 0 to change, 0 to destroy.");
    let plan = plan.says(&summary);
    assert_eq!(plan.code(), Some(2), "{}", plan.everything());
    workspace.apply_in_full();
    workspace.serves("1.0.0");
    // What is generated holds values and no references: Terraform does not know the order.
    let fleets = workspace.run(&["state", "list"]).succeeded().stdout;
    let fleet = fleets.lines().find(|it| it.starts_with("immutable_fleet."));
    let target = format!("-target={}", fleet.unwrap());
    workspace
        .run(&["destroy", "-auto-approve", "-no-color", &target])
        .succeeded();
    workspace.destroy();
}

fn what_is_imported_is_written_as_configuration(terraform: &Terraform) {
    let (workspace, _) = forgotten(terraform);
    let import = |to: &str, id: &str| format!("import {{\n  to = {to}\n  id = \"{id}\"\n}}\n");
    workspace.write(
        "import.tf",
        &[
            import("immutable_fleet.web", "web"),
            import("immutable_image_release.web", "web"),
            import("immutable_image_release.spare", "spare"),
        ]
        .concat(),
    );
    workspace
        .run(&["plan", "-no-color", "-generate-config-out=generated.tf"])
        .succeeded()
        .says("3 to import, 0 to add, 0 to change, 0 to destroy");
    settles(&workspace, 3);
}

fn fleets_and_lines_are_found_by_a_query(terraform: &Terraform) {
    let (workspace, _) = forgotten(terraform);
    workspace.write(
        "all.tfquery.hcl",
        r#"
list "immutable_fleet" "all" {
  provider = immutable
}
list "immutable_fleet" "of_spare" {
  provider = immutable
  config { line = "spare" }
}
list "immutable_image_release" "unused" {
  provider = immutable
  config { used = false }
}
list "immutable_image_release" "used" {
  provider = immutable
  config { used = true }
}
"#,
    );
    let found = workspace.run(&["query", "-no-color"]).succeeded().stdout;
    let mut lines: Vec<String> = found
        .lines()
        .filter(|line| line.starts_with("list."))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "list.immutable_fleet.all name=web web (web@1.0.0)",
            "list.immutable_image_release.unused name=spare spare@2.0.0",
            "list.immutable_image_release.used name=web web@1.0.0",
        ],
        "{found}"
    );
    workspace
        .run(&["query", "-no-color", "-generate-config-out=generated.tf"])
        .succeeded();
    let generated = fs::read_to_string(workspace.path("generated.tf")).unwrap();
    for left_out in ["drain ", "forecast", "phase", "timeouts"] {
        // The fleet's own drain differs from the default and is written; what is computed is not.
        let is_there = generated.contains(&format!("  {left_out}"));
        assert_eq!(is_there, left_out == "drain ", "{left_out}\n{generated}");
    }
    settles(&workspace, 3);
}

fn an_identity_is_enough_to_import(terraform: &Terraform) {
    let (workspace, web) = forgotten(terraform);
    let import =
        |to: &str| format!("import {{\n  to = {to}\n  identity = {{ name = \"web\" }}\n}}\n");
    let imports = [
        import("immutable_fleet.web"),
        import("immutable_image_release.web"),
    ]
    .concat();
    workspace.configure(format!("{web}{imports}"));
    workspace.apply_in_full();
    workspace.configure(&web);
    workspace.plan_is_empty();
    let id = "import {\n  to = immutable_image_release.spare\n  id = \"spare\"\n}\n";
    let spare = "resource \"immutable_image_release\" \"spare\" {\n  name = \"spare\"\n  version = \
                 \"2.0.0\"\n  source = { path = \"images/1.0.0\" }\n}\n";
    workspace.configure(format!("{web}{spare}{id}"));
    workspace.apply_in_full();
    workspace.destroy();
}
