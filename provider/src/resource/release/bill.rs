//! The bill of materials of a release: from the path that the user wrote to what the cloud keeps.

use super::source::NoContent;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::{ReleaseId, Sbom};
use crate::resource::site::Site;
use crate::resource::{sbom, trouble};
use crate::value::Path;
use std::fs;
use std::io::ErrorKind;

/// Reads the document that a path names.
pub(super) fn read(path: &str) -> Result<Sbom, NoContent> {
    let refused = |why: String| Diagnostic::invalid(Path::of("sbom"), why);
    let text = fs::read(path).map_err(|error| {
        let told = refused(format!(
            "The bill of materials \"{path}\" cannot be read: {error}."
        ));
        match error.kind() {
            ErrorKind::NotFound => NoContent::Missing(told),
            _ => NoContent::Refused(told),
        }
    })?;
    sbom::read(&text).map_err(|error| {
        let why = format!("The file \"{path}\" gives no bill of materials: {error}.");
        NoContent::Refused(refused(why))
    })
}

/// Stores what a release is made of. A document that is gone matters only where nothing is stored.
pub(super) async fn store(site: &Site, id: &ReleaseId, path: &str) -> Result<(), Diagnostic> {
    let told = |error| trouble(&error).at(Path::of("sbom"));
    let missing = match read(path) {
        Ok(bill) => return site.cloud.store_sbom(id, &bill).await.map_err(told),
        Err(NoContent::Missing(missing)) => missing,
        Err(NoContent::Refused(refused)) => return Err(refused),
    };
    match site.cloud.sbom(id).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(missing),
        Err(error) => Err(told(error)),
    }
}

/// Looks at the document that is there now, and at what is stored with a release that exists. It
/// yields messages only, as [`content`](super::plan::content) does.
pub(super) async fn check(site: &Site, bound: Option<&ReleaseId>, path: &str) -> Diagnostics {
    let bill = match (read(path), bound) {
        (Ok(bill), _) => bill,
        (Err(NoContent::Refused(refused)), _) => return refused.into(),
        (Err(NoContent::Missing(missing)), None) => {
            return super::plan::not_there_yet(missing).into();
        }
        (Err(NoContent::Missing(_)), Some(_)) => return Diagnostics::none(),
    };
    let Some(id) = bound else {
        return Diagnostics::none();
    };
    match site.cloud.sbom(id).await {
        Ok(Some(stored)) if stored != bill => other_bill(id, path).into(),
        Ok(Some(_) | None) => Diagnostics::none(),
        Err(error) => Diagnostics::from(trouble(&error).at(Path::of("sbom"))),
    }
}

fn other_bill(id: &ReleaseId, path: &str) -> Diagnostic {
    Diagnostic::error(
        format!("The release {id} has another bill of materials than \"{path}\""),
        "A release never changes, and neither does what it is made of. Bring the earlier document \
         back or leave sbom as it was; what is corrected belongs to the next version.",
    )
    .at(Path::of("sbom"))
}
