//! The socket that Terraform connects to, in a directory of its own, gone when the process ends.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, process};

use super::error::Error;

/// The kernel keeps a socket's path in 108 bytes, the last of them zero.
const LONGEST_PATH: usize = 107;

/// A listening socket that disappears with this value, its directory too.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    place: Place,
}

/// Where the socket is. Removes what is there when dropped.
#[derive(Debug)]
pub(super) struct Place {
    directory: PathBuf,
    path: PathBuf,
}

impl Socket {
    /// Opens a socket below `preferred`, else below the temporary directory, else below `/tmp`:
    /// the first of them that exists and whose path is short enough for a socket.
    ///
    /// # Errors
    /// [`Error::Socket`] with the last directory tried and what went wrong there.
    pub(super) fn open(preferred: Option<PathBuf>) -> Result<Self, Error> {
        let fallbacks = [env::temp_dir(), PathBuf::from("/tmp")];
        let mut failure = None;
        for directory in preferred.into_iter().chain(fallbacks) {
            match Self::open_below(&directory) {
                Ok(socket) => return Ok(socket),
                Err(source) => failure = Some(Error::Socket { directory, source }),
            }
        }
        Err(failure.expect("at least one directory was tried"))
    }

    fn open_below(parent: &Path) -> io::Result<Self> {
        let place = Place::make(parent)?;
        let listener = UnixListener::bind(&place.path)?;
        // The directory keeps everybody else out already; this holds where someone moves the socket.
        fs::set_permissions(&place.path, Permissions::from_mode(0o600))?;
        Ok(Self { listener, place })
    }

    /// The path to connect to.
    pub(super) fn path(&self) -> &Path {
        &self.place.path
    }

    /// The listener, and what removes its path when dropped.
    pub(super) fn into_parts(self) -> (UnixListener, Place) {
        (self.listener, self.place)
    }
}

impl Place {
    /// Makes a new directory that only this user can enter. A name that someone else took first,
    /// link or directory, is never used: creating it fails.
    fn make(parent: &Path) -> io::Result<Self> {
        let directory = parent.join(unlikely_name());
        let path = directory.join("s");
        if path.as_os_str().len() > LONGEST_PATH {
            let problem = format!("{} is longer than {LONGEST_PATH} bytes", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, problem));
        }
        DirBuilder::new().mode(0o700).create(&directory)?;
        Ok(Self { directory, path })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_dir(&self.directory);
    }
}

/// Unique among living processes by its number, and among a number's owners by the time.
fn unlikely_name() -> String {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("tfp-{}-{:08x}", process::id(), since_epoch.subsec_nanos())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn socket_is_private_and_goes_with_its_directory() {
        let parent = tempfile::tempdir().unwrap();
        let socket = Socket::open(Some(parent.path().to_owned())).unwrap();
        assert!(socket.path().starts_with(parent.path()));

        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(socket.path()), 0o600);
        assert_eq!(mode(socket.path().parent().unwrap()), 0o700);

        drop(socket);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_path_too_long_for_a_socket_falls_back_to_a_shorter_one() {
        let parent = tempfile::tempdir().unwrap();
        let deep = parent.path().join("d".repeat(LONGEST_PATH));
        fs::create_dir(&deep).unwrap();

        let socket = Socket::open(Some(deep.clone())).unwrap();
        assert!(socket.path().as_os_str().len() <= LONGEST_PATH);
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_does_not_exist_falls_back_too() {
        let socket = Socket::open(Some(PathBuf::from("/nowhere/at/all"))).unwrap();
        assert!(socket.path().exists());
    }
}
