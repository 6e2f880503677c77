//! What the engine's own tables share.

use super::{Policy, Strategy};
use std::time::Duration;

pub(crate) fn policy(strategy: Strategy) -> Policy {
    Policy {
        strategy,
        streak: 3,
        steady: Duration::from_secs(30),
        settle: Duration::from_secs(10),
        bake: Duration::from_secs(600),
        alarms: Vec::new(),
        launch_deadline: Duration::from_secs(600),
        drain: Duration::from_secs(30),
        keep_previous: Duration::ZERO,
        keep_failed: false,
    }
}
