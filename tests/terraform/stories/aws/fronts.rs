//! Fleets on AWS with another front than a rule of a listener for HTTP: a listener for TCP, or none.

use crate::app::Behaviour;
use crate::aws::{AwsWeb, Site};
use crate::terraform::Terraform;

with_both_terraforms!(
    a_listener_for_tcp_is_taken_and_given_back,
    workers_need_no_traffic,
);

const CANARY: &str =
    r#"launch_deadline = "30s", strategy = "canary", steps = [{ weight = 50, hold = "500ms" }]"#;
const ROLLING: &str = r#"launch_deadline = "30s", strategy = "rolling", surge = "1""#;

/// The default action of the account's listener.
fn action(site: &Site) -> String {
    let arn = site.account().text("listener_arn");
    let asked = [
        ("Action", "DescribeListeners"),
        ("ListenerArns.member.1", arn.as_str()),
    ];
    let account = site.account();
    let told = account.query("elasticloadbalancing", "2015-12-01", &asked);
    crate::account::between(&told, "<DefaultActions>", "</DefaultActions>")
}

fn a_listener_for_tcp_is_taken_and_given_back(terraform: &Terraform) {
    let site = Site::with(terraform, "network");
    let first = site.image("1.0.0", Behaviour::Serves);
    let listener = &site.account().network["listener_arn"];
    let tcp = format!(r#"port = 8080, listener = {listener}, protocol = "tcp""#);
    let web = AwsWeb::new(&site, "1.0.0", &first).rollout(CANARY);
    // What a listener for TCP does not know is told at its attribute.
    site.configure(web.traffic(&format!("{tcp}, priority = 10")));
    site.plan().failed_with(&[
        "traffic",
        "has no rules",
        "remove hosts, paths and priority",
    ]);
    assert_eq!(site.made().get("groups"), None);

    let web = web.traffic(&tcp);
    site.configure(&web);
    site.apply_in_full();
    site.serves("1.0.0");
    let endpoint = &site.attributes("immutable_fleet.web")["endpoint"];
    assert_eq!(
        *endpoint,
        format!("tcp://{}", site.account().text("endpoint"))
    );

    let second = site.image("1.1.0", Behaviour::Serves);
    site.configure(web.version("1.1.0", &second));
    let tally = site.apply_under_load();
    println!("a canary behind a listener for TCP: {tally}");
    assert!(tally.served.contains_key("1.1.0"), "{tally:?}");
    site.serves("1.1.0");
    assert!(action(&site).contains("im-web-2"), "{}", action(&site));
    site.destroy();
    let after = action(&site);
    assert!(
        after.contains("-nobody") && !after.contains("im-web"),
        "{after}"
    );
}

fn workers_need_no_traffic(terraform: &Terraform) {
    let site = Site::new(terraform);
    let first = site.image("1.0.0", Behaviour::Works);
    let workers = AwsWeb::new(&site, "1.0.0", &first)
        .without_traffic()
        .rollout(ROLLING);
    site.configure(&workers);
    site.apply_in_full();
    let before = site.instances();
    assert_eq!(before.len(), 2);
    for kind in ["rules", "target_groups"] {
        assert_eq!(site.made().get(kind), None);
    }
    let fleet = site.attributes("immutable_fleet.web");
    assert_eq!(fleet["endpoint"], serde_json::Value::Null);

    let second = site.image("1.1.0", Behaviour::Works);
    site.configure(workers.version("1.1.0", &second).size(3));
    site.apply_in_full();
    // Those that leave may run for a moment longer.
    site.wait_until("three new ones work", || {
        let now = site.instances();
        now.len() == 3 && now.is_disjoint(&before)
    });

    // One that ends at once is no worker, and the others work on.
    let now = site.instances();
    let bad = site.image("2.0.0", Behaviour::Exits);
    site.configure(workers.version("2.0.0", &bad).size(3));
    site.apply()
        .failed_with(&["web@2.0.0", "web@1.1.0", "no license for this machine"]);
    site.wait_until("those of before work", || site.instances() == now);
    site.configure(workers.version("1.1.0", &second).size(3));
    site.apply_in_full();
    site.destroy();
}
