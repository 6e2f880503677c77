//! Images: content that is taken in once, kept under its hash, and never changed.

mod content;
mod frames;
mod intake;
mod source;
mod watch;

pub(super) use content::Content;
pub(super) use intake::Refusal;
pub(super) use watch::Watch;

use super::directory::Directory;
use super::store;
use crate::cloud::{Error, ErrorKind, ImageFacts, Result};
use crate::model::ImageSource;
use intake::Intake;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What directories are called until the image in them is whole.
const PARTIAL: &str = "partial-";

/// The images of a local cloud.
#[derive(Debug, Clone)]
pub(super) struct Images {
    directory: Directory,
}

impl Images {
    pub(super) fn new(directory: Directory) -> Self {
        Self { directory }
    }

    /// Tells what is in an image without keeping anything.
    pub(super) fn inspect(&self, source: &ImageSource) -> Result<ImageFacts> {
        let content = match source {
            ImageSource::Image(digest) => self.content(digest)?,
            ImageSource::Path(path) => {
                let mut intake = Intake::inspecting();
                let read = source::read(path, &mut intake).and_then(|()| intake.finish());
                read.map_err(|refusal| refused("read it", path, refusal))?
            }
        };
        Ok(facts(&content))
    }

    /// Takes an image in, where it is not there already.
    pub(super) fn import(&self, source: &ImageSource) -> Result<ImageFacts> {
        match source {
            ImageSource::Image(digest) => self.content(digest).map(|content| facts(&content)),
            ImageSource::Path(path) => {
                let partial = self.partial();
                let taken = self.take_in(path, &partial);
                // Gone already when it was published; otherwise nothing half-made stays.
                remove_tree(&partial)
                    .map_err(|error| store::failed("clean up", subject(path), error))?;
                taken
            }
        }
    }

    /// Tells what is in an image of the store.
    pub(super) fn content(&self, digest: &str) -> Result<Content> {
        let missing = || {
            Error::new(
                ErrorKind::NotFound,
                "find it",
                format!("image {digest}"),
                "the store holds no such image",
            )
        };
        let bytes = match fs::read(self.place(digest).ok_or_else(missing)?.join("content.json")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
            other => {
                other.map_err(|error| store::failed("read it", format!("image {digest}"), error))?
            }
        };
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                "read it",
                format!("image {digest}"),
                error,
            )
        })
    }

    /// Returns where an image is unpacked.
    pub(super) fn root(&self, digest: &str) -> PathBuf {
        self.place(digest).unwrap_or_default().join("root")
    }

    /// Returns where an image's spare copy is, from which a changed file is set right.
    pub(super) fn spare(&self, digest: &str) -> PathBuf {
        self.place(digest).unwrap_or_default().join("spare")
    }

    /// Returns the digests of all images.
    pub(super) fn all(&self) -> io::Result<Vec<String>> {
        let entries = store::entries(&self.directory.images())?;
        let names = entries.iter().filter_map(|path| path.file_name()?.to_str());
        Ok(names
            .filter(|name| is_hex(name))
            .map(|name| format!("sha256:{name}"))
            .collect())
    }

    /// Removes an image; one that is not there is fine. It goes under another name, so that an
    /// interruption leaves nothing that could be taken for it.
    pub(super) fn remove(&self, digest: &str) -> io::Result<()> {
        let Some(place) = self.place(digest) else {
            return Ok(());
        };
        let going = self.partial();
        match fs::rename(&place, &going) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => remove_tree(&going),
        }
    }

    /// Removes what a host that was killed left half-made.
    pub(super) fn sweep(&self) -> io::Result<()> {
        for path in store::entries(&self.directory.images())? {
            if path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(PARTIAL))
            {
                remove_tree(&path)?;
            }
        }
        Ok(())
    }

    fn take_in(&self, path: &Path, partial: &Path) -> Result<ImageFacts> {
        let failed = |error| store::failed("take it in", subject(path), error);
        let root = partial.join("root");
        fs::create_dir_all(&root).map_err(failed)?;
        let mut intake = Intake::unpacking(root.clone());
        let read = source::read(path, &mut intake).and_then(|()| intake.finish());
        let content = read.map_err(|refusal| refused("take it in", path, refusal))?;
        let facts = facts(&content);
        store::write(&partial.join("content.json"), &content).map_err(failed)?;
        copy_tree(&root, &partial.join("spare")).map_err(failed)?;
        seal(&root).map_err(failed)?;
        self.publish(partial, &facts.digest).map_err(failed)?;
        Ok(facts)
    }

    fn publish(&self, partial: &Path, digest: &str) -> io::Result<()> {
        let place = self.place(digest).ok_or(io::ErrorKind::InvalidInput)?;
        // One call for all files: a call for each would take a disk's turn for each.
        rustix::fs::syncfs(fs::File::open(partial)?)?;
        if self.content(digest).is_ok() {
            // The same content is there already.
            return Ok(());
        }
        // What is left of an image that somebody removed in part is none.
        self.remove(digest)?;
        fs::rename(partial, &place)?;
        store::sync_directory(&self.directory.images())
    }

    /// A new name for what is not whole, which the next host sweeps.
    fn partial(&self) -> PathBuf {
        let name = format!("{PARTIAL}{}", super::random_name());
        self.directory.images().join(name)
    }

    /// Where an image lies; absent: the text is no digest.
    fn place(&self, digest: &str) -> Option<PathBuf> {
        let name = digest.strip_prefix("sha256:").filter(|name| is_hex(name))?;
        Some(self.directory.images().join(name))
    }
}

fn is_hex(name: &str) -> bool {
    name.len() == 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn facts(content: &Content) -> ImageFacts {
    ImageFacts {
        digest: content.digest(),
        architecture: std::env::consts::ARCH.to_owned(),
    }
}

fn subject(path: &Path) -> String {
    format!("image {}", path.display())
}

fn refused(operation: &str, path: &Path, refusal: Refusal) -> Error {
    let kind = match &refusal {
        Refusal::Entry { .. } | Refusal::Whole(_) => ErrorKind::Invalid,
        Refusal::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            ErrorKind::NotFound
        }
        Refusal::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            ErrorKind::Denied
        }
        // A read that ends early or finds nonsense: the archive is at fault, not the machine.
        Refusal::Unreadable { .. } => ErrorKind::Invalid,
        Refusal::Unwritable { source, .. } => match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => ErrorKind::NoCapacity,
            _ => ErrorKind::Unavailable,
        },
    };
    Error::new(kind, operation, subject(path), refusal)
}

/// Copies a tree with its permissions, sharing the disk's blocks where the file system can.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

/// Makes directories read-only. Files already are.
fn seal(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            seal(&entry.path())?;
        }
    }
    fs::set_permissions(directory, Permissions::from_mode(0o555))
}

/// Removes a tree whose directories may be read-only; one that is not there is fine.
pub(super) fn remove_tree(tree: &Path) -> io::Result<()> {
    match fs::symlink_metadata(tree) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    unseal(tree)?;
    fs::remove_dir_all(tree)
}

fn unseal(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            unseal(&entry.path())?;
        }
    }
    Ok(())
}
