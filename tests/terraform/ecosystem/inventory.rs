//! What runs where, asked of fleets that run.

use crate::app::Behaviour;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::Workspace;
use serde_json::{Value, json};

with_both_terraforms!(
    the_inventory_tells_what_runs,
    a_release_is_found_by_a_constraint,
    what_is_asked_wrongly_is_told,
);

/// A fleet that runs 1.0.0 and keeps it warm beside 1.1.0.
fn two_generations(terraform: &Terraform) -> (Workspace, Web) {
    let workspace = Workspace::new(terraform);
    for version in ["1.0.0", "1.1.0"] {
        workspace.bake(version, Behaviour::Serves);
    }
    let web = Web::new(&workspace, "1.0.0")
        .rollout(r#"bake = "300ms", keep_previous = "1h""#)
        .release(r#"provenance = { git_commit = "9f2c1e7" }"#);
    workspace.configure(&web);
    workspace.apply_in_full();
    let web = web.version("1.1.0").release("");
    workspace.configure(&web);
    workspace.apply_in_full();
    (workspace, web)
}

/// Asks the inventory beside what is configured.
fn asked(workspace: &Workspace, web: &Web, filter: &str) -> Value {
    let data = format!(
        "data \"immutable_inventory\" \"it\" {{ {filter} }}\n\
         output \"it\" {{\n  value = data.immutable_inventory.it\n}}\n"
    );
    workspace.configure(format!("{web}{data}"));
    workspace.apply().succeeded();
    workspace.output("it")
}

/// The releases of the generations that were found.
fn releases(answer: &Value) -> Vec<&str> {
    let fleets = answer["fleets"].as_array().unwrap().iter();
    let generations = fleets.flat_map(|fleet| fleet["generations"].as_array().unwrap());
    generations
        .map(|it| it["release"].as_str().unwrap())
        .collect()
}

fn the_inventory_tells_what_runs(terraform: &Terraform) {
    let (workspace, web) = two_generations(terraform);
    let all = asked(&workspace, &web, "");
    assert_eq!(releases(&all), ["web@1.1.0", "web@1.0.0"]);
    let fleet = &all["fleets"][0];
    assert_eq!(
        (&fleet["name"], &fleet["phase"]),
        (&json!("web"), &json!("stable"))
    );
    let (stable, previous) = (&fleet["generations"][0], &fleet["generations"][1]);
    for (generation, role, weight) in [(stable, "stable", 100), (previous, "previous", 0)] {
        assert_eq!(generation["role"], role);
        assert_eq!(generation["weight"], weight);
        assert_eq!(generation["size"], 2);
        assert_eq!(generation["drifted"], 0);
        assert_eq!(generation["members"].as_array().map(Vec::len), Some(2));
    }
    assert_eq!(stable["healthy"], 2);
    assert_eq!(stable["members"][0]["healthy"], true);
    assert_eq!(previous["provenance"], json!({ "git_commit": "9f2c1e7" }));
    assert_eq!(stable["version"], "1.1.0");
    assert!(
        stable["digest"].as_str().unwrap().starts_with("sha256:"),
        "{stable}"
    );

    let image = stable["image_id"].as_str().unwrap();
    for (filter, found) in [
        (r#"version = "< 1.1.0""#.to_owned(), vec!["web@1.0.0"]),
        (
            r#"version = "~> 1.0""#.to_owned(),
            vec!["web@1.1.0", "web@1.0.0"],
        ),
        (r#"version = "> 2""#.to_owned(), vec![]),
        (r#"release = "web@1.1.0""#.to_owned(), vec!["web@1.1.0"]),
        (r#"release = "api""#.to_owned(), vec![]),
        (r#"fleet = "api""#.to_owned(), vec![]),
        (format!("image_id = \"{image}\""), vec!["web@1.1.0"]),
        (
            r#"provenance = { git_commit = "9f2c1e7" }"#.to_owned(),
            vec!["web@1.0.0"],
        ),
        (
            r#"provenance = { git_commit = "*" }"#.to_owned(),
            vec!["web@1.0.0"],
        ),
        (
            r#"provenance = { git_commit = "other" }"#.to_owned(),
            vec![],
        ),
    ] {
        assert_eq!(
            releases(&asked(&workspace, &web, &filter)),
            found,
            "{filter}"
        );
    }
    workspace.configure(&web);
    workspace.destroy();
}

fn a_release_is_found_by_a_constraint(terraform: &Terraform) {
    let (workspace, web) = two_generations(terraform);
    let found = |question: &str| {
        let data = format!(
            "data \"immutable_image_release\" \"it\" {{\n  name = \"web\"\n  {question}\n}}\n\
             output \"it\" {{\n  value = data.immutable_image_release.it\n}}\n"
        );
        workspace.configure(format!("{web}{data}"));
        workspace.apply().succeeded();
        let it = workspace.output("it");
        (it["id"].clone(), it["current"].clone())
    };
    for (question, id, current) in [
        ("", "web@1.1.0", true),
        (r#"version = "1.0.0""#, "web@1.0.0", false),
        (r#"version = "~> 1.0""#, "web@1.1.0", true),
        (r#"version = "< 1.1""#, "web@1.0.0", false),
    ] {
        assert_eq!(found(question), (json!(id), json!(current)), "{question}");
    }
    let missing =
        "data \"immutable_image_release\" \"it\" {\n  name = \"web\"\n  version = \"> 2\"\n}\n";
    workspace.configure(format!("{web}{missing}"));
    workspace.plan().failed_with(&[
        "The line web has no release > 2",
        "It has 1.1.0, 1.0.0; current is 1.1.0",
    ]);
    workspace.configure(&web);
    workspace.destroy();
}

fn what_is_asked_wrongly_is_told(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    for (data, fragments) in [
        (
            r#"data "immutable_inventory" "it" { version = "soon" }"#,
            None,
        ),
        (
            r#"data "immutable_inventory" "it" { version = "=> 1.0" }"#,
            Some(vec!["Invalid value for version", "a version constraint"]),
        ),
        (
            r#"data "immutable_inventory" "it" { fleet = "Web" }"#,
            Some(vec!["Invalid value for fleet"]),
        ),
        (
            r#"data "immutable_image_release" "it" { name = "web" }"#,
            Some(vec!["There is no line web"]),
        ),
        (
            r#"data "immutable_affected_fleets" "it" { package = "pkg:deb/debian/openssl@3" }"#,
            Some(vec!["Leave the version of the package URL out"]),
        ),
    ] {
        workspace.configure(data);
        match fragments {
            Some(fragments) => drop(workspace.plan().failed_with(&fragments)),
            None => drop(workspace.plan().succeeded()),
        }
    }
}
