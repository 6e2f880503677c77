//! Fleets, goals and policies that the proofs share.

use immutable::model::{
    CountOrShare, Fingerprint, FleetName, Front, HealthCheck, LaunchTemplate, LocalLaunch,
    Platform, Protocol, ReleaseRef, Scaling, Settings, Weight,
};
use immutable::rollout::{CanaryStep, FleetGoal, Goal, Hold, Policy, Strategy};
use std::collections::BTreeMap;
use std::time::Duration;

pub const BOOTS: Duration = Duration::from_secs(60);

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn fleet_name() -> FleetName {
    "web".parse().unwrap()
}

pub fn settings(has_front: bool) -> Settings {
    Settings {
        front: has_front.then(|| Front {
            listener: "127.0.0.1:8088".to_owned(),
            protocol: Protocol::Http,
            hosts: Vec::new(),
            paths: Vec::new(),
            priority: None,
        }),
        check: HealthCheck {
            interval: seconds(10),
            timeout: seconds(2),
            streak: 3,
        },
        drain: seconds(30),
        scaling: Scaling::Configured,
    }
}

pub fn release(version: &str) -> ReleaseRef {
    ReleaseRef::parse(&format!("web@{version}")).unwrap()
}

pub fn fleet_goal(version: &str, size: u32, has_front: bool) -> FleetGoal {
    let launch = LaunchTemplate {
        release: release(version),
        config: BTreeMap::new(),
        secrets: BTreeMap::new(),
        port: has_front.then_some(80),
        health_path: None,
        tags: BTreeMap::new(),
        platform: Platform::Local(LocalLaunch::default()),
    };
    FleetGoal {
        fingerprint: Fingerprint::of(&launch),
        launch: Some(launch),
        size,
        settings: settings(has_front),
        retry: None,
        replace_drifted: true,
        beyond: None,
    }
}

pub fn goal(version: &str, size: u32) -> Goal {
    Goal::Fleet(Box::new(fleet_goal(version, size, true)))
}

pub fn workers(version: &str, size: u32) -> Goal {
    Goal::Fleet(Box::new(fleet_goal(version, size, false)))
}

pub fn policy(strategy: Strategy) -> Policy {
    Policy {
        strategy,
        streak: 3,
        steady: seconds(30),
        settle: seconds(10),
        bake: seconds(300),
        alarms: Vec::new(),
        launch_deadline: seconds(600),
        drain: seconds(30),
        keep_previous: Duration::ZERO,
        keep_failed: false,
    }
}

pub fn canary(steps: &[(u8, u64)]) -> Strategy {
    let step = |&(weight, hold)| CanaryStep {
        weight: Weight::new(weight).unwrap(),
        hold: Hold::For(seconds(hold)),
    };
    Strategy::Canary {
        steps: steps.iter().map(step).collect(),
    }
}

/// A canary that rests at each of its steps.
pub fn resting(weights: &[u8]) -> Strategy {
    let step = |weight: &u8| CanaryStep {
        weight: Weight::new(*weight).unwrap(),
        hold: Hold::NextApply,
    };
    Strategy::Canary {
        steps: weights.iter().map(step).collect(),
    }
}

pub fn rolling(surge: &str, min_healthy: &str) -> Strategy {
    let count = |text: &str| -> CountOrShare { text.parse().unwrap() };
    Strategy::Rolling {
        surge: count(surge),
        min_healthy: count(min_healthy),
    }
}
