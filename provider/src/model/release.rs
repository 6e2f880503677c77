//! Images bound to versions.

use super::{LineName, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A release's name: `name@version`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseId {
    /// The line.
    pub line: LineName,
    /// The version within the line: 1 to 64 of letters, digits, `.`, `_`, `+` and `-`.
    pub version: String,
}

/// A text that is not a release id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a release id of the form name@version: {why}")]
pub struct InvalidReleaseId {
    text: String,
    why: String,
}

impl ReleaseId {
    /// Returns the id of a line's version.
    ///
    /// # Errors
    /// The version is empty, too long or has other characters than the allowed ones.
    pub fn new(line: LineName, version: &str) -> Result<Self, InvalidReleaseId> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
        if (1..=64).contains(&version.len()) && version.bytes().all(allowed) {
            return Ok(Self {
                line,
                version: version.to_owned(),
            });
        }
        Err(InvalidReleaseId {
            text: format!("{line}@{version}"),
            why: "a version has 1 to 64 letters, digits, dots, dashes, underscores or plus signs"
                .to_owned(),
        })
    }
}

impl FromStr for ReleaseId {
    type Err = InvalidReleaseId;

    fn from_str(text: &str) -> Result<Self, InvalidReleaseId> {
        let invalid = |why: String| InvalidReleaseId {
            text: text.to_owned(),
            why,
        };
        let (line, version) = text
            .split_once('@')
            .ok_or_else(|| invalid("it has no @".to_owned()))?;
        let line = line
            .parse::<LineName>()
            .map_err(|error| invalid(error.to_string()))?;
        Self::new(line, version)
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.line, self.version)
    }
}

impl Serialize for ReleaseId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ReleaseId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What a fleet says it runs: a release, or an image id as it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseRef {
    /// A release of a line.
    Release(ReleaseId),
    /// An image that no line holds.
    Image(String),
}

impl ReleaseRef {
    /// Reads what a user wrote: with an `@` it must be a release id, without it is an image id.
    ///
    /// # Errors
    /// The text has an `@` and is not a release id, or it is empty.
    pub fn parse(text: &str) -> Result<Self, InvalidReleaseId> {
        if text.contains('@') || text.is_empty() {
            return text.parse().map(Self::Release);
        }
        Ok(Self::Image(text.to_owned()))
    }
}

impl fmt::Display for ReleaseRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(id) => id.fmt(f),
            Self::Image(image) => f.write_str(image),
        }
    }
}

/// Where a release's content comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageSource {
    /// A file, a directory or an archive on this machine.
    Path(PathBuf),
    /// An image that the cloud has already.
    Image(String),
}

/// A version bound to an image's content, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The release's name.
    pub id: ReleaseId,
    /// The image in the cloud where the release was made.
    pub image_id: String,
    /// The image's copies by region; on the local cloud the one image under `local`.
    pub image_ids: BTreeMap<String, String>,
    /// The hash of the image's content, `sha256:` and 64 hexadecimal digits where the cloud can
    /// read the content.
    pub digest: String,
    /// The architecture that the image runs on, in the cloud's words.
    pub architecture: String,
    /// When the image was taken in.
    pub released_at: Timestamp,
    /// Whether the release was its line's current one, now or earlier: what never was cannot be gone
    /// back to.
    #[serde(default = "accepted")]
    pub accepted: bool,
    /// What the user stored with it.
    pub provenance: BTreeMap<String, String>,
}

/// A line that an earlier version of the provider stored does not tell: what it lists counts.
fn accepted() -> bool {
    true
}

/// A line's releases and the one that is current.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The line.
    pub name: LineName,
    /// The release that is current; absent: none was accepted yet.
    pub current: Option<ReleaseId>,
    /// The releases kept, the one accepted last first.
    pub releases: Vec<Release>,
}

impl Line {
    /// Makes a release of the line current.
    pub fn accept(&mut self, id: &ReleaseId) {
        let release = self.releases.iter_mut().find(|release| release.id == *id);
        if let Some(release) = release {
            release.accepted = true;
            self.current = Some(id.clone());
        }
    }
}
