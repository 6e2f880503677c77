//! The guide for bad nights quotes errors as they are.

use crate::source::sources;
use std::path::Path;

/// What stands for a name or a number in a quoted error.
const ANYTHING: char = '…';

#[test]
fn every_quoted_error_is_one_of_ours() {
    let source = spoken();
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guides/recovery.md");
    let guide = std::fs::read_to_string(guide).expect("the guide is there");
    let quoted = quoted_errors(&guide);
    assert!(quoted.len() > 20, "only {quoted:?}");
    let unknown: Vec<&String> = quoted
        .iter()
        .filter(|error| {
            let mut parts = error.split(ANYTHING).map(str::trim);
            !parts.all(|part| source.contains(part))
        })
        .collect();
    assert!(unknown.is_empty(), "no error says: {unknown:#?}");
}

/// The source as it speaks: string literals that go over several lines made one.
fn spoken() -> String {
    let texts = sources().into_iter().map(|source| source.text);
    let text = texts.collect::<Vec<String>>().join("\n");
    let mut parts = text.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start())
}

/// What stands quoted in the first column of the tables of errors.
fn quoted_errors(text: &str) -> Vec<String> {
    let mut is_of_errors = false;
    let mut found = Vec::new();
    for line in text.lines() {
        let Some(row) = line.strip_prefix("| ") else {
            is_of_errors = is_of_errors && line.starts_with('|');
            continue;
        };
        if row.starts_with("the error ") {
            is_of_errors = true;
        } else if is_of_errors {
            let cell = row.split(" | ").next().unwrap_or_default();
            found.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}
