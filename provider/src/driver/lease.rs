//! The right to change a fleet, kept for as long as a run lasts.

use super::{Driver, Order};
use crate::cloud::{Fence, Lease, Result};
use crate::model::Timestamp;
use std::time::Duration;

/// How long a lease lasts without being prolonged: what a second process waits after the first one
/// was killed. It is several times the longest call, so that a slow call does not lose it.
const LASTS: Duration = Duration::from_secs(90);

/// A lease is prolonged when this much of it is over.
const PROLONGED_AFTER: Duration = Duration::from_secs(30);

/// A lease that is ours, with when we took it by our own clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) fence: Fence,
    taken_at: Timestamp,
}

impl Held {
    /// Takes or prolongs a fleet's lease.
    pub(super) async fn take(driver: &Driver<'_>, order: &Order) -> Result<Self> {
        let taken_at = driver.clock.now();
        let Lease { fence, .. } = driver
            .cloud
            .take_lease(&order.fleet, &order.holder, LASTS)
            .await?;
        Ok(Self { fence, taken_at })
    }

    /// Whether it should be prolonged by now.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now.since(self.taken_at) >= PROLONGED_AFTER
    }
}
