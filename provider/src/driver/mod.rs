//! The loop that brings a fleet to its goal: observe, decide, act, observe again.
//!
//! It knows no strategy and keeps no memory: another process that starts where this one died goes on.

mod clock;
mod ending;
mod lease;
mod pace;
mod progress;
mod run;

pub use clock::{Clock, MachineClock};
pub use ending::{Ending, Outcome};
pub use pace::Pace;
pub use progress::Progress;

use crate::cloud::{self, Cloud, Holder};
use crate::model::FleetName;
use crate::rollout::{Foreign, Goal, Intent, Policy};
use lease::Held;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What is needed to bring fleets to their goals.
pub struct Driver<'a> {
    /// Where the fleets are.
    pub cloud: &'a dyn Cloud,
    /// What tells the time and waits.
    pub clock: &'a dyn Clock,
    /// How often to look while waiting.
    pub pace: Pace,
    /// Who is told what is done and waited for.
    pub progress: Progress,
}

/// One fleet's way to its goal.
#[derive(Debug, Clone)]
pub struct Order {
    /// The fleet.
    pub fleet: FleetName,
    /// What shall become of it.
    pub goal: Goal,
    /// The limits on the way.
    pub policy: Policy,
    /// What someone else changed and the user approved in the plan; usually nothing.
    pub accepted: Foreign,
    /// Who gives the order; two processes never share a name.
    pub holder: Holder,
    /// How long it may take; then it ends where it stands, and a later order goes on.
    pub deadline: Duration,
    /// Ends it where it stands, at once in a wait and before the next change otherwise.
    pub cancel: CancellationToken,
}

impl Driver<'_> {
    /// Brings a fleet to its goal, or as far as it gets. It always tells what the fleet is like then.
    pub async fn run(&self, order: &Order) -> Outcome {
        run::Run::new(self, order).finish().await
    }

    /// Leaves in the world what an order wants and does nothing towards it: whoever comes without the
    /// configuration goes by that.
    ///
    /// # Errors
    /// Another process changes the fleet, or the cloud failed: what was left before stands.
    pub async fn leave_intent(&self, order: &Order) -> cloud::Result<()> {
        let Goal::Fleet(goal) = &order.goal else {
            return Ok(());
        };
        let lease = Held::take(self, order).await?;
        let intent = Intent::of(goal, &order.policy);
        let left = self.cloud.leave_intent(&order.fleet, lease.fence, &intent);
        let left = left.await;
        let released = self.cloud.release_lease(&order.fleet, lease.fence);
        if let Err(error) = released.await {
            tracing::warn!(fleet = %order.fleet, %error, "the lease stays until it expires");
        }
        left
    }
}
