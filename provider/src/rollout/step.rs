//! What comes next and why.

use super::{Action, HoldPoint, Reason};
use crate::model::Timestamp;

/// The answer of [`decide`](super::decide).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What comes next.
    pub step: Step,
    /// Why.
    pub reason: Reason,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "one step exists at a time, and a box would be in the way of every match"
)]
pub enum Step {
    /// Change the fleet, then look again.
    Act(Action),
    /// Change nothing, and look again from time to time.
    Wait {
        /// The moment at which waiting ends one way or the other.
        until: Timestamp,
        /// The moment at which it is over if all goes on like this; absent: not foreseeable.
        expected: Option<Timestamp>,
    },
    /// Change nothing: a person must look.
    Halt,
    /// The rollout rests where its policy says so; the next apply goes on.
    Held,
    /// The goal was tried and rolled back; it is not tried again until it changes.
    RolledBack,
    /// The goal holds.
    Done,
}

impl Decision {
    pub(crate) fn act(action: Action, reason: Reason) -> Self {
        Self {
            step: Step::Act(action),
            reason,
        }
    }

    pub(crate) fn wait(until: Timestamp, expected: Option<Timestamp>, reason: Reason) -> Self {
        Self {
            step: Step::Wait { until, expected },
            reason,
        }
    }

    pub(crate) fn held(point: HoldPoint) -> Self {
        Self {
            step: Step::Held,
            reason: Reason::Held(point),
        }
    }

    /// Makes a halt of a wait whose time is over.
    pub(crate) fn halted_after(self, now: Timestamp) -> Self {
        match self.step {
            Step::Wait { until, .. } if until <= now => Self::halt(self.reason),
            Step::Act(_)
            | Step::Wait { .. }
            | Step::Halt
            | Step::Held
            | Step::RolledBack
            | Step::Done => self,
        }
    }

    pub(crate) fn is_wait(&self) -> bool {
        matches!(self.step, Step::Wait { .. })
    }

    pub(crate) fn halt(reason: Reason) -> Self {
        Self {
            step: Step::Halt,
            reason,
        }
    }
}
