//! Finds changes to unpacked images, and sets them right.

use super::content::{Content, Entry};
use super::intake::sha256;
use super::remove_tree;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Watches one unpacked image.
///
/// The first look reads every file; later looks read only those whose inode, size or times differ
/// from what they were when the content was last found right.
#[derive(Debug)]
pub(in crate::cloud::local) struct Watch {
    root: PathBuf,
    spare: PathBuf,
    content: Content,
    seen: BTreeMap<String, Stamp>,
}

/// What changes when a file is written to, and cannot be set back by a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// One thing that is not as it was.
struct Difference {
    path: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Changed,
    Removed,
    Added,
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::Changed => "changed",
            Kind::Removed => "removed",
            Kind::Added => "added",
        };
        write!(f, "{} in its image was {what}", self.path)
    }
}

impl Watch {
    pub(in crate::cloud::local) fn new(root: PathBuf, spare: PathBuf, content: Content) -> Self {
        Self {
            root,
            spare,
            content,
            seen: BTreeMap::new(),
        }
    }

    /// Tells in words how the files differ from the content; absent: they do not.
    pub(in crate::cloud::local) fn difference(&mut self) -> Option<String> {
        let differences = self.differences();
        let first = differences.first()?;
        Some(match differences.len() {
            1 => first.to_string(),
            several => format!("{first}, and {} more differences", several - 1),
        })
    }

    /// Sets every difference right.
    ///
    /// # Errors
    /// The spare copy is damaged as well, or the disk refuses.
    pub(in crate::cloud::local) fn repair(&mut self) -> io::Result<()> {
        // Directories first, so that what belongs into them finds them.
        for difference in self.differences() {
            self.set_right(&difference)?;
        }
        Ok(())
    }

    fn differences(&mut self) -> Vec<Difference> {
        let content = self.content.clone();
        let changed = content.0.iter().filter_map(|(path, entry)| {
            let kind = self.entry_differs(path, entry)?;
            Some(Difference {
                path: path.clone(),
                kind,
            })
        });
        let mut differences: Vec<Difference> = changed.collect();
        added(&self.root, &self.root, &content, &mut differences);
        differences
    }

    fn entry_differs(&mut self, path: &str, entry: &Entry) -> Option<Kind> {
        let place = self.root.join(path);
        let Ok(metadata) = fs::symlink_metadata(&place) else {
            return Some(Kind::Removed);
        };
        let same = match entry {
            Entry::Directory => metadata.is_dir(),
            Entry::Link(target) => {
                fs::read_link(&place).is_ok_and(|there| there == Path::new(target))
            }
            Entry::File { executable, sha256 } => {
                metadata.is_file()
                    && (metadata.permissions().mode() & 0o111 != 0) == *executable
                    && self
                        .content_is(path, &place, &metadata, sha256)
                        .unwrap_or(false)
            }
        };
        (!same).then_some(Kind::Changed)
    }

    fn content_is(
        &mut self,
        path: &str,
        place: &Path,
        metadata: &Metadata,
        expected: &str,
    ) -> io::Result<bool> {
        let stamp = Stamp::of(metadata);
        if self.seen.get(path) == Some(&stamp) {
            return Ok(true);
        }
        let same = sha256(place)? == expected;
        if same {
            self.seen.insert(path.to_owned(), stamp);
        }
        Ok(same)
    }

    fn set_right(&self, difference: &Difference) -> io::Result<()> {
        let place = self.root.join(&difference.path);
        let parent = place.parent().unwrap_or(&self.root);
        fs::set_permissions(parent, Permissions::from_mode(0o755))?;
        let done = match self.content.0.get(&difference.path) {
            None => clear(&place),
            Some(entry) => self.restore(&difference.path, entry, &place),
        };
        fs::set_permissions(parent, Permissions::from_mode(0o555))?;
        done
    }

    /// Puts the spare copy of an entry in its place, in one step where it is a file: a member that
    /// runs finds either the wrong one or the right one.
    fn restore(&self, path: &str, entry: &Entry, place: &Path) -> io::Result<()> {
        match entry {
            Entry::Directory => {
                clear(place)?;
                fs::create_dir(place)
            }
            Entry::Link(target) => {
                clear(place)?;
                symlink(target, place)
            }
            Entry::File {
                sha256: expected, ..
            } => {
                let spare = self.spare.join(path);
                if !sha256(&spare).is_ok_and(|there| there == *expected) {
                    return Err(io::Error::other(format!(
                        "{path} in its image was changed, and the spare copy as well or it is gone"
                    )));
                }
                if place.is_dir() {
                    clear(place)?;
                }
                let copy = place.with_file_name(format!(".{}", super::super::random_name()));
                fs::copy(&spare, &copy)?;
                fs::rename(&copy, place)
            }
        }
    }
}

/// Removes whatever is in a place.
fn clear(place: &Path) -> io::Result<()> {
    match fs::symlink_metadata(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_dir() => remove_tree(place),
        Ok(_) => fs::remove_file(place),
    }
}

fn added(root: &Path, directory: &Path, content: &Content, differences: &mut Vec<Difference>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .to_string_lossy()
            .into_owned();
        match content.0.get(&name) {
            None => differences.push(Difference {
                path: name,
                kind: Kind::Added,
            }),
            Some(Entry::Directory) => added(root, &path, content, differences),
            Some(Entry::File { .. } | Entry::Link(_)) => {}
        }
    }
}
