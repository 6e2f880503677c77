//! Who may change a fleet.

use crate::model::Timestamp;
use serde::{Deserialize, Serialize};

/// Who holds a lease, in words for a person: `apply on build-7, process 4711`. Two processes never
/// share one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Holder(pub String);

/// The proof of a lease that every change carries. It grows with every change of the holder, so a
/// change that comes late from an earlier holder is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);

/// The right to change one fleet until a point in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The proof to carry.
    pub fence: Fence,
    /// The end, by the cloud's clock.
    pub until: Timestamp,
}
