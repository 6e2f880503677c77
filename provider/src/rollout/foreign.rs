//! What someone else changed of what we own, and how a user accepts it.
//!
//! A change that the plan showed and the user approved is adopted as if we had written it, and the
//! rollout goes on from there. Any other one halts.

use super::traffic::{Flow, SHOWS_WITHIN};
use super::{Action, Decision, Division, Reason, World, live};
use crate::model::{GenerationNumber, Weights};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What someone else changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Foreign {
    /// The weights; absent: they are ours.
    pub weights: Option<ForeignWeights>,
    /// The capacities, by generation; one that is not named is ours.
    pub capacity: BTreeMap<GenerationNumber, ForeignCapacity>,
}

/// Weights that someone else wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignWeights {
    /// The weights in force.
    pub shown: Weights,
    /// The weights that we wrote.
    pub written: Weights,
}

/// A capacity that someone else wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignCapacity {
    /// The members that the cloud is told to keep.
    pub shown: u32,
    /// The members that we wrote.
    pub written: u32,
}

impl Foreign {
    /// Finds what is foreign in a world. What still shows the state before our last write is not,
    /// for as long as a cloud may lag; nor are sizes, in a fleet whose size changes by itself.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let weights = match Flow::of(world, false) {
            Flow::Foreign { shown, written } => Some(ForeignWeights { shown, written }),
            Flow::NoFront
            | Flow::InForce { .. }
            | Flow::NotShown { .. }
            | Flow::Unreadable { .. } => None,
        };
        let is_ours = |generation: &super::Generation| {
            let is_fresh = world.now < generation.resized_at + SHOWS_WITHIN;
            generation.desired == generation.wanted
                || (is_fresh && generation.desired == generation.wanted_before)
                || generation.draining_since.is_some()
                || live::is_live(world)
        };
        let capacity = world
            .generations
            .iter()
            .filter(|(_, generation)| !is_ours(generation))
            .map(|(number, generation)| {
                let capacity = ForeignCapacity {
                    shown: generation.desired,
                    written: generation.wanted,
                };
                (*number, capacity)
            })
            .collect();
        Self { weights, capacity }
    }

    /// Whether everything is ours.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weights.is_none() && self.capacity.is_empty()
    }
}

/// Decides to adopt what is foreign in a world and was accepted exactly so; absent: there is nothing
/// to adopt. It comes before [`decide`](super::decide), which halts at what is left.
#[must_use]
pub fn adopt(world: &World, accepted: &Foreign) -> Option<Decision> {
    let foreign = Foreign::of(world);
    let weights = foreign
        .weights
        .filter(|weights| accepted.weights.as_ref() == Some(weights));
    if let Some(ForeignWeights { shown, written }) = weights {
        let reason = Reason::Adopted {
            shown: Division(&shown).to_string(),
            written: Division(&written).to_string(),
        };
        let action = Action::ShiftTraffic {
            weights: shown.clone(),
            before: shown,
        };
        return Some(Decision::act(action, reason));
    }
    let (number, capacity) = foreign
        .capacity
        .into_iter()
        .find(|(number, capacity)| accepted.capacity.get(number) == Some(capacity))?;
    let reason = Reason::Adopted {
        shown: format!("{} members", capacity.shown),
        written: capacity.written.to_string(),
    };
    let action = Action::ResizeGeneration {
        number,
        size: capacity.shown,
    };
    Some(Decision::act(action, reason))
}
