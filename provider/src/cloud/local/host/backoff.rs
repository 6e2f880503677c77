//! How soon a member that failed is replaced.

use std::time::{Duration, Instant};

/// The time after which a failure no longer counts.
const MEMORY: Duration = Duration::from_secs(60);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);

/// Counts one generation's failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    last: Option<Instant>,
}

impl Backoff {
    /// Whether another member may be launched now, given when members failed.
    pub(super) fn allows(&mut self, failed_at: &[Instant]) -> bool {
        self.count(failed_at);
        self.last.is_none_or(|last| last.elapsed() >= self.pause())
    }

    /// The first replacement comes at once, then 1 s, 2 s, 4 s ... up to 30 s.
    fn pause(&self) -> Duration {
        match self.failures {
            0 | 1 => Duration::ZERO,
            failures => Duration::from_secs(1 << (failures - 2).min(5)).min(LONGEST),
        }
    }

    fn count(&mut self, failed_at: &[Instant]) {
        let new = failed_at.iter().filter(|at| Some(**at) > self.last);
        let Some(latest) = new.max().copied() else {
            return;
        };
        // Members that fail together count once: the pause is for the loop, not for the size.
        let quiet = self.last.map(|last| latest.saturating_duration_since(last));
        self.failures = match quiet {
            Some(quiet) if quiet <= MEMORY => self.failures + 1,
            Some(_) | None => 1,
        };
        self.last = Some(latest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end() {
        let mut backoff = Backoff::default();
        let mut at = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            at += Duration::from_secs(1);
            backoff.count(&[at]);
            pauses.push(backoff.pause().as_secs());
        }
        assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_failure_after_a_quiet_minute_is_the_first_again() {
        let mut backoff = Backoff::default();
        let at = Instant::now();
        backoff.count(&[at]);
        backoff.count(&[at, at + Duration::from_secs(1)]);
        assert_eq!(backoff.pause(), Duration::from_secs(1));
        backoff.count(&[at + Duration::from_secs(90)]);
        assert_eq!(backoff.pause(), Duration::ZERO);
    }
}
