//! `packer_artifact`: the image that a Packer manifest's last run made.

use crate::resource::Function;
use crate::resource::packer::{self, ManifestError};
use crate::schema::Attributes;
use crate::value::{Finding, Findings, Step};

/// The function `packer_artifact`.
#[derive(Debug)]
pub struct PackerArtifact;

/// Finds the image that the last run of a Packer manifest made: the id of an AMI or the path of a
/// file. It is what `source.packer_manifest` of an `immutable_image_release` takes, for modules that
/// need the image elsewhere.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Manifest {
    /// The manifest's text, as Packer's `manifest` post-processor wrote it:
    /// `file("packer-manifest.json")`.
    #[tf(required)]
    pub manifest: String,
    /// Which artifact: a region, such as `eu-west-1`, or the name of a build of the last run. A build
    /// that made images in several regions needs the region.
    #[tf(required)]
    pub region_or_build: String,
}

impl Function for PackerArtifact {
    const NAME: &'static str = "packer_artifact";
    type Arguments = Manifest;
    type Answer = String;

    fn call(&self, arguments: Manifest) -> Result<String, Findings> {
        let found = packer::artifact(arguments.manifest.as_bytes(), &arguments.region_or_build);
        found.map_err(|error| {
            let blamed = match error {
                ManifestError::NoSuchArtifact { .. } | ManifestError::SeveralArtifacts { .. } => {
                    "region_or_build"
                }
                _ => "manifest",
            };
            let at = Step::Attribute(blamed.to_owned());
            Finding::here(error.to_string()).under(at).into()
        })
    }
}
