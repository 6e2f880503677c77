//! What an image holds, and the hash of that.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Everything in an image, by its path from the root with `/` between the parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::cloud::local) struct Content(pub(super) BTreeMap<String, Entry>);

/// One thing in an image. Owners, times and permissions beyond these are no part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    Directory,
    File {
        executable: bool,
        sha256: String,
    },
    /// A symbolic link and where it leads, as it is written.
    Link(String),
}

impl Content {
    /// Returns the hash of the content: the same for the same files, however they are packed.
    pub(in crate::cloud::local) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (path, entry) in &self.0 {
            let (kind, value) = match entry {
                Entry::Directory => ("directory", ""),
                Entry::File {
                    executable: false,
                    sha256,
                } => ("file", sha256.as_str()),
                Entry::File {
                    executable: true,
                    sha256,
                } => ("program", sha256.as_str()),
                Entry::Link(target) => ("link", target.as_str()),
            };
            // Lengths go before texts, so that no two contents give the same bytes.
            for text in [kind, path, value] {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text.as_bytes());
            }
        }
        format!("sha256:{}", hex(&hash.finalize()))
    }

    /// Returns the program that a member runs when nobody says which: the image's only file, or its
    /// only executable one.
    ///
    /// # Errors
    /// There is no such single file; the text says what there is.
    pub(in crate::cloud::local) fn only_program(&self) -> Result<&str, String> {
        let files: Vec<&str> = self.files(|_| true).collect();
        let programs: Vec<&str> = self.files(|executable| executable).collect();
        match (files.as_slice(), programs.as_slice()) {
            ([only], _) | (_, [only]) => Ok(only),
            (_, []) => Err(format!(
                "none of the image's {} files is executable",
                files.len()
            )),
            (_, several) => Err(format!(
                "the image has {} executable files ({}, ...), so the command must be named",
                several.len(),
                several[..2].join(", ")
            )),
        }
    }

    /// Checks that a path names an executable file.
    ///
    /// # Errors
    /// It does not; the text says why.
    pub(in crate::cloud::local) fn check_program(&self, path: &str) -> Result<(), String> {
        let path = path.strip_prefix("./").unwrap_or(path);
        match self.0.get(path) {
            Some(
                Entry::File {
                    executable: true, ..
                }
                | Entry::Link(_),
            ) => Ok(()),
            Some(Entry::File {
                executable: false, ..
            }) => Err(format!(
                "{path} in the image is not executable; run chmod +x on it before it is packed"
            )),
            Some(Entry::Directory) => Err(format!("{path} in the image is a directory")),
            None => Err(format!("there is no {path} in the image")),
        }
    }

    fn files(&self, wanted: impl Fn(bool) -> bool) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(move |(path, entry)| match entry {
            Entry::File { executable, .. } if wanted(*executable) => Some(path.as_str()),
            Entry::File { .. } | Entry::Directory | Entry::Link(_) => None,
        })
    }
}

/// Writes bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
