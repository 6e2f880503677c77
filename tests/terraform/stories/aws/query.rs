//! Fleets and lines on AWS that Terraform does not know: found, and written as configuration.

use crate::app::Behaviour;
use crate::aws::{AwsWeb, Site};
use crate::terraform::Terraform;
use std::fs;

with_the_newest_terraform!(what_a_query_finds_is_taken_over_as_it_is);

fn what_a_query_finds_is_taken_over_as_it_is(terraform: &Terraform) {
    let site = Site::new(terraform);
    let web = AwsWeb::new(&site, "1.0.0", &site.image("1.0.0", Behaviour::Serves));
    let spare = format!(
        "resource \"immutable_image_release\" \"spare\" {{\n  name = \"spare\"\n  version = \"2.0.0\"\n  \
         source = {{ image_id = \"{}\" }}\n}}\n",
        site.image("2.0.0", Behaviour::Serves)
    );
    site.configure(format!("{web}{spare}"));
    site.apply_in_full();
    let before = site.instances();
    let all = [
        "immutable_fleet.web",
        "immutable_image_release.web",
        "immutable_image_release.spare",
    ];
    site.run(&[&["state", "rm"], &all[..]].concat()).succeeded();
    site.configure("");
    site.write(
        "all.tfquery.hcl",
        r#"
list "immutable_fleet" "all" {
  provider = immutable
}
list "immutable_image_release" "used" {
  provider = immutable
  config { used = true }
}
list "immutable_image_release" "unused" {
  provider = immutable
  config { used = false }
}
"#,
    );
    let query = ["query", "-no-color", "-generate-config-out=generated.tf"];
    let found = site.run(&query).succeeded();
    for line in [
        "list.immutable_fleet.all name=web web (web@1.0.0)",
        "list.immutable_image_release.used name=web web@1.0.0",
        "list.immutable_image_release.unused name=spare spare@2.0.0",
    ] {
        assert!(
            found.flat().contains(line),
            "{line}: {}",
            found.everything()
        );
    }
    let written = fs::read_to_string(site.path("generated.tf")).unwrap();
    for part in [
        "instance_types",
        "subnet_ids",
        "security_group_ids",
        "priority",
    ] {
        assert!(written.contains(part), "{part}: {written}");
    }
    // What is written is what there is: taking it over changes nothing.
    site.plan_has_changes()
        .says("Plan: 3 to import, 0 to add, 0 to change, 0 to destroy.");
    site.apply_in_full();
    assert_eq!(site.instances(), before);
    site.serves("1.0.0");
    // Generated configuration holds values and no references: Terraform does not know the order.
    let addresses = site.run(&["state", "list"]).succeeded().stdout;
    let fleet = addresses
        .lines()
        .find(|it| it.starts_with("immutable_fleet."));
    let target = format!("-target={}", fleet.unwrap());
    site.run(&["destroy", "-auto-approve", "-no-color", &target])
        .succeeded();
    site.destroy();
}
