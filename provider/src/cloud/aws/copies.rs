//! Copies of a release's image in other regions, and the accounts that may run them.
//!
//! All copies are asked for at once and then waited for. A copy carries its release's tags from its
//! first moment and is asked for under a token that follows from the release, so that a process that
//! comes after a killed one finds what that one has begun, and never makes a second one.

use super::call::{Calls, NewCopy, Sharing};
use super::failure::{self, Failure, Result};
use super::foreign;
use super::image::{self, COPY_OF, Images, MOST_TAGS, TRIED, Which};
use super::names::{self, Tags};
use super::release_record::{self as records, ReleaseRecord};
use super::releases::{in_use, users_here};
use crate::cloud::{ErrorKind, Reach};
use crate::model::ReleaseId;
use aws_sdk_ec2::types::{Image, ImageState};
use futures_util::future::join_all;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The tag that tells the key a copy was asked to be encrypted with.
const KEY: &str = "immutable:key";
/// Copying a large image between continents takes an hour on a bad day.
const LONGEST_COPY: Duration = Duration::from_secs(2 * 3600);
/// A copy that was asked for just now is not always told of at once.
const SEEN_WITHIN: Duration = Duration::from_secs(60);
/// The first look at a copy comes soon, for a small image; the time between two grows to the last.
const FIRST_LOOK: Duration = Duration::from_millis(250);
const LAST_LOOKS: Duration = Duration::from_secs(15);
/// An image's name has at most so many characters.
const LONGEST_NAME: usize = 128;

/// What one release's copies are made by.
pub(super) struct Copies<'a> {
    pub(super) calls: &'a Calls,
    pub(super) reach: &'a Reach,
}

/// A release in another region than its home.
#[derive(Debug, Clone)]
pub(super) struct Copy {
    calls: Calls,
    id: ReleaseId,
    /// The image that it is made of.
    of: String,
    /// The region of that.
    from: String,
}

impl Copies<'_> {
    /// Brings a release everywhere that it shall be, and shares it.
    pub(super) async fn bring(&self, record: ReleaseRecord) -> Result<()> {
        let wanted = self.wanted(&record);
        let before = [&record.regions, &record.accounts];
        let is_wide = !wanted.is_empty() || !self.reach.accounts.is_empty();
        if !is_wide && before.into_iter().all(BTreeSet::is_empty) {
            return Ok(());
        }
        let there = join_all(wanted.iter().map(Copy::look)).await;
        let there = failure::each(there)?;
        let record = self.intend(record, &wanted, &there).await?;
        let images = self.arrive(&record, &wanted, there).await?;
        self.share(&record, &images).await?;
        self.note(record, images).await
    }

    /// The copies that there shall be. The home region may be named as well: modules list all.
    fn wanted(&self, record: &ReleaseRecord) -> Vec<Copy> {
        let regions = self.reach.regions.keys();
        let others = regions.filter(|region| **region != record.home);
        others
            .map(|region| Copy::of(self.calls, record, region))
            .collect()
    }

    /// Writes down what is about to be made and shared, before any of it is.
    async fn intend(
        &self,
        record: ReleaseRecord,
        wanted: &[Copy],
        there: &[Vec<Image>],
    ) -> Result<ReleaseRecord> {
        let mut next = record.clone();
        let regions = wanted.iter().map(|copy| copy.calls.region.clone());
        next.regions.extend(regions);
        next.accounts.extend(self.reach.accounts.iter().cloned());
        // One that was there and is not any more would be answered with itself.
        let was_there = |copy: &Copy| record.release.image_ids.contains_key(&copy.calls.region);
        let mut looks = wanted.iter().zip(there);
        let is_lost = looks.any(|(copy, there)| there.is_empty() && was_there(copy));
        if is_lost || there.iter().flatten().any(has_failed) {
            next.attempt += 1;
        }
        if next != record {
            records::write(self.calls, &next).await?;
        }
        Ok(next)
    }

    /// Makes the copies that are missing, and waits for all.
    async fn arrive(
        &self,
        record: &ReleaseRecord,
        wanted: &[Copy],
        there: Vec<Vec<Image>>,
    ) -> Result<Vec<(Calls, Image)>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let source = self.calls.image(&record.release.image_id).await?;
        let arrivals = wanted.iter().zip(there).map(|(copy, there)| {
            let source = source.as_ref();
            async move {
                let image = self.one(record, copy, source, there).await;
                let image = image.map_err(|failure| failure.within(&copy.calls.region))?;
                Ok((copy.calls.clone(), image))
            }
        });
        failure::each(join_all(arrivals).await)
    }

    async fn one(
        &self,
        record: &ReleaseRecord,
        copy: &Copy,
        source: Option<&Image>,
        there: Vec<Image>,
    ) -> Result<Image> {
        let key = self.reach.regions.get(&copy.calls.region);
        let key = key.and_then(Option::as_deref);
        let (usable, others): (Vec<Image>, Vec<Image>) = there
            .into_iter()
            .partition(|image| is_usable(image, &copy.id, key));
        for image in others {
            let id = image.image_id().unwrap_or_default();
            copy.calls.deregister(id).await?;
        }
        let known = usable.into_iter().find_map(|image| image.image_id);
        let id = match known {
            Some(id) => id,
            None => {
                let source = source.ok_or_else(|| gone(record))?;
                self.begin(record, copy, source, key).await?
            }
        };
        copy.until_available(&id).await
    }

    async fn begin(
        &self,
        record: &ReleaseRecord,
        copy: &Copy,
        source: &Image,
        key: Option<&str>,
    ) -> Result<String> {
        let (id, region) = (&copy.id, &copy.calls.region);
        let description = format!(
            "{}, copied from {} in {}",
            foreign::words(id),
            copy.of,
            copy.from
        );
        let tags = self.tags(record, copy, source, key);
        let seed = format!(
            "{id} {} {} {} {} {key:?} {tags:?}",
            copy.of,
            region,
            record.release.released_at.milliseconds(),
            record.attempt
        );
        let token = token(&seed);
        let new = NewCopy {
            source: &copy.of,
            source_region: &copy.from,
            name: &copy.name(&token),
            description: &description,
            key,
            token: &token,
            tags: &tags,
        };
        copy.calls.copy_image(&new).await
    }

    /// A copy carries its source's own tags, those of the provider, and ours, which win.
    fn tags(&self, record: &ReleaseRecord, copy: &Copy, source: &Image, key: Option<&str>) -> Tags {
        let mut ours = image::marks(&record.release, TRIED);
        ours.insert(COPY_OF.to_owned(), image::copy_of(&copy.of, &copy.from));
        ours.insert(names::RELEASE.to_owned(), copy.id.to_string());
        ours.insert(KEY.to_owned(), names::printable(key.unwrap_or_default()));
        let mut tags = image::tags_of(source);
        tags.retain(|name, _| !name.starts_with("immutable:") && !name.starts_with("aws:"));
        tags.extend(self.reach.tags.clone());
        let room = MOST_TAGS.saturating_sub(ours.len());
        let mut tags: Tags = tags.into_iter().take(room).collect();
        tags.extend(ours);
        tags
    }

    /// Lets the accounts run all images, and those that left no more.
    async fn share(&self, record: &ReleaseRecord, copies: &[(Calls, Image)]) -> Result<()> {
        let add = &self.reach.accounts;
        let remove: BTreeSet<String> = record.accounts.difference(add).cloned().collect();
        if add.is_empty() && remove.is_empty() {
            return Ok(());
        }
        let id = &record.release.image_id;
        let home = Images { calls: self.calls }.own(id).await?.ok_or_else(|| {
            let words = format!(
                "aws.share_with: the image {id} belongs to another account, or is gone; only its \
                 owner can share it"
            );
            Failure::refused(ErrorKind::Invalid, words)
        })?;
        let with = Sharing {
            add,
            remove: &remove,
        };
        foreign::describe(self.calls, &home, &record.release.id).await?;
        let home = (self.calls.clone(), home);
        let shares = copies
            .iter()
            .chain([&home])
            .map(|(calls, image)| share_one(calls, image, with));
        failure::all(join_all(shares).await)
    }

    /// Writes down where the release is now, and takes it back from where it shall not be.
    async fn note(&self, record: ReleaseRecord, images: Vec<(Calls, Image)>) -> Result<()> {
        let mut next = record.clone();
        next.accounts.clone_from(&self.reach.accounts);
        let ids: BTreeMap<String, String> = images
            .iter()
            .filter_map(|(calls, image)| Some((calls.region.clone(), image.image_id.clone()?)))
            .collect();
        next.release.image_ids.extend(ids.clone());
        let kept = |region: &String| *region == record.home || ids.contains_key(region);
        let leaving: Vec<Copy> = Copy::all_of(self.calls, &record)
            .into_iter()
            .filter(|copy| !kept(&copy.calls.region))
            .collect();
        let mut last = next.clone();
        last.release.image_ids.retain(|region, _| kept(region));
        last.regions.retain(|region| kept(region));
        let notes = images.iter().map(|(calls, image)| {
            let record = last.of_copy(image.image_id().unwrap_or_default());
            note_copy(calls, record)
        });
        failure::all(join_all(notes).await)?;
        if next != record {
            records::write(self.calls, &next).await?;
        }
        failure::all(join_all(leaving.iter().map(Copy::check_unused)).await)?;
        failure::all(join_all(leaving.iter().map(Copy::remove)).await)?;
        if last != next {
            records::write(self.calls, &last).await?;
        }
        Ok(())
    }
}

impl Copy {
    fn of(calls: &Calls, record: &ReleaseRecord, region: &str) -> Self {
        Self {
            calls: calls.in_region(region),
            id: record.release.id.clone(),
            of: record.release.image_id.clone(),
            from: record.home.clone(),
        }
    }

    /// All copies that a release may have.
    pub(super) fn all_of(calls: &Calls, record: &ReleaseRecord) -> Vec<Self> {
        let regions = record.regions.iter();
        regions
            .map(|region| Self::of(calls, record, region))
            .collect()
    }

    /// A name that no other copy has, nor had: that of an image that was deregistered a moment ago is
    /// not free yet. The same question has the same name.
    fn name(&self, token: &str) -> String {
        let end: String = format!(" of {} ({token:.8})", self.of);
        let id = &self.id;
        let name = format!("{}@{}", id.line, records::escaped(&id.version));
        let room = LONGEST_NAME.saturating_sub(end.chars().count());
        let name: String = name.chars().take(room).collect();
        name + &end
    }

    fn which(&self) -> Which<'_> {
        Which::Copies {
            of: &self.of,
            from: &self.from,
        }
    }

    /// Tells the copies that are there, in whatever state.
    async fn look(&self) -> Result<Vec<Image>> {
        let looked = async {
            let there = records::find(&self.calls, &self.id).await?;
            if let Some(there) = there.filter(|there| there.home != self.from) {
                let words = format!(
                    "there is another release {} already, made in {}",
                    self.id, there.home
                );
                return Err(Failure::refused(ErrorKind::AlreadyExists, words));
            }
            let images = Images { calls: &self.calls };
            images.copies(&self.id, &self.of, &self.from).await
        };
        looked
            .await
            .map_err(|failure| failure.within(&self.calls.region))
    }

    /// Waits for a copy. A look that AWS does not answer is taken again: a copy of an hour is not
    /// given up for a second.
    async fn until_available(&self, id: &str) -> Result<Image> {
        let began = Instant::now();
        let mut pause = FIRST_LOOK;
        loop {
            let seen = Images { calls: &self.calls }.own(id).await;
            let waited = began.elapsed();
            match seen {
                Ok(Some(image)) if image.state() == Some(&ImageState::Available) => {
                    return Ok(image);
                }
                Ok(Some(image)) if has_failed(&image) => return Err(failed(&image)),
                Ok(None) if waited > SEEN_WITHIN => return Err(vanished(id)),
                Err(failure) if !failure.kind.is_transient() || waited > LONGEST_COPY => {
                    return Err(failure);
                }
                Ok(_) | Err(_) => {}
            }
            if waited > LONGEST_COPY {
                let words = format!("the copy {id} is not done after two hours");
                return Err(Failure::refused(ErrorKind::Unavailable, words));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_LOOKS);
        }
    }

    /// Refuses to take the copy away while anything uses it.
    pub(super) async fn check_unused(&self) -> Result<()> {
        if let Some(user) = users_here(&self.calls, &self.id).await?.first() {
            return Err(in_use(user, &self.calls.region));
        }
        let images = Images { calls: &self.calls };
        images.check_unused(&self.id, self.which()).await
    }

    /// Takes the copy away, with what its region remembers.
    pub(super) async fn remove(&self) -> Result<()> {
        let removed = async {
            let images = Images { calls: &self.calls };
            images.remove(&self.id, self.which()).await?;
            let (line, current) = records::of_line(&self.calls, &self.id.line).await?;
            let is_ours = |it: &ReleaseRecord| it.release.id == self.id && it.home == self.from;
            if !line.iter().any(is_ours) {
                return Ok(());
            }
            if line.len() <= 1 || current.is_some_and(|current| current == self.id.to_string()) {
                let pointer = records::pointer_of(&self.id.line);
                self.calls.delete_parameter(&pointer).await?;
            }
            let name = records::name_of(&self.id);
            self.calls.delete_parameter(&name).await
        };
        let region = &self.calls.region;
        removed
            .await
            .map_err(|failure: Failure| failure.within(region))
    }
}

async fn share_one(calls: &Calls, image: &Image, with: Sharing<'_>) -> Result<()> {
    let shared = async {
        let id = image.image_id().unwrap_or_default();
        calls.share_image(id, with).await?;
        for snapshot in image::snapshots_of(image) {
            calls.share_snapshot(snapshot, with).await?;
        }
        Ok(())
    };
    shared
        .await
        .map_err(|failure: Failure| failure.within(&calls.region))
}

/// Writes down in a copy's region what the release is there.
async fn note_copy(calls: &Calls, record: ReleaseRecord) -> Result<()> {
    let noted = async {
        let there = records::find(calls, &record.release.id).await?;
        match there {
            Some(there) if there == record => return Ok(()),
            Some(_) => return records::write(calls, &record).await,
            None => {}
        }
        match records::create(calls, &record).await {
            // The answer to an earlier try of this very call was lost.
            Err(failure) if failure.has_code("ParameterAlreadyExists") => {
                records::write(calls, &record).await
            }
            other => other,
        }
    };
    noted
        .await
        .map_err(|failure: Failure| failure.within(&calls.region))
}

/// A copy that has failed, or was made with another key than it shall have now, is made anew as
/// long as nobody has accepted it.
fn is_usable(image: &Image, id: &ReleaseId, key: Option<&str>) -> bool {
    let tags = image::tags_of(image);
    let has_key = tags.get(KEY).map(String::as_str).unwrap_or_default()
        == names::printable(key.unwrap_or_default());
    !has_failed(image) && (has_key || image::is_accepted(image, id))
}

fn has_failed(image: &Image) -> bool {
    !matches!(
        image.state(),
        Some(ImageState::Available | ImageState::Pending) | None
    )
}

fn failed(image: &Image) -> Failure {
    let state = image.state().map_or("unknown", ImageState::as_str);
    let reason = image.state_reason();
    let reason = reason.and_then(|reason| reason.message().or(reason.code()));
    let words = format!(
        "the copy {} is {state}: {}. A key must be there, enabled, and usable by whoever applies",
        image.image_id().unwrap_or_default(),
        reason.unwrap_or("AWS does not say why")
    );
    Failure::refused(ErrorKind::Invalid, words)
}

fn vanished(id: &str) -> Failure {
    let words = format!("the copy {id} is gone; someone else has deregistered it");
    Failure::refused(ErrorKind::NotFound, words)
}

/// Says that nothing can be made of a release any more.
pub(super) fn gone(record: &ReleaseRecord) -> Failure {
    let words = format!(
        "its image {} in {} is gone: someone has deregistered it. A release never changes, so that \
         nothing can take the image's place: give a new image a new version, or go back to a \
         version that is kept",
        record.release.image_id, record.home
    );
    Failure::refused(ErrorKind::NotFound, words)
}

/// A token has at most 64 characters.
fn token(seed: &str) -> String {
    let digest = Sha256::digest(seed);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
