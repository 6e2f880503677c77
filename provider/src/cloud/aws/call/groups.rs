//! Auto Scaling groups: one for each generation.

use super::members::says;
use super::pages::Pages;
use super::{Calls, said};
use crate::cloud::aws::failure::{Failure, Result};
use crate::cloud::aws::look::time;
use crate::cloud::aws::names::Tags;
use crate::model::Timestamp;
use aws_sdk_autoscaling::operation::describe_auto_scaling_groups::builders::DescribeAutoScalingGroupsFluentBuilder;
use aws_sdk_autoscaling::types::{
    Activity, AutoScalingGroup, Filter, InstancesDistribution, LaunchTemplate,
    LaunchTemplateOverrides, LaunchTemplateSpecification, LifecycleHook, MixedInstancesPolicy, Tag,
};

/// As many names fit in one question, and their groups on one page.
const NAMES_AT_ONCE: usize = 50;

/// As many groups, or activities of a group, fit in one answer.
const TOLD_AT_ONCE: i32 = 100;

/// What a group does to have as many members in each zone.
const REBALANCING: &str = "AZRebalance";

/// A group that shall be made.
#[derive(Debug, Clone)]
pub(in super::super) struct NewGroup<'a> {
    pub(in super::super) name: &'a str,
    /// The name of its launch template, of which version 1 is the only one.
    pub(in super::super) template: &'a str,
    pub(in super::super) size: u32,
    pub(in super::super) subnet_ids: &'a [String],
    pub(in super::super) instance_types: &'a [String],
    pub(in super::super) spot: bool,
    pub(in super::super) target_group: Option<&'a str>,
    pub(in super::super) grace_seconds: i32,
    pub(in super::super) tags: &'a Tags,
}

impl NewGroup<'_> {
    fn template(&self) -> LaunchTemplateSpecification {
        LaunchTemplateSpecification::builder()
            .launch_template_name(self.template)
            .version("1")
            .build()
    }

    /// One type on demand needs no policy; a plain group has fewer rules.
    fn policy(&self) -> Option<MixedInstancesPolicy> {
        if self.instance_types.len() < 2 && !self.spot {
            return None;
        }
        let overrides = self.instance_types.iter().map(|instance_type| {
            LaunchTemplateOverrides::builder()
                .instance_type(instance_type)
                .build()
        });
        let template = LaunchTemplate::builder()
            .launch_template_specification(self.template())
            .set_overrides(Some(overrides.collect()))
            .build();
        let (on_demand, allocation) = if self.spot {
            (0, "price-capacity-optimized")
        } else {
            (100, "capacity-optimized")
        };
        // The types are in the user's order, best first; spot follows where there is most room.
        let distribution = InstancesDistribution::builder()
            .on_demand_allocation_strategy("prioritized")
            .on_demand_base_capacity(0)
            .on_demand_percentage_above_base_capacity(on_demand)
            .spot_allocation_strategy(allocation);
        Some(
            MixedInstancesPolicy::builder()
                .launch_template(template)
                .instances_distribution(distribution.build())
                .build(),
        )
    }

    fn tags(&self) -> Vec<Tag> {
        let tag = |(key, value): (&String, &String)| {
            Tag::builder()
                .key(key)
                .value(value)
                .resource_id(self.name)
                .resource_type("auto-scaling-group")
                .propagate_at_launch(true)
                .build()
        };
        self.tags.iter().map(tag).collect()
    }
}

impl Calls {
    /// Tells groups by name; one that does not exist is left out.
    pub(in super::super) async fn groups(&self, names: &[String]) -> Result<Vec<AutoScalingGroup>> {
        let mut found = Vec::new();
        for some in names.chunks(NAMES_AT_ONCE) {
            let asked = self.groups.describe_auto_scaling_groups();
            let asked = asked.set_auto_scaling_group_names(Some(some.to_vec()));
            found.extend(pages(asked).await?);
        }
        Ok(found)
    }

    /// Tells all groups that have a tag, whatever its value.
    pub(in super::super) async fn groups_tagged(&self, key: &str) -> Result<Vec<AutoScalingGroup>> {
        let filter = Filter::builder().name("tag-key").values(key).build();
        pages(self.groups.describe_auto_scaling_groups().filters(filter)).await
    }

    /// Tells one group; absent: it does not exist.
    pub(in super::super) async fn group(&self, name: &str) -> Result<Option<AutoScalingGroup>> {
        let found = self.groups(&[name.to_owned()]).await?;
        Ok(found.into_iter().next())
    }

    /// Tells what a group did, the newest first and at least as far back as `since`.
    pub(in super::super) async fn activities(
        &self,
        group: &str,
        since: Timestamp,
    ) -> Result<Vec<Activity>> {
        let mut found: Vec<Activity> = Vec::new();
        let mut pages = Pages::of("autoscaling:DescribeScalingActivities");
        loop {
            let answer = self
                .groups
                .describe_scaling_activities()
                .auto_scaling_group_name(group)
                .max_records(TOLD_AT_ONCE)
                .set_next_token(pages.token())
                .send()
                .await;
            let answer = said("autoscaling:DescribeScalingActivities", answer)?;
            found.extend(answer.activities.unwrap_or_default());
            let last = found.last().and_then(Activity::start_time).map(time);
            let is_enough = last.is_some_and(|last| last < since);
            if is_enough || !pages.turn(answer.next_token)? {
                return Ok(found);
            }
        }
    }

    /// Tells a group's lifecycle hooks.
    pub(in super::super) async fn hooks(&self, group: &str) -> Result<Vec<LifecycleHook>> {
        let hooks = self.groups.describe_lifecycle_hooks();
        let answer = hooks.auto_scaling_group_name(group).send().await;
        let answer = said("autoscaling:DescribeLifecycleHooks", answer)?;
        Ok(answer.lifecycle_hooks.unwrap_or_default())
    }

    /// Makes a group with all its members.
    pub(in super::super) async fn create_group(&self, new: &NewGroup<'_>) -> Result<()> {
        let size = count(new.size);
        let policy = new.policy();
        let template = policy.is_none().then(|| new.template());
        let check = if new.target_group.is_some() {
            "ELB"
        } else {
            "EC2"
        };
        let answer = self
            .groups
            .create_auto_scaling_group()
            .auto_scaling_group_name(new.name)
            .set_launch_template(template)
            .set_mixed_instances_policy(policy)
            .min_size(size)
            .max_size(size)
            .desired_capacity(size)
            .vpc_zone_identifier(new.subnet_ids.join(","))
            .set_target_group_arns(new.target_group.map(|arn| vec![arn.to_owned()]))
            .health_check_type(check)
            .health_check_grace_period(new.grace_seconds)
            .set_capacity_rebalance(new.spot.then_some(true))
            .set_tags(Some(new.tags()))
            .send()
            .await;
        said("autoscaling:CreateAutoScalingGroup", answer).map(drop)
    }

    /// Stops a group from moving members between zones. It would do so whenever one zone has fewer:
    /// launch members above its greatest size, and terminate ones that are well.
    pub(in super::super) async fn suspend_rebalancing(&self, group: &str) -> Result<()> {
        let answer = self
            .groups
            .suspend_processes()
            .auto_scaling_group_name(group)
            .scaling_processes(REBALANCING)
            .send()
            .await;
        said("autoscaling:SuspendProcesses", answer).map(drop)
    }

    /// Sets how many members a group may, must and shall have; absent desired: it is left alone.
    pub(in super::super) async fn size_group(
        &self,
        name: &str,
        bounds: (u32, u32),
        desired: Option<u32>,
    ) -> Result<()> {
        let answer = self
            .groups
            .update_auto_scaling_group()
            .auto_scaling_group_name(name)
            .min_size(count(bounds.0))
            .max_size(count(bounds.1))
            .set_desired_capacity(desired.map(count))
            .send()
            .await;
        said("autoscaling:UpdateAutoScalingGroup", answer).map(drop)
    }

    /// Lets a group register its members in a target group.
    pub(in super::super) async fn attach_target_group(&self, group: &str, arn: &str) -> Result<()> {
        let answer = self
            .groups
            .attach_load_balancer_target_groups()
            .auto_scaling_group_name(group)
            .target_group_arns(arn)
            .send()
            .await;
        said("autoscaling:AttachLoadBalancerTargetGroups", answer).map(drop)
    }

    /// Lets a group leave target groups, of which nothing else need be left.
    pub(in super::super) async fn detach_target_groups(
        &self,
        group: &str,
        arns: &[String],
    ) -> Result<()> {
        let answer = self
            .groups
            .detach_load_balancer_target_groups()
            .auto_scaling_group_name(group)
            .set_target_group_arns(Some(arns.to_vec()))
            .send()
            .await;
        said("autoscaling:DetachLoadBalancerTargetGroups", answer).map(drop)
    }

    /// Deletes a group with its members; one that is gone or going is fine.
    pub(in super::super) async fn delete_group(&self, name: &str) -> Result<()> {
        let answer = self
            .groups
            .delete_auto_scaling_group()
            .auto_scaling_group_name(name)
            .force_delete(true)
            .send()
            .await;
        match said("autoscaling:DeleteAutoScalingGroup", answer) {
            Ok(_) => Ok(()),
            Err(failure) if is_missing(&failure) => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}

/// Whether what was to be deleted is not there. AWS tells a missing group or policy as a
/// ValidationError, whose words alone say what it is.
pub(super) fn is_missing(failure: &Failure) -> bool {
    says(failure, &["not found"])
}

/// Tells all groups that are asked for.
async fn pages(asked: DescribeAutoScalingGroupsFluentBuilder) -> Result<Vec<AutoScalingGroup>> {
    let mut found = Vec::new();
    let mut pages = Pages::of("autoscaling:DescribeAutoScalingGroups");
    loop {
        let page = asked.clone().max_records(TOLD_AT_ONCE);
        let answer = page.set_next_token(pages.token()).send().await;
        let answer = said("autoscaling:DescribeAutoScalingGroups", answer)?;
        found.extend(answer.auto_scaling_groups.unwrap_or_default());
        if !pages.turn(answer.next_token)? {
            return Ok(found);
        }
    }
}

/// Whether a group moves members between zones.
pub(in super::super) fn rebalances(group: &AutoScalingGroup) -> bool {
    let mut suspended = group.suspended_processes().iter();
    !suspended.any(|it| it.process_name() == Some(REBALANCING))
}

fn count(size: u32) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}
