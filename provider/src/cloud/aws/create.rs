//! A new generation: launch template, target group, place in the rule, Auto Scaling group.
//!
//! The group comes last. A generation exists when its group does; what was made before that is found
//! again by its name, and belongs to the same generation or is cleared away.

use super::call::{NewGroup, NewTargetGroup};
use super::failure::{Failure, Result};
use super::front;
use super::journal::now;
use super::names::{self, Tags};
use super::record::GenerationRecord;
use super::turn::Turn;
use super::written::Entry;
use super::{releases, remove, template};
use crate::cloud::ErrorKind;
use crate::model::{AwsLaunch, Fingerprint, GenerationNumber, LaunchTemplate, Platform};
use aws_sdk_autoscaling::types::AutoScalingGroup;
use std::time::Duration;

/// The least time that a member has to boot before its group replaces it for being unhealthy.
const LEAST_GRACE: Duration = Duration::from_secs(300);

/// A generation that shall be made.
pub(super) struct New<'a> {
    pub(super) number: GenerationNumber,
    pub(super) launch: &'a LaunchTemplate,
    pub(super) fingerprint: &'a Fingerprint,
    pub(super) size: u32,
    /// How long a member may take to become healthy.
    pub(super) launch_deadline: Duration,
}

impl New<'_> {
    /// How long the group leaves a new member alone: it would replace one that the rollout still waits
    /// for, and later on each that takes as long.
    fn grace_seconds(&self) -> i32 {
        let grace = self.launch_deadline.max(LEAST_GRACE).as_secs();
        i32::try_from(grace).unwrap_or(i32::MAX)
    }
}

impl Turn<'_> {
    /// Makes a generation, or goes on with making it.
    pub(super) async fn create(&self, entry: Entry, new: &New<'_>) -> Result<()> {
        let Platform::Aws(aws) = &new.launch.platform else {
            return Err(Failure::refused(
                ErrorKind::Invalid,
                "its launch template is not for AWS",
            ));
        };
        self.check(&entry, new)?;
        let name = names::generation(self.fleet, new.number);
        let there = entry.record.generations.get(&new.number).cloned();
        // A first attempt asks nothing: its names are taken by nobody or their creation fails.
        if there.is_some()
            && let Some(group) = self.made(&name, new).await?
        {
            return self.hold_still(&group).await;
        }
        if let Some(there) = there.filter(|there| there.fingerprint != *new.fingerprint) {
            self.clear(&entry.record, new.number, &there).await?;
        }
        let tags = names::generation_tags(
            self.fleet,
            new.number,
            new.launch,
            new.fingerprint,
            entry.record.holder(),
        );
        let entry = self.with_template(entry, new, aws, &tags).await?;
        let entry = self.with_targets(entry, new, aws, &tags).await?;
        let group = NewGroup {
            name: &name,
            template: &name,
            size: new.size,
            subnet_ids: &aws.subnet_ids,
            instance_types: &aws.instance_types,
            spot: aws.spot,
            target_group: entry.record.generation(new.number)?.target_group.as_deref(),
            grace_seconds: new.grace_seconds(),
            tags: &tags,
        };
        match self.calls.create_group(&group).await {
            Err(failure) if failure.has_code("AlreadyExists") => {
                match self.made(&name, new).await? {
                    Some(group) => self.hold_still(&group).await,
                    None => Err(failure),
                }
            }
            Err(failure) if says_ours_is_missing(&failure, &name) => Err(failure.passing()),
            Err(failure) => Err(profile_may_come(failure)),
            Ok(()) => self.calls.suspend_rebalancing(&name).await,
        }
    }

    /// Writes the intent down and makes the launch template, once it is sure what from.
    async fn with_template(
        &self,
        entry: Entry,
        new: &New<'_>,
        aws: &AwsLaunch,
        tags: &Tags,
    ) -> Result<Entry> {
        let name = names::generation(self.fleet, new.number);
        let image_id = releases::image_of(self.calls, &new.launch.release).await?;
        let image = self.calls.image(&image_id).await?.ok_or_else(|| {
            let region = &self.calls.region;
            let words = format!("there is no image {image_id} in {region}, or it is not shared");
            Failure::refused(ErrorKind::NotFound, words)
        })?;
        template::check_image(&image)?;
        let data = template::data(new.launch, aws, &image, tags)?;
        let mut record = entry.record.clone();
        record
            .generations
            .insert(new.number, intent(new, aws, image_id));
        let entry = self.write(&entry, record).await?;
        let made = self.calls.create_template(&name, data, tags).await;
        self.is_ours_already(made, new, &name).await?;
        Ok(entry)
    }

    fn check(&self, entry: &Entry, new: &New<'_>) -> Result<()> {
        let refused = |kind, words: String| Err(Failure::refused(kind, words));
        let record = &entry.record;
        if record.settings.is_none() {
            return refused(ErrorKind::Invalid, "the fleet is not configured".to_owned());
        }
        if new.size == 0 {
            let words = format!("generation {} cannot have 0 members", new.number);
            return refused(ErrorKind::Invalid, words);
        }
        let there = record.generations.get(&new.number);
        let is_used = there.is_none() && new.number <= record.latest;
        if is_used || there.is_some_and(|there| there.removing) {
            let words = format!("the number {} was used already", new.number);
            return refused(ErrorKind::AlreadyExists, words);
        }
        Ok(())
    }

    /// The generation's group, if it exists and is this very generation's.
    async fn made(&self, name: &str, new: &New<'_>) -> Result<Option<AutoScalingGroup>> {
        let Some(group) = self.calls.group(name).await? else {
            return Ok(None);
        };
        if remove::is_going(&group) {
            return Err(Failure::refused(
                ErrorKind::Unavailable,
                format!("an earlier group {name} is still being deleted"),
            ));
        }
        let tags = group.tags.iter().flatten().cloned();
        let tags = tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
        self.check_tags(&tags.collect(), (new.number, new.fingerprint), name)?;
        Ok(Some(group))
    }

    /// A thing of the right name that an earlier attempt made is as good as made now.
    async fn is_ours_already(&self, made: Result<()>, new: &New<'_>, name: &str) -> Result<()> {
        match made {
            Err(failure) if failure.kind == ErrorKind::AlreadyExists => {
                let tags = self.calls.template_tags(name).await?;
                let tags = tags.unwrap_or_default();
                self.check_tags(&tags, (new.number, new.fingerprint), name)
            }
            other => other,
        }
    }

    fn check_tags(
        &self,
        tags: &Tags,
        (number, fingerprint): (GenerationNumber, &Fingerprint),
        name: &str,
    ) -> Result<()> {
        let is = |key: &str, value: &str| tags.get(key).is_some_and(|there| there == value);
        if !is(names::FLEET, self.fleet.as_str()) {
            let words = format!("there is a {name} already that is not this fleet's");
            return Err(Failure::refused(ErrorKind::Invalid, words));
        }
        if !is(names::FINGERPRINT, &fingerprint.0) {
            let words = format!("generation {number} exists and is another one");
            return Err(Failure::refused(ErrorKind::AlreadyExists, words));
        }
        Ok(())
    }

    /// Makes the target group and adds it to the rule, and writes both down.
    async fn with_targets(
        &self,
        entry: Entry,
        new: &New<'_>,
        aws: &AwsLaunch,
        tags: &Tags,
    ) -> Result<Entry> {
        let (Some(port), Some(settings)) = (new.launch.port, entry.record.settings.clone()) else {
            return Ok(entry);
        };
        let vpc = self.vpc(&aws.subnet_ids).await?;
        let name = names::target_group(self.fleet, new.number);
        let check = front::check(&settings, new.launch.health_path.as_ref());
        let target = NewTargetGroup {
            name: &name,
            protocol: front::protocol(&settings),
            vpc: &vpc,
            port,
            check: &check,
            tags,
        };
        let arn = self.target_group(&target, new).await?;
        let drain = front::drain_seconds(settings.drain);
        self.calls.drain_targets_for(&arn, drain).await?;
        let mut next = entry.record.with(new.number, |generation| {
            generation.target_group = Some(arn.clone());
        })?;
        if let (Some(front), Some(place)) = (&settings.front, &entry.record.front) {
            next.front = Some(self.rule(front, &entry.record).with(place, &arn).await?);
        }
        self.write(&entry, next).await
    }

    async fn target_group(&self, target: &NewTargetGroup<'_>, new: &New<'_>) -> Result<String> {
        match self.calls.create_target_group(target).await {
            Err(failure) if failure.has_code("DuplicateTargetGroupName") => {
                let Some(arn) = self.calls.target_group(target.name).await? else {
                    return Err(failure);
                };
                let tags = self.calls.balancing_tags(&arn).await?;
                self.check_tags(&tags, (new.number, new.fingerprint), target.name)?;
                Ok(arn)
            }
            other => other,
        }
    }

    /// Makes a generation's target group once more and lets its group register its members there, and
    /// nowhere else: AWS launches nothing for a group that names a target group which is gone.
    pub(super) async fn with_target_group_again(
        &self,
        entry: Entry,
        number: GenerationNumber,
    ) -> Result<Entry> {
        let generation = entry.record.generation(number)?;
        let group = names::generation(self.fleet, number);
        let there = self.calls.group(&group).await?;
        let (Some(port), Some(settings), Some(there)) =
            (generation.port, &entry.record.settings, there)
        else {
            return Ok(entry);
        };
        let name = names::target_group(self.fleet, number);
        let arn = match self.calls.target_group(&name).await? {
            Some(arn) if generation.target_group.as_ref() == Some(&arn) => return Ok(entry),
            // An earlier attempt made it and ended before it was written down.
            Some(arn) => {
                let tags = self.calls.balancing_tags(&arn).await?;
                self.check_tags(&tags, (number, &generation.fingerprint), &name)?;
                arn
            }
            None => {
                let subnets = there.vpc_zone_identifier().unwrap_or_default();
                let subnets: Vec<String> = subnets.split(',').map(str::to_owned).collect();
                let mut tags = names::fleet_tags(self.fleet, entry.record.holder());
                tags.insert(names::GENERATION.to_owned(), number.to_string());
                let fingerprint = generation.fingerprint.to_string();
                tags.insert(names::FINGERPRINT.to_owned(), fingerprint);
                let target = NewTargetGroup {
                    name: &name,
                    protocol: front::protocol(settings),
                    vpc: &self.vpc(&subnets).await?,
                    port,
                    check: &front::check(settings, generation.health_path.as_ref()),
                    tags: &tags,
                };
                self.calls.create_target_group(&target).await?
            }
        };
        let drain = front::drain_seconds(settings.drain);
        self.calls.drain_targets_for(&arn, drain).await?;
        self.calls.attach_target_group(&group, &arn).await?;
        let attached = there.target_group_arns().iter();
        let gone = attached.filter(|earlier| **earlier != arn && is_named(earlier, &name));
        let gone: Vec<String> = gone.cloned().collect();
        if !gone.is_empty() {
            self.calls.detach_target_groups(&group, &gone).await?;
        }
        let next = entry.record.with(number, |generation| {
            generation.target_group = Some(arn);
        })?;
        self.write(&entry, next).await
    }

    /// The one VPC that all subnets are in.
    async fn vpc(&self, subnet_ids: &[String]) -> Result<String> {
        let subnets = self.calls.subnets(subnet_ids).await?;
        let mut vpcs: Vec<String> = subnets
            .into_iter()
            .filter_map(|subnet| subnet.vpc_id)
            .collect();
        vpcs.sort_unstable();
        vpcs.dedup();
        match vpcs.as_slice() {
            [vpc] => Ok(vpc.clone()),
            [] => Err(Failure::refused(
                ErrorKind::Invalid,
                "aws.subnet_ids names none: a fleet needs one at least",
            )),
            several => Err(Failure::refused(
                ErrorKind::Invalid,
                format!(
                    "aws.subnet_ids lie in several VPCs ({}): a target group has one",
                    several.join(", ")
                ),
            )),
        }
    }
}

/// Whether a target group has or had a name.
fn is_named(arn: &str, name: &str) -> bool {
    arn.contains(&format!(":targetgroup/{name}/"))
}

/// The record of a generation before any of it exists.
fn intent(new: &New<'_>, aws: &AwsLaunch, image_id: String) -> GenerationRecord {
    let now = now();
    GenerationRecord {
        fingerprint: new.fingerprint.clone(),
        release: new.launch.release.clone(),
        image_id,
        security_group_ids: aws.security_group_ids.clone(),
        port: new.launch.port,
        health_path: new.launch.health_path.clone(),
        target_group: None,
        wanted: new.size,
        wanted_before: new.size,
        created_at: now,
        resized_at: now,
        condemned: None,
        promoted_at: None,
        retired_at: None,
        draining_since: None,
        removing: false,
    }
}

/// Whether AWS misses our own launch template or target group: that was made a moment ago and is not
/// seen by Auto Scaling yet.
fn says_ours_is_missing(failure: &Failure, template: &str) -> bool {
    let words = failure.to_string();
    let is_template = words.contains(template) && words.contains("does not exist");
    let is_target_group = words.contains("Target Groups may not be valid");
    failure.has_code("ValidationError") && (is_template || is_target_group)
}

/// An instance profile that was made a moment ago is not seen by Auto Scaling yet.
fn profile_may_come(failure: Failure) -> Failure {
    let words = failure.to_string();
    let is_profile = words
        .to_lowercase()
        .replace(' ', "")
        .contains("instanceprofile");
    if failure.has_code("ValidationError") && is_profile {
        return Failure::refused(
            ErrorKind::Unavailable,
            format!(
                "{words} (aws.instance_profile names none that EC2 knows in this account: look for a \
                 typo, and give the profile's name, not its role's; one that was made just now is \
                 seen after some seconds)"
            ),
        );
    }
    failure
}
