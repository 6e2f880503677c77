//! What the user must know: severity, summary, detail and the attribute to blame.

use crate::value::{Findings, Path};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The operation failed.
    Error,
    /// The operation went on.
    Warning,
}

/// One message to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What could not be done, to which thing; one line.
    pub summary: String,
    /// The cause in its own words, what is true now, what the reader can do.
    pub detail: String,
    /// The attribute to blame; the root when it is none in particular.
    pub path: Path,
}

impl Diagnostic {
    /// An error about no attribute in particular.
    pub fn error(summary: impl Into<String>, detail: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            summary: summary.into(),
            detail: detail.into(),
            path: Path::root(),
        }
    }

    /// A warning about no attribute in particular.
    pub fn warning(summary: impl Into<String>, detail: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(summary, detail)
        }
    }

    /// An error about a configured value: the summary names the attribute, the detail says what
    /// would be accepted.
    pub fn invalid(path: Path, detail: impl Into<String>) -> Diagnostic {
        Diagnostic::error(format!("Invalid value for {path}"), detail).at(path)
    }

    /// Points at an attribute, so that Terraform shows the user's line.
    #[must_use]
    pub fn at(self, path: Path) -> Diagnostic {
        Diagnostic { path, ..self }
    }
}

/// All messages of one call, in the order in which they arose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// No message.
    pub fn none() -> Diagnostics {
        Diagnostics::default()
    }

    /// Claims that there is no message at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Claims that at least one message is an error.
    pub fn has_errors(&self) -> bool {
        let mut severities = self.0.iter().map(|diagnostic| diagnostic.severity);
        severities.any(|severity| severity == Severity::Error)
    }

    /// Adds a message.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Looks at the messages one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Diagnostics {
        Diagnostics(vec![diagnostic])
    }
}

impl From<Findings> for Diagnostics {
    fn from(findings: Findings) -> Diagnostics {
        let findings = findings.into_iter();
        findings
            .map(|it| Diagnostic::invalid(it.path, sentence(&it.message)))
            .collect()
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(diagnostics: I) -> Diagnostics {
        Diagnostics(diagnostics.into_iter().collect())
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: I) {
        self.0.extend(diagnostics);
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Gives a finding's message the capital and the full stop that a detail has.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => String::new(),
    }
}
