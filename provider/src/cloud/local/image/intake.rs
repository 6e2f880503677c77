//! Takes entries in one by one, from whatever they come, and refuses what no image may hold.

use super::content::{Content, Entry, hex};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

/// An image that cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub(in crate::cloud::local) enum Refusal {
    /// An entry at fault.
    #[error("{entry}: {why}")]
    Entry { entry: String, why: String },
    /// The whole is at fault.
    #[error("{0}")]
    Whole(String),
    /// It could not be read.
    #[error("{what} cannot be read")]
    Unreadable { what: String, source: io::Error },
    /// It could not be written.
    #[error("{what} cannot be written")]
    Unwritable { what: String, source: io::Error },
}

impl Refusal {
    pub(super) fn entry(entry: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Entry {
            entry: entry.into(),
            why: why.into(),
        }
    }

    pub(super) fn unreadable(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Unreadable { what, source }
    }

    fn unwritable(what: &str) -> impl FnOnce(io::Error) -> Self {
        let what = what.to_owned();
        |source| Self::Unwritable { what, source }
    }
}

/// An image on its way in: what it holds so far, unpacked below a root or only looked at.
pub(super) struct Intake {
    content: Content,
    root: Option<PathBuf>,
}

impl Intake {
    /// Looks at an image without keeping anything.
    pub(super) fn inspecting() -> Self {
        Self {
            content: Content::default(),
            root: None,
        }
    }

    /// Unpacks an image into an empty directory.
    pub(super) fn unpacking(root: PathBuf) -> Self {
        Self {
            content: Content::default(),
            root: Some(root),
        }
    }

    /// Returns what has come in.
    ///
    /// # Errors
    /// There is no file in it.
    pub(super) fn finish(self) -> Result<Content, Refusal> {
        let is_file = |entry: &Entry| matches!(entry, Entry::File { .. });
        if self.content.0.values().any(is_file) {
            return Ok(self.content);
        }
        Err(Refusal::Whole("there is no file in it".to_owned()))
    }

    pub(super) fn directory(&mut self, path: &Path) -> Result<(), Refusal> {
        let name = inside(path)?;
        self.ensure_directory(&name)
    }

    pub(super) fn file(
        &mut self,
        path: &Path,
        executable: bool,
        source: &mut dyn Read,
    ) -> Result<(), Refusal> {
        let name = self.place(path)?;
        let sha256 = match &self.root {
            Some(root) => self.write(&root.join(&name), &name, executable, source)?,
            None => copy(source, &mut io::sink(), &name)?,
        };
        self.content
            .0
            .insert(name, Entry::File { executable, sha256 });
        Ok(())
    }

    pub(super) fn link(&mut self, path: &Path, target: &Path) -> Result<(), Refusal> {
        let name = self.place(path)?;
        let target = leads_inside(&name, target)?;
        if let Some(root) = &self.root {
            symlink(&target, root.join(&name)).map_err(Refusal::unwritable(&name))?;
        }
        self.content.0.insert(name, Entry::Link(target));
        Ok(())
    }

    /// A second name of a file that came in before. It becomes a file of its own with the same
    /// content.
    pub(super) fn hard_link(&mut self, path: &Path, target: &Path) -> Result<(), Refusal> {
        let target = inside(target).map_err(|_| {
            Refusal::entry(
                shown(path),
                format!(
                    "it is a hard link to {}, out of the image",
                    target.display()
                ),
            )
        })?;
        let Some(entry @ Entry::File { .. }) = self.content.0.get(&target).cloned() else {
            let why =
                format!("it is a hard link to {target}, which is no earlier file of the image");
            return Err(Refusal::entry(shown(path), why));
        };
        let name = self.place(path)?;
        if let Some(root) = &self.root {
            fs::copy(root.join(&target), root.join(&name)).map_err(Refusal::unwritable(&name))?;
        }
        self.content.0.insert(name, entry);
        Ok(())
    }

    /// Makes room for an entry: its directories are there, an earlier entry of its name is not. In
    /// an archive the last of several counts.
    fn place(&mut self, path: &Path) -> Result<String, Refusal> {
        let name = inside(path)?;
        if let Some((parent, _)) = name.rsplit_once('/') {
            self.ensure_directory(parent)?;
        }
        match self.content.0.remove(&name) {
            None => {}
            Some(Entry::Directory) => {
                return Err(Refusal::entry(name, "it is a directory and something else"));
            }
            Some(Entry::File { .. } | Entry::Link(_)) => {
                if let Some(root) = &self.root {
                    fs::remove_file(root.join(&name)).map_err(Refusal::unwritable(&name))?;
                }
            }
        }
        Ok(name)
    }

    fn ensure_directory(&mut self, name: &str) -> Result<(), Refusal> {
        let ends = name
            .match_indices('/')
            .map(|(end, _)| end)
            .chain([name.len()]);
        for directory in ends
            .map(|end| &name[..end])
            .filter(|directory| !directory.is_empty())
        {
            match self.content.0.get(directory) {
                Some(Entry::Directory) => {}
                Some(Entry::File { .. } | Entry::Link(_)) => {
                    return Err(Refusal::entry(
                        name,
                        format!("it goes through {directory}, which is no directory"),
                    ));
                }
                None => self.make_directory(directory)?,
            }
        }
        Ok(())
    }

    fn make_directory(&mut self, name: &str) -> Result<(), Refusal> {
        if let Some(root) = &self.root {
            fs::create_dir(root.join(name)).map_err(Refusal::unwritable(name))?;
        }
        self.content.0.insert(name.to_owned(), Entry::Directory);
        Ok(())
    }

    fn write(
        &self,
        path: &Path,
        name: &str,
        executable: bool,
        source: &mut dyn Read,
    ) -> Result<String, Refusal> {
        let open = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        let mut file = open.map_err(Refusal::unwritable(name))?;
        let sha256 = copy(source, &mut file, name)?;
        // Read-only from the start: nothing that runs is ever modified.
        let mode = if executable { 0o555 } else { 0o444 };
        file.set_permissions(Permissions::from_mode(mode))
            .map_err(Refusal::unwritable(name))?;
        Ok(sha256)
    }
}

/// Copies a file's content and returns its hash.
fn copy(source: &mut dyn Read, target: &mut dyn Write, name: &str) -> Result<String, Refusal> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        let length = match source.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other.map_err(Refusal::unreadable(name))?,
        };
        if length == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..length]);
        target
            .write_all(&buffer[..length])
            .map_err(Refusal::unwritable(name))?;
    }
}

/// Returns the hash of a file's content.
pub(super) fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    copy(&mut file, &mut io::sink(), "it").map_err(io::Error::other)
}

/// Returns an entry's name, when that lies inside the image.
fn inside(path: &Path) -> Result<String, Refusal> {
    let refuse = |why: &str| Err(Refusal::entry(shown(path), why));
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => match part.to_str() {
                Some(part) => parts.push(part),
                None => return refuse("its name is not UTF-8"),
            },
            Component::CurDir => {}
            Component::ParentDir => return refuse("its path leads out of the image with \"..\""),
            Component::RootDir | Component::Prefix(_) => return refuse("its path is absolute"),
        }
    }
    Ok(parts.join("/"))
}

/// Returns a link's target, when that lies inside the image.
///
/// A ".." is accepted at the beginning alone: after a name that is itself a link it would lead
/// somewhere that the text does not show.
fn leads_inside(name: &str, target: &Path) -> Result<String, Refusal> {
    let refuse = |why: String| Err(Refusal::entry(name, why));
    let Some(text) = target.to_str() else {
        return refuse("its target is not UTF-8".to_owned());
    };
    let depth = name.matches('/').count();
    let ups = target
        .components()
        .take_while(|part| matches!(part, Component::ParentDir | Component::CurDir));
    let ups = ups.filter(|part| *part == Component::ParentDir).count();
    let all_ups = target
        .components()
        .filter(|part| *part == Component::ParentDir)
        .count();
    if target.is_absolute() || ups > depth {
        return refuse(format!("it is a symbolic link to {text}, out of the image"));
    }
    if all_ups > ups {
        return refuse(format!(
            "it is a symbolic link to {text}, with \"..\" after a name"
        ));
    }
    Ok(text.to_owned())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
