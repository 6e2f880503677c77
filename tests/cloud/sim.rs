//! The simulated cloud keeps the contract.

use crate::contract::{self, Fixture};
use async_trait::async_trait;
use immutable::cloud::Cloud;
use immutable::cloud::sim::{Sim, SimClock};
use immutable::model::{
    Front, HealthCheck, ImageSource, LaunchTemplate, LocalLaunch, Platform, Protocol, ReleaseRef,
    Scaling, Settings,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

struct Simulated {
    clock: Arc<SimClock>,
    sim: Sim,
}

impl Simulated {
    fn new() -> Self {
        let clock = Arc::new(SimClock::default());
        let sim = Sim::new(Arc::clone(&clock), Duration::from_secs(20));
        sim.with_fleet(&"web".parse().unwrap(), |fleet| {
            for version in ["1", "2"] {
                let release = ReleaseRef::parse(&format!("web@{version}")).unwrap();
                fleet.answers.insert(release, contract::question(version));
            }
        });
        Self { clock, sim }
    }
}

#[async_trait]
impl Fixture for Simulated {
    fn cloud(&self) -> &dyn Cloud {
        &self.sim
    }

    async fn pass(&self, duration: Duration) {
        self.clock.pass(duration);
    }

    fn source(&self, version: &str) -> ImageSource {
        ImageSource::Image(format!("content of {version}"))
    }

    fn launch(&self, version: &str) -> LaunchTemplate {
        LaunchTemplate {
            release: ReleaseRef::parse(&format!("web@{version}")).unwrap(),
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
            port: Some(80),
            health_path: Some(contract::question(version)),
            tags: BTreeMap::new(),
            platform: Platform::Local(LocalLaunch::default()),
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            front: Some(Front {
                listener: "sim".to_owned(),
                protocol: Protocol::Http,
                hosts: Vec::new(),
                paths: Vec::new(),
                priority: None,
            }),
            check: HealthCheck {
                interval: Duration::from_secs(1),
                timeout: Duration::from_secs(1),
                streak: 1,
            },
            drain: Duration::from_secs(10),
            scaling: Scaling::Configured,
        }
    }

    fn gets_healthy_within(&self) -> Duration {
        Duration::from_secs(60)
    }
}

crate::suite!(Simulated::new());
