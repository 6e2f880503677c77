//! What a fleet is set to apart from its generations.

use super::{HealthCheck, Scaling};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a fleet's front and checks are set to; changing it touches no member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The front; absent: a fleet of workers, which gets no traffic.
    pub front: Option<Front>,
    /// How often and how strictly members are checked.
    pub check: HealthCheck,
    /// How long requests in flight get before the member that serves them is stopped.
    pub drain: Duration,
    /// Who decides how many members there are.
    #[serde(default, skip_serializing_if = "Scaling::is_configured")]
    pub scaling: Scaling,
}

/// Where a fleet's traffic comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Front {
    /// Where clients connect: an address with a port on the local cloud, a listener's ARN on AWS.
    pub listener: String,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Host names that the fleet answers to on a shared listener; none: any.
    pub hosts: Vec<String>,
    /// Paths that the fleet answers to on a shared listener; none: any.
    pub paths: Vec<String>,
    /// The place among a shared listener's rules; absent where listeners are not shared.
    pub priority: Option<u32>,
}

/// What a front speaks with its clients and members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP: each request is given to a member by weight.
    Http,
    /// TCP: each connection is given to a member by weight.
    Tcp,
}
