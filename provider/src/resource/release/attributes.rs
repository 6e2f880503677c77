//! What users write about a line of images and what they read back: the contract of the resource.

use crate::model::{LineName, ReleaseId};
use crate::schema::{Applied, Attributes, Bounded, DurationText, Stage, Text};
use std::collections::BTreeMap;

/// A string map whose values may be unknown one by one.
pub type Map<S> = BTreeMap<String, <S as Stage>::Of<String>>;

/// A line of baked images and the release of it that is current. A version and its content belong
/// together for ever: a new `version` takes a new image in, tries it out, makes it current and
/// then removes what is beyond `keep`. Earlier releases stay for going back to.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct ImageRelease<S: Stage = Applied> {
    /// The line's name, unique within the cloud.
    #[tf(required, replace)]
    pub name: S::Of<LineName>,
    /// The version that is current. One that is still in `history` is gone back to without taking
    /// anything in.
    #[tf(required)]
    pub version: S::Of<Version>,
    /// Where the image comes from: exactly one of `path`, `image_id` and `packer_manifest`.
    #[tf(required)]
    pub source: S::Of<Source<S>>,
    /// Whatever tells where the image came from; stored with the release.
    #[tf(optional)]
    pub provenance: S::Of<Option<Map<S>>>,
    /// The software bill of materials of the image, CycloneDX or SPDX 2 in JSON, relative to the working
    /// directory. Its packages are stored with the release, once; `immutable_affected_fleets` asks for
    /// them. A release that was taken in without can still be given one.
    #[tf(optional)]
    pub sbom: S::Of<Option<String>>,
    /// Boots one throw-away member from a new image before the release is accepted.
    #[tf(optional)]
    pub verify: S::Of<Option<Verify<S>>>,
    /// Earlier releases kept for going back to.
    #[tf(optional, default = 3)]
    pub keep: S::Of<Bounded<0, 1_000>>,
    /// What only AWS needs to know.
    #[tf(optional)]
    pub aws: S::Of<Option<AwsRelease<S>>>,

    /// The current release: `name@version`. Known in the plan, so that what depends on it plans
    /// fully.
    #[tf(computed)]
    pub id: S::Of<Option<String>>,
    /// The current release's image.
    #[tf(computed)]
    pub image_id: S::Of<Option<String>>,
    /// The current release's images by region; on the local cloud the one image under `local`.
    #[tf(computed)]
    pub image_ids: S::Of<Option<BTreeMap<String, String>>>,
    /// The hash of the current release's content.
    #[tf(computed)]
    pub digest: S::Of<Option<String>>,
    /// The architecture that the current release runs on.
    #[tf(computed)]
    pub architecture: S::Of<Option<String>>,
    /// When the current release was accepted.
    #[tf(computed)]
    pub released_at: S::Of<Option<String>>,
    /// The releases kept, the newest first.
    #[tf(computed)]
    pub history: S::Of<Option<Vec<Past<S>>>>,
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Source<S: Stage = Applied> {
    /// A file, a directory or a `.tar`, `.tar.gz` or `.tar.zst` archive, relative to the working
    /// directory; for the local cloud.
    #[tf(optional)]
    pub path: S::Of<Option<String>>,
    /// An image that the cloud has already; for AWS.
    #[tf(optional)]
    pub image_id: S::Of<Option<String>>,
    /// A manifest of Packer's `manifest` post-processor, relative to the working directory: the
    /// artifact of its last run.
    #[tf(optional)]
    pub packer_manifest: S::Of<Option<String>>,
    /// Which build of that run, where there are several.
    #[tf(optional)]
    pub packer_build: S::Of<Option<String>>,
}

/// How a throw-away member is asked whether it is well.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Verify<S: Stage = Applied> {
    /// The port that it listens on. On the local cloud it gets a free port as `PORT`.
    #[tf(required)]
    pub port: S::Of<Bounded<1, 65_535>>,
    /// The HTTP path that must answer 2xx or 3xx. Without it the port must accept a connection.
    #[tf(optional)]
    pub path: S::Of<Option<String>>,
    /// For the local cloud: the program, relative to the image's root, and its arguments. Without it
    /// the image's only executable file is started.
    #[tf(optional)]
    pub command: S::Of<Option<Vec<S::Of<String>>>>,
    /// How long it has until it is well.
    #[tf(optional, default = "5m")]
    pub timeout: S::Of<DurationText>,
}

/// What only AWS needs to know about a release.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct AwsRelease<S: Stage = Applied> {
    /// Regions that get a copy of their own, which a fleet there runs. The provider's own region may
    /// be among them.
    #[tf(optional)]
    pub copy_to: S::Of<Option<Vec<S::Of<String>>>>,
    /// The keys that encrypt the copies, by region: an id, an ARN or an alias there. Without one a
    /// copy is encrypted as its source is.
    #[tf(optional)]
    pub kms_keys: S::Of<Option<Map<S>>>,
    /// Accounts that may run the images and copy them, in every region.
    #[tf(optional)]
    pub share_with: S::Of<Option<Vec<S::Of<String>>>>,
    /// How the throw-away member of `verify` is started.
    #[tf(optional)]
    pub verify: S::Of<Option<AwsVerify<S>>>,
}

/// How a throw-away member is started on AWS.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct AwsVerify<S: Stage = Applied> {
    /// Its instance type.
    #[tf(required)]
    pub instance_type: S::Of<String>,
    /// Its subnet.
    #[tf(required)]
    pub subnet_id: S::Of<String>,
    /// Its security groups.
    #[tf(optional)]
    pub security_group_ids: S::Of<Option<Vec<S::Of<String>>>>,
}

/// A release that is kept.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Past<S: Stage = Applied> {
    /// Its version.
    #[tf(computed)]
    pub version: S::Of<String>,
    /// `name@version`.
    #[tf(computed)]
    pub id: S::Of<String>,
    /// Its image.
    #[tf(computed)]
    pub image_id: S::Of<String>,
    /// The hash of its content.
    #[tf(computed)]
    pub digest: S::Of<String>,
    /// When it was accepted.
    #[tf(computed)]
    pub released_at: S::Of<String>,
    /// What was stored with it.
    #[tf(computed)]
    pub provenance: S::Of<BTreeMap<String, String>>,
}

/// A version within a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// The version as the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Text for Version {
    const ACCEPTS: &'static str =
        "1 to 64 letters, digits, dots, dashes, underscores or plus signs, such as \"1.4.2\"";

    /// The rule does not depend on the line; any will do to ask for it.
    fn parse(text: &str) -> Option<Self> {
        let line: LineName = "any".parse().ok()?;
        ReleaseId::new(line, text).ok().map(|id| Self(id.version))
    }

    fn text(&self) -> &str {
        &self.0
    }
}
