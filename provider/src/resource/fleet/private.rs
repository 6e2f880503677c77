//! What stays beside the state for the plan and the apply that follow a reading, and is no part of
//! what users read: it is kept in Terraform's private data.

use super::attributes::Role;
use super::observed::View;
use crate::model::GenerationNumber;
use crate::rollout::{Foreign, HoldPoint, World};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What was true when the fleet was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Private {
    /// What someone else had changed: applying a plan accepts what that plan has shown and nothing
    /// later.
    pub(super) foreign: Foreign,
    /// How long earlier generations had been kept warm. Whether their time is over depends on the
    /// `keep_previous` of the configuration that is planned next.
    pub(super) kept_for: BTreeMap<GenerationNumber, Duration>,
    /// The generations that take no traffic in a fleet that does: it was one of workers before.
    #[serde(default)]
    pub(super) workers: BTreeSet<GenerationNumber>,
    /// Where the rollout rested: applying a plan goes on past the hold that the plan has seen, and
    /// past no other.
    #[serde(default)]
    pub(super) held: Option<HoldPoint>,
}

impl Private {
    /// Returns what is true now.
    pub(super) fn of(view: &View<'_>) -> Self {
        let World {
            now, generations, ..
        } = view.world;
        let kept = generations.iter().filter_map(|(number, generation)| {
            let (role, since) = view.role(*number, generation);
            (role == Role::Previous).then(|| (*number, now.since(since)))
        });
        let settings = view.world.settings.as_ref();
        let has_front = settings.is_some_and(|settings| settings.front.is_some());
        let workers = generations
            .iter()
            .filter(|(_, it)| has_front && !it.takes_traffic);
        Self {
            foreign: Foreign::of(view.world),
            kept_for: kept.collect(),
            workers: workers.map(|(number, _)| *number).collect(),
            held: view.held,
        }
    }

    /// Reads private data. What cannot be read is as good as none: nothing is accepted then.
    pub(super) fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    /// Returns it as Terraform stores it; nothing to know takes no room.
    pub(super) fn bytes(&self) -> Vec<u8> {
        if *self == Self::default() {
            return Vec::new();
        }
        serde_json::to_vec(self).unwrap_or_default()
    }
}
