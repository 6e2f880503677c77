//! What is done to one image that releases are made of: marked, protected, deprecated, taken away.
//!
//! Tags say which releases are made of an image and what we did to it, so that we undo nothing that
//! somebody else did. An image that we only took in is deregistered when its last release goes, as
//! long as nobody says otherwise; see [`fate`].

use super::call::{Calls, read};
use super::failure::{Failure, Result};
use super::names::{self, Tags};
use crate::cloud::ErrorKind;
use crate::model::{Release, ReleaseId, Timestamp};
use aws_sdk_ec2::types::Image;
use std::time::Duration;

/// An image carries one tag of this prefix for each release that is made of it.
const OF_RELEASE: &str = "immutable:release/";
/// The value of that tag once the release was its line's current one.
const ACCEPTED: &str = "accepted";
/// The value of that tag before.
pub(super) const TRIED: &str = "tried";
/// What the user stored with a release shows on the image, as far as there is room for tags.
const PROVENANCE: &str = "immutable:provenance/";
/// An image has room for so many tags; those that AWS itself gives do not count.
pub(super) const MOST_TAGS: usize = 50;
/// The user's own tags come first.
const MOST_PROVENANCE: usize = 20;
/// The image is a copy that we made; the value tells of what.
pub(super) const COPY_OF: &str = "immutable:copy-of";
/// We have protected the image from being deregistered.
const PROTECTED: &str = "immutable:protected";
/// We have deprecated the image.
const DEPRECATED: &str = "immutable:deprecated";
/// AWS takes no time in the past for a deprecation and rounds to the minute.
const DEPRECATED_IN: Duration = Duration::from_secs(120);

/// The tag by which an image says that a release is made of it.
pub(super) fn mark_of(id: &ReleaseId) -> String {
    format!("{OF_RELEASE}{id}")
}

/// An image's tags.
pub(super) fn tags_of(image: &Image) -> Tags {
    read(image.tags().to_vec())
}

/// The snapshots that an image stands on.
pub(super) fn snapshots_of(image: &Image) -> impl Iterator<Item = &str> {
    let mappings = image.block_device_mappings().iter();
    mappings.filter_map(|mapping| mapping.ebs()?.snapshot_id())
}

/// Whether an image was its line's current release once.
pub(super) fn is_accepted(image: &Image, id: &ReleaseId) -> bool {
    tags_of(image)
        .get(&mark_of(id))
        .is_some_and(|value| value == ACCEPTED)
}

/// The tags of a release on its image.
pub(super) fn marks(release: &Release, value: &str) -> Tags {
    let mut tags = Tags::from([(mark_of(&release.id), value.to_owned())]);
    let provenance = release.provenance.iter().take(MOST_PROVENANCE);
    tags.extend(
        provenance.map(|(key, value)| (format!("{PROVENANCE}{key}"), names::printable(value))),
    );
    tags
}

/// Leaves out as much of the provenance as an image has no room for beside its own tags. The mark stays:
/// an image without room for it cannot be taken in, as AWS says.
fn fitting(carried: &Tags, mut wanted: Tags) -> Tags {
    let ours = |key: &&String| {
        wanted.contains_key(*key) || [PROTECTED, DEPRECATED].contains(&key.as_str())
    };
    let others = carried
        .keys()
        .filter(|key| !key.starts_with("aws:") && !ours(key))
        .count();
    let room = MOST_TAGS.saturating_sub(others + 2);
    let mut surplus = wanted.len().saturating_sub(room);
    wanted.retain(|key, _| {
        let stays = surplus == 0 || !key.starts_with(PROVENANCE);
        surplus -= usize::from(!stays);
        stays
    });
    wanted
}

/// What happens to an image when a release of it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It knows nothing of the release.
    Untouched,
    /// It forgets the release and stays.
    Unmarked,
    /// It goes, with its snapshots.
    Deregistered,
}

/// Decides an image's fate.
///
/// A copy of ours goes with its release. An image that was taken in stays while another release is
/// made of it; where it was never accepted, for it was somebody's before it was tried; and where
/// somebody else has protected it from being deregistered, which is how a user says that it shall
/// outlive its releases.
fn fate(tags: &Tags, own: &str, is_protected: bool) -> Fate {
    let is_shared = tags
        .keys()
        .any(|key| key.starts_with(OF_RELEASE) && key != own);
    let protected_by_others = is_protected && !tags.contains_key(PROTECTED);
    match tags.get(own) {
        None => Fate::Untouched,
        Some(_) if is_shared || protected_by_others => Fate::Unmarked,
        Some(_) if tags.contains_key(COPY_OF) => Fate::Deregistered,
        Some(value) if value == ACCEPTED => Fate::Deregistered,
        Some(_) => Fate::Unmarked,
    }
}

fn is_protected(image: &Image) -> bool {
    image
        .deregistration_protection()
        .is_some_and(|state| state.starts_with("enabled"))
}

/// Which images of a release are meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which<'a> {
    /// The one that was taken in.
    Home(&'a str),
    /// All copies of it that we have made here.
    Copies {
        /// Of what.
        of: &'a str,
        /// Where that is.
        from: &'a str,
    },
}

/// The value of the tag that tells of what an image is a copy.
pub(super) fn copy_of(image: &str, region: &str) -> String {
    format!("{region}/{image}")
}

/// Images of this account in one region.
#[derive(Clone, Copy)]
pub(super) struct Images<'a> {
    pub(super) calls: &'a Calls,
}

impl Images<'_> {
    /// Finds an image that is this account's own; absent: it is gone, or another account's.
    pub(super) async fn own(&self, id: &str) -> Result<Option<Image>> {
        let found = self.calls.own_images(&[id.to_owned()]).await?;
        Ok(found.into_iter().next())
    }

    /// Marks an image as tried out for a release. One of another account knows nothing of it.
    pub(super) async fn try_out(&self, image: &str, release: &Release) -> Result<()> {
        match self.own(image).await? {
            Some(found) => {
                let tags = fitting(&tags_of(&found), marks(release, TRIED));
                self.calls.tag(image, &tags).await
            }
            None => Ok(()),
        }
    }

    /// Marks an image as accepted, keeps everyone from deregistering it, and takes our own
    /// deprecation back. One of another account is left alone.
    pub(super) async fn accept(&self, image: &str, release: &Release) -> Result<()> {
        let Some(found) = self.own(image).await? else {
            return Ok(());
        };
        let is_open = !is_protected(&found);
        let mut tags = fitting(&tags_of(&found), marks(release, ACCEPTED));
        if is_open {
            tags.insert(PROTECTED.to_owned(), "true".to_owned());
        }
        self.calls.tag(image, &tags).await?;
        if is_open {
            self.calls.protect(image).await?;
        }
        if tags_of(&found).contains_key(DEPRECATED) {
            self.calls.undeprecate(image).await?;
            self.calls.untag(image, &[DEPRECATED]).await?;
        }
        Ok(())
    }

    /// Deprecates images that are not current any more, unless somebody has set a time for it.
    pub(super) async fn deprecate(&self, ids: &[String], now: Timestamp) -> Result<()> {
        let tags = Tags::from([(DEPRECATED.to_owned(), "true".to_owned())]);
        for image in self.calls.own_images(ids).await? {
            let Some(id) = image.image_id() else { continue };
            if image.deprecation_time().is_none() {
                self.calls.tag(id, &tags).await?;
                self.calls.deprecate(id, now + DEPRECATED_IN).await?;
            }
        }
        Ok(())
    }

    /// Refuses to take a release's images away while something runs or would start them.
    pub(super) async fn check_unused(&self, id: &ReleaseId, which: Which<'_>) -> Result<()> {
        for image in self.of_release(id, which).await? {
            let Some(image_id) = image.image_id() else {
                continue;
            };
            if self.fate_of(&image, id) != Fate::Deregistered {
                continue;
            }
            let user = match self.calls.instance_of(image_id).await? {
                Some(instance) => Some(format!("instance {instance} runs")),
                None => {
                    let template = self.calls.template_of(image_id).await?;
                    template.map(|name| format!("launch template {name} starts"))
                }
            };
            if let Some(user) = user {
                let region = &self.calls.region;
                let words = format!("{user} its image {image_id} in {region}");
                return Err(Failure::refused(ErrorKind::Conflict, words));
            }
        }
        Ok(())
    }

    /// Takes a release off its images, and those away that are done with.
    pub(super) async fn remove(&self, id: &ReleaseId, which: Which<'_>) -> Result<()> {
        let own = mark_of(id);
        for image in self.of_release(id, which).await? {
            let Some(image_id) = image.image_id() else {
                continue;
            };
            match self.fate_of(&image, id) {
                Fate::Untouched => {}
                Fate::Unmarked => self.calls.untag(image_id, &[&own]).await?,
                Fate::Deregistered => {
                    if is_protected(&image) {
                        self.calls.unprotect(image_id).await?;
                    }
                    self.calls.deregister(image_id).await?;
                }
            }
        }
        Ok(())
    }

    fn fate_of(&self, image: &Image, id: &ReleaseId) -> Fate {
        fate(&tags_of(image), &mark_of(id), is_protected(image))
    }

    async fn of_release(&self, id: &ReleaseId, which: Which<'_>) -> Result<Vec<Image>> {
        match which {
            Which::Home(image) => self.calls.own_images(&[image.to_owned()]).await,
            Which::Copies { of, from } => self.copies(id, of, from).await,
        }
    }

    /// The copies that we have made here. Tags alone do not tell: a user's own copy of one of them
    /// may carry them too, and has another source.
    pub(super) async fn copies(&self, id: &ReleaseId, of: &str, from: &str) -> Result<Vec<Image>> {
        let marked = self.calls.own_images_tagged(&mark_of(id)).await?;
        let wanted = copy_of(of, from);
        let is_ours = |image: &Image| {
            tags_of(image).get(COPY_OF) == Some(&wanted)
                && image.source_image_id().is_none_or(|source| source == of)
        };
        Ok(marked.into_iter().filter(is_ours).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row<'a> = (&'a [(&'a str, &'a str)], bool, Fate);

    #[test]
    fn provenance_takes_the_room_that_an_images_own_tags_leave() {
        let tags = |prefix: &str, count: usize| -> Tags {
            let each = (0..count).map(|n| (format!("{prefix}{n:02}"), String::new()));
            each.collect()
        };
        let mark = mark_of(&"web@1".parse().expect("it is a release"));
        let wanted = || {
            let mut wanted = tags(PROVENANCE, 20);
            wanted.insert(mark.clone(), TRIED.to_owned());
            wanted
        };
        for (own, left) in [(0, 21), (27, 21), (28, 20), (46, 2), (47, 1), (50, 1)] {
            let mut carried = tags("own-", own);
            carried.insert("aws:something".to_owned(), String::new());
            let given = fitting(&carried, wanted());
            assert_eq!(given.len(), left, "{own} of its own");
            assert!(given.contains_key(&mark));
            // Again, it is the same.
            carried.extend(given.clone());
            assert_eq!(fitting(&carried, wanted()), given);
        }
    }

    #[test]
    fn an_image_goes_only_when_nobody_can_want_it() {
        let own = "immutable:release/web@1";
        let other = "immutable:release/web@1-again";
        let rows: [Row<'_>; 8] = [
            (&[("Name", "web")], false, Fate::Untouched),
            (&[(own, TRIED)], false, Fate::Unmarked),
            (&[(own, ACCEPTED)], false, Fate::Deregistered),
            (&[(own, ACCEPTED), (other, TRIED)], false, Fate::Unmarked),
            // Protected by its owner, and by us.
            (&[(own, ACCEPTED)], true, Fate::Unmarked),
            (
                &[(own, ACCEPTED), (PROTECTED, "true")],
                true,
                Fate::Deregistered,
            ),
            // A copy is ours, accepted or not.
            (
                &[(own, TRIED), (COPY_OF, "ami-1")],
                false,
                Fate::Deregistered,
            ),
            (&[(own, TRIED), (COPY_OF, "ami-1")], true, Fate::Unmarked),
        ];
        for (tags, is_protected, expected) in rows {
            let tags = tags
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(fate(&tags, own, is_protected), expected, "{tags:?}");
        }
    }
}
