//! How large functions and files may get.

use crate::source::{Source, sources};

/// A function that needs more lines does more than one thing.
const LINES_OF_A_FUNCTION: usize = 70;
/// A file that needs more lines, tests aside, holds more than one noun.
const LINES_OF_A_FILE: usize = 600;

#[test]
fn functions_fit_on_a_screen() {
    let long: Vec<String> = sources().iter().flat_map(long_functions).collect();
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}

#[test]
fn files_hold_one_noun() {
    let long: Vec<String> = sources()
        .iter()
        .map(|source| {
            (
                source.path.display().to_string(),
                source.text.lines().count(),
            )
        })
        .filter(|(_, lines)| *lines > LINES_OF_A_FILE)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}

/// The formatter puts a function's closing brace below its first column.
fn long_functions(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut long = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        if !begins_a_function(line) {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let end = format!("{}}}", " ".repeat(indent));
        // A declaration without a body, in a trait, ends with its last parameter.
        let is_declared = |line: &&str| {
            line.starts_with(&end[..indent])
                && line[indent..].starts_with(") ->")
                && line.ends_with(';')
        };
        let length = lines[start..]
            .iter()
            .take_while(|line| !is_declared(line))
            .position(|line| **line == end);
        if length.is_some_and(|length| length >= LINES_OF_A_FUNCTION) {
            long.push(format!(
                "{}:{}: {} lines",
                source.path.display(),
                start + 1,
                length.unwrap_or_default() + 1
            ));
        }
    }
    long
}

fn begins_a_function(line: &str) -> bool {
    let words = line
        .split_whitespace()
        .take_while(|word| !word.contains('('));
    let mut before = words.clone();
    let is_one_line = line.trim_end().ends_with(['}', ';']);
    !is_one_line
        && (before.any(|word| word == "fn"))
        && words
            .take_while(|word| *word != "fn")
            .all(|word| ["pub", "async", "const", "unsafe"].contains(&word))
        || line.trim_start().starts_with("pub(") && line.contains(") fn ") && !is_one_line
}
