//! Who decides how many members a fleet has.

use serde::{Deserialize, Serialize};

/// Who decides how many members a fleet has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// The configuration: any other size is someone else's doing.
    #[default]
    Configured,
    /// Someone else, whoever that is: any size is right.
    External,
    /// The cloud, after the load of the members.
    Tracking(Tracking),
}

/// A size that follows the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracking {
    /// Members at least; at least 1.
    pub min: u32,
    /// Members at most.
    pub max: u32,
    /// The average load of their processors that the size is kept for, in percent.
    pub cpu: u32,
}

impl Scaling {
    /// Whether the size changes by itself, so that what the fleet has is what it shall have.
    #[must_use]
    pub fn is_live(&self) -> bool {
        match self {
            Self::Configured => false,
            Self::External | Self::Tracking(_) => true,
        }
    }

    /// Whether the configuration decides; nothing is stored for it.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        !self.is_live()
    }
}
