//! How often and how strictly a cloud asks a member whether it is well.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The measure by which answers count. What is asked belongs to each generation:
/// [`LaunchTemplate::health_path`](super::LaunchTemplate::health_path).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// The time from one question to the next.
    pub interval: Duration,
    /// The time within which the answer must be there.
    pub timeout: Duration,
    /// Successes in a row before a member gets traffic.
    pub streak: u32,
}
