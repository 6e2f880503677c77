//! What an apply is up to, for those who come without its configuration.

use super::{FleetGoal, Policy};
use serde::{Deserialize, Serialize};

/// What the last apply wanted of a fleet, and its limits. It is left in the world so that a person
/// without the configuration can see where a rollout stands, and take it on or back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The goal, without how members are started: nothing is made of an intent.
    pub goal: FleetGoal,
    /// The limits on the way.
    pub policy: Policy,
}

impl Intent {
    /// Returns what there is to leave of a goal.
    #[must_use]
    pub fn of(goal: &FleetGoal, policy: &Policy) -> Self {
        let goal = FleetGoal {
            launch: None,
            beyond: None,
            ..goal.clone()
        };
        Self {
            goal,
            policy: policy.clone(),
        }
    }
}
