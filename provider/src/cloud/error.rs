//! What can go wrong with a cloud, by what the caller should do about it.

use std::fmt;

/// A result whose error comes from a cloud.
pub type Result<T> = std::result::Result<T, Error>;

/// A cloud could not do what it was asked.
#[derive(Debug)]
pub struct Error {
    /// What the caller should do about it.
    pub kind: ErrorKind,
    /// What was being done, as a phrase after "could not": `create generation 4`.
    pub operation: String,
    /// What it was done to: `fleet web`.
    pub subject: String,
    /// The cloud's own words.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// What a caller should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The thing is not there; for a removal that is success.
    NotFound,
    /// The thing is there and is another one; choose another name.
    AlreadyExists,
    /// Someone else holds or changed it; look again and tell the user who.
    Conflict,
    /// Asked too often; ask again later.
    Throttled,
    /// There is no room now; ask again later, within a deadline.
    NoCapacity,
    /// We may not; tell the user which permission is missing.
    Denied,
    /// It can never succeed as it stands; tell the user what to change.
    Invalid,
    /// The cloud does not answer or failed by itself; ask again later.
    Unavailable,
}

impl Error {
    /// Makes an error of its parts.
    pub fn new(
        kind: ErrorKind,
        operation: impl Into<String>,
        subject: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            operation: operation.into(),
            subject: subject.into(),
            source: source.into(),
        }
    }
}

impl ErrorKind {
    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn is_transient(self) -> bool {
        match self {
            Self::Throttled | Self::NoCapacity | Self::Unavailable => true,
            Self::NotFound
            | Self::AlreadyExists
            | Self::Conflict
            | Self::Denied
            | Self::Invalid => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {} ({})", self.operation, self.subject)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.source.as_ref())
    }
}
