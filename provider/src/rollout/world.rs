//! What is known of a fleet now.

use super::{Cause, Request};
use crate::model::{
    Fingerprint, GenerationNumber, MemberId, ReleaseRef, Settings, Timestamp, Weights,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that is known of one fleet at one moment. It holds the rollout's whole memory: no
/// process that decides about it remembers anything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// The moment of the observation, by the cloud's clock.
    pub now: Timestamp,
    /// What the fleet is set to; absent: there is no such fleet.
    pub settings: Option<Settings>,
    /// The generations that exist.
    pub generations: BTreeMap<GenerationNumber, Generation>,
    /// The generation that is trusted; absent: none has been promoted yet.
    pub stable: Option<GenerationNumber>,
    /// The highest number ever given to a generation; 0: none was made.
    pub latest: GenerationNumber,
    /// How the traffic is divided.
    pub traffic: Traffic,
    /// The alarms asked for, by name.
    pub alarms: BTreeMap<String, AlarmState>,
    /// The rollout that failed last; absent once a later one succeeded.
    pub failure: Option<RolloutFailure>,
    /// What a person has asked for last.
    #[serde(default)]
    pub request: Option<Request>,
    /// The members that a person took out of the traffic to look at.
    #[serde(default)]
    pub parked: Vec<Parked>,
}

impl World {
    /// Returns a world without the fleet.
    #[must_use]
    pub fn absent(now: Timestamp) -> Self {
        Self {
            now,
            settings: None,
            generations: BTreeMap::new(),
            stable: None,
            latest: GenerationNumber::default(),
            traffic: Traffic::None,
            alarms: BTreeMap::new(),
            failure: None,
            request: None,
            parked: Vec::new(),
        }
    }
}

/// One generation as the cloud tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// The hash of what its members are started from.
    pub fingerprint: Fingerprint,
    /// The release that its members run.
    pub release: ReleaseRef,
    /// The image of that release, in the cloud's words.
    pub image_id: String,
    /// Whether its members can take traffic: they listen on a port.
    pub takes_traffic: bool,
    /// The members it shall have: what we wrote last.
    pub wanted: u32,
    /// The members it had to have before we last changed that; the same as `wanted` when nothing was
    /// changed since its creation. It is what `desired` may still show while a change has not shown.
    pub wanted_before: u32,
    /// The members it shall have: what the cloud tells. A number that is neither `wanted` nor, for a
    /// while, `wanted_before` was written by someone else; where the size changes by itself, it is the
    /// size.
    pub desired: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its capacity was last changed by us; the creation counts.
    pub resized_at: Timestamp,
    /// Its members, those that leave included until they are gone.
    pub members: Vec<Member>,
    /// Why it must go; absent: it need not.
    pub condemned: Option<Condemned>,
    /// When it became the stable generation, last; absent: never.
    pub promoted_at: Option<Timestamp>,
    /// When another generation became stable in its place; absent: that has not happened since it was
    /// promoted last, because a promotion clears it.
    pub retired_at: Option<Timestamp>,
    /// When its members were told to finish what they serve; absent: they were not.
    pub draining_since: Option<Timestamp>,
    /// The requests or connections that its members still serve; absent: the cloud cannot tell.
    pub in_flight: Option<u64>,
}

/// One member as the cloud tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: MemberId,
    /// Where it is in its life.
    pub state: MemberState,
    /// When it was launched.
    pub launched_at: Timestamp,
    /// Checks that it passed in a row until now; 0: it was not asked yet, or failed. A cloud may
    /// forgive a member that was healthy a single failed check, as load balancers do.
    pub streak: u32,
    /// Since when it has passed every check; absent exactly when `streak` is 0.
    pub healthy_since: Option<Timestamp>,
    /// Since when it fails its checks although it passed them before; absent: it passes them, never
    /// did, or the cloud does not know.
    pub ill_since: Option<Timestamp>,
    /// What was wrong at the last failed check; absent: no check failed since it was launched.
    pub last_error: Option<String>,
    /// How it differs from its image or was touched by hand; absent: it does not and was not.
    pub drift: Option<String>,
}

/// Where a member is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// Asked for and not running yet.
    Launching,
    /// Running, healthy or not.
    Running,
    /// Taken out of its generation: it finishes what it serves and goes.
    Leaving,
    /// It could not be started or ended by itself; `last_error` says how. The cloud starts another
    /// in its place, and forgets this one after a while.
    Failed,
    /// Kept out of the traffic for a person to look at; it no longer counts for its generation.
    Parked,
}

/// How the traffic is divided over the generations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// The fleet has no front, or none yet.
    None,
    /// What the front was read to do.
    Known {
        /// The weights in force.
        weights: Weights,
        /// The weights that we wrote last. Other weights in force than these, where they are not
        /// `before` either, were written by someone else.
        written: Weights,
        /// The weights in force when we wrote last: what is still seen while a write has not shown.
        before: Weights,
        /// When we wrote last. Writing the same weights once more, for the case that the first
        /// attempt had no effect, does not move it; a wait that counts from here ends.
        written_at: Timestamp,
    },
    /// The front could not be read; nothing may be taken for shifted.
    Unreadable {
        /// The cloud's words.
        why: String,
    },
}

/// What an alarm says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmState {
    /// All is well.
    Quiet,
    /// It fires.
    Firing {
        /// The cloud's words.
        why: String,
    },
    /// It does not exist, has no data or could not be read. It is not a pass.
    Unreadable {
        /// The cloud's words.
        why: String,
    },
}

/// The verdict on a generation that must go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condemned {
    /// What is held against it.
    pub cause: Cause,
    /// When it was condemned.
    pub at: Timestamp,
}

/// A member that a person took out of the traffic to look at. Another one runs in its place, and it
/// never returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// The member.
    pub member: MemberId,
    /// The generation that it was one of.
    pub generation: GenerationNumber,
    /// The release that it runs.
    pub release: ReleaseRef,
    /// Who looks at it.
    pub by: String,
    /// Why, in that person's words.
    pub reason: String,
    /// Where more is written about it; empty: nowhere.
    pub ticket: String,
    /// When it goes, with the first apply after that.
    pub until: Timestamp,
}

/// A rollout that failed: what a later plan must know about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutFailure {
    /// The generation that was condemned.
    pub generation: GenerationNumber,
    /// What it was started from.
    pub fingerprint: Fingerprint,
    /// The release that it ran.
    pub release: ReleaseRef,
    /// The retry token of the goal that was driven when it failed; another token tries again.
    pub retry: Option<String>,
    /// What was held against it.
    pub cause: Cause,
    /// When it was condemned.
    pub at: Timestamp,
}
