//! The nouns that every other module shares: names, numbers, releases, launch templates.
//!
//! They know nothing of Terraform, of a cloud's calls or of how a rollout is decided.

mod constraint;
mod count;
mod fingerprint;
mod health_check;
mod launch_template;
mod name;
mod number;
mod release;
mod sbom;
mod scaling;
mod settings;
mod timestamp;
mod version;
mod weight;

pub use constraint::{Constraint, InvalidConstraint};
pub use count::{CountOrShare, InvalidCount};
pub use fingerprint::Fingerprint;
pub use health_check::HealthCheck;
pub use launch_template::{AwsLaunch, LaunchTemplate, LocalLaunch, Platform, RootVolume};
pub use name::{FleetName, InvalidName, LineName, MemberId};
pub use number::GenerationNumber;
pub use release::{ImageSource, InvalidReleaseId, Line, Release, ReleaseId, ReleaseRef};
pub use sbom::{Package, Sbom};
pub use scaling::{Scaling, Tracking};
pub use settings::{Front, Protocol, Settings};
pub use timestamp::Timestamp;
pub use version::{Scheme, compare};
pub(crate) use weight::nonzero;
pub use weight::{Weight, Weights};
