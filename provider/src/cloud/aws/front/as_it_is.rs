//! The rule as it really is, which someone may have changed by hand.
//!
//! What differs shows as a front of other settings than those that were set. The next plan shows both
//! values, and its apply sets the front again. The weights have a way of their own: they are told as
//! traffic.

use super::{nobodys, wanted};
use crate::cloud::aws::call::Conditions;
use crate::model::{FleetName, Front, Protocol};
use aws_sdk_elasticloadbalancingv2::types::{Rule, RuleCondition};

/// Returns a front as the rule shows it.
pub(in super::super) fn as_it_is(front: &Front, fleet: &FleetName, rule: &Rule) -> Front {
    if front.protocol == Protocol::Tcp {
        return front.clone();
    }
    let mut shown = front.clone();
    let there = rule.priority().and_then(|priority| priority.parse().ok());
    shown.priority = front.priority.map(|set| there.unwrap_or(set));
    let found = found(rule);
    let as_set = same(&found, &wanted(front)) || same(&found, &nobodys(fleet));
    if !as_set {
        (shown.hosts, shown.paths) = (found.hosts, found.paths);
    }
    shown
}

/// The conditions of a rule. What we never write is told in words among the paths, where nothing
/// that is configured looks like it.
fn found(rule: &Rule) -> Conditions {
    let mut conditions = Conditions {
        hosts: Vec::new(),
        paths: Vec::new(),
    };
    for condition in rule.conditions() {
        match condition.field() {
            Some("host-header") => conditions.hosts.extend(hosts(condition)),
            Some("path-pattern") => conditions.paths.extend(paths(condition)),
            other => {
                let field = other.unwrap_or("unknown");
                conditions.paths.push(format!("and a condition on {field}"));
            }
        }
    }
    if let Some(seconds) = stickiness(rule) {
        let words = format!("and stickiness of {seconds} s");
        conditions.paths.push(words);
    }
    conditions
}

/// The hosts that a rule is for; none: it is for all.
pub(super) fn hosts_of(rule: &Rule) -> Vec<String> {
    let conditions = rule.conditions().iter();
    let of_hosts = conditions.filter(|condition| condition.field() == Some("host-header"));
    of_hosts.flat_map(hosts).collect()
}

fn hosts(condition: &RuleCondition) -> Vec<String> {
    let config = condition.host_header_config().map(|config| config.values());
    config
        .filter(|values| !values.is_empty())
        .unwrap_or(condition.values())
        .to_vec()
}

fn paths(condition: &RuleCondition) -> Vec<String> {
    let config = condition
        .path_pattern_config()
        .map(|config| config.values());
    config
        .filter(|values| !values.is_empty())
        .unwrap_or(condition.values())
        .to_vec()
}

/// A client that sticks to a target group stays there whatever the weights say, so that a shift would
/// not be one.
fn stickiness(rule: &Rule) -> Option<i32> {
    let mut forwards = rule
        .actions()
        .iter()
        .filter_map(|action| action.forward_config());
    let config = forwards.find_map(|forward| forward.target_group_stickiness_config())?;
    config
        .enabled()?
        .then(|| config.duration_seconds().unwrap_or_default())
}

/// Hosts are the same in any case; the order of values means nothing.
fn same(one: &Conditions, other: &Conditions) -> bool {
    let sorted = |values: &[String]| {
        let mut values = values.to_vec();
        values.sort_unstable();
        values
    };
    let lower = |values: &[String]| -> Vec<String> {
        values.iter().map(|value| value.to_lowercase()).collect()
    };
    sorted(&lower(&one.hosts)) == sorted(&lower(&other.hosts))
        && sorted(&one.paths) == sorted(&other.paths)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use aws_sdk_elasticloadbalancingv2::types::{
        Action, ForwardActionConfig, HostHeaderConditionConfig, PathPatternConditionConfig,
        TargetGroupStickinessConfig, TargetGroupTuple,
    };

    fn front(hosts: &[&str], paths: &[&str]) -> Front {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Front {
            listener: "arn".to_owned(),
            protocol: Protocol::Http,
            hosts: owned(hosts),
            paths: owned(paths),
            priority: Some(10),
        }
    }

    fn rule(conditions: Vec<RuleCondition>, weight: i32, sticky: bool) -> Rule {
        let target = TargetGroupTuple::builder()
            .target_group_arn("tg")
            .weight(weight);
        let stickiness = TargetGroupStickinessConfig::builder()
            .enabled(sticky)
            .duration_seconds(300);
        let forward = ForwardActionConfig::builder()
            .target_groups(target.build())
            .target_group_stickiness_config(stickiness.build())
            .build();
        Rule::builder()
            .priority("10")
            .set_conditions(Some(conditions))
            .actions(Action::builder().forward_config(forward).build())
            .build()
    }

    fn host(value: &str) -> RuleCondition {
        let config = HostHeaderConditionConfig::builder().values(value).build();
        RuleCondition::builder()
            .field("host-header")
            .host_header_config(config)
            .build()
    }

    fn path(value: &str) -> RuleCondition {
        let config = PathPatternConditionConfig::builder().values(value).build();
        RuleCondition::builder()
            .field("path-pattern")
            .path_pattern_config(config)
            .build()
    }

    fn check(set: &Front, rule: &Rule, expected: &Front) {
        assert_eq!(as_it_is(set, &"web".parse().unwrap(), rule), *expected);
    }

    #[test]
    fn a_rule_as_we_wrote_it_shows_the_front_as_it_was_set() {
        let any = front(&[], &[]);
        check(&any, &rule(vec![path("/*")], 100, false), &any);
        let idle = host("web.immutable.invalid");
        check(&any, &rule(vec![idle.clone()], 0, false), &any);
        // The weight of a single target group may read back as another one.
        check(&any, &rule(vec![idle], 1, false), &any);
        let hosted = front(&["Web.example.com"], &["/a"]);
        let conditions = vec![path("/a"), host("web.example.com")];
        check(&hosted, &rule(conditions, 100, false), &hosted);
    }

    #[test]
    fn what_someone_changed_shows() {
        let set = front(&["web.example.com"], &[]);
        let moved = Rule::builder()
            .priority("20")
            .conditions(host("web.example.com"))
            .build();
        let expected = Front {
            priority: Some(20),
            ..set.clone()
        };
        check(&set, &moved, &expected);
        let narrowed = rule(vec![host("web.example.com"), path("/a")], 100, false);
        check(&set, &narrowed, &front(&["web.example.com"], &["/a"]));
        let limited = RuleCondition::builder().field("source-ip").build();
        let limited = rule(vec![host("web.example.com"), limited], 100, false);
        let words = "and a condition on source-ip";
        check(&set, &limited, &front(&["web.example.com"], &[words]));
        let sticky = rule(vec![host("web.example.com")], 100, true);
        let words = "and stickiness of 300 s";
        check(&set, &sticky, &front(&["web.example.com"], &[words]));
    }
}
