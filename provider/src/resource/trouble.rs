//! A cloud's errors as diagnostics: the one place where an error's chain is joined.

use crate::cloud::{Error, ErrorKind};
use crate::diagnostic::Diagnostic;
use std::error::Error as _;

/// Tells what a cloud could not do, in its own words, with what the user can do about it.
#[must_use]
pub fn trouble(error: &Error) -> Diagnostic {
    Diagnostic::error(
        format!("Could not {} ({})", error.operation, error.subject),
        format!("{}{}", words(error), advice(error.kind)),
    )
}

/// The cloud's own words: the causes from the outermost to the first, as one sentence.
#[must_use]
pub fn words(error: &Error) -> String {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(current) = cause {
        causes.push(current.to_string());
        cause = current.source();
    }
    let joined = causes.join(": ");
    let trimmed = joined.trim_end();
    let mut letters = trimmed.chars();
    let Some(first) = letters.next() else {
        return "The cloud does not say why.".to_owned();
    };
    let end = if trimmed.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}

/// What the kind asks of the reader; nothing where the cloud's words say it all.
fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Throttled | ErrorKind::Unavailable => {
            "\n\nThis may pass by itself: run the same command again."
        }
        ErrorKind::NoCapacity => {
            "\n\nThere is no room at the moment: run the same command again later, or ask for less."
        }
        ErrorKind::Denied => "\n\nWhen that is put right, run the same command again.",
        ErrorKind::Conflict => {
            "\n\nWait until the other one is done, then run the same command again."
        }
        ErrorKind::NotFound | ErrorKind::AlreadyExists | ErrorKind::Invalid => "",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the listener did not answer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn the_chain_is_joined_once_and_ends_with_what_to_do() {
        let error = Error::new(
            ErrorKind::Unavailable,
            "shift traffic",
            "fleet web",
            Outer(std::io::Error::other("connection refused")),
        );
        let told = trouble(&error);
        assert_eq!(told.summary, "Could not shift traffic (fleet web)");
        assert_eq!(
            told.detail,
            "The listener did not answer: connection refused.\n\n\
             This may pass by itself: run the same command again."
        );
    }

    #[test]
    fn silence_is_told_too() {
        let error = Error::new(ErrorKind::Invalid, "act", "fleet web", "");
        assert_eq!(words(&error), "The cloud does not say why.");
    }
}
