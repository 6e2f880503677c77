//! From packer's bake of a machine image to its release, with the real packer and the real Terraform.

use crate::account::between;
use crate::place::Place;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

/// What Debian's packer 1.6 has built in. `communicator` none bakes the image as it is.
fn template(place: &Place, source: &str, name: &str) -> Value {
    json!({
        "builders": [{
            "name": "web",
            "type": "amazon-ebs",
            "communicator": "none",
            "region": place.region,
            "access_key": format!("AKIA{}", place.account),
            "secret_key": "any",
            "custom_endpoint_ec2": place.endpoint(),
            "skip_region_validation": true,
            "skip_metadata_api_check": true,
            "skip_credential_validation": true,
            "source_ami": source,
            "instance_type": "t3.micro",
            "subnet_id": place.network["subnet_ids"][0],
            "security_group_id": place.text("security_group_id"),
            "ami_name": name,
            "tags": { "baked-by": "packer" },
        }],
        "post-processors": [{
            "type": "manifest",
            "output": "packer-manifest.json",
            "strip_path": true,
        }],
    })
}

fn bake(place: &Place, source: &str, name: &str) -> Option<String> {
    let directory = place.directory.path();
    let template = template(place, source, name).to_string();
    std::fs::write(directory.join("image.json"), template).unwrap();
    let packer = Command::new("packer")
        .args(["build", "-color=false", "image.json"])
        .current_dir(directory)
        .env("CHECKPOINT_DISABLE", "1")
        .env("PACKER_CONFIG_DIR", directory)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_POLL_DELAY_SECONDS", "1")
        .output();
    let Ok(output) = packer else {
        return None;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    let id = between(&said, &format!("{}: ami-", place.region), "\n");
    Some(format!("ami-{}", id.trim()))
}

/// Where there is no packer, its part is played: an image, and the manifest that packer writes.
fn baked(place: &Place, version: &str) -> String {
    let source = place.image("base");
    let name = format!("web-{version}");
    if let Some(image) = bake(place, &source, &name) {
        return image;
    }
    let image = place.image(&name);
    let manifest = json!({
        "builds": [{
            "name": "web",
            "builder_type": "amazon-ebs",
            "build_time": 1_795_227_503,
            "files": null,
            "artifact_id": format!("{}:{image}", place.region),
            "packer_run_uuid": version,
            "custom_data": null,
        }],
        "last_run_uuid": version,
    });
    let path = place.directory.path().join("packer-manifest.json");
    std::fs::write(path, manifest.to_string()).unwrap();
    image
}

fn configuration(place: &Place, version: &str) -> String {
    format!(
        r#"
terraform {{
  required_providers {{
    immutable = {{ source = "immutable-fleets/immutable" }}
  }}
}}

provider "immutable" {{
  aws = {{
    region       = "{}"
    endpoint_url = "{}"
    default_tags = {{ team = "edge" }}
  }}
}}

resource "immutable_image_release" "web" {{
  name       = "web"
  version    = "{version}"
  source     = {{ packer_manifest = "packer-manifest.json", packer_build = "web" }}
  provenance = {{ git_commit = "9f2c1e7" }}
  keep       = 1
  verify     = {{ port = 8080, path = "/healthz", timeout = "1m" }}
  aws = {{
    copy_to = ["us-west-2"]
    verify = {{
      instance_type      = "t3.micro"
      subnet_id          = {}
      security_group_ids = ["{}"]
    }}
  }}
}}

output "release" {{
  value = {{
    id        = immutable_image_release.web.id
    image_ids = immutable_image_release.web.image_ids
    history   = immutable_image_release.web.history[*].version
  }}
}}
"#,
        place.region,
        place.endpoint(),
        place.network["subnet_ids"][0],
        place.text("security_group_id"),
    )
}

fn terraform(place: &Place, arguments: &[&str]) -> Output {
    let directory = place.directory.path();
    let command = std::env::var("TERRAFORM_INSTALLED").unwrap_or_else(|_| "terraform".to_owned());
    let command = if command.is_empty() {
        "terraform"
    } else {
        &command
    };
    Command::new(command)
        .args(arguments)
        .current_dir(directory)
        .env("TF_CLI_CONFIG_FILE", directory.join("terraform.rc"))
        .env("CHECKPOINT_DISABLE", "1")
        .env("AWS_ACCESS_KEY_ID", format!("AKIA{}", place.account))
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env_remove("AWS_PROFILE")
        .output()
        .unwrap()
}

fn succeeded(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    said
}

fn use_provider(directory: &Path) {
    let binary = Path::new(env!("CARGO_BIN_EXE_terraform-provider-immutable"));
    let provider = directory.join("provider");
    std::fs::create_dir(&provider).unwrap();
    let link = provider.join("terraform-provider-immutable");
    std::os::unix::fs::symlink(binary, link).unwrap();
    let overrides = format!(
        "provider_installation {{\n  dev_overrides {{ \"immutable-fleets/immutable\" = {provider:?} }}\n}}\n"
    );
    std::fs::write(directory.join("terraform.rc"), overrides).unwrap();
}

fn released(place: &Place) -> Value {
    let told = succeeded(&terraform(place, &["output", "-json", "release"]));
    serde_json::from_str(&told).unwrap()
}

#[test]
fn what_packer_bakes_is_verified_copied_released_and_removed() {
    let place = Place::new();
    let west = place.elsewhere("us-west-2");
    let directory = place.directory.path();
    use_provider(directory);
    let mut baked_before = Vec::new();
    for (version, kept) in [("1.0", json!(["1.0"])), ("1.1", json!(["1.1", "1.0"]))] {
        let image = baked(&place, version);
        std::fs::write(directory.join("main.tf"), configuration(&place, version)).unwrap();
        succeeded(&terraform(&place, &["apply", "-auto-approve", "-no-color"]));
        let told = released(&place);
        assert_eq!(told["id"], format!("web@{version}"));
        assert_eq!(told["image_ids"]["us-east-1"], image);
        let copy = told["image_ids"]["us-west-2"].as_str().unwrap().to_owned();
        assert!(west.inventory()["images"].contains(&copy), "{told}");
        assert_eq!(told["history"], kept);
        let tags = place.ec2(&[("Action", "DescribeImages"), ("ImageId.1", &image)]);
        let mark = format!("immutable:release/web@{version}");
        for expected in [mark.as_str(), "git_commit", "9f2c1e7"] {
            assert!(tags.contains(expected), "{tags}");
        }
        let again = ["plan", "-detailed-exitcode", "-no-color"];
        succeeded(&terraform(&place, &again));
        baked_before.push(image);
    }
    succeeded(&terraform(
        &place,
        &["destroy", "-auto-approve", "-no-color"],
    ));
    let left = place.inventory();
    assert!(
        baked_before
            .iter()
            .all(|image| !left["images"].contains(image)),
        "{left:?}"
    );
    assert!(left["parameters"].is_empty(), "{left:?}");
    for kind in ["images", "snapshots", "parameters"] {
        assert!(west.inventory()[kind].is_empty(), "{:?}", west.inventory());
    }
    // What the images were baked from is not ours.
    assert_eq!(left["images"].len(), left["snapshots"].len());
}
