//! Bills of materials: stored with releases, and asked for when an advisory comes.
//!
//! The samples were written by tools that people use: `debsbom` (SPDX) of some Debian packages and
//! `cyclonedx-py` of a Python environment.

use crate::app::Behaviour;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::Workspace;
use serde_json::{Value, json};

with_both_terraforms!(
    an_advisory_becomes_a_plan,
    a_bill_of_materials_never_changes,
    a_fleet_without_a_bill_is_undecided,
);

const DEBIAN: &str = include_str!("samples/debian.spdx.json");
const PYTHON: &str = include_str!("samples/python.cdx.json");

fn fleet(terraform: &Terraform) -> (Workspace, Web) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.write("debian.json", DEBIAN);
    workspace.write("python.json", PYTHON);
    let web = Web::new(&workspace, "1.0.0").release(r#"sbom = "debian.json""#);
    workspace.configure(&web);
    (workspace, web)
}

fn asked(workspace: &Workspace, web: &Web, question: &str) -> Value {
    let data = format!(
        "data \"immutable_affected_fleets\" \"it\" {{\n  {}\n}}\n\
         output \"it\" {{\n  value = data.immutable_affected_fleets.it\n}}\n",
        question.replace(", ", "\n  ").replace("; ", ", ")
    );
    workspace.configure(format!("{web}{data}"));
    workspace.apply().succeeded();
    workspace.output("it")
}

fn an_advisory_becomes_a_plan(terraform: &Terraform) {
    let (workspace, web) = fleet(terraform);
    workspace.apply_in_full();
    for (question, found) in [
        (r#"package = "openssl""#, vec!["openssl 3.0.19-1~deb12u2"]),
        (
            r#"package = "pkg:deb/debian/libssl3", versions = "< 3.0.20""#,
            vec!["libssl3 3.0.19-1~deb12u2"],
        ),
        (r#"package = "openssl", versions = "< 3.0.19""#, vec![]),
        (
            r#"package = "openssl", versions = ">= 3.0; <= 3.0.19""#,
            vec!["openssl 3.0.19-1~deb12u2"],
        ),
        (
            r#"package = "openssh-client", versions = "< 9.3""#,
            vec!["openssh-client 1:9.2p1-2+deb12u6"],
        ),
        (r#"package = "flask""#, vec![]),
    ] {
        let answer = asked(&workspace, &web, question);
        let packages = answer["fleets"].as_array().unwrap().iter();
        let packages = packages.flat_map(|fleet| fleet["packages"].as_array().unwrap());
        let packages: Vec<String> = packages
            .map(|it| {
                format!(
                    "{} {}",
                    it["name"].as_str().unwrap(),
                    it["version"].as_str().unwrap()
                )
            })
            .collect();
        assert_eq!(packages, found, "{question}");
        assert_eq!(answer["undecided"], json!([]), "{question}");
    }
    // The repaired image: another release with a bill of its own.
    workspace.bake("1.1.0", Behaviour::Serves);
    let repaired = web.version("1.1.0").release(r#"sbom = "python.json""#);
    workspace.configure(&repaired);
    workspace.apply_in_full();
    let answer = asked(&workspace, &repaired, r#"package = "openssl""#);
    assert_eq!(answer["fleets"], json!([]));
    let answer = asked(
        &workspace,
        &repaired,
        r#"package = "Requests", versions = "< 2.32.0""#,
    );
    let fleet = &answer["fleets"][0];
    assert_eq!(
        (&fleet["name"], &fleet["release"]),
        (&json!("web"), &json!("web@1.1.0"))
    );
    assert_eq!(
        (&fleet["weight"], &fleet["members"]),
        (&json!(100), &json!(2))
    );
    workspace.configure(&repaired);
    workspace.destroy();
}

fn a_bill_of_materials_never_changes(terraform: &Terraform) {
    let (workspace, web) = fleet(terraform);
    workspace.configure(web.release(""));
    workspace.apply_in_full();
    // A release without a bill can still be given one.
    workspace.configure(&web);
    workspace.apply_in_full();
    // The same packages in a document of another day are the same bill.
    workspace.write("debian.json", &DEBIAN.replace("2026-01-01", "2026-02-02"));
    workspace.plan_is_empty();
    workspace.configure(web.release(r#"sbom = "python.json""#));
    workspace
        .plan()
        .failed_with(&["The release web@1.0.0 has another bill of materials"]);
    // Gone back to, its document may be gone.
    std::fs::remove_file(workspace.path("debian.json")).unwrap();
    workspace.configure(&web);
    workspace.apply_in_full();

    workspace.write("broken.json", "{}");
    workspace.bake("1.1.0", Behaviour::Serves);
    workspace.configure(web.version("1.1.0").release(r#"sbom = "broken.json""#));
    workspace
        .plan()
        .failed_with(&["Invalid value for sbom", "neither CycloneDX", "nor SPDX 2"]);
    workspace.configure(web.version("1.1.0").release(r#"sbom = "missing.json""#));
    workspace
        .apply()
        .failed_with(&["missing.json", "cannot be read", "still web@1.0.0"]);
    workspace.configure(&web);
    workspace.destroy();
}

fn a_fleet_without_a_bill_is_undecided(terraform: &Terraform) {
    let (workspace, web) = fleet(terraform);
    let web = web.release("");
    workspace.configure(&web);
    workspace.apply_in_full();
    let data = "data \"immutable_affected_fleets\" \"it\" { package = \"openssl\" }\n";
    workspace.configure(format!("{web}{data}"));
    workspace
        .plan()
        .succeeded()
        .says("web, generation 1 (web@1.0.0): no bill of materials is stored");
    workspace.configure(&web);
    workspace.destroy();
}
