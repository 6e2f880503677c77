//! Where everything of one local cloud lies.

use crate::model::{FleetName, LineName, MemberId, ReleaseId};
use std::io;
use std::path::{Path, PathBuf};

/// The directory of one local cloud: an absolute path, and what lies where in it.
///
/// ```text
/// host.lock        held while a host lives
/// host.sock        where the host listens
/// host.log         what the host itself has to say
/// fleets/web.json  a fleet's record
/// lines/web.json   a line's releases
/// sboms/web@1.json what a release is made of
/// images/<digest>  an unpacked image and its manifest
/// members/<id>     a member's own directories and its output
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory(PathBuf);

impl Directory {
    /// Returns the directory at `path`, made absolute once: what is meant does not change when the
    /// process goes elsewhere.
    ///
    /// # Errors
    /// The working directory cannot be told, or the path is empty.
    pub fn at(path: &Path) -> io::Result<Self> {
        let absolute = std::path::absolute(path)?;
        // A path through a symbolic link and the one it leads to are the same cloud.
        Ok(Self(absolute.canonicalize().unwrap_or(absolute)))
    }

    /// Returns the directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns what the host has written about itself; empty: nothing.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn host_log(&self) -> io::Result<String> {
        match std::fs::read_to_string(self.log()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            other => other,
        }
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.0.join("host.lock")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.0.join("host.sock")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.0.join("host.log")
    }

    pub(super) fn fleets(&self) -> PathBuf {
        self.0.join("fleets")
    }

    pub(super) fn fleet(&self, fleet: &FleetName) -> PathBuf {
        self.fleets().join(format!("{fleet}.json"))
    }

    pub(super) fn lines(&self) -> PathBuf {
        self.0.join("lines")
    }

    pub(super) fn line(&self, line: &LineName) -> PathBuf {
        self.lines().join(format!("{line}.json"))
    }

    pub(super) fn sboms(&self) -> PathBuf {
        self.0.join("sboms")
    }

    /// A release id has nothing in it that a file's name may not have.
    pub(super) fn sbom(&self, release: &ReleaseId) -> PathBuf {
        self.sboms().join(format!("{release}.json"))
    }

    pub(super) fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    pub(super) fn members(&self) -> PathBuf {
        self.0.join("members")
    }

    pub(super) fn member(&self, member: &MemberId) -> PathBuf {
        self.members().join(&member.0)
    }

    /// Makes the directory for its owner alone.
    pub(super) fn create(&self) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
    }
}
