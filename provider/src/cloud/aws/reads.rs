//! What is read of AWS again and again, each kind of it joined over all fleets that are looked at now.

use super::call::{Calls, Parameter};
use super::failure::{Failure, Result};
use super::joined::Joined;
use super::policy::{self, Policy};
use crate::rollout::AlarmState;
use aws_sdk_autoscaling::types::AutoScalingGroup;
use aws_sdk_ec2::types::Instance;
use aws_sdk_elasticloadbalancingv2::types::Rule;
use std::collections::BTreeMap;

/// The joined reads.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    /// By name.
    pub(super) parameters: Joined<Parameter>,
    /// By name.
    pub(super) groups: Joined<AutoScalingGroup>,
    /// By ARN.
    pub(super) rules: Joined<Rule>,
    /// By id.
    pub(super) instances: Joined<Instance>,
    /// By name.
    pub(super) alarms: Joined<AlarmState>,
    /// By group.
    pub(super) policies: Joined<Policy>,
}

impl Reads {
    /// Keeps what was read ahead of all fleets.
    pub(super) fn keep(
        &self,
        parameters: Vec<Parameter>,
        groups: Vec<AutoScalingGroup>,
        instances: Vec<Instance>,
    ) {
        let parameters = parameters.into_iter();
        self.parameters
            .keep(parameters.map(|one| (one.name.clone(), one)));
        let groups = groups.into_iter();
        self.groups
            .keep(groups.filter_map(|one| Some((one.auto_scaling_group_name.clone()?, one))));
        let instances = instances.into_iter();
        self.instances
            .keep(instances.filter_map(|one| Some((one.instance_id.clone()?, one))));
    }

    /// Keeps rules that were read ahead.
    pub(super) fn keep_rules(&self, rules: Vec<Rule>) {
        self.rules.keep(by_arn(rules));
    }

    /// Forgets everything that was read ahead.
    pub(super) fn forget(&self) {
        self.parameters.forget();
        self.groups.forget();
        self.instances.forget();
        self.rules.forget();
        self.policies.forget();
    }

    pub(super) fn new(calls: &Calls) -> Self {
        let of = |calls: &Calls| calls.clone();
        let (parameters, groups, rules) = (of(calls), of(calls), of(calls));
        let (instances, alarms, policies) = (of(calls), of(calls), of(calls));
        Self {
            parameters: Joined::new(move |names| {
                let calls = parameters.clone();
                async move {
                    let found = calls.parameters(&names).await?.into_iter();
                    Ok(found.map(|one| (one.name.clone(), one)).collect())
                }
            }),
            groups: Joined::new(move |names| {
                let calls = groups.clone();
                async move {
                    let found = calls.groups(&names).await?.into_iter();
                    Ok(found
                        .filter_map(|one| Some((one.auto_scaling_group_name.clone()?, one)))
                        .collect())
                }
            }),
            rules: Joined::new(move |arns| read_rules(rules.clone(), arns)),
            instances: Joined::new(move |ids| {
                let calls = instances.clone();
                async move {
                    let found = calls.instances(&ids).await?.into_iter();
                    Ok(found
                        .filter_map(|one| Some((one.instance_id.clone()?, one)))
                        .collect())
                }
            }),
            alarms: Joined::new(move |names| {
                let calls = alarms.clone();
                async move { calls.alarms(&names).await }
            }),
            policies: Joined::new(move |groups| policy::read(policies.clone(), groups)),
        }
    }
}

fn by_arn(rules: Vec<Rule>) -> impl Iterator<Item = (String, Rule)> {
    let rules = rules.into_iter();
    rules.filter_map(|rule| Some((rule.rule_arn.clone()?, rule)))
}

/// One rule that was deleted by hand fails the question about all; then each is asked about alone.
async fn read_rules(calls: Calls, arns: Vec<String>) -> Result<BTreeMap<String, Rule>> {
    let is_missing = |failure: &Failure| {
        failure.has_code("RuleNotFound") || failure.has_code("ListenerNotFound")
    };
    match calls.rules(&arns).await {
        Ok(rules) => Ok(by_arn(rules).collect()),
        Err(failure) if is_missing(&failure) => {
            let mut found = BTreeMap::new();
            for arn in &arns {
                match calls.rules(std::slice::from_ref(arn)).await {
                    Ok(rules) => found.extend(by_arn(rules)),
                    Err(failure) if is_missing(&failure) => {}
                    Err(failure) => return Err(failure),
                }
            }
            Ok(found)
        }
        Err(failure) => Err(failure),
    }
}
