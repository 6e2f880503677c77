//! One member's life, a function of time.

use crate::model::{MemberId, Timestamp};
use crate::rollout::{self, MemberState};
use std::time::Duration;

/// How long a member that could not be started or ended is remembered.
const REMEMBERED: Duration = Duration::from_secs(900);

/// How a member fares, counted from its launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fate {
    /// When it runs.
    pub boots: Duration,
    /// When it passes its first check, not before it runs; absent: never.
    pub ready: Option<Duration>,
    /// When it ends by itself; absent: it does not.
    pub exits: Option<Duration>,
}

impl Fate {
    /// Boots in `boots` and is well at once.
    #[must_use]
    pub fn well(boots: Duration) -> Self {
        Self {
            boots,
            ready: Some(boots),
            exits: None,
        }
    }

    /// Boots and never gets healthy.
    #[must_use]
    pub fn sick(boots: Duration) -> Self {
        Self {
            ready: None,
            ..Self::well(boots)
        }
    }

    /// Ends by itself after a while.
    #[must_use]
    pub fn exiting(boots: Duration, exits: Duration) -> Self {
        Self {
            exits: Some(exits),
            ..Self::well(boots)
        }
    }
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member {
    /// Counted over the whole fleet.
    pub index: u32,
    /// When it was launched.
    pub launched_at: Timestamp,
    /// How it fares.
    pub fate: Fate,
    /// Since when it fails its checks although it was well.
    pub ill_since: Option<Timestamp>,
    /// Until when it finishes what it serves; absent: it was not told to go.
    pub leaves_at: Option<Timestamp>,
    /// When it ended by itself.
    pub ended_at: Option<Timestamp>,
    /// How it differs from its image.
    pub drift: Option<String>,
}

impl Member {
    pub(super) fn launched(index: u32, launched_at: Timestamp, fate: Fate) -> Self {
        Self {
            index,
            launched_at,
            fate,
            ill_since: None,
            leaves_at: None,
            ended_at: None,
            drift: None,
        }
    }

    /// Whether it counts for its generation's capacity.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.leaves_at.is_none() && self.ended_at.is_none()
    }

    /// When it will end by itself; absent: never, or it has.
    pub(super) fn ends_at(&self) -> Option<Timestamp> {
        self.fate
            .exits
            .filter(|_| self.ended_at.is_none())
            .map(|exits| self.launched_at + exits.max(Duration::from_secs(1)))
    }

    /// Whether it is gone and forgotten.
    pub(super) fn is_forgotten(&self, now: Timestamp) -> bool {
        self.leaves_at.is_some_and(|at| at <= now)
            || self.ended_at.is_some_and(|at| at + REMEMBERED <= now)
    }

    /// Since when it passes its checks.
    #[must_use]
    pub fn healthy_since(&self, now: Timestamp) -> Option<Timestamp> {
        let since = self.launched_at + self.fate.ready?.max(self.fate.boots);
        (since <= now && self.ill_since.is_none() && self.ended_at.is_none()).then_some(since)
    }

    fn state(&self, now: Timestamp) -> MemberState {
        if self.ended_at.is_some() {
            MemberState::Failed
        } else if self.leaves_at.is_some() {
            MemberState::Leaving
        } else if now < self.launched_at + self.fate.boots {
            MemberState::Launching
        } else {
            MemberState::Running
        }
    }

    pub(super) fn id(&self) -> MemberId {
        MemberId(format!("m{}", self.index))
    }

    /// As the contract tells it.
    pub(super) fn told(&self, now: Timestamp, interval: Duration) -> rollout::Member {
        let healthy_since = self.healthy_since(now);
        let state = self.state(now);
        rollout::Member {
            id: self.id(),
            state,
            launched_at: self.launched_at,
            streak: healthy_since.map_or(0, |since| 1 + checks(now.since(since), interval)),
            healthy_since,
            ill_since: self.ill_since.filter(|_| state == MemberState::Running),
            last_error: match state {
                MemberState::Failed => Some("exited with status 1".to_owned()),
                MemberState::Running if healthy_since.is_none() => Some("answered 500".to_owned()),
                MemberState::Running
                | MemberState::Launching
                | MemberState::Leaving
                | MemberState::Parked => None,
            },
            drift: self.drift.clone(),
        }
    }
}

fn checks(well_for: Duration, interval: Duration) -> u32 {
    let checks = well_for.as_millis() / interval.as_millis().max(1);
    u32::try_from(checks).unwrap_or(u32::MAX - 1)
}
