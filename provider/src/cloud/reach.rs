//! Where else a release shall be, and who else may run it.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The places and accounts that a release is brought to from where it was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reach {
    /// The regions that get a copy, each with the key that encrypts it; absent: encrypted as its
    /// source is.
    pub regions: BTreeMap<String, Option<String>>,
    /// The accounts that may run the release, in every region.
    pub accounts: BTreeSet<String>,
    /// Tags of what is made on the way.
    pub tags: BTreeMap<String, String>,
}
