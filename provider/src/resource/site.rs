//! Where resources live: what the configured provider is to them.

use crate::cloud::Cloud;
use crate::diagnostic::Diagnostic;
use crate::driver::{Clock, Pace};
use crate::model::FleetName;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The kinds of clouds that users choose from. What differs between them for a resource is asked
/// here and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudKind {
    /// This machine.
    Local,
    /// Amazon Web Services.
    Aws,
}

impl CloudKind {
    /// Returns the name of its block, in the provider and in a fleet.
    #[must_use]
    pub fn block(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Aws => "aws",
        }
    }

    /// Returns its usual timing.
    #[must_use]
    pub fn timing(self) -> Timing {
        match self {
            Self::Local => Timing::LOCAL,
            Self::Aws => Timing::AWS,
        }
    }
}

/// How often a site is asked, and when what it answers is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How often it is asked.
    pub pace: Pace,
    /// How long weights that were written and read back may take until the front goes by them.
    pub settle: Duration,
}

impl Timing {
    /// This machine: the front is told and asked in one process, so what it answers is in force.
    pub const LOCAL: Self = Self {
        pace: Pace::NEAR,
        settle: Duration::ZERO,
    };

    /// AWS: its load balancers tell of new weights before all of their nodes have them, and requests
    /// have failed for up to two minutes after.
    pub const AWS: Self = Self {
        pace: Pace::FAR,
        settle: Duration::from_secs(120),
    };

    /// An emulator of AWS on this machine.
    pub const EMULATOR: Self = Self {
        pace: Pace::NEAR,
        settle: Duration::from_secs(1),
    };
}

/// A cloud and what the provider says about everything that is made there.
#[derive(Clone)]
pub struct Site {
    /// Its kind.
    pub kind: CloudKind,
    /// Where in that cloud, as `image_ids` names it: a region, or `local`.
    pub region: String,
    /// How often it is asked and how soon it is believed.
    pub timing: Timing,
    /// The cloud itself.
    pub cloud: Arc<dyn Cloud>,
    /// What tells the time while something is waited for there.
    pub clock: Arc<dyn Clock>,
    /// Tags of everything made there; a resource's own tags win.
    pub default_tags: BTreeMap<String, String>,
    /// What creates have found there and taken over.
    pub adopted: Adopted,
}

/// The fleets that were to be made and were there already, since the provider was configured: what an
/// apply has taken over it does not destroy. A replacement that creates before it destroys would.
#[derive(Debug, Clone, Default)]
pub struct Adopted(Arc<Mutex<BTreeSet<FleetName>>>);

impl Adopted {
    pub(super) fn add(&self, fleet: &FleetName) {
        self.lock().insert(fleet.clone());
    }

    pub(super) fn holds(&self, fleet: &FleetName) -> bool {
        self.lock().contains(fleet)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<FleetName>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("kind", &self.kind)
            .field("region", &self.region)
            .field("timing", &self.timing)
            .field("default_tags", &self.default_tags)
            .finish_non_exhaustive()
    }
}

/// What configuring the provider made.
#[derive(Debug, Clone)]
pub enum Configured {
    /// The settings are known.
    Site(Site),
    /// A setting is not known before apply. Plans go on without the cloud; what needs it fails.
    NotYet,
}

impl Configured {
    /// Returns the site if the provider's settings are known.
    #[must_use]
    pub fn known(&self) -> Option<&Site> {
        match self {
            Self::Site(site) => Some(site),
            Self::NotYet => None,
        }
    }

    /// Returns the site for a call that cannot do without: `operation` completes "could not".
    ///
    /// # Errors
    /// A setting of the provider is not known yet; the user applies what it comes from first.
    pub fn site(&self, operation: &str) -> Result<&Site, Diagnostic> {
        self.known().ok_or_else(|| {
            Diagnostic::error(
                format!("Could not {operation}: the provider's settings are not known yet"),
                "The configuration of the provider \"immutable\" refers to a value that is only \
                 known after apply, and this cannot be done without the cloud. Apply what the \
                 value comes from first, with terraform apply -target=..., or write the value \
                 itself.",
            )
        })
    }
}
