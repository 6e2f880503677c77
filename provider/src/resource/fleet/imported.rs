//! A fleet's configuration read back from the cloud, for an import.
//!
//! What makes the members, the front and the checks are what they are is known there. What decides
//! about the way of the next change, such as `rollout` and `timeouts`, is not: that is a policy, and
//! lives in the configuration alone.

use super::attributes::{
    Aws, Capacity, Drift, Fleet, Health, Local, Port, Protocol, Rollout, RootVolume, Timeouts,
    Traffic,
};
use super::observed::with_settings;
use super::texts::ReleaseText;
use crate::cloud;
use crate::model::{
    self, AwsLaunch, FleetName, Front, LaunchTemplate, LocalLaunch, Platform, ReleaseRef,
};
use crate::resource::site::Site;
use crate::rollout::World;
use crate::schema::{Bounded, DurationText, Text, absent};
use std::collections::BTreeMap;

/// Returns a fleet as its serving generation, its front and its checks tell it. Absent: there is
/// none, or nothing that it runs.
///
/// # Errors
/// The cloud could not be asked.
pub(super) async fn fleet(
    site: &Site,
    name: &FleetName,
    world: &World,
) -> cloud::Result<Option<Fleet>> {
    let newest = world.generations.keys().next_back().copied();
    let Some(serving) = world.stable.or(newest) else {
        return Ok(None);
    };
    let Some(generation) = world.generations.get(&serving) else {
        return Ok(None);
    };
    let launch = site.cloud.launch_template(name, serving).await?;
    let Some(bare) = bare(name, &generation.release, generation.desired.max(1)) else {
        return Ok(None);
    };
    let fleet = match launch {
        Some(launch) => {
            let front = world.settings.as_ref().and_then(|it| it.front.as_ref());
            let port = launch.port.and_then(|port| Bounded::new(port.into()));
            Fleet {
                traffic: port.zip(front).map(|(port, front)| traffic(port, front)),
                ..launched(bare, launch, &site.default_tags)
            }
        }
        // The configuration says what members are started from; the fingerprint, which is known,
        // tells whether it is the same, and then nothing is started.
        None => bare,
    };
    Ok(Some(match &world.settings {
        Some(settings) => with_settings(fleet, settings),
        None => fleet,
    }))
}

/// Returns a fleet without front and checks, with everything that its members were started from.
fn launched(bare: Fleet, launch: LaunchTemplate, default_tags: &BTreeMap<String, String>) -> Fleet {
    let (local, aws) = match launch.platform {
        Platform::Local(launch) => (local(launch), None),
        Platform::Aws(launch) => (None, Some(aws(launch))),
    };
    Fleet {
        config: some(launch.config),
        secrets: some(launch.secrets),
        local,
        aws,
        tags: some(own_tags(launch.tags, default_tags)),
        health: Health {
            path: launch.health_path,
            ..bare.health
        },
        ..bare
    }
}

/// Returns a fleet of which no more is known than what it runs.
fn bare(name: &FleetName, release: &ReleaseRef, size: u32) -> Option<Fleet> {
    Some(Fleet {
        name: name.clone(),
        release: ReleaseText::from(release.clone()),
        size: Some(Bounded::new(size.into())?),
        autoscale: None,
        capacity: Capacity::Managed,
        config: None,
        secrets: None,
        local: None,
        aws: None,
        traffic: None,
        health: absent::<Health>()?,
        rollout: absent::<Rollout>()?,
        drain: DurationText::parse("30s")?,
        retry: None,
        drift: Drift::Replace,
        tags: None,
        deletion_protection: false,
        timeouts: absent::<Timeouts>()?,
        id: None,
        generation: None,
        fingerprint: None,
        image_id: None,
        endpoint: None,
        phase: None,
        drifted: None,
        forecast: None,
        generations: None,
        latest_generation: None,
        failure: None,
        parked: None,
    })
}

/// Members carry the provider's tags as well; those are not the fleet's own.
fn own_tags(
    all: BTreeMap<String, String>,
    default_tags: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let own = all.into_iter();
    own.filter(|(name, value)| default_tags.get(name) != Some(value))
        .collect()
}

/// Returns traffic as a front takes it in for members that listen on a port.
pub(super) fn traffic(port: Port, front: &Front) -> Traffic {
    Traffic {
        port,
        listener: front.listener.clone(),
        protocol: match front.protocol {
            model::Protocol::Http => Protocol::Http,
            model::Protocol::Tcp => Protocol::Tcp,
        },
        hosts: some(front.hosts.clone()),
        paths: some(front.paths.clone()),
        priority: front.priority.and_then(|it| Bounded::new(it.into())),
    }
}

fn local(launch: LocalLaunch) -> Option<Local> {
    let command = some(launch.command)?;
    Some(Local {
        command: Some(command),
    })
}

fn aws(launch: AwsLaunch) -> Aws {
    Aws {
        instance_types: launch.instance_types,
        subnet_ids: launch.subnet_ids,
        security_group_ids: some(launch.security_group_ids),
        instance_profile: launch.instance_profile,
        user_data: launch.user_data,
        root_volume: launch.root_volume.map(root_volume),
        spot: launch.spot,
    }
}

fn root_volume(volume: model::RootVolume) -> RootVolume {
    RootVolume {
        size_gb: volume.size_gb.and_then(|it| Bounded::new(it.into())),
        r#type: volume.volume_type,
        kms_key: volume.kms_key,
    }
}

/// Nothing in it and not there are the same to a cloud; users write the latter.
fn some<T: Default + PartialEq>(collection: T) -> Option<T> {
    (collection != T::default()).then_some(collection)
}
