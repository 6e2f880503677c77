//! A clock that runs only when someone sleeps.

use crate::model::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A clock on which time passes when someone sleeps, and at once.
#[derive(Debug, Default)]
pub struct SimClock(AtomicU64);

impl SimClock {
    /// Returns the time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_milliseconds(self.0.load(Ordering::SeqCst))
    }

    /// Lets time pass.
    pub fn pass(&self, duration: Duration) {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }
}
