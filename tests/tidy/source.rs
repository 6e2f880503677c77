//! The provider's source files as text.

use std::path::{Path, PathBuf};

/// One source file.
pub(crate) struct Source {
    /// The path below `provider/src`: `rollout/decide.rs`.
    pub(crate) path: PathBuf,
    /// The text before its tests; tests may be long and look into other modules.
    pub(crate) text: String,
}

impl Source {
    /// The path's parts without the ending: `rollout`, `decide`.
    pub(crate) fn names(&self) -> Vec<String> {
        let parts = self.path.iter().map(|part| part.to_string_lossy());
        parts
            .map(|part| part.trim_end_matches(".rs").to_owned())
            .collect()
    }

    /// The top module that the file belongs to: `rollout`.
    pub(crate) fn module(&self) -> String {
        self.names().swap_remove(0)
    }

    /// The code without comments, line by line and counted from 1.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().zip(1..);
        lines.map(|(line, number)| (number, line.split("//").next().unwrap_or_default()))
    }
}

/// Reads every source file of the provider.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the source folder is readable") {
            let path = entry.expect("the entry is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(read(&root, &path));
            }
        }
    }
    assert!(files.len() > 20, "only {} sources found", files.len());
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn read(root: &Path, path: &Path) -> Source {
    let text = std::fs::read_to_string(path).expect("a source is text");
    let tests = text.find("#[cfg(test)]\n").unwrap_or(text.len());
    Source {
        path: path
            .strip_prefix(root)
            .expect("it lies below the root")
            .to_owned(),
        text: text[..tests].to_owned(),
    }
}
