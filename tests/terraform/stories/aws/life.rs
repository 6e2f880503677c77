//! A fleet's whole life on AWS: every strategy, a failure, sizes, going back, import, and nothing left.

use crate::app::Behaviour;
use crate::aws::{AwsWeb, Site};
use crate::terraform::Terraform;

with_both_terraforms!(
    every_strategy_loses_no_request,
    a_version_that_fails_is_rolled_back,
    a_fleet_lives_from_release_to_destroy,
);

const CANARY: &str = r#"strategy = "canary", steps = [{ weight = 20, hold = "200ms" }, { weight = 50, hold = "200ms" }]"#;
const ROLLING: &str = r#"strategy = "rolling", surge = "1""#;

fn every_strategy_loses_no_request(terraform: &Terraform) {
    let site = Site::new(terraform);
    let web = AwsWeb::new(&site, "1.0.0", &site.image("1.0.0", Behaviour::Serves));
    site.configure(&web);
    site.apply_in_full();
    site.serves("1.0.0");
    let strategies = [r#"strategy = "blue_green""#, CANARY, ROLLING];
    for (number, strategy) in strategies.into_iter().enumerate() {
        let version = format!("1.{}.0", number + 1);
        let image = site.image(&version, Behaviour::Serves);
        let before = site.instances();
        site.configure(web.version(&version, &image).rollout(strategy));
        let plan = site.plan_has_changes();
        let created = format!("web@{version}");
        plan.says(&created);
        let tally = site.apply_under_load();
        println!("{strategy}: {tally}");
        assert!(tally.served.contains_key(&version), "{tally:?}");
        site.serves(&version);
        let after = site.instances();
        assert_eq!(after.len(), 2, "{after:?}");
        assert!(after.is_disjoint(&before), "{before:?} became {after:?}");
    }
    let fleet = site.attributes("immutable_fleet.web");
    assert_eq!(fleet["generation"], 4);
    assert_eq!(fleet["phase"], "stable");
    site.destroy();
}

fn a_version_that_fails_is_rolled_back(terraform: &Terraform) {
    let site = Site::new(terraform);
    let good = site.image("1.0.0", Behaviour::Serves);
    let web = AwsWeb::new(&site, "1.0.0", &good);
    site.configure(&web);
    site.apply_in_full();
    let before = site.instances();

    let load = site.load();
    let bad = site.image("2.0.0", Behaviour::Exits);
    let bad = web.version("2.0.0", &bad);
    site.configure(bad.rollout(r#"launch_deadline = "12s""#));
    let failed = site.apply();
    let tally = load.end_without_loss();
    // The end of the failed member's console is there to read.
    let fragments = ["web@2.0.0", "web@1.0.0", "no license for this machine"];
    failed.failed_with(&fragments);
    assert_eq!(tally.served.keys().collect::<Vec<_>>(), ["1.0.0"]);
    assert_eq!(site.instances(), before);
    site.plan().failed_with(&["web@2.0.0", "retry"]);

    site.configure(&web);
    site.apply_in_full();
    assert_eq!(site.instances(), before);
    site.destroy();
}

fn a_fleet_lives_from_release_to_destroy(terraform: &Terraform) {
    let site = Site::new(terraform);
    let first = site.image("1.0.0", Behaviour::Serves);
    let web = AwsWeb::new(&site, "1.0.0", &first);
    site.configure(&web);
    site.apply_in_full();
    let release = site.attributes("immutable_image_release.web");
    assert_eq!(release["image_id"], first.as_str());
    let small = site.instances();

    let load = site.load();
    site.configure(web.size(3));
    site.apply_in_full();
    let large = site.instances();
    assert!(large.is_superset(&small), "{small:?} became {large:?}");
    assert_eq!(large.len(), 3);
    site.configure(web.size(1));
    site.apply_in_full();
    // Members that leave still finish their requests.
    site.wait_until("two members have gone", || site.instances().len() == 1);
    let tiny = site.instances();
    assert!(large.is_superset(&tiny), "{large:?} became {tiny:?}");
    load.end_without_loss();

    let second = site.image("1.1.0", Behaviour::Serves);
    site.configure(web.version("1.1.0", &second).size(1));
    site.apply_under_load();
    // Going back needs no new image: the release is kept.
    site.configure(web.size(1));
    let tally = site.apply_under_load();
    assert!(tally.served.contains_key("1.0.0"), "{tally:?}");
    site.serves("1.0.0");

    let before = site.instances();
    std::fs::remove_file(site.path("terraform.tfstate")).unwrap();
    for resource in ["immutable_image_release.web", "immutable_fleet.web"] {
        site.run(&["import", "-no-color", resource, "web"])
            .succeeded();
    }
    site.apply_in_full();
    assert_eq!(site.instances(), before);
    assert_eq!(site.attributes("immutable_fleet.web")["generation"], 3);
    site.destroy();
}
