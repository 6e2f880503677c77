//! What a new generation's members are started from and where.

use super::{Ahead, capital, judged, listed, missing_yet, unasked, wrong};
use crate::cloud::aws::{names, template, user_data};
use crate::cloud::{Finding, LaunchWish, Subject};
use crate::model::{
    AwsLaunch, Fingerprint, GenerationNumber, LaunchTemplate, Platform, ReleaseRef,
};
use aws_sdk_ec2::types::{Image, ImageState, SecurityGroup, Subnet};
use std::collections::{BTreeMap, BTreeSet};

/// EC2, Auto Scaling and Elastic Load Balancing each allow so many tags on one thing.
const MOST_TAGS: usize = 50;
/// A tag's key has at most so many characters.
const LONGEST_KEY: usize = 128;
/// A tag's value has at most so many characters.
const LONGEST_VALUE: usize = 256;

impl Ahead<'_> {
    /// Looks at what a generation is made of; absent: at what it has more members for.
    pub(super) async fn launch(&self, launch: Option<&LaunchWish>) -> Vec<Finding> {
        let Some(launch) = launch else {
            return Vec::new();
        };
        let Some(Platform::Aws(aws)) = &launch.platform else {
            return Vec::new();
        };
        let (image, types, zones, subnets, groups) = futures_util::join!(
            self.image(launch.release.as_ref()),
            self.known.types.ask(&aws.instance_types),
            self.known.zones.ask(&aws.instance_types),
            self.known.subnets.ask(&aws.subnet_ids),
            self.known.groups.ask(&aws.security_group_ids)
        );
        let (image, mut found) = match image {
            Ok(image) => (image, Vec::new()),
            Err(finding) => (None, vec![finding]),
        };
        found.extend(judged(Subject::InstanceTypes, &types, |known| {
            types_found(&aws.instance_types, known, image.as_ref())
        }));
        found.extend(judged(Subject::Subnets, &subnets, |known| {
            subnets_found(&aws.subnet_ids, known, self.wish.more_members)
        }));
        let none = BTreeMap::new();
        let subnets = subnets.as_ref().unwrap_or(&none);
        found.extend(judged(Subject::Subnets, &zones, |offered| {
            zones_found(offered, subnets)
        }));
        found.extend(judged(Subject::SecurityGroups, &groups, |known| {
            groups_found(&aws.security_group_ids, known, subnets)
        }));
        if let Some(whole) = &launch.whole {
            found.extend(self.whole_found(whole, aws, image.as_ref()));
        }
        found
    }

    /// Finds the image; absent: nobody knows yet which.
    async fn image(&self, release: Option<&ReleaseRef>) -> Result<Option<Image>, Finding> {
        let unasked = |failure| unasked(Subject::Release, &failure);
        let region = &self.calls.region;
        let id = match release {
            None => return Ok(None),
            Some(ReleaseRef::Image(id)) => id.clone(),
            Some(ReleaseRef::Release(release)) => {
                let images = &self.known.images_of_releases;
                let id = images.one(&release.to_string()).await.map_err(unasked)?;
                id.ok_or_else(|| {
                    let words = format!(
                        "There is no release {release} in {region}. Where it was made in another \
                         region, name {region} in the aws.copy_to of its line; where it was made in \
                         another account, share it with this one."
                    );
                    missing_yet(Subject::Release, words)
                })?
            }
        };
        let image = self.known.images.one(&id).await.map_err(unasked)?;
        let Some(image) = image else {
            let words = format!(
                "There is no image {id} in {region}, or it is not shared with this account. An \
                 image is in one region alone: copy it to this one, or set the provider's region."
            );
            return Err(wrong(Subject::Release, words));
        };
        match image_found(&image) {
            Some(finding) => Err(finding),
            None => Ok(Some(image)),
        }
    }

    /// Looks at what only a template that is known to its end can tell.
    fn whole_found(
        &self,
        whole: &LaunchTemplate,
        aws: &AwsLaunch,
        image: Option<&Image>,
    ) -> Vec<Finding> {
        let user_data = user_data::encoded(whole, aws).err();
        let user_data = user_data.map(|failure| {
            wrong(
                Subject::UserData,
                format!("{}.", capital(&failure.to_string())),
            )
        });
        let volume = image.and_then(|image| volume_found(aws, image));
        // The longest that our own tags get.
        let number = GenerationNumber(u32::MAX);
        let fingerprint = Fingerprint::of(whole);
        let tags = names::generation_tags(&self.wish.fleet, number, whole, &fingerprint, "");
        let tags = tags_found(&whole.tags, tags.len());
        user_data.into_iter().chain(volume).chain(tags).collect()
    }
}

fn image_found(image: &Image) -> Option<Finding> {
    let id = image.image_id().unwrap_or("the image");
    match (template::check_image(image), image.state()) {
        (Ok(()), _) => None,
        // Who waits for it may be another resource of the same apply.
        (Err(_), Some(ImageState::Pending)) => Some(missing_yet(
            Subject::Release,
            format!("{id} is still being made: its state is pending."),
        )),
        (Err(failure), _) => Some(wrong(Subject::Release, format!("{failure}."))),
    }
}

fn types_found(
    wanted: &[String],
    known: &BTreeMap<String, Vec<String>>,
    image: Option<&Image>,
) -> Vec<Finding> {
    let runs = image.and_then(Image::architecture);
    let judge = |name: &String| match (known.get(name), runs) {
        (None, _) => Some(format!("There is no instance type {name} in this region.")),
        (Some(can), Some(runs)) if !can.iter().any(|it| it == runs.as_str()) => {
            let id = image.and_then(Image::image_id).unwrap_or("the image");
            Some(format!(
                "{id} is built for {}, and {name} runs {}: choose types of the image's architecture.",
                runs.as_str(),
                listed(can)
            ))
        }
        (Some(_), _) => None,
    };
    let found = wanted.iter().filter_map(judge);
    found
        .map(|why| wrong(Subject::InstanceTypes, why))
        .collect()
}

fn subnets_found(
    wanted: &[String],
    known: &BTreeMap<String, Subnet>,
    more_members: u32,
) -> Vec<Finding> {
    let missing: Vec<&String> = wanted
        .iter()
        .filter(|id| !known.contains_key(*id))
        .collect();
    if !missing.is_empty() {
        let words = format!("There is no subnet {} in this region.", listed(missing));
        return vec![wrong(Subject::Subnets, words)];
    }
    let vpcs = vpcs_of(known);
    if vpcs.len() > 1 {
        let words = format!(
            "The subnets lie in several VPCs ({}): a fleet's members and its target groups are in one.",
            listed(&vpcs)
        );
        return vec![wrong(Subject::Subnets, words)];
    }
    let free = |subnet: &Subnet| u32::try_from(subnet.available_ip_address_count()?).ok();
    let free: u32 = known.values().filter_map(free).sum();
    if free < more_members && !wanted.is_empty() {
        let words = format!(
            "The subnets have {free} free addresses, and {more_members} members come beside those of \
             today at the most crowded moment: add subnets, or let fewer run at a time (rollout.surge)."
        );
        return vec![wrong(Subject::Subnets, words)];
    }
    Vec::new()
}

/// A zone in which none of the types is offered gets no members, and each try there is a failed launch
/// that holds a rollout up. Types that do not exist at all are told of already.
fn zones_found(
    offered: &BTreeMap<String, BTreeSet<String>>,
    subnets: &BTreeMap<String, Subnet>,
) -> Vec<Finding> {
    let zones: BTreeSet<&String> = offered.values().flatten().collect();
    let is_without = |subnet: &&Subnet| {
        let zone = subnet.availability_zone.as_ref();
        !zones.is_empty() && zone.is_some_and(|zone| !zones.contains(zone))
    };
    let without = subnets.values().filter(is_without);
    let found = without.map(|subnet| {
        format!(
            "{} is in {}, where {} is not offered: leave that subnet out, or add a type that is \
             offered in {}.",
            subnet.subnet_id().unwrap_or_default(),
            subnet.availability_zone().unwrap_or_default(),
            offered
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" or "),
            subnet.availability_zone().unwrap_or_default(),
        )
    });
    found.map(|why| wrong(Subject::Subnets, why)).collect()
}

pub(super) fn vpcs_of(subnets: &BTreeMap<String, Subnet>) -> BTreeSet<String> {
    let vpcs = subnets.values().filter_map(|subnet| subnet.vpc_id.clone());
    vpcs.collect()
}

fn groups_found(
    wanted: &[String],
    known: &BTreeMap<String, SecurityGroup>,
    subnets: &BTreeMap<String, Subnet>,
) -> Vec<Finding> {
    let missing: Vec<&String> = wanted
        .iter()
        .filter(|id| !known.contains_key(*id))
        .collect();
    if !missing.is_empty() {
        let words = format!(
            "There is no security group {} in this region.",
            listed(missing)
        );
        return vec![wrong(Subject::SecurityGroups, words)];
    }
    let vpcs = vpcs_of(subnets);
    let is_elsewhere = |group: &&SecurityGroup| {
        let vpc = group.vpc_id.as_ref();
        !vpcs.is_empty() && vpc.is_some_and(|vpc| !vpcs.contains(vpc))
    };
    let elsewhere = known.values().filter(is_elsewhere);
    let found = elsewhere.map(|group| {
        format!(
            "{} is of {}, and the subnets lie in {}: members take groups of their own VPC alone.",
            group.group_id().unwrap_or_default(),
            group.vpc_id().unwrap_or_default(),
            listed(&vpcs)
        )
    });
    found
        .map(|why| wrong(Subject::SecurityGroups, why))
        .collect()
}

/// A root volume takes the image's content, so it is no smaller.
fn volume_found(aws: &AwsLaunch, image: &Image) -> Option<Finding> {
    let volume = aws.root_volume.as_ref()?;
    let Some(device) = image.root_device_name() else {
        let words = "The image has no root volume: it is not backed by EBS.";
        return Some(wrong(Subject::RootVolume, words));
    };
    let mut mappings = image.block_device_mappings().iter();
    let root = mappings.find(|mapping| mapping.device_name() == Some(device))?;
    let least = u32::try_from(root.ebs()?.volume_size()?).ok()?;
    let size = volume.size_gb.filter(|size| *size < least)?;
    let words = format!("size_gb is {size}, and the image's root volume has {least} GiB.");
    Some(wrong(Subject::RootVolume, words))
}

/// `all` counts ours as well.
fn tags_found(tags: &BTreeMap<String, String>, all: usize) -> Vec<Finding> {
    let count = (all > MOST_TAGS).then(|| {
        format!(
            "With those of the provider there are {all} tags, and AWS allows {MOST_TAGS} on one \
             thing: leave {} out.",
            all - MOST_TAGS
        )
    });
    let each = tags.iter().filter_map(|(key, value)| tag_found(key, value));
    let found = count.into_iter().chain(each);
    found.map(|why| wrong(Subject::Tags, why)).collect()
}

fn tag_found(key: &str, value: &str) -> Option<String> {
    let allowed = |c: char| c.is_alphanumeric() || c == ' ' || "+-=._:/@".contains(c);
    if key.is_empty() || key.chars().count() > LONGEST_KEY {
        return Some(format!(
            "The key \"{key}\" has {} characters: AWS takes 1 to {LONGEST_KEY}.",
            key.chars().count()
        ));
    }
    if key.to_lowercase().starts_with("aws:") {
        return Some(format!(
            "\"{key}\": keys that begin with aws: are AWS's own."
        ));
    }
    if value.chars().count() > LONGEST_VALUE {
        return Some(format!(
            "The value of {key} has {} characters: AWS takes {LONGEST_VALUE}.",
            value.chars().count()
        ));
    }
    let is_odd = !key.chars().chain(value.chars()).all(allowed);
    is_odd.then(|| {
        format!(
            "{key} = \"{value}\": Elastic Load Balancing takes letters, digits, spaces and + - = . _ \
             : / @ in tags."
        )
    })
}
