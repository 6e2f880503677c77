//! How often to look.

use crate::model::Timestamp;
use std::time::Duration;

/// The time from one look to the next: it grows while nothing happens, so that a short wait ends soon
/// and a long one costs few calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The time before the second look.
    pub shortest: Duration,
    /// The longest time between two looks.
    pub longest: Duration,
}

impl Pace {
    /// For a cloud whose calls cost nothing, on this machine.
    pub const NEAR: Self = Self {
        shortest: Duration::from_millis(50),
        longest: Duration::from_millis(500),
    };

    /// For a cloud whose calls are counted, across a network.
    pub const FAR: Self = Self {
        shortest: Duration::from_secs(1),
        longest: Duration::from_secs(10),
    };

    /// The time before look number `look`, counted from 0 since something last happened. Each is
    /// half as long again as the one before. FAR: 1s, 1.5s, 2.25s, ... 10s.
    #[must_use]
    pub fn before(self, look: u32) -> Duration {
        let grown = (0..look.min(32)).fold(self.shortest, |pause, _| pause + pause / 2);
        grown.min(self.longest)
    }

    /// The time until a look is due, where the longest pause is reached: not later, and at a moment
    /// that all fleets of one apply share, so that a cloud that joins what is asked at the same time
    /// is asked once. FAR, at 12:00:03: 7s.
    #[must_use]
    pub fn in_step(self, pause: Duration, now: Timestamp) -> Duration {
        if pause < self.longest {
            return pause;
        }
        let longest = u64::try_from(self.longest.as_millis()).unwrap_or(u64::MAX);
        let over = now.milliseconds().checked_rem(longest).unwrap_or(0);
        self.longest - Duration::from_millis(over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_by_half_up_to_the_longest() {
        let pauses: Vec<u128> = (0..8)
            .map(|look| Pace::FAR.before(look).as_millis())
            .collect();
        assert_eq!(pauses, [1000, 1500, 2250, 3375, 5062, 7593, 10_000, 10_000]);
        assert_eq!(Pace::FAR.before(u32::MAX), Pace::FAR.longest);
    }

    #[test]
    fn long_pauses_end_at_the_same_moments_for_everyone() {
        let long = Pace::FAR.longest;
        for (now, pause) in [(60_000, 10_000), (63_000, 7_000), (69_999, 1)] {
            let pause = Duration::from_millis(pause);
            let now = Timestamp::from_milliseconds(now);
            assert_eq!(Pace::FAR.in_step(long, now), pause);
        }
        let short = Duration::from_secs(1);
        let now = Timestamp::from_milliseconds(63_000);
        assert_eq!(Pace::FAR.in_step(short, now), short);
    }
}
