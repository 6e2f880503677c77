//! Unknown belongs to the stage, null to the attribute: in a plan any value may be unknown, in an
//! apply none is, and the types say so.

use super::{Field, Kind};
use crate::value::{Findings, Tree};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// When a declared struct is looked at.
pub trait Stage: Clone + Copy + Debug + PartialEq + Send + Sync + 'static {
    /// How a value of a type appears then.
    type Of<T: Field>: Field;
}

/// Validation and planning: every value may be unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planned {}

/// Apply and stored state: every value is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {}

impl Stage for Planned {
    type Of<T: Field> = Maybe<T>;
}

impl Stage for Applied {
    type Of<T: Field> = T;
}

/// A list in which every element may be unknown by itself.
pub type List<S, T> = Vec<<S as Stage>::Of<T>>;

/// A map in which every value may be unknown by itself.
pub type Map<S, T> = BTreeMap<String, <S as Stage>::Of<T>>;

/// A value that may not be known before apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maybe<T> {
    /// The value.
    Known(T),
    /// Known after apply.
    Unknown,
}

impl<T> Maybe<T> {
    /// Returns the value if it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Maybe::Known(value) => Some(value),
            Maybe::Unknown => None,
        }
    }

    /// Claims that the value is not known before apply.
    pub fn is_unknown(&self) -> bool {
        self.known().is_none()
    }
}

impl<T> Maybe<Option<T>> {
    /// Returns the value if it is known and not null.
    pub fn given(&self) -> Option<&T> {
        self.known().and_then(Option::as_ref)
    }
}

impl<T> From<T> for Maybe<T> {
    fn from(value: T) -> Maybe<T> {
        Maybe::Known(value)
    }
}

impl<T: Field> Field for Maybe<T> {
    const NULLABLE: bool = T::NULLABLE;

    fn kind() -> Kind {
        T::kind()
    }

    fn accepts() -> String {
        T::accepts()
    }

    fn decode(tree: &Tree) -> Result<Self, Findings> {
        match tree {
            Tree::Unknown => Ok(Maybe::Unknown),
            known => T::decode(known).map(Maybe::Known),
        }
    }

    fn encode(&self) -> Tree {
        match self {
            Maybe::Known(value) => value.encode(),
            Maybe::Unknown => Tree::Unknown,
        }
    }
}
