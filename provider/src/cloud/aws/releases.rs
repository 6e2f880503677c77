//! Releases: images that are bound to versions, in one region or in several.
//!
//! A release is taken in where the provider is, its home; copies are made from there. What is
//! remembered is in `release_record`, what is done to an image in `image`, how copies come about in
//! `copies`.

use super::call::{Calls, Parameter};
use super::copies::{Copies, Copy, gone};
use super::failure::{self, Failure, Result};
use super::foreign;
use super::image::{Images, Which};
use super::journal::{Journal, now};
use super::names::{self, Tags};
use super::release_record::{self as records, ReleaseRecord};
use super::{template, verify};
use crate::cloud::{ErrorKind, ImageFacts, NewRelease, Reach, moving};
use crate::model::{FleetName, ImageSource, Line, LineName, Release, ReleaseId, ReleaseRef};
use aws_sdk_ec2::types::Image;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};

/// The image that a fleet's release means in this region.
pub(super) async fn image_of(calls: &Calls, release: &ReleaseRef) -> Result<String> {
    let id = match release {
        ReleaseRef::Image(image) => return Ok(image.clone()),
        ReleaseRef::Release(id) => id,
    };
    if let Some(record) = records::find(calls, id).await? {
        return Ok(record.release.image_id);
    }
    if let Some(image) = foreign::image_of(calls, id).await? {
        return Ok(image);
    }
    let region = &calls.region;
    let words = format!(
        "there is no release {id} in {region}: where it was made in another region, name {region} \
         in the aws.copy_to of its line; where it was made in another account, name this account in \
         aws.share_with there and that account in release_owners of the provider here"
    );
    Err(Failure::refused(ErrorKind::NotFound, words))
}

/// The releases of which one region is the home.
pub(super) struct Releases<'a> {
    pub(super) calls: &'a Calls,
}

impl Releases<'_> {
    /// Finds a release.
    pub(super) async fn find(&self, id: &ReleaseId) -> Result<Release> {
        Ok(self.record(id).await?.release)
    }

    async fn record(&self, id: &ReleaseId) -> Result<ReleaseRecord> {
        records::find(self.calls, id).await?.ok_or_else(|| {
            Failure::refused(ErrorKind::NotFound, format!("there is no release {id}"))
        })
    }

    /// Names all lines.
    pub(super) async fn names(&self) -> Result<Vec<LineName>> {
        records::lines(self.calls).await
    }

    /// Tells a line; absent: there is none.
    pub(super) async fn line(&self, line: &LineName) -> Result<Option<Line>> {
        let (found, current) = records::of_line(self.calls, line).await?;
        if found.is_empty() {
            return Ok(None);
        }
        let mut releases: Vec<Release> = found.into_iter().map(|it| it.release).collect();
        releases.sort_by_key(|release| std::cmp::Reverse(release.released_at));
        let mut ids = releases.iter().map(|release| &release.id);
        let current = ids.find(|id| Some(id.to_string()) == current).cloned();
        Ok(Some(Line {
            name: line.clone(),
            current,
            releases,
        }))
    }

    /// Tells what an image is. AWS does not let its content be read; the image itself never changes,
    /// so that its id stands for it.
    pub(super) async fn inspect(&self, source: &ImageSource) -> Result<ImageFacts> {
        Ok(facts(&self.image(source).await?))
    }

    async fn image(&self, source: &ImageSource) -> Result<Image> {
        let id = match source {
            ImageSource::Image(id) => id,
            ImageSource::Path(path) => {
                let words = format!(
                    "{} is a file on this machine; on AWS source is an image_id or a packer_manifest",
                    path.display()
                );
                return Err(Failure::refused(ErrorKind::Invalid, words));
            }
        };
        let image = self.calls.image(id).await?.ok_or_else(|| {
            let words = format!(
                "there is no image {id} in {}, or it is not shared with this account",
                self.calls.region
            );
            Failure::refused(ErrorKind::NotFound, words)
        })?;
        template::check_image(&image)?;
        Ok(image)
    }

    /// Takes an image in under a release's id.
    pub(super) async fn import(&self, new: &NewRelease) -> Result<Release> {
        let facts = facts(&self.image(&new.source).await?);
        let region = &self.calls.region;
        let release = Release {
            id: new.id.clone(),
            image_id: facts.digest.clone(),
            image_ids: BTreeMap::from([(region.clone(), facts.digest.clone())]),
            digest: facts.digest,
            architecture: facts.architecture,
            released_at: now(),
            accepted: false,
            provenance: new.provenance.clone(),
        };
        let record = ReleaseRecord::new(release, region);
        if let Some(there) = records::find(self.calls, &new.id).await? {
            return same(there, &record);
        }
        // The image says so first: a release whose image does not know of it could lose it.
        let images = Images { calls: self.calls };
        let image = &record.release.image_id;
        images.try_out(image, &record.release).await?;
        match records::create(self.calls, &record).await {
            Ok(()) => Ok(record.release),
            Err(failure) if failure.has_code("ParameterAlreadyExists") => {
                self.overtaken(&record).await
            }
            Err(failure) => Err(failure),
        }
    }

    /// Someone else took a release of this id in at the same time.
    async fn overtaken(&self, record: &ReleaseRecord) -> Result<Release> {
        let release = &record.release;
        let Some(there) = records::find(self.calls, &release.id).await? else {
            let words = format!("{} was removed at the same time", release.id);
            return Err(Failure::refused(ErrorKind::Unavailable, words));
        };
        if there.release.digest != release.digest {
            let images = Images { calls: self.calls };
            images.remove(&release.id, home(release)).await?;
        }
        same(there, record)
    }

    /// Brings a release where it shall be.
    pub(super) async fn spread(&self, id: &ReleaseId, reach: &Reach) -> Result<()> {
        let record = self.record(id).await?;
        record.check_home(&self.calls.region)?;
        if self.calls.image(&record.release.image_id).await?.is_none() {
            return Err(gone(&record));
        }
        let copies = Copies {
            calls: self.calls,
            reach,
        };
        copies.bring(record).await
    }

    /// Makes a release its line's current one. The pointers of copies move before that at home,
    /// which decides: whoever finds them apart finds a line that is on its way.
    pub(super) async fn move_line(&self, id: &ReleaseId, from: Option<&ReleaseId>) -> Result<()> {
        let record = self.record(id).await?;
        record.check_home(&self.calls.region)?;
        let pointer = self.calls.parameter(&records::pointer_of(&id.line)).await?;
        let current = pointer.as_ref().and_then(|it| it.value.parse().ok());
        moving::check(current.as_ref(), id, from)
            .map_err(|why| Failure::refused(ErrorKind::Conflict, why))?;
        let places = self.places(&record.release);
        let release = &record.release;
        let accepts = places
            .iter()
            .map(|(calls, image)| async move { Images { calls }.accept(image, release).await });
        failure::all(join_all(accepts).await)?;
        if !release.accepted {
            let mut accepted = record.clone();
            accepted.release.accepted = true;
            let notes = places.iter().map(|(calls, image)| {
                let is_home = calls.region == record.home;
                let note = (!is_home).then(|| accepted.of_copy(image));
                let note = note.unwrap_or_else(|| accepted.clone());
                async move { records::write(calls, &note).await }
            });
            failure::all(join_all(notes).await)?;
        }
        let copies = places.iter().filter(|(it, _)| it.region != record.home);
        let moves = copies.map(|(calls, _)| point_to(calls, id));
        failure::all(join_all(moves).await)?;
        self.point_home(id, pointer).await?;
        self.deprecate_others(&record, &places).await
    }

    /// Moves the pointer at home from what it was, or finds that someone else has moved it: AWS tells
    /// that with the version of the parameter that a write became.
    async fn point_home(&self, id: &ReleaseId, was: Option<Parameter>) -> Result<()> {
        let (name, value) = (records::pointer_of(&id.line), id.to_string());
        let beside = match was {
            Some(was) if was.value == value => return Ok(()),
            Some(was) => {
                let version = self.calls.write_parameter(&name, &value).await?;
                let before = format!("{name}:{}", version - 1);
                match version - was.version {
                    1 => return Ok(()),
                    _ => self.calls.parameter(&before).await?,
                }
            }
            None => {
                let tags = Tags::from([(names::RELEASE.to_owned(), value.clone())]);
                match self.calls.create_parameter(&name, &value, &tags).await {
                    Ok(_) => return Ok(()),
                    Err(failure) if failure.has_code("ParameterAlreadyExists") => {
                        self.calls.parameter(&name).await?
                    }
                    Err(failure) => return Err(failure),
                }
            }
        };
        match beside {
            // A call whose answer got lost was sent again.
            Some(beside) if beside.value == value => Ok(()),
            Some(beside) => Err(moved_beside(&beside.value)),
            None => Err(moved_beside("another release")),
        }
    }

    /// Names the regions where a release's image is gone.
    pub(super) async fn missing(&self, release: &Release) -> Result<BTreeSet<String>> {
        let places = self.places(release);
        let looks = places.iter().map(|(calls, image)| async move {
            let found = calls.image(image).await;
            let found = found.map_err(|failure| failure.within(&calls.region))?;
            Ok(found.is_none().then(|| calls.region.clone()))
        });
        let looks = failure::each(join_all(looks).await)?;
        Ok(looks.into_iter().flatten().collect())
    }

    /// Deprecates what was current before, wherever that is. Whatever an earlier move has missed is
    /// made up for.
    async fn deprecate_others(
        &self,
        current: &ReleaseRecord,
        places: &[(Calls, String)],
    ) -> Result<()> {
        let (line, _) = records::of_line(self.calls, &current.release.id.line).await?;
        let others = |region: &str, image: &String| -> Vec<String> {
            let there = line
                .iter()
                .filter_map(|record| record.release.image_ids.get(region));
            let unique: BTreeSet<&String> = there.filter(|other| *other != image).collect();
            unique.into_iter().cloned().collect()
        };
        let deprecations = places.iter().map(|(calls, image)| {
            let ids = others(&calls.region, image);
            async move { Images { calls }.deprecate(&ids, now()).await }
        });
        failure::all(join_all(deprecations).await)
    }

    /// The regions that a release is in, with its image there.
    fn places(&self, release: &Release) -> Vec<(Calls, String)> {
        let images = release.image_ids.iter();
        images
            .map(|(region, image)| (self.calls.in_region(region), image.clone()))
            .collect()
    }

    /// Removes a release with its copies, and its image where no other release is made of it. All
    /// places are asked first, so that a release in use anywhere stays whole.
    pub(super) async fn remove(&self, id: &ReleaseId) -> Result<()> {
        let Some(record) = records::find(self.calls, id).await? else {
            return Ok(());
        };
        record.check_home(&self.calls.region)?;
        let copies: Vec<Copy> = Copy::all_of(self.calls, &record);
        let images = Images { calls: self.calls };
        verify::sweep(self.calls, id).await?;
        if let Some(user) = users_here(self.calls, id).await?.first() {
            return Err(in_use(user, &self.calls.region));
        }
        images.check_unused(id, home(&record.release)).await?;
        failure::all(join_all(copies.iter().map(Copy::check_unused)).await)?;
        failure::all(join_all(copies.iter().map(Copy::remove)).await)?;
        images.remove(id, home(&record.release)).await?;
        let line = self.line(&id.line).await?;
        let is_last = line.as_ref().is_none_or(|line| line.releases.len() <= 1);
        let is_current = line.is_some_and(|line| line.current.as_ref() == Some(id));
        if is_last || is_current {
            let pointer = records::pointer_of(&id.line);
            self.calls.delete_parameter(&pointer).await?;
        }
        self.calls.delete_parameter(&records::name_of(id)).await
    }

    /// Names the fleets that run a release, wherever it is.
    pub(super) async fn users(&self, id: &ReleaseId) -> Result<Vec<FleetName>> {
        let mut regions = BTreeSet::from([self.calls.region.clone()]);
        if let Some(record) = records::find(self.calls, id).await? {
            regions.extend(record.regions);
        }
        let asked = regions.iter().map(|region| async move {
            let calls = self.calls.in_region(region);
            users_here(&calls, id).await
        });
        let mut users = BTreeSet::new();
        for found in join_all(asked).await {
            users.extend(found?);
        }
        Ok(users.into_iter().collect())
    }
}

/// Moves a line's pointer in one region.
async fn point_to(calls: &Calls, id: &ReleaseId) -> Result<()> {
    let pointer = records::pointer_of(&id.line);
    let moved = calls.write_parameter(&pointer, &id.to_string()).await;
    moved.map(drop)
}

fn moved_beside(other: &str) -> Failure {
    let words = format!("someone else made {other} current at the same time");
    Failure::refused(ErrorKind::Conflict, words)
}

/// The image that a release was taken in as.
fn home(release: &Release) -> Which<'_> {
    Which::Home(&release.image_id)
}

/// Names the fleets of one region that have a generation of a release.
pub(super) async fn users_here(calls: &Calls, id: &ReleaseId) -> Result<Vec<FleetName>> {
    let wanted = ReleaseRef::Release(id.clone());
    let records = Journal::new(calls.clone()).all().await?;
    let runs = |generation: &super::record::GenerationRecord| generation.release == wanted;
    Ok(records
        .into_iter()
        .filter(|(_, record)| record.generations.values().any(runs))
        .map(|(fleet, _)| fleet)
        .collect())
}

/// Says who keeps a release from being removed.
pub(super) fn in_use(fleet: &FleetName, region: &str) -> Failure {
    Failure::refused(
        ErrorKind::Conflict,
        format!("fleet {fleet} in {region} runs it"),
    )
}

/// The release that is there already, where it is the same one.
fn same(there: ReleaseRecord, record: &ReleaseRecord) -> Result<Release> {
    there.check_home(&record.home)?;
    let (there, release) = (there.release, &record.release);
    if there.digest == release.digest {
        return Ok(there);
    }
    let words = format!("{} is bound to {} for ever", there.id, there.image_id);
    Err(Failure::refused(ErrorKind::AlreadyExists, words))
}

fn facts(image: &Image) -> ImageFacts {
    ImageFacts {
        digest: image.image_id.clone().unwrap_or_default(),
        architecture: image
            .architecture()
            .map(|architecture| architecture.as_str().to_owned())
            .unwrap_or_default(),
    }
}
