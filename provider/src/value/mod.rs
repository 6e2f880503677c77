//! Terraform's values as they travel: trees of null, unknown and known values, the types that
//! describe them, the paths that point into them and the two codecs.
//!
//! Nothing here knows of schemas or resources. Start at [`Tree`]; [`msgpack`] is what Terraform
//! speaks in every call, [`json`] what it stores in its state.

mod finding;
pub mod json;
pub mod msgpack;
mod num;
mod path;
mod types;

use std::collections::BTreeMap;

pub use finding::{Finding, Findings};
pub use num::Num;
pub use path::{Path, Step};
pub use types::Type;

/// One Terraform value of any type, possibly null or unknown at any depth.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Tree {
    /// Absent.
    #[default]
    Null,
    /// Not known before apply. Refinements that Terraform sends along are not kept: a value that
    /// we refined in a plan would bind what apply may return.
    Unknown,
    /// A boolean.
    Bool(bool),
    /// A number of any size.
    Num(Num),
    /// A string.
    Str(String),
    /// A list, set or tuple.
    Seq(Vec<Tree>),
    /// A map or an object.
    Map(BTreeMap<String, Tree>),
}

impl Tree {
    /// Claims that the value is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Tree::Null)
    }

    /// Claims that the value and everything in it is known.
    pub fn is_wholly_known(&self) -> bool {
        match self {
            Tree::Unknown => false,
            Tree::Seq(items) => items.iter().all(Tree::is_wholly_known),
            Tree::Map(entries) => entries.values().all(Tree::is_wholly_known),
            Tree::Null | Tree::Bool(_) | Tree::Num(_) | Tree::Str(_) => true,
        }
    }

    /// Returns the entry of a map or object; null when there is none, or when this is no map.
    pub fn entry(&self, key: &str) -> &Tree {
        match self {
            Tree::Map(entries) => entries.get(key).unwrap_or(&Tree::Null),
            _ => &Tree::Null,
        }
    }

    /// Returns the element of a sequence; null when there is none, or when this is no sequence.
    pub fn element(&self, index: usize) -> &Tree {
        match self {
            Tree::Seq(items) => items.get(index).unwrap_or(&Tree::Null),
            _ => &Tree::Null,
        }
    }

    /// Replaces every unknown by null. Apply starts from it: what was unknown in the plan is for
    /// the resource to fill.
    pub fn unknown_to_null(self) -> Tree {
        match self {
            Tree::Unknown => Tree::Null,
            Tree::Seq(items) => Tree::Seq(items.into_iter().map(Tree::unknown_to_null).collect()),
            Tree::Map(entries) => Tree::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, value.unknown_to_null()))
                    .collect(),
            ),
            known => known,
        }
    }

    /// Makes unknown what lies at a path; a path that leads nowhere changes nothing.
    #[must_use]
    pub fn unknown_at(self, path: &Path) -> Tree {
        self.unknown_beyond(path.steps())
    }

    fn unknown_beyond(self, steps: &[Step]) -> Tree {
        let Some((step, rest)) = steps.split_first() else {
            return Tree::Unknown;
        };
        match (self, step) {
            (Tree::Map(mut entries), Step::Attribute(name) | Step::Key(name)) => {
                if let Some(entry) = entries.get_mut(name) {
                    *entry = std::mem::take(entry).unknown_beyond(rest);
                }
                Tree::Map(entries)
            }
            (Tree::Seq(mut items), Step::Index(index)) => {
                if let Some(item) = items.get_mut(*index) {
                    *item = std::mem::take(item).unknown_beyond(rest);
                }
                Tree::Seq(items)
            }
            (other, _) => other,
        }
    }

    /// Names the kind of value for messages: "a string", "null".
    pub fn describe(&self) -> &'static str {
        match self {
            Tree::Null => "null",
            Tree::Unknown => "a value that is not known yet",
            Tree::Bool(_) => "a boolean",
            Tree::Num(_) => "a number",
            Tree::Str(_) => "a string",
            Tree::Seq(_) => "a list",
            Tree::Map(_) => "a map or object",
        }
    }
}

impl From<bool> for Tree {
    fn from(value: bool) -> Tree {
        Tree::Bool(value)
    }
}

impl From<i64> for Tree {
    fn from(value: i64) -> Tree {
        Tree::Num(Num::from(value))
    }
}

impl From<i32> for Tree {
    fn from(value: i32) -> Tree {
        Tree::from(i64::from(value))
    }
}

impl From<&str> for Tree {
    fn from(value: &str) -> Tree {
        Tree::Str(value.to_owned())
    }
}

/// The empty object: `default = {}` on a nested attribute, whose own defaults fill it.
impl From<()> for Tree {
    fn from((): ()) -> Tree {
        Tree::Map(BTreeMap::new())
    }
}
