//! The engine: pure decisions about a fleet's next step.
//!
//! It knows nothing of clouds' calls, of Terraform, of time but what the world says, and it does
//! nothing itself. Start reading at [`decide`].

mod action;
mod advance;
mod capacity;
mod clear;
mod condemn;
mod decide;
mod dismantle;
mod forecast;
mod foreign;
mod gate;
mod glass;
mod goal;
mod health;
mod ideal;
mod intent;
pub mod invariant;
mod live;
mod patience;
mod policy;
mod reason;
mod request;
mod roles;
mod steady;
mod step;
mod successor;
#[cfg(test)]
mod tests;
mod traffic;
mod verdict;
mod wording;
mod world;

pub use action::{Action, Cause};
pub use capacity::Capacity;
pub use decide::{decide, refused};
pub use forecast::{Forecast, Foreseen, Moment, Place, forecast};
pub use foreign::{Foreign, ForeignCapacity, ForeignWeights, adopt};
pub use goal::{FleetGoal, Goal};
pub use health::{Headcount, Health};
pub use intent::Intent;
pub use policy::{CanaryStep, Hold, HoldPoint, Policy, Strategy};
pub use reason::{Division, Going, Reason, Words};
pub use request::{Request, Wish};
pub use step::{Decision, Step};
pub use verdict::{Promotion, Tried};
pub use wording::{members, wording};
pub use world::{
    AlarmState, Condemned, Generation, Member, MemberState, Parked, RolloutFailure, Traffic, World,
};
