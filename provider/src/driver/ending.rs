//! How a run ended.

use crate::cloud;
use crate::rollout::{Reason, RolloutFailure, World};
use std::fmt;

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// The fleet as it was seen last; absent: it could never be observed.
    pub world: Option<World>,
    /// What was done, each with its reason, in order.
    pub steps: Vec<String>,
}

/// How a run ended.
#[derive(Debug)]
pub enum Ending {
    /// The goal holds.
    Reached(Reason),
    /// It rests where its policy says so; the next run goes on.
    Held(Reason),
    /// The goal was tried and rolled back; trying again needs another release or retry token.
    RolledBack(Box<RolloutFailure>),
    /// A person must look; the reason says at what.
    Halted(Reason),
    /// It was told to stop; the next run goes on.
    Interrupted,
    /// Its time was over; the next run goes on. The reason is what it waited for last.
    TimedOut(Option<Reason>),
    /// Another process changes this fleet; the error names it.
    LeaseHeld(cloud::Error),
    /// The cloud refused, or failed for too long.
    CloudFailed(cloud::Error),
}

impl Ending {
    /// Whether the goal holds.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        matches!(self, Self::Reached(_))
    }
}

/// Says it as what a fleet's run came to: `reached its goal: generation 2 serves`.
impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reached(reason) => write!(f, "reached its goal: {reason}"),
            Self::Held(reason) => write!(f, "rests: {reason}"),
            Self::RolledBack(failure) => write!(
                f,
                "rolled generation {} back: {}",
                failure.generation, failure.cause.summary
            ),
            Self::Halted(reason) => write!(f, "stands still: {reason}"),
            Self::Interrupted => f.write_str("was told to stop"),
            Self::TimedOut(Some(reason)) => write!(f, "ran out of time: {reason}"),
            Self::TimedOut(None) => f.write_str("ran out of time"),
            Self::LeaseHeld(error) | Self::CloudFailed(error) => {
                write!(f, "{error}: {}", error.source)
            }
        }
    }
}
