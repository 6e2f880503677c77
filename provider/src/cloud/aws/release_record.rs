//! What is remembered of a release, and where.
//!
//! A release is one SSM parameter that is created and never overwritten with other content, so that a
//! version is bound to its image for ever whoever else tries. Every region that has a copy has a
//! parameter of the same name, so that a fleet there finds its own region's image at home.

use super::call::{Calls, Parameter};
use super::failure::{Failure, Result};
use super::names::{self, Tags};
use crate::cloud::ErrorKind;
use crate::model::{LineName, Release, ReleaseId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Below this lies everything of all lines.
const LINES: &str = "/immutable/lines/";

/// A release as it is remembered in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReleaseRecord {
    /// The release; its `image_id` is that of the region that the record is in.
    pub(super) release: Release,
    /// The region that it was taken in in, where alone it can be changed.
    pub(super) home: String,
    /// The regions that may have a copy. They are written down before a copy is asked for, so that
    /// none is ever lost.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) regions: BTreeSet<String>,
    /// The accounts that it may be shared with, likewise.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) accounts: BTreeSet<String>,
    /// Counts copies that failed: the next attempt must not be answered with the failed one.
    #[serde(default)]
    pub(super) attempt: u32,
}

impl ReleaseRecord {
    /// The record of a release that was taken in just now.
    pub(super) fn new(release: Release, home: &str) -> Self {
        Self {
            release,
            home: home.to_owned(),
            regions: BTreeSet::new(),
            accounts: BTreeSet::new(),
            attempt: 0,
        }
    }

    /// The record that a region with a copy has.
    pub(super) fn of_copy(&self, image_id: &str) -> Self {
        let release = Release {
            image_id: image_id.to_owned(),
            ..self.release.clone()
        };
        Self::new(release, &self.home)
    }

    /// Refuses to change a copy of what is at home elsewhere.
    pub(super) fn check_home(&self, region: &str) -> Result<()> {
        if self.home == region {
            return Ok(());
        }
        let words = format!(
            "{} was released in {} and has only a copy in {region}; change it with a provider of \
             that region",
            self.release.id, self.home
        );
        Err(Failure::refused(ErrorKind::Conflict, words))
    }
}

/// Finds a release in the region of the calls.
pub(super) async fn find(calls: &Calls, id: &ReleaseId) -> Result<Option<ReleaseRecord>> {
    let parameter = calls.parameter(&name_of(id)).await?;
    parameter.map(|parameter| parsed(&parameter)).transpose()
}

/// Makes the record of a release; it fails with `ParameterAlreadyExists` where there is one.
pub(super) async fn create(calls: &Calls, record: &ReleaseRecord) -> Result<()> {
    let id = &record.release.id;
    let tags = Tags::from([(names::RELEASE.to_owned(), id.to_string())]);
    let text = text_of(record)?;
    let created = calls.create_parameter(&name_of(id), &text, &tags).await;
    created.map(drop)
}

/// Writes a record anew.
pub(super) async fn write(calls: &Calls, record: &ReleaseRecord) -> Result<()> {
    let text = text_of(record)?;
    let name = name_of(&record.release.id);
    calls.write_parameter(&name, &text).await.map(drop)
}

/// Tells all records of a line in a region, and the name of the current release.
pub(super) async fn of_line(
    calls: &Calls,
    line: &LineName,
) -> Result<(Vec<ReleaseRecord>, Option<String>)> {
    let below = calls.parameters_below(&format!("{LINES}{line}")).await?;
    let pointer = pointer_of(line);
    let (current, releases): (Vec<_>, Vec<_>) =
        below.into_iter().partition(|it| it.name == pointer);
    let records: Result<Vec<_>> = releases.iter().map(parsed).collect();
    let current = current.into_iter().next().map(|pointer| pointer.value);
    Ok((records?, current))
}

/// Names all lines of a region.
pub(super) async fn lines(calls: &Calls) -> Result<Vec<LineName>> {
    let below = calls.parameters_below(LINES.trim_end_matches('/')).await?;
    let lines = below.iter().filter_map(|parameter| {
        let (line, rest) = parameter.name.strip_prefix(LINES)?.split_once('/')?;
        rest.starts_with("releases/").then(|| line.parse().ok())?
    });
    Ok(lines.collect::<BTreeSet<LineName>>().into_iter().collect())
}

/// The name of the parameter that holds a line's current release.
pub(super) fn pointer_of(line: &LineName) -> String {
    format!("{LINES}{line}/current")
}

/// The name of a release's parameter.
pub(super) fn name_of(id: &ReleaseId) -> String {
    format!("{LINES}{}/releases/{}", id.line, escaped(&id.version))
}

/// A version in names that know no plus sign, as those of parameters and of images.
pub(super) fn escaped(version: &str) -> String {
    version.replace('_', "__").replace('+', "_p")
}

fn text_of(record: &ReleaseRecord) -> Result<String> {
    serde_json::to_string(record)
        .map_err(|error| Failure::refused(ErrorKind::Invalid, error.to_string()))
}

/// Reads a record.
pub(super) fn parsed(parameter: &Parameter) -> Result<ReleaseRecord> {
    serde_json::from_str(&parameter.value).map_err(|error| {
        let name = &parameter.name;
        let words = format!("the SSM parameter {name} is not a release: {error}");
        Failure::refused(ErrorKind::Invalid, words)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn two_versions_never_share_a_parameter() {
        let name =
            |version: &str| name_of(&ReleaseId::new("web".parse().unwrap(), version).unwrap());
        assert_eq!(name("1.4.2"), "/immutable/lines/web/releases/1.4.2");
        assert_eq!(name("1+2"), "/immutable/lines/web/releases/1_p2");
        assert_eq!(name("1_p2"), "/immutable/lines/web/releases/1__p2");
    }
}
