//! Texts of questions that have rules of their own.

use crate::model::{Constraint, LineName, ReleaseId};
use crate::schema::Text;

/// A version constraint, with the text it was written as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions(Constraint);

impl Versions {
    /// The constraint.
    #[must_use]
    pub fn constraint(&self) -> &Constraint {
        &self.0
    }
}

impl Text for Versions {
    const ACCEPTS: &'static str = "a version constraint in Terraform's syntax, such as \"< 1.4.2\", \"~> 1.4\" or \">= 1.0, != 1.3.0\"";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    fn text(&self) -> &str {
        self.0.as_str()
    }
}

/// A line or one release of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineOrRelease {
    /// Every release of a line.
    Line(LineName),
    /// One release.
    Release(ReleaseId, String),
}

impl Text for LineOrRelease {
    const ACCEPTS: &'static str = "the name of a line, or a release \"name@version\"";

    fn parse(text: &str) -> Option<Self> {
        if text.contains('@') {
            let id = text.parse().ok()?;
            return Some(Self::Release(id, text.to_owned()));
        }
        text.parse().ok().map(Self::Line)
    }

    fn text(&self) -> &str {
        match self {
            Self::Line(line) => line.as_str(),
            Self::Release(_, text) => text,
        }
    }
}
