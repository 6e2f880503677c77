//! A point in time.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Add;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time in milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Returns the time `milliseconds` after the epoch.
    #[must_use]
    pub const fn from_milliseconds(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Returns the milliseconds since the epoch.
    #[must_use]
    pub const fn milliseconds(self) -> u64 {
        self.0
    }

    /// Returns how long ago `earlier` was; nothing has passed when it lies in the future, as it may
    /// where two machines' clocks differ.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(milliseconds))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Writes RFC 3339 in UTC with whole seconds: `2026-05-01T12:00:00Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The formatter knows the years up to 9999 only; a later time is shown as the last of them.
        const LAST: u64 = 253_402_300_799;
        let seconds = Duration::from_secs((self.0 / 1000).min(LAST));
        write!(
            f,
            "{}",
            humantime::format_rfc3339_seconds(UNIX_EPOCH + seconds)
        )
    }
}
