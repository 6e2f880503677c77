//! What is wanted of a fleet.

use super::HoldPoint;
use crate::model::{Fingerprint, LaunchTemplate, Settings};
use serde::{Deserialize, Serialize};

/// What shall become of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// It runs like this.
    Fleet(Box<FleetGoal>),
    /// It is gone with all that belongs to it.
    Absent,
}

/// A fleet as it shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetGoal {
    /// How its members are started; absent: not known, so that no generation can be made.
    pub launch: Option<LaunchTemplate>,
    /// The launch template's hash.
    pub fingerprint: Fingerprint,
    /// Members wanted; at least 1. Where the size changes by itself: members of the first generation.
    pub size: u32,
    /// Front and checks.
    pub settings: Settings,
    /// A token that tries a release again that was rolled back, when it differs from the token of
    /// the failed rollout.
    pub retry: Option<String>,
    /// Whether members that differ from their image are replaced; otherwise they are only reported.
    pub replace_drifted: bool,
    /// Where the rollout rested when this was planned: it goes on past that hold, and rests at any
    /// other. Absent: it rested nowhere.
    pub beyond: Option<HoldPoint>,
}
