//! The lock that says that a host lives.

use super::super::directory::Directory;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

/// The right to be a directory's host. The kernel takes it back when the process ends, however it
/// ends, so it needs no process id that could be stale.
pub(in crate::cloud::local) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock; absent: another process has it.
    pub(in crate::cloud::local) fn take(directory: &Directory) -> io::Result<Option<Self>> {
        let path = directory.lock();
        loop {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            // A host that ended between our two calls has removed the file that we hold.
            if is_at(&file, &path)? {
                return Ok(Some(Self { file, path }));
            }
        }
    }

    /// Whether some process holds the lock. It makes nothing.
    pub(in crate::cloud::local) fn is_held(directory: &Directory) -> io::Result<bool> {
        match File::open(directory.lock()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
            Ok(file) => match flock(&file, FlockOperation::NonBlockingLockShared) {
                Ok(()) => Ok(false),
                Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Whether the lock still says anything: somebody may have removed the directory.
    pub(super) fn is_in_place(&self) -> io::Result<bool> {
        is_at(&self.file, &self.path)
    }

    /// Removes the lock's file. From here on another process may take the lock.
    pub(super) fn release(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

fn is_at(file: &File, path: &std::path::Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
        Ok(there) => {
            let held = file.metadata()?;
            Ok((held.dev(), held.ino()) == (there.dev(), there.ino()))
        }
    }
}
