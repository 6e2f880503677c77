//! What a generation's members are started from, read back from what was made for it.
//!
//! The record does not keep it: a script may be 16 KiB long, and all of it is in the launch template
//! and the group. Where someone changed those by hand, they are told as they are now.

use super::call::Calls;
use super::failure::Result;
use super::names::{self, Tags};
use super::record::{FleetRecord, GenerationRecord};
use super::user_data::{self, Decoded};
use crate::model::{AwsLaunch, FleetName, GenerationNumber, LaunchTemplate, Platform, RootVolume};
use aws_sdk_autoscaling::types::AutoScalingGroup;
use aws_sdk_ec2::types::{InstanceType, ResourceType, ResponseLaunchTemplateData};
use std::collections::BTreeMap;

/// Tells how a generation's members are started; absent: there is no such generation.
pub(super) async fn template(
    calls: &Calls,
    fleet: &FleetName,
    record: &FleetRecord,
    number: GenerationNumber,
) -> Result<Option<LaunchTemplate>> {
    let Some(generation) = record.generations.get(&number) else {
        return Ok(None);
    };
    let name = names::generation(fleet, number);
    let (data, group) = futures_util::join!(calls.template_data(&name), calls.group(&name));
    let (Some(data), Some(group)) = (data?, group?) else {
        return Ok(None);
    };
    let text = data.user_data().unwrap_or_default();
    let Decoded {
        config,
        secrets,
        user_data,
    } = user_data::decoded(text, generation.port);
    Ok(Some(LaunchTemplate {
        release: generation.release.clone(),
        config,
        secrets,
        port: generation.port,
        health_path: generation.health_path.clone(),
        tags: own_tags(&data, fleet, number),
        platform: Platform::Aws(AwsLaunch {
            user_data,
            ..aws(generation, &data, &group)
        }),
    }))
}

fn aws(
    generation: &GenerationRecord,
    data: &ResponseLaunchTemplateData,
    group: &AutoScalingGroup,
) -> AwsLaunch {
    let policy = group.mixed_instances_policy();
    let overrides = policy.and_then(|policy| policy.launch_template());
    let overrides = overrides
        .map(|template| template.overrides())
        .unwrap_or_default();
    let mut types: Vec<String> = overrides
        .iter()
        .filter_map(|it| it.instance_type.clone())
        .collect();
    if types.is_empty() {
        types.extend(
            data.instance_type()
                .map(InstanceType::as_str)
                .map(str::to_owned),
        );
    }
    let distribution = policy.and_then(|policy| policy.instances_distribution());
    let on_demand = distribution.and_then(|it| it.on_demand_percentage_above_base_capacity());
    let subnets = group.vpc_zone_identifier().unwrap_or_default();
    let profile = data.iam_instance_profile();
    AwsLaunch {
        instance_types: types,
        subnet_ids: subnets.split(',').map(|id| id.trim().to_owned()).collect(),
        security_group_ids: generation.security_group_ids.clone(),
        instance_profile: profile.and_then(|it| it.name.clone().or_else(|| it.arn.clone())),
        user_data: None,
        root_volume: root_volume(data),
        spot: on_demand == Some(0),
    }
}

/// A root volume that nothing was said about shows nothing but that it is encrypted.
fn root_volume(data: &ResponseLaunchTemplateData) -> Option<RootVolume> {
    let disk = data.block_device_mappings().first()?.ebs()?;
    let volume = RootVolume {
        size_gb: disk.volume_size().and_then(|size| u32::try_from(size).ok()),
        volume_type: disk.volume_type().map(|it| it.as_str().to_owned()),
        kms_key: disk.kms_key_id.clone(),
    };
    (volume != RootVolume::default()).then_some(volume)
}

/// The tags without ours.
fn own_tags(
    data: &ResponseLaunchTemplateData,
    fleet: &FleetName,
    number: GenerationNumber,
) -> BTreeMap<String, String> {
    let specifications = data.tag_specifications().iter();
    let mut instance =
        specifications.filter(|it| it.resource_type() == Some(&ResourceType::Instance));
    let tags = instance
        .next()
        .and_then(|it| it.tags.clone())
        .unwrap_or_default();
    let mut tags: Tags = super::call::read(tags);
    names::take_out_ours(&mut tags, fleet, number);
    tags
}
