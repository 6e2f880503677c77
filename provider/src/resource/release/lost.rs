//! Images of a release that someone removed by hand.

use super::attributes::ImageRelease;
use crate::diagnostic::Diagnostic;
use crate::model::Release;
use crate::resource::site::Site;
use crate::resource::{Outcome, trouble};

/// The state without the images that are gone, so that a plan shows them as something to be done.
pub(super) async fn as_found(
    site: &Site,
    told: ImageRelease,
    current: &Release,
) -> Outcome<ImageRelease> {
    let missing = match site.cloud.missing(current).await {
        Ok(missing) => missing,
        Err(error) => return Outcome::refused(trouble(&error)),
    };
    let mut images = told.image_ids.clone().unwrap_or_default();
    images.retain(|place, _| !missing.contains(place));
    let found = ImageRelease {
        image_ids: Some(images),
        ..told
    };
    let warnings = missing.iter().map(|place| lost(current, place));
    warnings.fold(Outcome::done(found), Outcome::with)
}

fn lost(release: &Release, place: &str) -> Diagnostic {
    let image = release.image_ids.get(place).map_or("", String::as_str);
    let then = if image == release.image_id {
        "It was taken in as that image, and nothing can take its place: a release never changes. \
         What runs goes on, but no member can be started from it. Release a new image under a new \
         version, or go back to a version that is kept."
    } else {
        "The next apply copies it there once more, under another id. Members of fleets that were \
         started from the lost copy go on; their group can start no others before they run another \
         release or configuration."
    };
    Diagnostic::warning(
        format!("The image of {} in {place} is gone", release.id),
        format!("Someone has deregistered {image}. {then}"),
    )
}
