//! Releases, as simply as the contract allows.

use crate::cloud::{ErrorKind, ImageFacts, NewRelease, Reach, Trial, moving};
use crate::model::{ImageSource, Line, LineName, Release, ReleaseId, Sbom, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// All lines of releases.
#[derive(Debug, Default)]
pub(super) struct Library {
    lines: BTreeMap<LineName, Line>,
    sboms: BTreeMap<ReleaseId, Sbom>,
    /// What trials of releases find; a release that is not named is well.
    pub(super) trials: BTreeMap<ReleaseId, Trial>,
    /// The places of releases whose image somebody removed.
    pub(super) lost: BTreeMap<ReleaseId, BTreeSet<String>>,
    /// Whether the next move of a line is followed by a look that fails.
    pub(super) hides_next_move: bool,
    is_hidden: bool,
}

/// The content of a simulated image is its source's text.
pub(super) fn facts(source: &ImageSource) -> Result<ImageFacts, (ErrorKind, String)> {
    let text = match source {
        ImageSource::Path(path) => path.display().to_string(),
        ImageSource::Image(image) => image.clone(),
    };
    if text.is_empty() || text.contains("missing") {
        return Err((ErrorKind::NotFound, format!("there is no image {text:?}")));
    }
    Ok(ImageFacts {
        digest: format!("sim:{text}"),
        architecture: "sim".to_owned(),
    })
}

/// Every region exists but those whose name says otherwise.
pub(super) fn check_reach(reach: &Reach) -> Result<(), (ErrorKind, String)> {
    match reach.regions.keys().find(|name| name.contains("missing")) {
        Some(name) => Err((ErrorKind::Invalid, format!("there is no region {name}"))),
        None => Ok(()),
    }
}

impl Library {
    pub(super) fn lines(&self) -> Vec<LineName> {
        self.lines.keys().cloned().collect()
    }

    /// Looks at a line, once in vain after a move that is hidden.
    pub(super) fn look(&mut self, name: &LineName) -> Result<Option<Line>, (ErrorKind, String)> {
        if std::mem::take(&mut self.is_hidden) {
            return Err((ErrorKind::Throttled, "too many looks".to_owned()));
        }
        Ok(self.line(name))
    }

    pub(super) fn sbom(&self, id: &ReleaseId) -> Option<Sbom> {
        self.sboms.get(id).cloned()
    }

    pub(super) fn store_sbom(
        &mut self,
        id: &ReleaseId,
        sbom: &Sbom,
    ) -> Result<(), (ErrorKind, String)> {
        if self.release(id).is_none() {
            return Err((ErrorKind::NotFound, format!("there is no release {id}")));
        }
        match self.sboms.get(id) {
            Some(there) if there != sbom => Err((
                ErrorKind::AlreadyExists,
                format!("{id} has another bill of materials"),
            )),
            Some(_) => Ok(()),
            None => {
                self.sboms.insert(id.clone(), sbom.clone());
                Ok(())
            }
        }
    }

    pub(super) fn line(&self, name: &LineName) -> Option<Line> {
        self.lines.get(name).cloned()
    }

    pub(super) fn release(&self, id: &ReleaseId) -> Option<&Release> {
        let line = self.lines.get(&id.line)?;
        line.releases.iter().find(|release| release.id == *id)
    }

    pub(super) fn import(
        &mut self,
        new: &NewRelease,
        now: Timestamp,
    ) -> Result<Release, (ErrorKind, String)> {
        let facts = facts(&new.source)?;
        if let Some(release) = self.release(&new.id) {
            return if release.digest == facts.digest {
                Ok(release.clone())
            } else {
                Err((
                    ErrorKind::AlreadyExists,
                    format!("{} has other content", new.id),
                ))
            };
        }
        let image_id = format!("image-{}", facts.digest);
        let release = Release {
            id: new.id.clone(),
            image_ids: BTreeMap::from([("sim".to_owned(), image_id.clone())]),
            image_id,
            digest: facts.digest,
            architecture: facts.architecture,
            released_at: now,
            accepted: false,
            provenance: new.provenance.clone(),
        };
        let line = self
            .lines
            .entry(new.id.line.clone())
            .or_insert_with(|| Line {
                name: new.id.line.clone(),
                current: None,
                releases: Vec::new(),
            });
        line.releases.insert(0, release.clone());
        Ok(release)
    }

    /// The copies are there at once, under the image's id and their region's name.
    pub(super) fn spread(
        &mut self,
        id: &ReleaseId,
        reach: &Reach,
    ) -> Result<(), (ErrorKind, String)> {
        check_reach(reach)?;
        let releases = self.lines.get_mut(&id.line).map(|line| &mut line.releases);
        let found = releases.and_then(|all| all.iter_mut().find(|it| it.id == *id));
        let Some(release) = found else {
            return Err((ErrorKind::NotFound, format!("there is no release {id}")));
        };
        if let Some(lost) = self.lost.get_mut(id) {
            if lost.contains("sim") {
                return Err((ErrorKind::NotFound, format!("the image of {id} is gone")));
            }
            lost.clear();
        }
        let home = ("sim".to_owned(), release.image_id.clone());
        let copy = |region: &String| (region.clone(), format!("{}-{region}", release.image_id));
        let copies = reach.regions.keys().map(copy);
        release.image_ids = copies.chain([home]).collect();
        Ok(())
    }

    pub(super) fn move_line(
        &mut self,
        id: &ReleaseId,
        from: Option<&ReleaseId>,
    ) -> Result<(), (ErrorKind, String)> {
        if self.release(id).is_none() {
            return Err((ErrorKind::NotFound, format!("there is no release {id}")));
        }
        if let Some(line) = self.lines.get_mut(&id.line) {
            let checked = moving::check(line.current.as_ref(), id, from);
            checked.map_err(|why| (ErrorKind::Conflict, why))?;
            line.accept(id);
        }
        self.is_hidden = std::mem::take(&mut self.hides_next_move);
        Ok(())
    }

    pub(super) fn remove(&mut self, id: &ReleaseId) {
        let Some(line) = self.lines.get_mut(&id.line) else {
            return;
        };
        self.sboms.remove(id);
        line.releases.retain(|release| release.id != *id);
        line.current = line.current.take().filter(|current| current != id);
        if line.releases.is_empty() {
            self.lines.remove(&id.line);
        }
    }
}
