//! A generation's number.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Numbers a fleet's generations: 1 is the first, a number is never used twice, 0 means "none yet".
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct GenerationNumber(pub u32);

impl GenerationNumber {
    /// Returns the number of the generation made after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for GenerationNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
