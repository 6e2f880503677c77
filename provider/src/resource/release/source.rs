//! Where a release's content comes from: from what the user wrote to what the cloud is given.

use super::attributes::Source;
use crate::diagnostic::Diagnostic;
use crate::model::ImageSource;
use crate::resource::packer::{self, Wanted};
use crate::resource::site::{CloudKind, Site};
use crate::schema::{Maybe, Planned};
use crate::value::Path;
use std::fs;
use std::io::ErrorKind;

/// Why there is no content to give to the cloud.
#[derive(Debug)]
pub(super) enum NoContent {
    /// It is not there. It may be made before the apply gets to it.
    Missing(Diagnostic),
    /// It can never be an image as it stands.
    Refused(Diagnostic),
}

impl NoContent {
    /// Returns what to tell where the content is needed now.
    pub(super) fn into_diagnostic(self) -> Diagnostic {
        match self {
            Self::Missing(diagnostic) | Self::Refused(diagnostic) => diagnostic,
        }
    }
}

/// The one source that is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given<'a> {
    Path(&'a str),
    Image(&'a str),
    Manifest(&'a str, Option<&'a str>),
}

impl Source {
    /// Returns the attribute that an error about the content points at.
    pub(super) fn blamed(&self) -> Path {
        let source = Path::of("source");
        match self.given() {
            Some(Given::Path(_)) => source.attribute("path"),
            Some(Given::Image(_)) => source.attribute("image_id"),
            Some(Given::Manifest(..)) => source.attribute("packer_manifest"),
            None => source,
        }
    }

    fn given(&self) -> Option<Given<'_>> {
        let manifest = self.packer_manifest.as_deref();
        let path = self.path.as_deref().map(Given::Path);
        let image = self.image_id.as_deref().map(Given::Image);
        path.or(image)
            .or(manifest.map(|path| Given::Manifest(path, self.packer_build.as_deref())))
    }

    /// Returns what the cloud is given. A manifest is read here; the image itself is not.
    ///
    /// # Errors
    /// The manifest is missing or names no image for this cloud.
    pub(super) fn resolve(&self, site: &Site) -> Result<ImageSource, NoContent> {
        match self.given() {
            Some(Given::Path(path)) => Ok(absolute(ImageSource::Path(path.into()))),
            Some(Given::Image(image)) => Ok(ImageSource::Image(image.to_owned())),
            Some(Given::Manifest(path, build)) => manifest(path, build, site),
            None => Err(NoContent::Refused(Diagnostic::invalid(
                Path::of("source"),
                "Give one of path, image_id and packer_manifest.",
            ))),
        }
    }
}

fn manifest(path: &str, build: Option<&str>, site: &Site) -> Result<ImageSource, NoContent> {
    let at = Path::of("source").attribute("packer_manifest");
    let text = fs::read(path).map_err(|error| {
        let diagnostic = Diagnostic::invalid(
            at.clone(),
            format!("The manifest \"{path}\" cannot be read: {error}."),
        );
        match error.kind() {
            ErrorKind::NotFound => NoContent::Missing(diagnostic),
            _ => NoContent::Refused(diagnostic),
        }
    })?;
    let wanted = match site.kind {
        CloudKind::Local => Wanted::File,
        CloudKind::Aws => Wanted::Ami {
            region: &site.region,
        },
    };
    packer::image_source(&text, build, wanted)
        .map(absolute)
        .map_err(|error| {
            let detail = format!("The manifest \"{path}\" gives no image: {error}.");
            NoContent::Refused(Diagnostic::invalid(at, detail))
        })
}

/// A relative path means the working directory of Terraform, which the cloud does not share.
fn absolute(source: ImageSource) -> ImageSource {
    match source {
        ImageSource::Path(path) => ImageSource::Path(std::path::absolute(&path).unwrap_or(path)),
        image @ ImageSource::Image(_) => image,
    }
}

/// Checks that exactly one source is given, as far as that is known.
pub(super) fn exactly_one(source: &Source<Planned>) -> Vec<Diagnostic> {
    let sources = [&source.path, &source.image_id, &source.packer_manifest];
    let given = sources.iter().filter(|it| it.given().is_some()).count();
    let is_open = sources.iter().any(|it| it.is_unknown());
    let mut found = Vec::new();
    if given > 1 || (given == 0 && !is_open) {
        found.push(Diagnostic::invalid(
            Path::of("source"),
            format!("Give exactly one of path, image_id and packer_manifest, not {given} of them."),
        ));
    }
    let has_no_manifest = matches!(source.packer_manifest, Maybe::Known(None));
    if source.packer_build.given().is_some() && has_no_manifest {
        found.push(Diagnostic::invalid(
            Path::of("source").attribute("packer_build"),
            "It names a build of packer_manifest, which is not given.",
        ));
    }
    let names = ["path", "image_id", "packer_manifest", "packer_build"];
    let empty = sources
        .into_iter()
        .chain([&source.packer_build])
        .zip(names)
        .filter(|(value, _)| value.given().is_some_and(String::is_empty));
    found.extend(empty.map(|(_, name)| {
        Diagnostic::invalid(Path::of("source").attribute(name), "It must not be empty.")
    }));
    found
}
