//! Shares of traffic.

use super::GenerationNumber;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A generation's share of the traffic in percent: 0..=100; 0 sends none.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Weight(u8);

impl Weight {
    /// No traffic.
    pub const NONE: Self = Self(0);
    /// All of the traffic.
    pub const ALL: Self = Self(100);

    /// Returns the weight of `percent`, or nothing when it is above 100.
    #[must_use]
    pub fn new(percent: u8) -> Option<Self> {
        (percent <= 100).then_some(Self(percent))
    }

    /// Returns the share in percent.
    #[must_use]
    pub fn percent(self) -> u8 {
        self.0
    }

    /// Returns what is left of the traffic beside this share.
    #[must_use]
    pub fn rest(self) -> Self {
        Self(100 - self.0)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// The traffic's division over generations. A generation that is not named gets none.
pub type Weights = BTreeMap<GenerationNumber, Weight>;

/// Weights without those that send nothing: a generation that is not named gets none either.
#[must_use]
pub(crate) fn nonzero(weights: &Weights) -> Weights {
    let sending = weights.iter().filter(|(_, weight)| **weight > Weight::NONE);
    sending.map(|(number, weight)| (*number, *weight)).collect()
}
