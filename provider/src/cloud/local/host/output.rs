//! What a member writes, kept within bounds.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, PipeReader, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// How much is kept in memory, for the messages that quote it.
const TAIL: usize = 4 << 10;

/// How much each of a member's two files holds.
const FILE: u64 = 256 << 10;

/// A member's output: its end in memory, more of it in two files that take turns.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    tail: VecDeque<u8>,
    file: Option<File>,
    written: u64,
}

impl Output {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            kept: Mutex::default(),
        }
    }

    /// Returns the end of the output.
    pub(super) fn tail(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept.tail.iter().copied().collect::<Vec<_>>()).into_owned()
    }

    /// Returns all of the output that is kept.
    pub(super) fn text(&self) -> String {
        let files = [earlier(&self.path), self.path.clone()];
        let bytes: Vec<u8> = files
            .iter()
            .filter_map(|path| fs::read(path).ok())
            .flatten()
            .collect();
        if bytes.is_empty() {
            self.tail()
        } else {
            String::from_utf8_lossy(&bytes).into_owned()
        }
    }

    /// Takes over what comes through a pipe until every writer is gone.
    pub(super) async fn follow(self: Arc<Self>, pipe: PipeReader) {
        let Ok(mut pipe) = pipe::Receiver::from_owned_fd(OwnedFd::from(pipe)) else {
            return;
        };
        let mut buffer = vec![0; 16 << 10];
        while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
            self.keep(&buffer[..length]);
        }
    }

    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tail.extend(bytes);
        let excess = kept.tail.len().saturating_sub(TAIL);
        kept.tail.drain(..excess);
        // A full disk must not stop a member that talks: then the files lack something.
        let _ = kept.write(&self.path, bytes);
    }
}

impl Kept {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.written >= FILE {
            self.file = None;
            self.written = 0;
            fs::rename(path, earlier(path))?;
        }
        if self.file.is_none() {
            self.file = Some(File::create(path)?);
        }
        self.written += bytes.len() as u64;
        self.file
            .as_mut()
            .map_or(Ok(()), |file| file.write_all(bytes))
    }
}

fn earlier(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}
