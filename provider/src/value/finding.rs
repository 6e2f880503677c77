//! What is wrong with a value, and where.

use super::{Path, Step};

/// One thing that is wrong with a value: where, and what would be accepted instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where the value is.
    pub path: Path,
    /// A sentence without the path: what is wrong and what is accepted.
    pub message: String,
}

impl Finding {
    /// A finding about the value at hand; [`Finding::under`] adds where that is.
    pub fn here(message: impl Into<String>) -> Finding {
        Finding {
            path: Path::root(),
            message: message.into(),
        }
    }

    /// Moves the finding one step outwards.
    #[must_use]
    pub fn under(self, step: Step) -> Finding {
        Finding {
            path: self.path.under(step),
            message: self.message,
        }
    }
}

/// Everything that is wrong with a value. Decoding goes on after the first finding, so that a
/// user corrects a configuration once and not once per mistake.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Claims that nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Moves every finding one step outwards.
    #[must_use]
    pub fn under(self, step: &Step) -> Findings {
        self.into_iter()
            .map(|finding| finding.under(step.clone()))
            .collect()
    }

    /// Points every finding at the value at hand: elements of a set cannot be addressed.
    #[must_use]
    pub fn here(self) -> Findings {
        self.into_iter()
            .map(|finding| Finding::here(finding.message))
            .collect()
    }

    /// Adds those of another value.
    pub fn append(&mut self, other: Findings) {
        self.0.extend(other.0);
    }
}

impl From<Finding> for Findings {
    fn from(finding: Finding) -> Findings {
        Findings(vec![finding])
    }
}

impl FromIterator<Finding> for Findings {
    fn from_iter<I: IntoIterator<Item = Finding>>(findings: I) -> Findings {
        Findings(findings.into_iter().collect())
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
