//! The time, so that tests can have their own.

use crate::model::Timestamp;
use async_trait::async_trait;
use std::time::{Duration, SystemTime};

/// Tells the time and lets it pass.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Returns the time now.
    fn now(&self) -> Timestamp;

    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);
}

/// This machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct MachineClock;

#[async_trait]
impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        Timestamp::from(SystemTime::now())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
