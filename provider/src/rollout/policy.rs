//! The limits on the way to a goal.

use crate::model::{CountOrShare, GenerationNumber, Weight};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a new generation takes over, and how carefully.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The way traffic and capacity move.
    pub strategy: Strategy,
    /// Checks that a member must pass in a row before it counts as healthy; at least 1.
    pub streak: u32,
    /// How long it must have passed them for.
    pub steady: Duration,
    /// How long weights must have been in force before they are relied upon.
    pub settle: Duration,
    /// How long the candidate is watched at full weight before the earlier generation may go.
    pub bake: Duration,
    /// Alarms of which none may fire or be unreadable while a candidate has traffic.
    pub alarms: Vec<String>,
    /// How long a generation may take without one more healthy member.
    pub launch_deadline: Duration,
    /// How long requests in flight get before their member is stopped.
    pub drain: Duration,
    /// How long the earlier generation stays warm for an instant return; 0: not at all.
    pub keep_previous: Duration,
    /// Whether one failed member of a condemned generation is parked to be looked at.
    pub keep_failed: bool,
}

/// The way traffic and capacity move from one generation to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The candidate at full size beside the stable generation, then all of the traffic at once.
    BlueGreen,
    /// Traffic in steps, with the stable generation at full size until the last; 100 follows by
    /// itself.
    Canary {
        /// The steps before the last, their weights rising.
        steps: Vec<CanaryStep>,
    },
    /// Capacity in batches, traffic in proportion.
    Rolling {
        /// Members above the size, at most; at least 1 in effect.
        surge: CountOrShare,
        /// Healthy members, at least; a share rounds up, because the unavailability that it allows
        /// rounds down.
        min_healthy: CountOrShare,
    },
}

/// One notch of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryStep {
    /// The candidate's share.
    pub weight: Weight,
    /// How it is watched there.
    pub hold: Hold,
}

/// What ends the watching of a canary's step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// Time: it has been watched for so long.
    For(Duration),
    /// A person: the rollout rests there, and the next apply goes on.
    NextApply,
}

/// A place on a canary's way where the rollout rests until it is told to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldPoint {
    /// The candidate.
    pub generation: GenerationNumber,
    /// The weight that it is held at.
    pub weight: Weight,
}
