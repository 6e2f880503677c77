//! A cloud in memory, in time of its own, with faults on demand: for tests alone.
//!
//! It is the strictest cloud: what the contract allows to go wrong can go wrong here, and an action
//! whose precondition does not hold is refused. [`Fleet`] is the plain machine, which searches step
//! through directly; [`Sim`] is that machine behind the [`Cloud`](super::Cloud) trait.

mod act;
mod clock;
mod faults;
mod fleet;
mod library;
mod member;
mod service;

pub use act::Refusal;
pub use clock::SimClock;
pub use faults::{Dice, Event, Faults};
pub use fleet::{Fleet, Generation};
pub use member::{Fate, Member};
pub use service::Sim;
