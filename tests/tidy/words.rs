//! Words that say nothing.

use crate::source::{Source, sources};

/// Names under which anything could hide.
const EMPTY_NAMES: [&str; 8] = [
    "util", "utils", "helper", "helpers", "manager", "common", "misc", "shared",
];
/// Notes that nobody finds again: a limit is told in a comment, work left over in an issue.
const NOTES: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];

#[test]
fn files_are_named_after_what_they_hold() {
    let empty: Vec<String> = sources()
        .iter()
        .filter(|source| {
            let names = source.names();
            names
                .iter()
                .any(|name| EMPTY_NAMES.contains(&name.as_str()))
        })
        .map(|source| source.path.display().to_string())
        .collect();
    assert!(empty.is_empty(), "\n{}", empty.join("\n"));
}

#[test]
fn nothing_is_left_as_a_note() {
    let notes: Vec<String> = sources().iter().flat_map(notes).collect();
    assert!(notes.is_empty(), "\n{}", notes.join("\n"));
}

fn notes(source: &Source) -> Vec<String> {
    let lines = source.text.lines().zip(1..);
    lines
        .filter(|(line, _)| NOTES.iter().any(|note| line.contains(note)))
        .map(|(line, number)| format!("{}:{number}: {line}", source.path.display()))
        .collect()
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<String> = sources()
        .iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "\n{}", silent.join("\n"));
}
