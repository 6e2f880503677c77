//! Releases of other accounts that share their images with this one.
//!
//! Another account sees neither our tags nor our parameters, only the image: its description says
//! which release it is. Anybody may share an image and describe it so, therefore only those accounts
//! count that the provider's configuration names.

use super::call::Calls;
use super::failure::{Failure, Result};
use crate::cloud::ErrorKind;
use crate::model::ReleaseId;
use aws_sdk_ec2::types::{Image, ImageState};

/// An image's description has at most so many characters.
const LONGEST: usize = 255;

/// What the description of a release's image says.
pub(super) fn words(id: &ReleaseId) -> String {
    format!("release {id}")
}

/// Whether a description says that its image is this very release.
fn says(description: &str, id: &ReleaseId) -> bool {
    let wanted = words(id);
    description
        .split(['(', ')', ','])
        .any(|part| part.trim() == wanted)
}

/// A description that says so, behind what it said before.
fn with_words(description: &str, id: &ReleaseId) -> String {
    let words = words(id);
    if description.is_empty() {
        return words;
    }
    let room = LONGEST.saturating_sub(words.len() + " ()".len());
    let before: String = description.chars().take(room).collect();
    format!("{before} ({words})")
}

/// Makes an image's description say which release it is.
pub(super) async fn describe(calls: &Calls, image: &Image, id: &ReleaseId) -> Result<()> {
    let description = image.description().unwrap_or_default();
    match image.image_id() {
        Some(image) if !says(description, id) => {
            let text = with_words(description, id);
            calls.describe_image(image, &text).await
        }
        Some(_) | None => Ok(()),
    }
}

/// The image of a release that one of the named accounts shares with this one in this region;
/// absent: there is none.
///
/// # Errors
/// `Invalid` where several images say that they are this release.
pub(super) async fn image_of(calls: &Calls, id: &ReleaseId) -> Result<Option<String>> {
    if calls.release_owners.is_empty() {
        return Ok(None);
    }
    let found = calls
        .shared_images(&calls.release_owners, &words(id))
        .await?;
    let is_it = |image: &Image| {
        says(image.description().unwrap_or_default(), id)
            && image.state() == Some(&ImageState::Available)
    };
    let images = found.into_iter().filter(is_it);
    let ids: Vec<String> = images.filter_map(|image| image.image_id).collect();
    match ids.as_slice() {
        [] => Ok(None),
        [image] => Ok(Some(image.clone())),
        several => {
            let words = format!(
                "several images that are shared with this account say that they are {id}: {}",
                several.join(", ")
            );
            Err(Failure::refused(ErrorKind::Invalid, words))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_description_says_which_releases_an_image_is() {
        let id = |text: &str| text.parse::<ReleaseId>().unwrap();
        let one = with_words("Debian 13 (trixie)", &id("web@1.4.2"));
        assert_eq!(one, "Debian 13 (trixie) (release web@1.4.2)");
        let two = with_words(&one, &id("web@2"));
        assert!(says(&two, &id("web@1.4.2")) && says(&two, &id("web@2")));
        assert!(!says(&two, &id("web@1.4")) && !says(&two, &id("other-web@2")));
        assert!(says(&with_words("", &id("web@1")), &id("web@1")));
        assert_eq!(with_words(&"x".repeat(300), &id("web@1")).len(), LONGEST);
        assert!(says(
            "release web@1, copied from ami-1 in us-east-1",
            &id("web@1")
        ));
    }
}
