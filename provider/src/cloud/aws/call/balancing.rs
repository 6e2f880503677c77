//! Load balancers: listeners, the one rule that a fleet owns, and target groups.

use super::pages::Pages;
use super::{Calls, said};
use crate::cloud::aws::failure::Result;
use crate::cloud::aws::names::Tags;
use crate::model::Protocol;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, HostHeaderConditionConfig, Listener, LoadBalancer,
    Matcher, PathPatternConditionConfig, ProtocolEnum, Rule, RuleCondition, RulePriorityPair, Tag,
    TargetGroupAttribute, TargetGroupTuple, TargetHealthDescription, TargetTypeEnum,
};
use std::collections::BTreeMap;

/// As many ARNs fit in one question, and their answers on one page.
const ARNS_AT_ONCE: usize = 20;

/// How a target group asks its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct TargetCheck {
    /// Absent: they only connect.
    pub(in super::super) path: Option<String>,
    /// The HTTP statuses that mean well: `200-399`.
    pub(in super::super) statuses: &'static str,
    pub(in super::super) thresholds: Thresholds,
}

/// How a target group counts what its members answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Thresholds {
    pub(in super::super) interval_seconds: i32,
    pub(in super::super) timeout_seconds: i32,
    pub(in super::super) successes: i32,
    pub(in super::super) failures: i32,
}

/// A target group that shall be made.
#[derive(Debug, Clone)]
pub(in super::super) struct NewTargetGroup<'a> {
    pub(in super::super) name: &'a str,
    pub(in super::super) protocol: Protocol,
    pub(in super::super) vpc: &'a str,
    pub(in super::super) port: u16,
    pub(in super::super) check: &'a TargetCheck,
    pub(in super::super) tags: &'a Tags,
}

/// Which requests a rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Conditions {
    pub(in super::super) hosts: Vec<String>,
    pub(in super::super) paths: Vec<String>,
}

impl Conditions {
    pub(in super::super) fn built(&self) -> Vec<RuleCondition> {
        let hosts = (!self.hosts.is_empty()).then(|| {
            let config = HostHeaderConditionConfig::builder()
                .set_values(Some(self.hosts.clone()))
                .build();
            RuleCondition::builder()
                .field("host-header")
                .host_header_config(config)
                .build()
        });
        let paths = (!self.paths.is_empty()).then(|| {
            let config = PathPatternConditionConfig::builder()
                .set_values(Some(self.paths.clone()))
                .build();
            RuleCondition::builder()
                .field("path-pattern")
                .path_pattern_config(config)
                .build()
        });
        hosts.into_iter().chain(paths).collect()
    }
}

/// Target groups with their weights, 0 to 999.
pub(in super::super) type Targets = Vec<(String, i32)>;

fn forward(targets: &Targets) -> Action {
    let groups = targets.iter().map(|(arn, weight)| {
        TargetGroupTuple::builder()
            .target_group_arn(arn)
            .weight(*weight)
            .build()
    });
    let config = ForwardActionConfig::builder()
        .set_target_groups(Some(groups.collect()))
        .build();
    Action::builder()
        .r#type(ActionTypeEnum::Forward)
        .forward_config(config)
        .build()
}

fn tags(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .filter_map(|(key, value)| Tag::builder().key(key).value(value).build().into())
        .collect()
}

impl TargetCheck {
    fn protocol(&self) -> ProtocolEnum {
        match self.path {
            Some(_) => ProtocolEnum::Http,
            None => ProtocolEnum::Tcp,
        }
    }

    /// A check that only connects has no statuses.
    fn matcher(&self) -> Option<Matcher> {
        let matcher = Matcher::builder().http_code(self.statuses).build();
        self.path.as_ref().map(|_| matcher)
    }
}

/// Whether an ARN is a listener's and not a rule's.
fn is_listener(arn: &str) -> bool {
    arn.contains(":listener/")
}

/// The one action of a listener that knows no rules, as a rule of the listener's own ARN.
fn as_rule(listener: Listener) -> Rule {
    Rule::builder()
        .set_rule_arn(listener.listener_arn)
        .set_actions(listener.default_actions)
        .build()
}

impl Calls {
    /// Tells one listener; absent: it does not exist.
    pub(in super::super) async fn listener(&self, arn: &str) -> Result<Option<Listener>> {
        let answer = self
            .balancing
            .describe_listeners()
            .listener_arns(arn)
            .send()
            .await;
        match said("elasticloadbalancing:DescribeListeners", answer) {
            Ok(answer) => Ok(answer.listeners.unwrap_or_default().into_iter().next()),
            Err(failure) if failure.has_code("ListenerNotFound") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Tells one load balancer; absent: it does not exist.
    pub(in super::super) async fn load_balancer(&self, arn: &str) -> Result<Option<LoadBalancer>> {
        let answer = self
            .balancing
            .describe_load_balancers()
            .load_balancer_arns(arn)
            .send()
            .await;
        match said("elasticloadbalancing:DescribeLoadBalancers", answer) {
            Ok(answer) => Ok(answer.load_balancers.unwrap_or_default().into_iter().next()),
            Err(failure) if failure.has_code("LoadBalancerNotFound") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Tells rules by ARN, and listeners for TCP as the one rule that they are. A rule that does not
    /// exist fails the whole question, with `RuleNotFound`.
    pub(in super::super) async fn rules(&self, arns: &[String]) -> Result<Vec<Rule>> {
        let (listeners, arns): (Vec<String>, Vec<String>) =
            arns.iter().cloned().partition(|arn| is_listener(arn));
        let mut found = Vec::new();
        for some in listeners.chunks(ARNS_AT_ONCE) {
            let listeners = self.balancing.describe_listeners();
            let listeners = listeners.set_listener_arns(Some(some.to_vec()));
            let answer = said(
                "elasticloadbalancing:DescribeListeners",
                listeners.send().await,
            )?;
            found.extend(
                answer
                    .listeners
                    .unwrap_or_default()
                    .into_iter()
                    .map(as_rule),
            );
        }
        for some in arns.chunks(ARNS_AT_ONCE) {
            let answer = self
                .balancing
                .describe_rules()
                .set_rule_arns(Some(some.to_vec()))
                .send()
                .await;
            let answer = said("elasticloadbalancing:DescribeRules", answer)?;
            found.extend(answer.rules.unwrap_or_default());
        }
        Ok(found)
    }

    /// Tells all rules of a listener.
    pub(in super::super) async fn rules_of(&self, listener: &str) -> Result<Vec<Rule>> {
        let mut found = Vec::new();
        let mut pages = Pages::of("elasticloadbalancing:DescribeRules");
        loop {
            let answer = self
                .balancing
                .describe_rules()
                .listener_arn(listener)
                .set_marker(pages.token())
                .send()
                .await;
            let answer = said("elasticloadbalancing:DescribeRules", answer)?;
            found.extend(answer.rules.unwrap_or_default());
            if !pages.turn(answer.next_marker)? {
                return Ok(found);
            }
        }
    }

    /// Makes a rule.
    pub(in super::super) async fn create_rule(
        &self,
        listener: &str,
        priority: i32,
        (conditions, targets): (&Conditions, &Targets),
        carries: &Tags,
    ) -> Result<Option<Rule>> {
        let answer = self
            .balancing
            .create_rule()
            .listener_arn(listener)
            .priority(priority)
            .set_conditions(Some(conditions.built()))
            .actions(forward(targets))
            .set_tags(Some(tags(carries)))
            .send()
            .await;
        let answer = said("elasticloadbalancing:CreateRule", answer)?;
        Ok(answer.rules.unwrap_or_default().into_iter().next())
    }

    /// Writes a rule's conditions and targets anew, both at once.
    pub(in super::super) async fn modify_rule(
        &self,
        arn: &str,
        conditions: &Conditions,
        targets: &Targets,
    ) -> Result<()> {
        let answer = self
            .balancing
            .modify_rule()
            .rule_arn(arn)
            .set_conditions(Some(conditions.built()))
            .actions(forward(targets))
            .send()
            .await;
        said("elasticloadbalancing:ModifyRule", answer).map(drop)
    }

    /// Writes a listener's one action anew.
    pub(in super::super) async fn modify_listener(
        &self,
        arn: &str,
        targets: &Targets,
    ) -> Result<()> {
        let answer = self
            .balancing
            .modify_listener()
            .listener_arn(arn)
            .default_actions(forward(targets))
            .send()
            .await;
        said("elasticloadbalancing:ModifyListener", answer).map(drop)
    }

    /// Adds tags to a listener.
    pub(in super::super) async fn tag_balancing(&self, arn: &str, carries: &Tags) -> Result<()> {
        let add = self.balancing.add_tags().resource_arns(arn);
        let answer = add.set_tags(Some(tags(carries))).send().await;
        said("elasticloadbalancing:AddTags", answer).map(drop)
    }

    /// Removes tags of a listener, whatever their values.
    pub(in super::super) async fn untag_balancing(&self, arn: &str, carried: &Tags) -> Result<()> {
        let keys = carried.keys().cloned().collect();
        let remove = self.balancing.remove_tags().resource_arns(arn);
        let answer = remove.set_tag_keys(Some(keys)).send().await;
        said("elasticloadbalancing:RemoveTags", answer).map(drop)
    }

    /// Moves a rule to another place among its listener's.
    pub(in super::super) async fn move_rule(&self, arn: &str, priority: i32) -> Result<()> {
        let pair = RulePriorityPair::builder()
            .rule_arn(arn)
            .priority(priority)
            .build();
        let answer = self
            .balancing
            .set_rule_priorities()
            .rule_priorities(pair)
            .send()
            .await;
        said("elasticloadbalancing:SetRulePriorities", answer).map(drop)
    }

    /// Deletes a rule; one that is gone is fine.
    pub(in super::super) async fn delete_rule(&self, arn: &str) -> Result<()> {
        let answer = self.balancing.delete_rule().rule_arn(arn).send().await;
        match said("elasticloadbalancing:DeleteRule", answer) {
            Ok(_) => Ok(()),
            Err(failure) if failure.has_code("RuleNotFound") => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Makes a target group for instances and returns its ARN.
    pub(in super::super) async fn create_target_group(
        &self,
        new: &NewTargetGroup<'_>,
    ) -> Result<String> {
        let answer = self
            .balancing
            .create_target_group()
            .name(new.name)
            .protocol(match new.protocol {
                Protocol::Http => ProtocolEnum::Http,
                Protocol::Tcp => ProtocolEnum::Tcp,
            })
            .port(i32::from(new.port))
            .vpc_id(new.vpc)
            .target_type(TargetTypeEnum::Instance)
            .health_check_enabled(true)
            .health_check_protocol(new.check.protocol())
            .set_health_check_path(new.check.path.clone())
            .set_matcher(new.check.matcher())
            .health_check_interval_seconds(new.check.thresholds.interval_seconds)
            .health_check_timeout_seconds(new.check.thresholds.timeout_seconds)
            .healthy_threshold_count(new.check.thresholds.successes)
            .unhealthy_threshold_count(new.check.thresholds.failures)
            .set_tags(Some(tags(new.tags)))
            .send()
            .await;
        let answer = said("elasticloadbalancing:CreateTargetGroup", answer)?;
        let group = answer.target_groups.unwrap_or_default().into_iter().next();
        Ok(group
            .and_then(|group| group.target_group_arn)
            .unwrap_or_default())
    }

    /// Finds a target group by name; absent: it does not exist.
    pub(in super::super) async fn target_group(&self, name: &str) -> Result<Option<String>> {
        let answer = self
            .balancing
            .describe_target_groups()
            .names(name)
            .send()
            .await;
        match said("elasticloadbalancing:DescribeTargetGroups", answer) {
            Ok(answer) => {
                let group = answer.target_groups.unwrap_or_default().into_iter().next();
                Ok(group.and_then(|group| group.target_group_arn))
            }
            Err(failure) if failure.has_code("TargetGroupNotFound") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Sets how a target group counts; what it asks stays as it was made.
    pub(in super::super) async fn count_targets_by(
        &self,
        arn: &str,
        thresholds: Thresholds,
    ) -> Result<()> {
        let answer = self
            .balancing
            .modify_target_group()
            .target_group_arn(arn)
            .health_check_interval_seconds(thresholds.interval_seconds)
            .health_check_timeout_seconds(thresholds.timeout_seconds)
            .healthy_threshold_count(thresholds.successes)
            .unhealthy_threshold_count(thresholds.failures)
            .send()
            .await;
        said("elasticloadbalancing:ModifyTargetGroup", answer).map(drop)
    }

    /// Sets how long a member that leaves a target group may finish what it serves: 0 to 3600.
    pub(in super::super) async fn drain_targets_for(&self, arn: &str, seconds: u64) -> Result<()> {
        let attribute = TargetGroupAttribute::builder()
            .key("deregistration_delay.timeout_seconds")
            .value(seconds.to_string())
            .build();
        let answer = self
            .balancing
            .modify_target_group_attributes()
            .target_group_arn(arn)
            .attributes(attribute)
            .send()
            .await;
        said("elasticloadbalancing:ModifyTargetGroupAttributes", answer).map(drop)
    }

    /// Deletes a target group; one that is gone is fine.
    pub(in super::super) async fn delete_target_group(&self, arn: &str) -> Result<()> {
        let answer = self
            .balancing
            .delete_target_group()
            .target_group_arn(arn)
            .send()
            .await;
        match said("elasticloadbalancing:DeleteTargetGroup", answer) {
            Ok(_) => Ok(()),
            Err(failure) if failure.has_code("TargetGroupNotFound") => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Tells what a target group thinks of its members; absent: there is no such group.
    pub(in super::super) async fn target_health(
        &self,
        arn: &str,
    ) -> Result<Option<Vec<TargetHealthDescription>>> {
        let answer = self
            .balancing
            .describe_target_health()
            .target_group_arn(arn)
            .send()
            .await;
        match said("elasticloadbalancing:DescribeTargetHealth", answer) {
            Ok(answer) => Ok(Some(answer.target_health_descriptions.unwrap_or_default())),
            Err(failure) if failure.has_code("TargetGroupNotFound") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Tells the limits that this account has for load balancers, by AWS's names.
    pub(in super::super) async fn balancing_limits(&self) -> Result<BTreeMap<String, u64>> {
        let mut found = BTreeMap::new();
        let mut pages = Pages::of("elasticloadbalancing:DescribeAccountLimits");
        loop {
            let limits = self.balancing.describe_account_limits();
            let answer = limits.set_marker(pages.token()).send().await;
            let answer = said("elasticloadbalancing:DescribeAccountLimits", answer)?;
            let limits = answer.limits.unwrap_or_default().into_iter();
            found.extend(limits.filter_map(|limit| Some((limit.name?, limit.max?.parse().ok()?))));
            if !pages.turn(answer.next_marker)? {
                return Ok(found);
            }
        }
    }

    /// Whether a load balancer sends requests from each of its zones to all.
    pub(in super::super) async fn is_cross_zone(&self, balancer: &str) -> Result<bool> {
        let attributes = self.balancing.describe_load_balancer_attributes();
        let answer = attributes.load_balancer_arn(balancer).send().await;
        let answer = said(
            "elasticloadbalancing:DescribeLoadBalancerAttributes",
            answer,
        )?;
        let attributes = answer.attributes.unwrap_or_default();
        Ok(attributes.iter().any(|attribute| {
            attribute.key() == Some("load_balancing.cross_zone.enabled")
                && attribute.value() == Some("true")
        }))
    }

    /// Tells the tags of one rule or target group.
    pub(in super::super) async fn balancing_tags(&self, arn: &str) -> Result<Tags> {
        let mut found = self.balancing_tags_of(&[arn.to_owned()]).await?;
        Ok(found.remove(arn).unwrap_or_default())
    }

    /// Tells the tags of rules and target groups, by ARN.
    pub(in super::super) async fn balancing_tags_of(
        &self,
        arns: &[String],
    ) -> Result<BTreeMap<String, Tags>> {
        let mut found = BTreeMap::new();
        for some in arns.chunks(ARNS_AT_ONCE) {
            let tags = self.balancing.describe_tags();
            let answer = tags.set_resource_arns(Some(some.to_vec())).send().await;
            let answer = said("elasticloadbalancing:DescribeTags", answer)?;
            let each = answer.tag_descriptions.unwrap_or_default().into_iter();
            found.extend(each.filter_map(|description| {
                let tags = description.tags.unwrap_or_default().into_iter();
                let tags = tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
                Some((description.resource_arn?, tags.collect()))
            }));
        }
        Ok(found)
    }
}
