//! Since when members are well.
//!
//! A target group tells that a member is well, not since when, and calls a new one well after a single
//! success. So this process remembers what it saw. A member that it saw ill counts from the look at
//! which it was well again. One that it never saw ill counts from its launch: a process that goes on
//! with another one's rollout must not take members that have served for an hour for new ones. The
//! target group itself stands for the time before, for it calls a member that fell ill well again only
//! after as many successes as the streak asks for.

use crate::model::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What is remembered of members, by instance id.
#[derive(Debug, Default)]
pub(super) struct Streaks {
    seen: Mutex<BTreeMap<String, Seen>>,
}

#[derive(Debug, Clone)]
struct Seen {
    /// Absent: it was ill at the last look.
    since: Option<Timestamp>,
    /// The first of the looks in a row at which it was ill, where it may have been well before.
    ill_since: Option<Timestamp>,
    error: Option<String>,
    at: Timestamp,
}

/// A member that nobody asked about for so long is gone.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

/// A member that is found ill at the first look so long after its launch has been well, most likely.
const SURELY_LAUNCHED: Duration = Duration::from_secs(3600);

/// What a look found of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// It is well.
    Well,
    /// It is not, or not yet.
    Ill(Option<String>),
}

/// How a member fares over all looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Streak {
    /// Successes in a row, one for each interval of the check.
    pub(super) count: u32,
    pub(super) since: Option<Timestamp>,
    pub(super) ill_since: Option<Timestamp>,
    pub(super) last_error: Option<String>,
}

impl Streaks {
    /// Remembers what a look found and tells the streak.
    pub(super) fn after(
        &self,
        id: &str,
        (launched_at, now): (Timestamp, Timestamp),
        interval: Duration,
        found: &Found,
    ) -> Streak {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, one| now.since(one.at) < FORGOTTEN_AFTER);
        let earlier = seen.get(id);
        let next = match found {
            Found::Well => Seen {
                since: Some(match earlier {
                    None => launched_at.min(now),
                    Some(earlier) => earlier.since.unwrap_or(now),
                }),
                ill_since: None,
                error: earlier.and_then(|earlier| earlier.error.clone()),
                at: now,
            },
            Found::Ill(error) => Seen {
                since: None,
                ill_since: match earlier {
                    Some(earlier) if earlier.since.is_none() => earlier.ill_since,
                    // Its launch is as good as any moment for one that was never seen well; but one
                    // that a newer process finds ill long after that was well in between.
                    None if now.since(launched_at) < SURELY_LAUNCHED => None,
                    Some(_) | None => Some(now),
                },
                error: error
                    .clone()
                    .or_else(|| earlier.and_then(|earlier| earlier.error.clone())),
                at: now,
            },
        };
        let streak = Streak {
            count: next
                .since
                .map_or(0, |since| count(now.since(since), interval)),
            since: next.since,
            ill_since: next.ill_since,
            last_error: next.error.clone(),
        };
        seen.insert(id.to_owned(), next);
        streak
    }
}

/// Checks passed in a time. Well for 25s at an interval of 10s: 3, the first one included.
fn count(well_for: Duration, interval: Duration) -> u32 {
    let checks = well_for.as_millis() / interval.as_millis().max(1);
    u32::try_from(checks)
        .unwrap_or(u32::MAX - 1)
        .saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_milliseconds(seconds * 1000)
    }

    #[test]
    fn a_member_that_was_never_seen_ill_counts_from_its_launch() {
        let streaks = Streaks::default();
        let streak = streaks.after("i-1", (at(100), at(125)), INTERVAL, &Found::Well);
        assert_eq!((streak.count, streak.since), (3, Some(at(100))));
    }

    #[test]
    fn a_member_that_was_ill_counts_from_when_it_was_well_again() {
        let streaks = Streaks::default();
        let look = |now, found: &Found| streaks.after("i-1", (at(0), at(now)), INTERVAL, found);
        assert_eq!(look(100, &Found::Ill(None)).count, 0);
        assert_eq!(look(110, &Found::Well).count, 1);
        assert_eq!(look(130, &Found::Well).since, Some(at(110)));
        let ill = look(140, &Found::Ill(Some("answered 500".to_owned())));
        assert_eq!((ill.count, ill.since), (0, None));
        assert_eq!(ill.ill_since, Some(at(140)));
        assert_eq!(look(145, &Found::Ill(None)).ill_since, Some(at(140)));
        let well = look(150, &Found::Well);
        assert_eq!(well.last_error.as_deref(), Some("answered 500"));
        assert_eq!((well.count, well.since), (1, Some(at(150))));
        assert_eq!(well.ill_since, None);
    }

    #[test]
    fn one_that_is_found_ill_long_after_its_launch_is_given_the_time_from_then_on() {
        let streaks = Streaks::default();
        let look = |id, now| streaks.after(id, (at(0), at(now)), INTERVAL, &Found::Ill(None));
        assert_eq!(look("i-launching", 60).ill_since, None);
        assert_eq!(look("i-launching", 3600).ill_since, None);
        assert_eq!(look("i-launching", 7000).ill_since, None);
        assert_eq!(look("i-served", 7000).ill_since, Some(at(7000)));
    }

    #[test]
    fn what_was_long_not_asked_about_is_forgotten() {
        let streaks = Streaks::default();
        let look = |id, now| streaks.after(id, (at(0), at(now)), INTERVAL, &Found::Well);
        look("i-1", 0);
        look("i-2", 4000);
        assert_eq!(streaks.seen.lock().map(|seen| seen.len()).ok(), Some(1));
    }
}
