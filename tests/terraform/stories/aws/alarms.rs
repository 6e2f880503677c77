//! Alarms that fire while a canary is tried on AWS.

use crate::app::Behaviour;
use crate::aws::{AwsWeb, Site};
use crate::terraform::Terraform;

with_both_terraforms!(an_alarm_that_fires_brings_the_traffic_back);

/// The hold never ends by itself: what ends it is the alarm.
const CANARY: &str = r#"launch_deadline = "30s", alarms = ["web-5xx"], strategy = "canary", steps = [{ weight = 50, hold = "1h" }]"#;

/// One call of CloudWatch by hand.
fn cloudwatch(site: &Site, parameters: &[(&str, &str)]) {
    site.account().query("monitoring", "2010-08-01", parameters);
}

fn set(site: &Site, state: &str, reason: &str) {
    let state = [
        ("Action", "SetAlarmState"),
        ("AlarmName", "web-5xx"),
        ("StateValue", state),
        ("StateReason", reason),
    ];
    cloudwatch(site, &state);
}

fn an_alarm_that_fires_brings_the_traffic_back(terraform: &Terraform) {
    let site = Site::new(terraform);
    let first = site.image("1.0.0", Behaviour::Serves);
    let web = AwsWeb::new(&site, "1.0.0", &first).rollout(CANARY);
    site.configure(&web);
    // The alarm is another resource's, perhaps of this very apply: a plan only warns.
    site.plan_has_changes()
        .says("Warning: Not there yet: rollout.alarms")
        .says("There is no CloudWatch alarm \"web-5xx\"");
    site.apply()
        .failed_with(&["rollout.alarms", "There is no CloudWatch alarm \"web-5xx\""]);
    let made = site.made();
    assert!(!made.contains_key("groups"), "{made:?}");
    let put = [
        ("Action", "PutMetricAlarm"),
        ("AlarmName", "web-5xx"),
        ("Namespace", "AWS/ApplicationELB"),
        ("MetricName", "HTTPCode_Target_5XX_Count"),
        ("Statistic", "Sum"),
        ("Period", "60"),
        ("EvaluationPeriods", "1"),
        ("Threshold", "1"),
        ("ComparisonOperator", "GreaterThanThreshold"),
    ];
    cloudwatch(&site, &put);
    set(&site, "OK", "nothing is wrong");
    site.apply_in_full();
    let before = site.instances();

    let load = site.load();
    let second = site.image("1.1.0", Behaviour::Serves);
    site.configure(web.version("1.1.0", &second));
    let apply = site.start(&["apply", "-auto-approve", "-no-color"]);
    site.wait_until("the canary serves", || {
        load.tally().served.contains_key("1.1.0")
    });
    set(&site, "ALARM", "7 answers were 5xx");
    let failed = apply.wait();
    let tally = load.end_without_loss();
    println!("an alarm fired: {tally}");
    failed.failed_with(&["web@1.1.0", "web-5xx", "7 answers were 5xx", "web@1.0.0"]);
    site.serves("1.0.0");
    assert_eq!(site.instances(), before);
    site.plan().failed_with(&["web@1.1.0", "retry"]);

    set(&site, "OK", "all is well");
    site.configure(&web);
    site.apply_in_full();
    let delete = [
        ("Action", "DeleteAlarms"),
        ("AlarmNames.member.1", "web-5xx"),
    ];
    cloudwatch(&site, &delete);
    // Destroying asks for no alarm.
    site.destroy();
}
