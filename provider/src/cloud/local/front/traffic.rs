//! Counts of what has passed through the front.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Running counts of one generation.
#[derive(Debug, Default)]
pub(super) struct Tally {
    served: AtomicU64,
    failed: AtomicU64,
    retried: AtomicU64,
    picks: AtomicUsize,
}

impl Tally {
    /// A number that grows with every pick, for taking turns.
    pub(super) fn next_pick(&self) -> usize {
        self.picks.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn count_served(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_retried(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self, in_flight: usize) -> GenerationTraffic {
        GenerationTraffic {
            served: self.served.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            retried: self.retried.load(Ordering::Relaxed),
            in_flight,
        }
    }
}

/// What one generation has done since it was first routed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GenerationTraffic {
    /// Requests whose answer, of whatever status, came from a member. In TCP mode: connections
    /// that reached a member.
    pub served: u64,
    /// Requests that the front had to answer with 502, because the member was unreachable or
    /// died and the request could not be repeated. In TCP mode: connections that reached none.
    pub failed: u64,
    /// Attempts that failed at a member of this generation and were repeated elsewhere; no
    /// client has seen them.
    pub retried: u64,
    /// Requests in flight now.
    pub in_flight: usize,
}

/// What has passed through a front.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// By generation number: those routed now, and those that left but still have requests in
    /// flight.
    pub generations: BTreeMap<u32, GenerationTraffic>,
    /// Requests answered with 503, because no generation with weight had an eligible member.
    pub unroutable: u64,
}
