//! Fleets on AWS whose size changes by itself.

use crate::account::between;
use crate::app::Behaviour;
use crate::aws::{AwsWeb, Site};
use crate::terraform::Terraform;

with_both_terraforms!(
    a_fleet_follows_its_load_through_an_update,
    a_scaler_of_someone_else_is_left_alone,
);

/// Sets how many members a generation's group wants, as a scaler does, and waits for them.
fn scale(site: &Site, generation: u32, size: usize) {
    let group = format!("immutable-web-{generation}");
    let wanted = size.to_string();
    let set = [
        ("Action", "SetDesiredCapacity"),
        ("AutoScalingGroupName", group.as_str()),
        ("DesiredCapacity", wanted.as_str()),
    ];
    site.account().query("autoscaling", "2011-01-01", &set);
    site.wait_until("the scaler has its way", || site.instances().len() == size);
}

/// The one group that has a policy.
fn tracked(site: &Site) -> String {
    let asked = [("Action", "DescribePolicies")];
    let told = site.account().query("autoscaling", "2011-01-01", &asked);
    assert_eq!(told.matches("<PolicyName>").count(), 1, "{told}");
    between(&told, "<AutoScalingGroupName>", "</AutoScalingGroupName>")
}

fn a_fleet_follows_its_load_through_an_update(terraform: &Terraform) {
    let site = Site::new(terraform);
    let first = site.image("1.0.0", Behaviour::Serves);
    let web =
        AwsWeb::new(&site, "1.0.0", &first).sized("autoscale = { min = 2, max = 5, cpu = 60 }");
    site.configure(&web);
    site.apply_in_full();
    assert_eq!(site.instances().len(), 2);
    assert_eq!(tracked(&site), "immutable-web-1");
    scale(&site, 1, 3);
    site.plan_is_empty();

    let second = site.image("1.1.0", Behaviour::Serves);
    site.configure(web.version("1.1.0", &second));
    site.plan_has_changes()
        .says("create generation 2: 3 members of web@1.1.0");
    let tally = site.apply_under_load();
    println!("an update at the live size: {tally}");
    site.wait_until("the earlier ones have gone", || site.instances().len() == 3);
    assert_eq!(tracked(&site), "immutable-web-2");
    assert_eq!(site.made()["alarms"].len(), 2);

    // From now on this configuration decides again.
    site.configure(web.version("1.1.0", &second).size(2));
    site.apply_in_full();
    site.wait_until("two are left", || site.instances().len() == 2);
    assert_eq!(site.made().get("alarms"), None);
    site.destroy();
}

fn a_scaler_of_someone_else_is_left_alone(terraform: &Terraform) {
    let site = Site::new(terraform);
    let first = site.image("1.0.0", Behaviour::Serves);
    let web = AwsWeb::new(&site, "1.0.0", &first).sized("size = 2\n  capacity = \"external\"");
    site.configure(&web);
    site.apply_in_full();
    assert_eq!(site.made().get("policies"), None);
    scale(&site, 1, 4);
    site.plan_is_empty();

    let second = site.image("1.1.0", Behaviour::Serves);
    site.configure(web.version("1.1.0", &second));
    site.plan_has_changes()
        .says("create generation 2: 4 members of web@1.1.0");
    site.apply_under_load();
    site.wait_until("the earlier ones have gone", || site.instances().len() == 4);
    scale(&site, 2, 1);
    site.plan_is_empty();
    site.destroy();
}
