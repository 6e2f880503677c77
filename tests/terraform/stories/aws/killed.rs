//! A provider that is killed in the middle of an update on AWS.

use crate::app::Behaviour;
use crate::aws::{AwsWeb, Site};
use crate::processes::Role;
use crate::terraform::Terraform;
use rustix::process::Signal;
use serde_json::json;

with_the_newest_terraform!(the_next_apply_goes_on_once_the_lease_has_ended);

fn the_next_apply_goes_on_once_the_lease_has_ended(terraform: &Terraform) {
    let site = Site::new(terraform);
    let web = AwsWeb::new(&site, "1.0.0", &site.image("1.0.0", Behaviour::Serves));
    site.configure(&web);
    site.apply_in_full();

    let load = site.load();
    let image = site.image("1.1.0", Behaviour::Serves);
    site.configure(web.version("1.1.0", &image));
    let hold = json!({ "kind": "hold_after", "operation": "CreateAutoScalingGroup" });
    let held = site.account().fault(hold);
    let apply = site.start(&["apply", "-auto-approve", "-no-color"]);
    site.wait_until("the new group is made", || site.account().holds(held));
    for provider in site.processes_as(Role::Provider) {
        provider.signal(Signal::KILL);
    }
    site.account().release(held);
    assert_ne!(apply.wait().code(), Some(0));

    site.plan_has_changes().says("\"launching\" -> \"stable\"");
    site.apply()
        .failed_with(&["the fleet web", "another process changes it"]);
    site.wait_until("the dead one's lease has ended", || {
        site.apply().code() == Some(0)
    });
    site.plan_is_empty();
    let tally = load.end_without_loss();
    println!("killed and gone on: {tally}");
    site.serves("1.1.0");
    assert_eq!(site.attributes("immutable_fleet.web")["generation"], 2);
    site.destroy();
}
