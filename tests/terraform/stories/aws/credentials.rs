//! Credentials that run out in the middle of an update on AWS.

use crate::app::Behaviour;
use crate::aws::{AwsWeb, Site};
use crate::terraform::Terraform;
use serde_json::json;

with_both_terraforms!(an_apply_whose_credentials_run_out_says_so_and_the_next_one_goes_on);

fn an_apply_whose_credentials_run_out_says_so_and_the_next_one_goes_on(terraform: &Terraform) {
    let site = Site::new(terraform);
    let web = AwsWeb::new(&site, "1.0.0", &site.image("1.0.0", Behaviour::Serves));
    site.configure(&web);
    site.apply_in_full();
    let before = site.instances();

    let load = site.load();
    let second = site.image("1.1.0", Behaviour::Serves);
    site.configure(web.version("1.1.0", &second));
    let held = json!({ "kind": "hold_after", "operation": "CreateAutoScalingGroup" });
    let held = site.account().fault(held);
    let apply = site.start(&["apply", "-auto-approve", "-no-color"]);
    site.wait_until("the new group is made", || site.account().holds(held));
    // The lease alone can still be given back: a story waits for its end already, in `killed`.
    for service in ["autoscaling", "ec2", "elbv2"] {
        site.account().fault(json!({
            "kind": "error", "operation": format!("{service}:*"), "status": 400, "count": 0,
            "code": "ExpiredToken", "message": "The security token included in the request is expired",
        }));
    }
    site.account().release(held);
    apply.wait().failed_with(&[
        "credentials have expired",
        "Renew them and apply again",
        "the next apply goes on from there",
    ]);
    assert!(site.instances().is_superset(&before));
    assert_eq!(site.attributes("immutable_fleet.web")["generation"], 1);

    site.account().end_faults();
    site.plan_has_changes().says("web@1.1.0");
    site.apply().succeeded();
    site.plan_is_empty();
    let tally = load.end_without_loss();
    println!("expired and gone on: {tally}");
    site.serves("1.1.0");
    assert_eq!(site.attributes("immutable_fleet.web")["generation"], 2);
    site.destroy();
}
