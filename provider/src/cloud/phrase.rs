//! What an action is called where it could not be done.

use crate::model::Weights;
use crate::rollout::Action;

/// Says what an action does, as a phrase after "could not".
///
/// How a division of the traffic is said is each cloud's own.
pub(super) fn phrase(action: &Action, shares: impl Fn(&Weights) -> String) -> String {
    match action {
        Action::Configure(_) => "configure it".to_owned(),
        Action::CreateGeneration { number, .. } => format!("create generation {number}"),
        Action::ResizeGeneration { number, size } => {
            format!("resize generation {number} to {size}")
        }
        Action::ShiftTraffic { weights, .. } => {
            format!("shift the traffic to {}", shares(weights))
        }
        Action::Condemn { number, .. } => format!("condemn generation {number}"),
        Action::Promote { number } => format!("promote generation {number}"),
        Action::DrainGeneration { number } => format!("drain generation {number}"),
        Action::DestroyGeneration { number, .. } => format!("destroy generation {number}"),
        Action::Park(parked) => format!("take member {} out", parked.member),
        Action::Unpark { member } => format!("remove member {member}"),
        Action::DestroyFleet => "destroy it".to_owned(),
    }
}
