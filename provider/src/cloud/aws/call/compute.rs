//! EC2: launch templates and instances.

use super::pages::Pages;
use super::{Calls, said};
use crate::cloud::aws::failure::Result;
use crate::cloud::aws::names::Tags;
use aws_sdk_ec2::types::{
    HttpTokensState, Instance, InstanceMetadataOptionsRequest, InstanceStatus, InstanceType,
    RequestLaunchTemplateData, Reservation, ResourceType, ResponseLaunchTemplateData,
    ShutdownBehavior, Subnet, Tag, TagSpecification,
};

/// The states of an instance that is not gone.
const NOT_GONE: &[&str] = &["pending", "running", "stopping", "stopped"];
/// As many ids fit in one question of instances; an answer by id has one page.
const IDS_AT_ONCE: usize = 1000;
/// As many values fit in one filter.
const FILTERED_AT_ONCE: usize = 200;
/// As many ids fit in one question of their status; an answer by id has one page.
const STATUSES_AT_ONCE: usize = 100;

/// A container behind a bridge of its instance is one hop further from the metadata service, and could
/// not get the instance's role within one.
pub(in super::super) const HOPS: i32 = 2;

/// An instance that shall be started by itself.
#[derive(Debug, Clone)]
pub(in super::super) struct NewInstance<'a> {
    pub(in super::super) image: &'a str,
    pub(in super::super) instance_type: &'a str,
    /// Absent: a subnet of the default VPC.
    pub(in super::super) subnet: Option<&'a str>,
    pub(in super::super) security_groups: &'a [String],
    pub(in super::super) tags: &'a Tags,
}

/// Tags in the form that EC2 takes them at creation.
pub(in super::super) fn specification(of: ResourceType, tags: &Tags) -> TagSpecification {
    TagSpecification::builder()
        .resource_type(of)
        .set_tags(Some(built(tags)))
        .build()
}

pub(in super::super) fn built(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

impl Calls {
    /// Tells subnets by id. One that does not exist fails the whole question, naming it.
    pub(in super::super) async fn subnets(&self, ids: &[String]) -> Result<Vec<Subnet>> {
        let answer = self
            .ec2
            .describe_subnets()
            .set_subnet_ids(Some(ids.to_vec()))
            .send()
            .await;
        Ok(said("ec2:DescribeSubnets", answer)?
            .subnets
            .unwrap_or_default())
    }

    /// Makes a launch template with its one version; it fails with `AlreadyExists` where there is
    /// one of that name. The name alone makes it unique: a token would stand for a template that was
    /// deleted meanwhile as well.
    pub(in super::super) async fn create_template(
        &self,
        name: &str,
        data: RequestLaunchTemplateData,
        tags: &Tags,
    ) -> Result<()> {
        let answer = self
            .ec2
            .create_launch_template()
            .launch_template_name(name)
            .launch_template_data(data)
            .tag_specifications(specification(ResourceType::LaunchTemplate, tags))
            .send()
            .await;
        said("ec2:CreateLaunchTemplate", answer).map(drop)
    }

    /// Tells a launch template's tags; absent: it does not exist.
    pub(in super::super) async fn template_tags(&self, name: &str) -> Result<Option<Tags>> {
        let answer = self
            .ec2
            .describe_launch_templates()
            .launch_template_names(name)
            .send()
            .await;
        match said("ec2:DescribeLaunchTemplates", answer) {
            Ok(answer) => {
                let template = answer
                    .launch_templates
                    .unwrap_or_default()
                    .into_iter()
                    .next();
                let tags = |template: aws_sdk_ec2::types::LaunchTemplate| {
                    read(template.tags.unwrap_or_default())
                };
                Ok(template.map(tags))
            }
            Err(failure) if failure.kind == crate::cloud::ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Tells what a launch template's one version holds; absent: it does not exist.
    pub(in super::super) async fn template_data(
        &self,
        name: &str,
    ) -> Result<Option<ResponseLaunchTemplateData>> {
        let versions = self.ec2.describe_launch_template_versions();
        let answer = versions
            .launch_template_name(name)
            .versions("1")
            .send()
            .await;
        match said("ec2:DescribeLaunchTemplateVersions", answer) {
            Ok(answer) => {
                let versions = answer.launch_template_versions.unwrap_or_default();
                let first = versions.into_iter().next();
                Ok(first.and_then(|version| version.launch_template_data))
            }
            Err(failure) if failure.kind == crate::cloud::ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Deletes a launch template; one that is gone is fine.
    pub(in super::super) async fn delete_template(&self, name: &str) -> Result<()> {
        let answer = self
            .ec2
            .delete_launch_template()
            .launch_template_name(name)
            .send()
            .await;
        match said("ec2:DeleteLaunchTemplate", answer) {
            Ok(_) => Ok(()),
            Err(failure) if failure.kind == crate::cloud::ErrorKind::NotFound => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Tells instances by id, as far as they exist.
    pub(in super::super) async fn instances(&self, ids: &[String]) -> Result<Vec<Instance>> {
        let mut found = Vec::new();
        for some in ids.chunks(IDS_AT_ONCE) {
            let ids = self.ec2.describe_instances();
            let answer = ids.set_instance_ids(Some(some.to_vec())).send().await;
            match said("ec2:DescribeInstances", answer) {
                Ok(answer) => found.extend(unpacked(answer.reservations)),
                // One that is not seen yet, or forgotten, must not hide the others.
                Err(failure) if failure.kind == crate::cloud::ErrorKind::NotFound => {
                    found.extend(self.instances_that_exist(some).await?);
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(found)
    }

    async fn instances_that_exist(&self, ids: &[String]) -> Result<Vec<Instance>> {
        let mut found = Vec::new();
        for some in ids.chunks(FILTERED_AT_ONCE) {
            let filter = aws_sdk_ec2::types::Filter::builder()
                .name("instance-id")
                .set_values(Some(some.to_vec()))
                .build();
            let mut pages = Pages::of("ec2:DescribeInstances");
            loop {
                let instances = self.ec2.describe_instances().filters(filter.clone());
                let answer = instances.set_next_token(pages.token()).send().await;
                let answer = said("ec2:DescribeInstances", answer)?;
                found.extend(unpacked(answer.reservations));
                if !pages.turn(answer.next_token)? {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Tells all instances that have a tag, whatever its value, and are not gone.
    pub(in super::super) async fn instances_tagged(&self, key: &str) -> Result<Vec<Instance>> {
        let filter = |name: &str, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            aws_sdk_ec2::types::Filter::builder()
                .name(name)
                .set_values(Some(values))
                .build()
        };
        let mut found = Vec::new();
        let mut pages = Pages::of("ec2:DescribeInstances");
        loop {
            let answer = self
                .ec2
                .describe_instances()
                .filters(filter("tag-key", &[key]))
                .filters(filter("instance-state-name", NOT_GONE))
                .max_results(1000)
                .set_next_token(pages.token())
                .send()
                .await;
            let answer = said("ec2:DescribeInstances", answer)?;
            found.extend(unpacked(answer.reservations));
            if !pages.turn(answer.next_token)? {
                return Ok(found);
            }
        }
    }

    /// Tells what EC2's own checks say of running instances.
    pub(in super::super) async fn statuses(&self, ids: &[String]) -> Result<Vec<InstanceStatus>> {
        let mut found = Vec::new();
        for some in ids.chunks(STATUSES_AT_ONCE) {
            let answer = self
                .ec2
                .describe_instance_status()
                .set_instance_ids(Some(some.to_vec()))
                .send()
                .await;
            match said("ec2:DescribeInstanceStatus", answer) {
                Ok(answer) => found.extend(answer.instance_statuses.unwrap_or_default()),
                // One of them is gone by now, and nothing is said of the others: the next look, which
                // does not ask for it any more, tells.
                Err(failure) if failure.kind == crate::cloud::ErrorKind::NotFound => {
                    return Err(failure.passing());
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(found)
    }

    /// Tells what an instance wrote to its console; absent: it wrote nothing or is gone.
    ///
    /// What it wrote up to now is told of Nitro's types alone; of others what they had written some
    /// minutes after they began or ended.
    pub(in super::super) async fn console(&self, id: &str) -> Result<Option<String>> {
        let output = || self.ec2.get_console_output().instance_id(id);
        let newest = said("ec2:GetConsoleOutput", output().latest(true).send().await);
        let told = match newest {
            Err(failure) if failure.has_code("UnsupportedOperation") => {
                said("ec2:GetConsoleOutput", output().send().await)
            }
            told => told,
        };
        match told {
            Ok(answer) => Ok(answer.output),
            Err(failure) if failure.kind == crate::cloud::ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Terminates an instance; one that is gone is fine.
    pub(in super::super) async fn terminate(&self, id: &str) -> Result<()> {
        let answer = self.ec2.terminate_instances().instance_ids(id).send().await;
        match said("ec2:TerminateInstances", answer) {
            Ok(_) => Ok(()),
            Err(failure) if failure.kind == crate::cloud::ErrorKind::NotFound => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Starts one instance that belongs to no fleet.
    pub(in super::super) async fn run_one(&self, new: &NewInstance<'_>) -> Result<String> {
        let network =
            |answer: aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder| {
                answer
                    .set_subnet_id(new.subnet.map(str::to_owned))
                    .set_security_group_ids(
                        (!new.security_groups.is_empty()).then(|| new.security_groups.to_vec()),
                    )
            };
        let metadata = InstanceMetadataOptionsRequest::builder()
            .http_tokens(HttpTokensState::Required)
            .http_put_response_hop_limit(HOPS)
            .build();
        let answer = network(self.ec2.run_instances())
            .image_id(new.image)
            .instance_type(InstanceType::from(new.instance_type))
            .min_count(1)
            .max_count(1)
            .metadata_options(metadata)
            .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
            .tag_specifications(specification(ResourceType::Instance, new.tags))
            .tag_specifications(specification(ResourceType::Volume, new.tags))
            .send()
            .await;
        let answer = said("ec2:RunInstances", answer)?;
        let first = answer.instances.unwrap_or_default().into_iter().next();
        Ok(first
            .and_then(|instance| instance.instance_id)
            .unwrap_or_default())
    }
}

fn unpacked(reservations: Option<Vec<Reservation>>) -> impl Iterator<Item = Instance> {
    let reservations = reservations.unwrap_or_default().into_iter();
    reservations.flat_map(|reservation| reservation.instances.unwrap_or_default())
}

/// Tags as EC2 tells them.
pub(in super::super) fn read(tags: Vec<Tag>) -> Tags {
    tags.into_iter()
        .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
        .collect()
}
