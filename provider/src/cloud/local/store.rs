//! Objects on disk: one JSON file each, written whole or not at all.
//!
//! There is one writer, the host that holds the lock. Readers need no lock: a rename shows them the
//! earlier content or the later, never a part.

use super::directory::Directory;
use super::fleet_record::{FORMAT, FleetRecord};
use crate::cloud::{Error, ErrorKind, Result};
use crate::model::{FleetName, Line, LineName, ReleaseId, Sbom};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

/// What half-written files end in, until they are renamed.
const PARTIAL: &str = "partial";

/// The records of a local cloud.
#[derive(Debug, Clone)]
pub(super) struct Store {
    directory: Directory,
}

/// All objects of a kind. One that cannot be read stands in nobody's way but its own.
pub(super) struct Kept<N, T> {
    pub(super) readable: Vec<T>,
    pub(super) unreadable: Vec<(N, Error)>,
}

impl<N, T> Kept<N, T> {
    fn of(names: Vec<N>, read: impl Fn(&N) -> Result<Option<T>>) -> Self {
        let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
        for name in names {
            match read(&name) {
                Ok(object) => readable.extend(object),
                Err(error) => unreadable.push((name, error)),
            }
        }
        Self {
            readable,
            unreadable,
        }
    }
}

impl Store {
    pub(super) fn new(directory: Directory) -> Self {
        Self { directory }
    }

    /// Whether a fleet is on record. Without, no host is needed to tell what is known of it.
    ///
    /// # Errors
    /// Nobody may look, or nobody can: that is not an absent fleet.
    pub(super) fn has_fleet(&self, fleet: &FleetName) -> Result<bool> {
        let found = self.directory.fleet(fleet).try_exists();
        found.map_err(|error| failed("look for its record", fleet_subject(fleet), error))
    }

    /// Returns a fleet's record; absent: there is none.
    ///
    /// # Errors
    /// `Invalid` when it is damaged or another version's; the text says what to do.
    pub(super) fn fleet(&self, fleet: &FleetName) -> Result<Option<FleetRecord>> {
        let path = self.directory.fleet(fleet);
        let record = read(&path).and_then(|record| known(record, fleet));
        record.map_err(|error| {
            let error = match error.kind() {
                io::ErrorKind::InvalidData => advised(&path, &error),
                _ => error,
            };
            failed("read its record", fleet_subject(fleet), error)
        })
    }

    /// Returns all fleets' records, and what cannot be read.
    pub(super) fn all_fleets(&self) -> Result<Kept<FleetName, FleetRecord>> {
        let names = self.fleets()?;
        Ok(Kept::of(names, |name| self.fleet(name)))
    }

    pub(super) fn fleets(&self) -> Result<Vec<FleetName>> {
        names(&self.directory.fleets()).map_err(|error| self.unlisted(error))
    }

    pub(super) fn line(&self, line: &LineName) -> Result<Option<Line>> {
        let path = self.directory.line(line);
        read(&path).map_err(|error| {
            let error = match error.kind() {
                io::ErrorKind::InvalidData => advised(&path, &error),
                _ => error,
            };
            failed("read its releases", line_subject(line), error)
        })
    }

    /// Returns what a release is made of; absent: nobody stored it.
    pub(super) fn sbom(&self, release: &ReleaseId) -> Result<Option<Sbom>> {
        let path = self.directory.sbom(release);
        read(&path)
            .map_err(|error| failed("read what it is made of", release_subject(release), error))
    }

    pub(super) fn write_sbom(&self, release: &ReleaseId, sbom: &Sbom) -> Result<()> {
        let path = self.directory.sbom(release);
        write(&path, sbom)
            .map_err(|error| failed("store what it is made of", release_subject(release), error))
    }

    pub(super) fn remove_sbom(&self, release: &ReleaseId) -> Result<()> {
        let path = self.directory.sbom(release);
        remove(&path)
            .map_err(|error| failed("forget what it is made of", release_subject(release), error))
    }

    pub(super) fn lines(&self) -> Result<Vec<LineName>> {
        names(&self.directory.lines()).map_err(|error| self.unlisted(error))
    }

    /// Returns all lines, and what cannot be read.
    pub(super) fn all_lines(&self) -> Result<Kept<LineName, Line>> {
        let names = self.lines()?;
        Ok(Kept::of(names, |name| self.line(name)))
    }

    pub(super) fn write_fleet(&self, record: &FleetRecord) -> Result<()> {
        let path = self.directory.fleet(&record.name);
        write(&path, record)
            .map_err(|error| failed("write its record", fleet_subject(&record.name), error))
    }

    pub(super) fn write_line(&self, line: &Line) -> Result<()> {
        let path = self.directory.line(&line.name);
        write(&path, line)
            .map_err(|error| failed("write its releases", line_subject(&line.name), error))
    }

    pub(super) fn remove_fleet(&self, fleet: &FleetName) -> Result<()> {
        let path = self.directory.fleet(fleet);
        remove(&path).map_err(|error| failed("remove its record", fleet_subject(fleet), error))
    }

    pub(super) fn remove_line(&self, line: &LineName) -> Result<()> {
        let path = self.directory.line(line);
        remove(&path).map_err(|error| failed("remove its record", line_subject(line), error))
    }

    /// Removes what a writer that was killed left half-written.
    pub(super) fn sweep(&self) -> io::Result<()> {
        let directories = [
            self.directory.fleets(),
            self.directory.lines(),
            self.directory.sboms(),
        ];
        for directory in directories {
            for path in entries(&directory)? {
                if path
                    .extension()
                    .is_some_and(|extension| extension == PARTIAL)
                {
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(())
    }

    fn unlisted(&self, error: io::Error) -> Error {
        failed(
            "list the store",
            self.directory.path().display().to_string(),
            error,
        )
    }
}

fn fleet_subject(fleet: &FleetName) -> String {
    format!("fleet {fleet}")
}

fn line_subject(line: &LineName) -> String {
    format!("line {line}")
}

fn release_subject(release: &ReleaseId) -> String {
    format!("release {release}")
}

/// Turns the machine's refusal into what the caller should do about it.
pub(super) fn failed(operation: &str, subject: String, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::NoCapacity
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::InvalidData => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, operation, subject, error)
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let value = serde_json::from_slice(&bytes);
    value
        .map(Some)
        .map_err(|error| unusable(format!("it is damaged or another version's: {error}")))
}

/// Passes a record that this version understands and that is the fleet's own.
fn known(record: Option<FleetRecord>, fleet: &FleetName) -> io::Result<Option<FleetRecord>> {
    match record {
        Some(record) if record.format != FORMAT => Err(unusable(format!(
            "it was written by another version of the provider, in form {}; this one knows form {FORMAT}",
            record.format
        ))),
        Some(record) if record.name != *fleet => Err(unusable(format!(
            "it is that of fleet {} under a wrong name",
            record.name
        ))),
        record => Ok(record),
    }
}

fn unusable(words: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

fn advised(path: &Path, error: &io::Error) -> io::Error {
    let path = path.display();
    unusable(format!(
        "{path}: {error}. Everything else goes on. Use the version of the provider that wrote it, \
         put a copy of it back, or remove it to give up what it records"
    ))
}

/// Writes a file so that a crash at any byte leaves the earlier content or the later.
pub(super) fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    if !parent.exists() {
        fs::create_dir_all(parent)?;
        // The directory's own name must outlive a power cut as well.
        parent.parent().map_or(Ok(()), sync_directory)?;
    }
    let partial = path.with_extension(PARTIAL);
    let written = write_new(&partial, value).and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // What could not be written whole takes no room; the error tells the rest.
        let _ = fs::remove_file(&partial);
    }
    written?;
    sync_directory(parent)
}

fn write_new<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let bytes = serde_json::to_vec_pretty(value)?;
    let mut file = File::create(path)?;
    file.write_all(&bytes)?;
    file.sync_all()
}

/// Makes a rename or removal in `directory` outlive a power cut.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => path.parent().map_or(Ok(()), sync_directory),
    }
}

/// The names of the objects in a directory, sorted; a directory that is not there has none.
fn names<N: FromStr + Ord>(directory: &Path) -> io::Result<Vec<N>> {
    let paths = entries(directory)?;
    let files = paths.iter().filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    let mut names: Vec<N> = files
        .filter_map(|path| path.file_stem()?.to_str()?.parse().ok())
        .collect();
    names.sort();
    Ok(names)
}

/// The paths in a directory; one that is not there has none.
pub(super) fn entries(directory: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect(),
    }
}
