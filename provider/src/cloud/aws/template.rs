//! A generation's launch template: what every one of its instances is started from.

use super::call::{HOPS, built};
use super::failure::{Failure, Result};
use super::names::Tags;
use super::user_data;
use crate::cloud::ErrorKind;
use crate::model::{AwsLaunch, LaunchTemplate, RootVolume};
use aws_sdk_ec2::types::{
    Image, ImageState, InstanceType, LaunchTemplateBlockDeviceMappingRequest,
    LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateHttpTokensState,
    LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceMetadataEndpointState, LaunchTemplateInstanceMetadataOptionsRequest,
    LaunchTemplateTagSpecificationRequest, RequestLaunchTemplateData, ResourceType, VolumeType,
};

/// Refuses an image that nothing can be started from.
pub(super) fn check_image(image: &Image) -> Result<()> {
    let id = image.image_id().unwrap_or("the image");
    match image.state() {
        Some(ImageState::Available) | None => Ok(()),
        Some(ImageState::Pending) => Err(Failure::refused(
            ErrorKind::Unavailable,
            format!("{id} is still being made: its state is pending"),
        )),
        Some(other) => Err(Failure::refused(
            ErrorKind::Invalid,
            format!("{id} cannot be started: its state is {}", other.as_str()),
        )),
    }
}

/// Builds the template's one version. The image must be the one that `image` tells of.
///
/// What makes a fleet safe is not left to the user: metadata only with a token, an encrypted root
/// volume that goes with its instance, no key pair.
pub(super) fn data(
    launch: &LaunchTemplate,
    aws: &AwsLaunch,
    image: &Image,
    tags: &Tags,
) -> Result<RequestLaunchTemplateData> {
    let Some(instance_type) = aws.instance_types.first() else {
        return Err(Failure::refused(
            ErrorKind::Invalid,
            "aws.instance_types names none: a fleet needs one at least",
        ));
    };
    let profile = aws.instance_profile.as_ref().map(|name| {
        let profile = LaunchTemplateIamInstanceProfileSpecificationRequest::builder();
        if name.starts_with("arn:") {
            profile.arn(name).build()
        } else {
            profile.name(name).build()
        }
    });
    let groups = (!aws.security_group_ids.is_empty()).then(|| aws.security_group_ids.clone());
    Ok(RequestLaunchTemplateData::builder()
        .set_image_id(image.image_id.clone())
        .instance_type(InstanceType::from(instance_type.as_str()))
        .set_iam_instance_profile(profile)
        .set_security_group_ids(groups)
        .set_user_data(user_data::encoded(launch, aws)?)
        .metadata_options(metadata_with_token())
        .set_block_device_mappings(root_volume(image, aws.root_volume.as_ref())?)
        .tag_specifications(carried(ResourceType::Instance, tags))
        .tag_specifications(carried(ResourceType::Volume, tags))
        .build())
}

fn metadata_with_token() -> LaunchTemplateInstanceMetadataOptionsRequest {
    LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .http_tokens(LaunchTemplateHttpTokensState::Required)
        .http_endpoint(LaunchTemplateInstanceMetadataEndpointState::Enabled)
        .http_put_response_hop_limit(HOPS)
        .build()
}

/// An image that is not backed by a volume has no root volume to encrypt.
fn root_volume(
    image: &Image,
    volume: Option<&RootVolume>,
) -> Result<Option<Vec<LaunchTemplateBlockDeviceMappingRequest>>> {
    let Some(device) = image.root_device_name() else {
        if volume.is_some() {
            return Err(Failure::refused(
                ErrorKind::Invalid,
                "aws.root_volume is set and the image has no root volume",
            ));
        }
        return Ok(None);
    };
    let volume = volume.cloned().unwrap_or_default();
    let size = volume
        .size_gb
        .map(|size| i32::try_from(size).unwrap_or(i32::MAX));
    let disk = LaunchTemplateEbsBlockDeviceRequest::builder()
        .encrypted(true)
        .delete_on_termination(true)
        .set_volume_size(size)
        .set_volume_type(volume.volume_type.as_deref().map(VolumeType::from))
        .set_kms_key_id(volume.kms_key)
        .build();
    let mapping = LaunchTemplateBlockDeviceMappingRequest::builder()
        .device_name(device)
        .ebs(disk)
        .build();
    Ok(Some(vec![mapping]))
}

fn carried(by: ResourceType, tags: &Tags) -> LaunchTemplateTagSpecificationRequest {
    LaunchTemplateTagSpecificationRequest::builder()
        .resource_type(by)
        .set_tags(Some(built(tags)))
        .build()
}
