//! The hash that tells generations apart.

use super::LaunchTemplate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// The hash of everything that makes members differ; only its change starts a rollout.
///
/// It is the first 16 hexadecimal digits of the SHA-256 of the launch template's canonical JSON:
/// keys in the order of their declaration, maps sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

impl Fingerprint {
    /// Returns the fingerprint of a launch template.
    #[must_use]
    pub fn of(launch: &LaunchTemplate) -> Self {
        let canonical = serde_json::to_vec(launch).expect("a launch template is always JSON");
        let digest = Sha256::digest(&canonical);
        Self(
            digest
                .iter()
                .take(8)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
