//! A line's releases as they appear in the state, and which of them are kept.

use super::attributes::{ImageRelease, Past, Version};
use crate::model::{Line, Release, ReleaseId};
use crate::schema::Text;

/// Returns the release of a line that is current.
pub(super) fn current(line: &Line) -> Option<&Release> {
    let id = line.current.as_ref()?;
    line.releases.iter().find(|release| release.id == *id)
}

/// Returns the releases beyond those that are kept, the oldest first: all but the current one and
/// the `keep` newest others. What was never accepted goes first and is not counted: an apply took it
/// in, failed, and was given up.
///
/// Releases 5 (current), 4, 3, 2 and keep 2: 2 goes. Gone back to 3 with keep 1: 5 stays, 4 goes.
pub(super) fn beyond(line: &Line, keep: usize) -> Vec<&ReleaseId> {
    let others = line
        .releases
        .iter()
        .filter(|it| Some(&it.id) != line.current.as_ref());
    let (accepted, given_up): (Vec<_>, Vec<_>) = others.partition(|release| release.accepted);
    let earlier = accepted.into_iter().skip(keep).rev();
    let beyond = given_up.into_iter().rev().chain(earlier);
    beyond.map(|release| &release.id).collect()
}

/// Returns the releases that may go now: those beyond what is kept, but for what was taken in after the
/// current one and never accepted. Another apply may be about to make that current.
pub(super) fn done_with(line: &Line, keep: usize) -> Vec<&ReleaseId> {
    let since = current(line).map(|release| release.released_at);
    let is_coming = |id: &ReleaseId| {
        let release = line.releases.iter().find(|release| release.id == *id);
        release.is_some_and(|release| !release.accepted && Some(release.released_at) > since)
    };
    let mut ids = beyond(line, keep);
    ids.retain(|id| !is_coming(id));
    ids
}

/// Returns the state with what the line tells of its current release; absent: it has none.
///
/// A release that was taken in by an apply that never made it current stays out of the history:
/// nobody has tried it, so it cannot be gone back to.
pub(super) fn told(have: ImageRelease, line: &Line) -> Option<ImageRelease> {
    let release = current(line)?;
    let accepted = line.releases.iter().filter(|release| release.accepted);
    let history = accepted.map(past).collect();
    Some(ImageRelease {
        version: Version::parse(&release.id.version)?,
        id: Some(release.id.to_string()),
        image_id: Some(release.image_id.clone()),
        image_ids: Some(release.image_ids.clone()),
        digest: Some(release.digest.clone()),
        architecture: Some(release.architecture.clone()),
        released_at: Some(release.released_at.to_string()),
        history: Some(history),
        ..have
    })
}

fn past(release: &Release) -> Past {
    Past {
        version: release.id.version.clone(),
        id: release.id.to_string(),
        image_id: release.image_id.clone(),
        digest: release.digest.clone(),
        released_at: release.released_at.to_string(),
        provenance: release.provenance.clone(),
    }
}

impl ImageRelease {
    /// Returns the release that is current.
    pub(super) fn current(&self) -> ReleaseId {
        ReleaseId {
            line: self.name.clone(),
            version: self.version.as_str().to_owned(),
        }
    }

    /// Whether an image is gone that shall be there: at home, or in a region of `copy_to`. What was
    /// not read tells nothing.
    pub(super) fn lacks_images(&self) -> bool {
        let Some(images) = &self.image_ids else {
            return false;
        };
        let copies = self.aws.iter().flat_map(|aws| aws.copy_to.iter().flatten());
        let mut copies = copies.filter(|region| !images.contains_key(*region));
        let is_home_there = images
            .values()
            .any(|image| self.image_id.as_ref() == Some(image));
        copies.next().is_some() || !is_home_there
    }

    /// Returns the digest that a version is bound to; absent: the version is new.
    pub(super) fn digest_of(&self, version: &str) -> Option<&str> {
        let past = self.history.iter().flatten();
        let bound = past
            .filter(|past| past.version == version)
            .map(|past| past.digest.as_str());
        let is_current = self.version.as_str() == version;
        bound
            .chain(self.digest.as_deref().filter(|_| is_current))
            .next()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use std::collections::BTreeMap;

    fn line(current: &str, versions: &[&str]) -> Line {
        let id = |version: &str| format!("web@{version}").parse::<ReleaseId>().unwrap();
        Line {
            name: "web".parse().unwrap(),
            current: Some(id(current)),
            releases: versions
                .iter()
                .map(|version| Release {
                    id: id(version),
                    image_id: format!("image-{version}"),
                    image_ids: BTreeMap::new(),
                    digest: format!("sha256:{version}"),
                    architecture: "x86_64".to_owned(),
                    released_at: Timestamp::default(),
                    accepted: !version.starts_with("tried"),
                    provenance: BTreeMap::new(),
                })
                .collect(),
        }
    }

    #[test]
    fn what_another_apply_may_be_about_to_accept_stays() {
        let mut line = line("5", &["tried-6", "5", "tried-4", "3"]);
        for (release, at) in line.releases.iter_mut().zip([60, 50, 40, 30]) {
            release.released_at = Timestamp::from_milliseconds(at);
        }
        let versions = |ids: Vec<&ReleaseId>| -> Vec<String> {
            ids.into_iter().map(|id| id.version.clone()).collect()
        };
        assert_eq!(versions(done_with(&line, 0)), ["tried-4", "3"]);
        assert_eq!(versions(beyond(&line, 0)), ["tried-4", "tried-6", "3"]);
    }

    #[test]
    fn keep_counts_earlier_releases_beside_the_current_one() {
        for (current, versions, keep, gone) in [
            ("5", vec!["5", "4", "3", "2"], 2, vec!["2"]),
            ("5", vec!["5", "4", "3", "2"], 0, vec!["2", "3", "4"]),
            ("5", vec!["5", "4", "3", "2"], 3, vec![]),
            ("3", vec!["5", "4", "3"], 1, vec!["4"]),
            ("5", vec!["5"], 0, vec![]),
            // What was given up goes, and takes the place of nothing.
            ("5", vec!["tried-6", "5", "4", "3"], 1, vec!["tried-6", "3"]),
        ] {
            let line = line(current, &versions);
            let beyond = beyond(&line, keep);
            let beyond: Vec<&str> = beyond.iter().map(|id| id.version.as_str()).collect();
            assert_eq!(beyond, gone, "current {current}, keep {keep}");
        }
    }
}
