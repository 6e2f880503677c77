//! What a configuration wants, in the engine's words.

use super::attributes::{Aws, Drift, Fleet, Local, Protocol, StrategyName, Traffic};
use crate::model::{
    self, AwsLaunch, CountOrShare, Fingerprint, Front, HealthCheck, LaunchTemplate, LocalLaunch,
    Platform, RootVolume, Settings, Weight,
};
use crate::resource::site::{CloudKind, Site, Timing};
use crate::rollout::{CanaryStep, FleetGoal, Policy, Strategy};
use crate::schema::{self, Amount, Applied, Bounded, Field, Planned};
use std::collections::BTreeMap;

impl Fleet {
    /// Returns the fleet as it shall be.
    #[must_use]
    pub fn goal(&self, site: &Site) -> FleetGoal {
        self.goal_on(site.kind, &site.default_tags)
    }

    /// Returns the fleet as it shall be on a kind of cloud.
    pub(super) fn goal_on(
        &self,
        kind: CloudKind,
        default_tags: &BTreeMap<String, String>,
    ) -> FleetGoal {
        let launch = self.launch(kind, default_tags);
        FleetGoal {
            fingerprint: Fingerprint::of(&launch),
            launch: Some(launch),
            size: self.wanted_size(),
            settings: self.settings(),
            retry: self.retry.clone(),
            replace_drifted: self.drift == Drift::Replace,
            beyond: None,
        }
    }

    /// Returns how members are started. A fleet's own tags win over the provider's.
    fn launch(&self, kind: CloudKind, default_tags: &BTreeMap<String, String>) -> LaunchTemplate {
        let own = self.tags.clone().unwrap_or_default();
        let mut tags = default_tags.clone();
        tags.extend(own);
        LaunchTemplate {
            release: self.release.release().clone(),
            config: self.config.clone().unwrap_or_default(),
            secrets: self.secrets.clone().unwrap_or_default(),
            port: self.traffic.as_ref().map(|traffic| whole(traffic.port)),
            health_path: self.health.path.clone(),
            tags,
            platform: match kind {
                CloudKind::Local => Platform::Local(local(self.local.as_ref())),
                CloudKind::Aws => Platform::Aws(self.aws.as_ref().map(aws).unwrap_or_default()),
            },
        }
    }

    /// Returns what front and checks are set to.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            front: self.traffic.as_ref().map(front),
            check: HealthCheck {
                interval: self.health.interval.duration(),
                timeout: self.health.timeout.duration(),
                streak: whole(self.health.streak),
            },
            drain: self.drain.duration(),
            scaling: self.scaling(),
        }
    }

    /// Returns the limits on the way.
    #[must_use]
    pub fn policy(&self, timing: Timing) -> Policy {
        let rollout = &self.rollout;
        Policy {
            strategy: self.strategy(),
            streak: whole(self.health.streak),
            steady: self.health.steady.duration(),
            settle: timing.settle,
            bake: rollout.bake.duration(),
            alarms: rollout.alarms.clone().unwrap_or_default(),
            launch_deadline: rollout.launch_deadline.duration(),
            drain: self.drain.duration(),
            keep_previous: rollout.keep_previous.duration(),
            keep_failed: rollout.keep_failed,
        }
    }

    fn strategy(&self) -> Strategy {
        let rollout = &self.rollout;
        match rollout.strategy {
            StrategyName::BlueGreen => Strategy::BlueGreen,
            StrategyName::Canary => Strategy::Canary {
                steps: rollout
                    .steps
                    .iter()
                    .flatten()
                    .map(|step| CanaryStep {
                        weight: Weight::new(whole(step.weight)).unwrap_or(Weight::ALL),
                        hold: step.hold.hold(),
                    })
                    .collect(),
            },
            StrategyName::Rolling => Strategy::Rolling {
                surge: amount(rollout.surge.as_ref(), DEFAULT_SURGE),
                min_healthy: amount(rollout.min_healthy.as_ref(), DEFAULT_MIN_HEALTHY),
            },
        }
    }
}

/// The surge of a rolling rollout when none is configured.
pub(super) const DEFAULT_SURGE: CountOrShare = CountOrShare::Share(25);
/// The least healthy members of a rolling rollout when none are configured.
pub(super) const DEFAULT_MIN_HEALTHY: CountOrShare = CountOrShare::Share(100);

/// Returns what was configured in the model's words.
pub(super) fn amount(
    configured: Option<&schema::CountOrShare>,
    default: CountOrShare,
) -> CountOrShare {
    configured.map_or(default, |text| match text.amount() {
        Amount::Count(count) => CountOrShare::Count(count),
        Amount::Share(percent) => CountOrShare::Share(percent.into()),
    })
}

fn local(block: Option<&Local>) -> LocalLaunch {
    LocalLaunch {
        command: block
            .and_then(|local| local.command.clone())
            .unwrap_or_default(),
    }
}

fn aws(block: &Aws) -> AwsLaunch {
    AwsLaunch {
        instance_types: block.instance_types.clone(),
        subnet_ids: block.subnet_ids.clone(),
        security_group_ids: block.security_group_ids.clone().unwrap_or_default(),
        instance_profile: block.instance_profile.clone(),
        user_data: block.user_data.clone(),
        root_volume: block.root_volume.as_ref().map(|volume| RootVolume {
            size_gb: volume.size_gb.map(whole),
            volume_type: volume.r#type.clone(),
            kms_key: volume.kms_key.clone(),
        }),
        spot: block.spot,
    }
}

/// Returns a front that is known in all its parts.
pub(super) fn known_front(traffic: &Traffic<Planned>) -> Option<Front> {
    Traffic::<Applied>::decode(&traffic.encode())
        .ok()
        .as_ref()
        .map(front)
}

fn front(traffic: &Traffic) -> Front {
    Front {
        listener: traffic.listener.clone(),
        protocol: match traffic.protocol {
            Protocol::Http => model::Protocol::Http,
            Protocol::Tcp => model::Protocol::Tcp,
        },
        hosts: traffic.hosts.clone().unwrap_or_default(),
        paths: traffic.paths.clone().unwrap_or_default(),
        priority: traffic.priority.map(whole),
    }
}

/// Returns a number whose limits lie within the wanted type's.
pub(super) fn whole<const MIN: i64, const MAX: i64, N: TryFrom<i64>>(
    number: Bounded<MIN, MAX>,
) -> N {
    let Ok(number) = N::try_from(number.get()) else {
        unreachable!("{MIN}..={MAX} fits");
    };
    number
}
