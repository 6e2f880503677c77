//! Functions, called from configurations.

use crate::terraform::Terraform;
use crate::workspace::Workspace;
use serde_json::{Value, json};

with_both_terraforms!(
    functions_answer_without_a_cloud,
    a_bad_argument_is_pointed_at,
    a_preview_is_what_a_plan_foresees,
);

const MANIFEST: &str = r#"{"builds":[
  {"name":"web","builder_type":"amazon-ebs","files":null,
   "artifact_id":"eu-west-1:ami-1,us-east-1:ami-2","packer_run_uuid":"r"},
  {"name":"raw","builder_type":"file","files":[{"name":"web.tar"}],"packer_run_uuid":"r"}],
  "last_run_uuid":"r"}"#;

/// Evaluates an expression in a configuration.
fn evaluated(terraform: &Terraform, expression: &str) -> Result<Value, String> {
    let workspace = Workspace::new(terraform);
    workspace.write("packer-manifest.json", MANIFEST);
    workspace.configure(format!("output \"it\" {{\n  value = {expression}\n}}\n"));
    let applied = workspace.apply();
    if applied.code() == Some(0) {
        return Ok(workspace.output("it"));
    }
    let lines = applied
        .stderr
        .lines()
        .map(|line| line.trim_matches(['│', ' ']));
    Err(lines.collect::<Vec<_>>().join(" "))
}

fn functions_answer_without_a_cloud(terraform: &Terraform) {
    let manifest = r#"file("packer-manifest.json")"#;
    for (expression, answer) in [
        (
            r#"release_id("web", "1.4.2")"#.to_owned(),
            json!("web@1.4.2"),
        ),
        (
            r#"parse_release_id("web@1.4.2")"#.to_owned(),
            json!({"name": "web", "version": "1.4.2"}),
        ),
        (
            format!(r#"packer_artifact({manifest}, "us-east-1")"#),
            json!("ami-2"),
        ),
        (
            format!(r#"packer_artifact({manifest}, "raw")"#),
            json!("web.tar"),
        ),
        (
            "rollout_preview(4, { strategy = \"rolling\", surge = \"1\", bake = \"0s\" })[0]"
                .to_owned(),
            json!({
                "step": "create generation 2: 1 member of the new release",
                "kind": "change", "serving": 4, "running": 5, "weight": 0, "elapsed_seconds": 0,
            }),
        ),
    ] {
        let called = format!("provider::immutable::{expression}");
        assert_eq!(evaluated(terraform, &called), Ok(answer), "{expression}");
    }
}

fn a_bad_argument_is_pointed_at(terraform: &Terraform) {
    for (expression, parameter, why) in [
        (r#"release_id("Web", "1")"#, "name", "lower-case letters"),
        (
            r#"release_id("web", "1 2")"#,
            "version",
            "letters, digits, dots",
        ),
        (r#"parse_release_id("ami-1")"#, "id", "it has no @"),
        (
            r#"packer_artifact("packer-manifest.json", "raw")"#,
            "manifest",
            "It is not a Packer manifest",
        ),
        (
            r#"packer_artifact(file("packer-manifest.json"), "web")"#,
            "region_or_build",
            "name the one that is meant",
        ),
        ("rollout_preview(0, {})", "size", "from 1 to 100000"),
        (
            r#"rollout_preview(6, { strategy = "canary" })"#,
            "rollout",
            "rollout.steps: A canary needs at least one step",
        ),
        (
            r#"rollout_preview(6, { bakes = "1m" })"#,
            "rollout",
            "rollout.bakes: There is no such attribute",
        ),
        (
            r#"rollout_preview(6, { bake = "soon" })"#,
            "rollout",
            "rollout.bake: Must be a duration",
        ),
    ] {
        let called = format!("provider::immutable::{expression}");
        let error = evaluated(terraform, &called).expect_err(expression);
        let named = format!("Invalid value for \"{parameter}\" parameter");
        let flat = error.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            flat.contains(&named) && flat.contains(why),
            "{expression}: {flat}"
        );
    }
}

fn a_preview_is_what_a_plan_foresees(terraform: &Terraform) {
    let canary = r#"{ strategy = "canary", steps = [{ weight = 5, hold = "1m" }], bake = "5m" }"#;
    let steps = format!("provider::immutable::rollout_preview(2, {canary})");
    let least = format!("{{ steps = {steps}, least = min({steps}[*].serving...) }}");
    let told = evaluated(terraform, &least).unwrap();
    assert_eq!(told["least"], 2);
    let steps = told["steps"].as_array().unwrap();
    let lines: Vec<&str> = steps
        .iter()
        .map(|it| it["step"].as_str().unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            "create generation 2: 1 member of the new release",
            "wait until 1 of 1 are healthy (at least 30s)",
            "shift traffic: generation 2 0% -> 5%, generation 1 100% -> 95%",
            "hold 1m at 5%",
            "grow generation 2: 1 -> 2 members",
            "wait until 2 of 2 are healthy (at least 30s)",
            "shift traffic: generation 2 5% -> 100%, generation 1 95% -> 0%",
            "bake 5m at full weight",
            "trust generation 2",
            "drain generation 1 (30s)",
            "destroy generation 1: 2 members of the earlier release",
        ]
    );
    let weights: Vec<u64> = steps
        .iter()
        .map(|it| it["weight"].as_u64().unwrap())
        .collect();
    assert_eq!(weights, [0, 0, 5, 5, 5, 5, 100, 100, 100, 100, 100]);
    assert_eq!(steps[7]["elapsed_seconds"], 30 + 60 + 30 + 300);
}
