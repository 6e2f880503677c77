//! The examples for AWS do as they say.

use crate::account::REGION;
use crate::place::Place;
use crate::terraform::{Output, Terraform};
use serde_json::json;
use std::fs;
use std::path::Path;

/// An example as its user has it: the provider, an account, and values for its variables.
struct Example<'a> {
    place: &'a Place,
    terraform: Terraform,
    directory: tempfile::TempDir,
}

impl<'a> Example<'a> {
    fn of(name: &str, place: &'a Place, terraform: Terraform) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let main = examples.join(name).join("main.tf");
        fs::copy(main, directory.path().join("main.tf")).unwrap();
        let binary = Path::new(env!("CARGO_BIN_EXE_terraform-provider-immutable"));
        let overrides = format!(
            "provider_installation {{\n  dev_overrides {{ \"immutable-fleets/immutable\" = {:?} }}\n}}\n",
            binary.parent().unwrap()
        );
        fs::write(directory.path().join("terraform.rc"), overrides).unwrap();
        Self {
            place,
            terraform,
            directory,
        }
    }

    fn variables(&self, values: &serde_json::Value) {
        let path = self.directory.path().join("example.auto.tfvars.json");
        fs::write(path, values.to_string()).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let environment = self.place.environment();
        let environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.terraform
            .start(self.directory.path(), arguments, &environment)
            .wait()
    }
}

#[test]
fn the_canary_example_plans_with_the_installed_terraform() {
    the_canary_example_plans(Terraform::installed());
}

#[test]
fn the_regions_example_plans_with_the_installed_terraform() {
    the_regions_example_plans(Terraform::installed());
}

#[test]
fn the_regions_example_plans_with_the_newest_terraform() {
    the_regions_example_plans(Terraform::newest());
}

#[test]
fn the_canary_example_plans_with_the_newest_terraform() {
    the_canary_example_plans(Terraform::newest());
}

/// Its fleet is planned and not applied: with the waits of a real account that takes minutes.
fn the_canary_example_plans(terraform: Terraform) {
    let place = Place::new();
    let example = Example::of("canary", &place, terraform);
    let wish = |version: &str| {
        example.variables(&json!({
            "region": REGION,
            "image_version": version,
            "image_id": place.image(version),
            "instance_types": ["t3.micro"],
            "network": {
                "subnet_ids": place.network["subnet_ids"],
                "security_group_ids": [place.text("security_group_id")],
                "listener": place.text("listener_arn"),
            },
        }));
    };
    let release = "immutable_image_release.web";
    let target = format!("-target={release}");
    for version in ["1.0.0", "1.1.0"] {
        wish(version);
        example
            .run(&["plan", "-no-color"])
            .succeeded()
            .says(&format!("create generation 1: 4 members of web@{version}"));
        example
            .run(&["apply", "-auto-approve", "-no-color", &target])
            .succeeded();
    }
    let shown = example.run(&["state", "show", "-no-color", release]);
    shown.says("web@1.1.0").says("web@1.0.0");
}

fn the_regions_example_plans(terraform: Terraform) {
    let first = Place::new();
    let second = first.elsewhere("us-west-2").with_network();
    let network = |place: &Place| {
        json!({
            "subnet_ids": place.network["subnet_ids"],
            "security_group_ids": [place.text("security_group_id")],
            "listener": place.text("listener_arn"),
        })
    };
    let example = Example::of("regions", &first, terraform);
    example.variables(&json!({
        "regions": { "first": REGION, "second": "us-west-2" },
        "image_version": "1.0.0",
        "image_id": first.image("1.0.0"),
        "instance_types": ["t3.micro"],
        "networks": { "first": network(&first), "second": network(&second) },
    }));
    example
        .run(&["plan", "-no-color"])
        .succeeded()
        .says("Plan: 3 to add, 0 to change, 0 to destroy.");
    let release = "-target=immutable_image_release.web";
    let released = example.run(&["apply", "-auto-approve", "-no-color", release]);
    released
        .succeeded()
        .says(&format!("\"{REGION}\" = \"ami-"))
        .says("\"us-west-2\" = \"ami-");
    example
        .run(&["plan", "-no-color"])
        .succeeded()
        .says("create generation 1: 6 members of web@1.0.0")
        .says("Plan: 2 to add, 0 to change, 0 to destroy.");
}
