//! EC2: images and the snapshots under them.

use super::compute::{built, specification};
use super::pages::Pages;
use super::{Calls, said};
use crate::cloud::ErrorKind;
use crate::cloud::aws::failure::Result;
use crate::cloud::aws::names::Tags;
use crate::model::Timestamp;
use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{
    AttributeValue, CreateVolumePermission, CreateVolumePermissionModifications, Filter, Image,
    LaunchPermission, LaunchPermissionModifications, ResourceType, SnapshotAttributeName,
    SnapshotReturnCodes, Tag,
};
use std::collections::BTreeSet;

/// As many values fit in one filter.
const FILTERED_AT_ONCE: usize = 200;

/// A copy of an image that shall be made in this region.
#[derive(Debug, Clone)]
pub(in super::super) struct NewCopy<'a> {
    pub(in super::super) source: &'a str,
    pub(in super::super) source_region: &'a str,
    pub(in super::super) name: &'a str,
    pub(in super::super) description: &'a str,
    /// Absent: encrypted as the source is.
    pub(in super::super) key: Option<&'a str>,
    /// The same question under the same token is answered with the same copy.
    pub(in super::super) token: &'a str,
    pub(in super::super) tags: &'a Tags,
}

/// A region of AWS, as an account sees it.
#[derive(Debug, Clone)]
pub(in super::super) struct Region {
    pub(in super::super) name: String,
    /// Some regions must be asked for before they can be used.
    pub(in super::super) is_enabled: bool,
}

/// Who may use a thing more, and who no more.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Sharing<'a> {
    pub(in super::super) add: &'a BTreeSet<String>,
    pub(in super::super) remove: &'a BTreeSet<String>,
}

fn filter(name: impl Into<String>, values: &[String]) -> Filter {
    Filter::builder()
        .name(name)
        .set_values(Some(values.to_vec()))
        .build()
}

impl Calls {
    /// Tells one image; absent: it does not exist here, or may not be seen.
    pub(in super::super) async fn image(&self, id: &str) -> Result<Option<Image>> {
        let answer = self.ec2.describe_images().image_ids(id).send().await;
        match said("ec2:DescribeImages", answer) {
            Ok(answer) => Ok(answer.images.unwrap_or_default().into_iter().next()),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Tells those of some images that exist and are this account's own.
    pub(in super::super) async fn own_images(&self, ids: &[String]) -> Result<Vec<Image>> {
        let mut found = Vec::new();
        for some in ids.chunks(FILTERED_AT_ONCE) {
            found.extend(self.own_images_where(filter("image-id", some)).await?);
        }
        Ok(found)
    }

    /// Tells this account's own images that carry a tag, whatever its value.
    pub(in super::super) async fn own_images_tagged(&self, key: &str) -> Result<Vec<Image>> {
        self.own_images_where(filter("tag-key", &[key.to_owned()]))
            .await
    }

    async fn own_images_where(&self, filter: Filter) -> Result<Vec<Image>> {
        let mut found = Vec::new();
        let mut pages = Pages::of("ec2:DescribeImages");
        loop {
            let images = self.ec2.describe_images().owners("self");
            let images = images.filters(filter.clone());
            let answer = images.set_next_token(pages.token()).send().await;
            let answer = said("ec2:DescribeImages", answer)?;
            found.extend(answer.images.unwrap_or_default());
            if !pages.turn(answer.next_token)? {
                return Ok(found);
            }
        }
    }

    /// Tells images that other accounts share with this one, by what their description holds.
    pub(in super::super) async fn shared_images(
        &self,
        owners: &[String],
        described: &str,
    ) -> Result<Vec<Image>> {
        let pattern = format!("*{described}*");
        let described = filter("description", &[pattern]);
        let mut found = Vec::new();
        let mut pages = Pages::of("ec2:DescribeImages");
        loop {
            let answer = self
                .ec2
                .describe_images()
                .set_owners(Some(owners.to_vec()))
                .filters(described.clone())
                // A release that is not current any more can be run as long as it is kept.
                .include_deprecated(true)
                .set_next_token(pages.token())
                .send()
                .await;
            let answer = said("ec2:DescribeImages", answer)?;
            found.extend(answer.images.unwrap_or_default());
            if !pages.turn(answer.next_token)? {
                return Ok(found);
            }
        }
    }

    /// Begins a copy of an image in this region and tells its id.
    pub(in super::super) async fn copy_image(&self, new: &NewCopy<'_>) -> Result<String> {
        let answer = self
            .ec2
            .copy_image()
            .source_image_id(new.source)
            .source_region(new.source_region)
            .name(new.name)
            .description(new.description)
            .set_encrypted(new.key.map(|_| true))
            .set_kms_key_id(new.key.map(str::to_owned))
            .client_token(new.token)
            .tag_specifications(specification(ResourceType::Image, new.tags))
            .tag_specifications(specification(ResourceType::Snapshot, new.tags))
            .send()
            .await;
        Ok(said("ec2:CopyImage", answer)?.image_id.unwrap_or_default())
    }

    /// Lets accounts run an image.
    pub(in super::super) async fn share_image(&self, id: &str, with: Sharing<'_>) -> Result<()> {
        let permission = |account: &String| LaunchPermission::builder().user_id(account).build();
        let listed =
            |accounts: &BTreeSet<String>| -> Vec<_> { accounts.iter().map(permission).collect() };
        let change = LaunchPermissionModifications::builder()
            .set_add(Some(listed(with.add)).filter(|list| !list.is_empty()))
            .set_remove(Some(listed(with.remove)).filter(|list| !list.is_empty()))
            .build();
        let question = self.ec2.modify_image_attribute().image_id(id);
        let answer = question.launch_permission(change).send().await;
        said("ec2:ModifyImageAttribute", answer).map(drop)
    }

    /// Lets accounts read a snapshot, which they must to copy the image above it.
    pub(in super::super) async fn share_snapshot(&self, id: &str, with: Sharing<'_>) -> Result<()> {
        let permission =
            |account: &String| CreateVolumePermission::builder().user_id(account).build();
        let listed =
            |accounts: &BTreeSet<String>| -> Vec<_> { accounts.iter().map(permission).collect() };
        let change = CreateVolumePermissionModifications::builder()
            .set_add(Some(listed(with.add)).filter(|list| !list.is_empty()))
            .set_remove(Some(listed(with.remove)).filter(|list| !list.is_empty()))
            .build();
        let answer = self
            .ec2
            .modify_snapshot_attribute()
            .snapshot_id(id)
            .attribute(SnapshotAttributeName::CreateVolumePermission)
            .create_volume_permission(change)
            .send()
            .await;
        said("ec2:ModifySnapshotAttribute", answer).map(drop)
    }

    /// Writes an image's description, the one thing of it that other accounts see and we may write.
    pub(in super::super) async fn describe_image(&self, id: &str, text: &str) -> Result<()> {
        let text = AttributeValue::builder().value(text).build();
        let question = self.ec2.modify_image_attribute().image_id(id);
        let answer = question.description(text).send().await;
        said("ec2:ModifyImageAttribute", answer).map(drop)
    }

    /// Keeps an image from being deregistered by anyone.
    pub(in super::super) async fn protect(&self, id: &str) -> Result<()> {
        let question = self.ec2.enable_image_deregistration_protection();
        // A cooldown would keep the image for a day after it is done with.
        let answer = question.image_id(id).with_cooldown(false).send().await;
        said("ec2:EnableImageDeregistrationProtection", answer).map(drop)
    }

    /// Lets an image be deregistered again.
    pub(in super::super) async fn unprotect(&self, id: &str) -> Result<()> {
        let question = self.ec2.disable_image_deregistration_protection();
        let answer = question.image_id(id).send().await;
        said("ec2:DisableImageDeregistrationProtection", answer).map(drop)
    }

    /// Says of an image that nothing new should be made of it; everything that runs goes on.
    pub(in super::super) async fn deprecate(&self, id: &str, at: Timestamp) -> Result<()> {
        let seconds = i64::try_from(at.milliseconds() / 1000).unwrap_or(i64::MAX);
        let question = self.ec2.enable_image_deprecation().image_id(id);
        let answer = question
            .deprecate_at(DateTime::from_secs(seconds))
            .send()
            .await;
        said("ec2:EnableImageDeprecation", answer).map(drop)
    }

    /// Takes that back.
    pub(in super::super) async fn undeprecate(&self, id: &str) -> Result<()> {
        let question = self.ec2.disable_image_deprecation().image_id(id);
        said("ec2:DisableImageDeprecation", question.send().await).map(drop)
    }

    /// Deregisters an image with its snapshots, in one call, so that nothing is left whose image
    /// nobody knows any more. One that is gone is fine; a snapshot that another image uses stays.
    /// Where snapshots may not be deleted the image goes all the same, and the error names them.
    pub(in super::super) async fn deregister(&self, id: &str) -> Result<()> {
        let question = self.ec2.deregister_image().image_id(id);
        let answer = question.delete_associated_snapshots(true).send().await;
        let results = match said("ec2:DeregisterImage", answer) {
            Ok(answer) => answer.delete_snapshot_results.unwrap_or_default(),
            Err(failure)
                if failure.kind == ErrorKind::NotFound
                    || failure.has_code("InvalidAMIID.Unavailable") =>
            {
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        for result in results {
            let is_done = matches!(
                result.return_code,
                Some(SnapshotReturnCodes::Success | SnapshotReturnCodes::WarnSkipped)
            );
            if let Some(snapshot) = result.snapshot_id.filter(|_| !is_done) {
                let deleted = self.delete_snapshot(&snapshot).await;
                deleted.map_err(|failure| failure.leaving(&format!("the snapshot {snapshot}")))?;
            }
        }
        Ok(())
    }

    /// Deletes a snapshot; one that is gone is fine, and one that another image uses stays.
    async fn delete_snapshot(&self, id: &str) -> Result<()> {
        let answer = self.ec2.delete_snapshot().snapshot_id(id).send().await;
        match said("ec2:DeleteSnapshot", answer) {
            Ok(_) => Ok(()),
            Err(failure)
                if failure.kind == ErrorKind::NotFound
                    || failure.has_code("InvalidSnapshot.InUse") =>
            {
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Adds tags to instances, images or snapshots.
    pub(in super::super) async fn tag(&self, id: &str, tags: &Tags) -> Result<()> {
        let question = self.ec2.create_tags().resources(id);
        let answer = question.set_tags(Some(built(tags))).send().await;
        said("ec2:CreateTags", answer).map(drop)
    }

    /// Removes tags, whatever their values.
    pub(in super::super) async fn untag(&self, id: &str, keys: &[&str]) -> Result<()> {
        let tags = keys.iter().map(|key| Tag::builder().key(*key).build());
        let question = self.ec2.delete_tags().resources(id);
        let answer = question.set_tags(Some(tags.collect())).send().await;
        said("ec2:DeleteTags", answer).map(drop)
    }

    /// Names an instance that was started from an image and is not gone; absent: there is none.
    pub(in super::super) async fn instance_of(&self, image: &str) -> Result<Option<String>> {
        let found = self.living(filter("image-id", &[image.to_owned()])).await?;
        Ok(found.into_iter().next())
    }

    /// Names the instances that carry a tag and are not gone.
    pub(in super::super) async fn instances_tagged_as(
        &self,
        key: &str,
        value: &str,
    ) -> Result<Vec<String>> {
        let tag = filter(format!("tag:{key}"), &[value.to_owned()]);
        self.living(tag).await
    }

    async fn living(&self, filtered: Filter) -> Result<Vec<String>> {
        let living = ["pending", "running", "stopping", "stopped"].map(str::to_owned);
        let mut found = Vec::new();
        let mut pages = Pages::of("ec2:DescribeInstances");
        loop {
            let instances = self.ec2.describe_instances().filters(filtered.clone());
            let instances = instances.filters(filter("instance-state-name", &living));
            let answer = instances.set_next_token(pages.token()).send().await;
            let answer = said("ec2:DescribeInstances", answer)?;
            let reservations = answer.reservations.unwrap_or_default().into_iter();
            let instances = reservations.flat_map(|it| it.instances.unwrap_or_default());
            found.extend(instances.filter_map(|instance| instance.instance_id));
            if !pages.turn(answer.next_token)? {
                return Ok(found);
            }
        }
    }

    /// Names a launch template whose newest or default version uses an image; absent: there is none.
    pub(in super::super) async fn template_of(&self, image: &str) -> Result<Option<String>> {
        let mut pages = Pages::of("ec2:DescribeLaunchTemplateVersions");
        loop {
            let answer = self
                .ec2
                .describe_launch_template_versions()
                .versions("$Latest")
                .versions("$Default")
                .filters(filter("image-id", &[image.to_owned()]))
                .set_next_token(pages.token())
                .send()
                .await;
            let answer = said("ec2:DescribeLaunchTemplateVersions", answer)?;
            let mut versions = answer
                .launch_template_versions
                .unwrap_or_default()
                .into_iter();
            if let Some(name) = versions.find_map(|version| version.launch_template_name) {
                return Ok(Some(name));
            }
            if !pages.turn(answer.next_token)? {
                return Ok(None);
            }
        }
    }

    /// Names all regions that there are.
    pub(in super::super) async fn regions(&self) -> Result<Vec<Region>> {
        let answer = self.ec2.describe_regions().all_regions(true).send().await;
        let regions = said("ec2:DescribeRegions", answer)?
            .regions
            .unwrap_or_default();
        let read = |region: aws_sdk_ec2::types::Region| {
            Some(Region {
                is_enabled: region.opt_in_status.as_deref() != Some("not-opted-in"),
                name: region.region_name?,
            })
        };
        Ok(regions.into_iter().filter_map(read).collect())
    }
}
