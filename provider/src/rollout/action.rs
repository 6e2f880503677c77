//! What can be done to a fleet. Nothing here could modify a member.

use super::Parked;
use crate::model::{Fingerprint, GenerationNumber, LaunchTemplate, MemberId, Settings, Weights};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One change to a fleet. Each is safe to repeat: doing it again where it has been done changes
/// nothing. What each means in detail is part of the contract of [`Cloud`](crate::cloud::Cloud).
#[expect(
    clippy::large_enum_variant,
    reason = "one action lives at a time, and the largest is one of each rollout"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Makes the fleet's own record, or sets it anew: front, thresholds of the
    /// checks, drain time. No member notices, for what each is asked is its generation's.
    Configure(Settings),
    /// Makes a generation with its first members, out of the traffic at weight 0.
    CreateGeneration {
        /// Its number: one above the highest ever given.
        number: GenerationNumber,
        /// What its members are started from.
        launch: LaunchTemplate,
        /// The hash of `launch`.
        fingerprint: Fingerprint,
        /// Members wanted.
        size: u32,
        /// How long a member may take to become healthy. Whoever replaces members between applies
        /// leaves new ones alone for as long.
        launch_deadline: Duration,
    },
    /// Changes how many members a generation has. Growing launches; shrinking drains and stops
    /// those first that differ from their image, then those that are not healthy, then the youngest,
    /// of a cloud with zones from the fullest. A cloud may go a part of the way at a time: the world
    /// then shows the size that was reached as the one that is wanted.
    ResizeGeneration {
        /// The generation.
        number: GenerationNumber,
        /// Members wanted.
        size: u32,
    },
    /// Divides the traffic anew. The cloud writes when the front shows `before` or `weights`, and
    /// fails with a conflict when it shows anything else. `weights` the same as `before` adopts what
    /// is in force as written by us.
    ShiftTraffic {
        /// The weights; they add up to 100, or none is named: no one gets traffic.
        weights: Weights,
        /// The weights that were in force when this was decided.
        before: Weights,
    },
    /// Records that a generation must go, and why: on the generation, and as the fleet's last failed
    /// rollout, which outlives it. The first verdict stands; another one changes nothing.
    Condemn {
        /// The generation.
        number: GenerationNumber,
        /// What is held against it.
        cause: Cause,
        /// The goal's retry token: the same is not tried again with it.
        retry: Option<String>,
    },
    /// Makes a generation the stable one and clears the record of the last failure. The one that was
    /// stable is retired at this moment; nothing else happens to it.
    Promote {
        /// The generation.
        number: GenerationNumber,
    },
    /// Tells a generation's members to finish what they serve; they get nothing new.
    DrainGeneration {
        /// The generation, at weight 0.
        number: GenerationNumber,
    },
    /// Removes a generation with its members and everything that was made for it.
    DestroyGeneration {
        /// The generation, at weight 0.
        number: GenerationNumber,
        /// A member to park instead of stopping it; absent: none. A fleet parks one at a time: an
        /// earlier one goes.
        park: Option<MemberId>,
    },
    /// Takes a member out of the traffic and out of its generation, for a person to look at, and
    /// records on it who that is. The generation keeps its size: another member is started. One that
    /// is not there any more is fine.
    Park(Parked),
    /// Removes a member that was parked; one that is gone is fine.
    Unpark {
        /// The member.
        member: MemberId,
    },
    /// Removes the fleet's own record and front, and parked members; no generation is left by then.
    DestroyFleet,
}

/// What is held against a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// One sentence with numbers: what happened.
    pub summary: String,
    /// The member that shows it; absent: no single one does.
    pub member: Option<MemberId>,
    /// The end of that member's output; empty: it wrote nothing or it was not asked.
    pub output: String,
}
