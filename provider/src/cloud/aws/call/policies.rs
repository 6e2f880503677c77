//! Scaling policies: what changes a group's size after the load of its members.

use super::groups::is_missing;
use super::pages::Pages;
use super::{Calls, said};
use crate::cloud::aws::failure::Result;
use aws_sdk_autoscaling::types::{
    MetricType, PredefinedMetricSpecification, ScalingPolicy, TargetTrackingConfiguration,
};

/// The name of the one policy that a group of ours has. Names count within their group.
const NAME: &str = "immutable-cpu";

impl Calls {
    /// Tells the policies of that name, of one group or of all; a group that has none is left out.
    pub(in super::super) async fn policies(
        &self,
        group: Option<&str>,
    ) -> Result<Vec<ScalingPolicy>> {
        let mut found = Vec::new();
        let mut pages = Pages::of("autoscaling:DescribePolicies");
        loop {
            let answer = self
                .groups
                .describe_policies()
                .set_auto_scaling_group_name(group.map(str::to_owned))
                .policy_names(NAME)
                .max_records(100)
                .set_next_token(pages.token())
                .send()
                .await;
            let answer = said("autoscaling:DescribePolicies", answer)?;
            found.extend(answer.scaling_policies.unwrap_or_default());
            if !pages.turn(answer.next_token)? {
                return Ok(found);
            }
        }
    }

    /// Lets a group's size follow the average load of its members' processors; the alarms that this
    /// takes are made and deleted with it.
    pub(in super::super) async fn track_load(&self, group: &str, percent: u32) -> Result<()> {
        let metric = PredefinedMetricSpecification::builder()
            .predefined_metric_type(MetricType::AsgAverageCpuUtilization)
            .build();
        let tracking = TargetTrackingConfiguration::builder()
            .predefined_metric_specification(metric)
            .target_value(f64::from(percent))
            .build();
        let answer = self
            .groups
            .put_scaling_policy()
            .auto_scaling_group_name(group)
            .policy_name(NAME)
            .policy_type("TargetTrackingScaling")
            .target_tracking_configuration(tracking)
            .send()
            .await;
        said("autoscaling:PutScalingPolicy", answer).map(drop)
    }

    /// Lets a group's size be; a policy that is gone is fine.
    pub(in super::super) async fn leave_load(&self, group: &str) -> Result<()> {
        let answer = self
            .groups
            .delete_policy()
            .auto_scaling_group_name(group)
            .policy_name(NAME)
            .send()
            .await;
        match said("autoscaling:DeletePolicy", answer) {
            Ok(_) => Ok(()),
            Err(failure) if is_missing(&failure) => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}
