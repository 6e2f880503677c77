//! What the weights that were read say about the weights that were written.

use super::{Traffic, World};
use crate::model::{GenerationNumber, Timestamp, Weight, Weights, nonzero};
use std::time::Duration;

/// How long weights may still read as they were before a write. Clouds show a write within seconds;
/// after two minutes the earlier weights are somebody's doing.
pub(crate) const SHOWS_WITHIN: Duration = Duration::from_secs(120);

/// How long a write is waited for before it is sent again: it may have been lost.
pub(crate) const SENT_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The traffic as far as it can be relied upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The fleet takes no traffic.
    NoFront,
    /// What we wrote is in force.
    InForce {
        /// The weights, without those of nothing.
        weights: Weights,
        /// When we wrote them.
        since: Timestamp,
    },
    /// What we wrote does not show yet.
    NotShown {
        /// The weights still in force.
        shown: Weights,
        /// The weights that we wrote.
        written: Weights,
        /// When we wrote them.
        since: Timestamp,
    },
    /// Someone else wrote.
    Foreign {
        /// The weights in force.
        shown: Weights,
        /// The weights that we wrote.
        written: Weights,
    },
    /// The front could not be read.
    Unreadable {
        /// The cloud's words.
        why: String,
    },
}

impl Flow {
    /// Reads a world's traffic; `has_front` says whether the fleet shall have any.
    #[must_use]
    pub(crate) fn of(world: &World, has_front: bool) -> Self {
        match &world.traffic {
            Traffic::None if has_front => Self::InForce {
                weights: Weights::new(),
                since: Timestamp::default(),
            },
            Traffic::None => Self::NoFront,
            Traffic::Unreadable { why } => Self::Unreadable { why: why.clone() },
            Traffic::Known {
                weights,
                written,
                before,
                written_at,
            } => {
                let (shown, written, before) =
                    (nonzero(weights), nonzero(written), nonzero(before));
                let is_fresh = world.now < *written_at + SHOWS_WITHIN;
                if shown == written {
                    Self::InForce {
                        weights: shown,
                        since: *written_at,
                    }
                } else if shown == before && is_fresh {
                    Self::NotShown {
                        shown,
                        written,
                        since: *written_at,
                    }
                } else {
                    Self::Foreign { shown, written }
                }
            }
        }
    }

    /// The largest weight that a generation has or may get any moment.
    #[must_use]
    pub(crate) fn weight(&self, number: GenerationNumber) -> Weight {
        let of = |weights: &Weights| weights.get(&number).copied().unwrap_or(Weight::NONE);
        match self {
            Self::NoFront | Self::Unreadable { .. } => Weight::NONE,
            Self::InForce { weights, .. } => of(weights),
            Self::NotShown { shown, written, .. } | Self::Foreign { shown, written } => {
                of(shown).max(of(written))
            }
        }
    }
}

/// The traffic on one generation alone.
#[must_use]
pub(crate) fn all_on(number: GenerationNumber) -> Weights {
    Weights::from([(number, Weight::ALL)])
}

/// The traffic on two generations: `weight` on the first, the rest on the second.
#[must_use]
pub(crate) fn divided(
    first: GenerationNumber,
    weight: Weight,
    second: GenerationNumber,
) -> Weights {
    nonzero(&Weights::from([(second, weight.rest()), (first, weight)]))
}
