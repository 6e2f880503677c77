//! The functions of the provider: what module authors need of our words before anything is applied.

mod packer_artifact;
mod release_id;
mod rollout_preview;

use super::Functions;

pub use packer_artifact::{Manifest, PackerArtifact};
pub use release_id::{Id, MakeReleaseId, ParseReleaseId, Parsed, Parts};
pub use rollout_preview::{Change, PreviewedStep, RolloutPreview, StepKind};

/// All functions.
#[must_use]
pub fn all() -> Functions {
    Functions::none()
        .with(PackerArtifact)
        .with(MakeReleaseId)
        .with(ParseReleaseId)
        .with(RolloutPreview)
}
