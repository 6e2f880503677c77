//! What a field of a declared struct can hold.

use super::{Attribute, Kind, Nesting, with_defaults};
use crate::value::{Finding, Findings, Num, Step, Tree, Type};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// A type that a declared struct's field can have: it knows its Terraform type and how to go to
/// and from a value.
///
/// Texts with rules of their own implement [`super::Text`] instead and get this for free.
pub trait Field: Clone + Debug + PartialEq + Send + Sync + Sized + 'static {
    /// Null is a value of this type.
    const NULLABLE: bool = false;

    /// What Terraform's schema says of it.
    fn kind() -> Kind;

    /// What a user may write where the kind alone does not say it; completes "must be".
    fn accepts() -> String {
        String::new()
    }

    /// Reads a value.
    ///
    /// # Errors
    /// Everything that is wrong with the value, not only the first thing.
    fn decode(tree: &Tree) -> Result<Self, Findings>;

    /// Writes the value, as the user wrote it: Terraform refuses configured values that change.
    fn encode(&self) -> Tree;
}

/// A struct whose fields are attributes. Derived.
pub trait Attributes: Field {
    /// The struct's doc comment.
    const DESCRIPTION: &'static str;

    /// Its fields as attributes, in the order of declaration.
    fn attributes() -> Vec<Attribute>;
}

/// The object that leaving everything out means: all defaults, everything else null. None when
/// an attribute without default cannot be null.
pub fn absent<A: Attributes>() -> Option<A> {
    A::decode(&with_defaults(&A::attributes(), Tree::from(()))).ok()
}

/// Says what is required instead of what came.
pub(super) fn mismatch(wanted: &str, tree: &Tree) -> Findings {
    let found = tree.describe();
    Finding::here(format!("{wanted} is required, not {found}")).into()
}

impl Field for bool {
    fn kind() -> Kind {
        Kind::Leaf(Type::Bool)
    }

    fn decode(tree: &Tree) -> Result<Self, Findings> {
        match tree {
            Tree::Bool(value) => Ok(*value),
            other => Err(mismatch("a boolean", other)),
        }
    }

    fn encode(&self) -> Tree {
        Tree::Bool(*self)
    }
}

impl Field for Num {
    fn kind() -> Kind {
        Kind::Leaf(Type::Number)
    }

    fn decode(tree: &Tree) -> Result<Self, Findings> {
        match tree {
            Tree::Num(value) => Ok(value.clone()),
            other => Err(mismatch("a number", other)),
        }
    }

    fn encode(&self) -> Tree {
        Tree::Num(self.clone())
    }
}

macro_rules! whole_number {
    ($($number:ty),*) => {$(
        impl Field for $number {
            fn kind() -> Kind {
                Kind::Leaf(Type::Number)
            }

            fn decode(tree: &Tree) -> Result<Self, Findings> {
                let Tree::Num(value) = tree else {
                    return Err(mismatch("a number", tree));
                };
                let fitting = value.to_string().parse();
                fitting.map_err(|_| out_of_range(value, Self::MIN.into(), Self::MAX.into()))
            }

            fn encode(&self) -> Tree {
                Tree::Num(Num::from(*self))
            }
        }
    )*};
}

impl From<u16> for Num {
    fn from(value: u16) -> Num {
        Num::from(i64::from(value))
    }
}

impl From<u32> for Num {
    fn from(value: u32) -> Num {
        Num::from(i64::from(value))
    }
}

whole_number!(u16, u32, u64, i64);

/// Says which whole numbers are accepted.
pub(super) fn out_of_range(value: &Num, min: i128, max: i128) -> Findings {
    Finding::here(format!(
        "must be a whole number from {min} to {max}, not {value}"
    ))
    .into()
}

impl<T: Field> Field for Option<T> {
    const NULLABLE: bool = true;

    fn kind() -> Kind {
        T::kind()
    }

    fn accepts() -> String {
        T::accepts()
    }

    fn decode(tree: &Tree) -> Result<Self, Findings> {
        match tree {
            Tree::Null => Ok(None),
            given => T::decode(given).map(Some),
        }
    }

    fn encode(&self) -> Tree {
        self.as_ref().map_or(Tree::Null, Field::encode)
    }
}

impl<T: Field> Field for Vec<T> {
    fn kind() -> Kind {
        T::kind().collected(Nesting::List)
    }

    fn accepts() -> String {
        T::accepts()
    }

    fn decode(tree: &Tree) -> Result<Self, Findings> {
        let Tree::Seq(items) = tree else {
            return Err(mismatch("a list", tree));
        };
        all(items.iter().enumerate().map(|(index, item)| {
            T::decode(item).map_err(|findings| findings.under(&Step::Index(index)))
        }))
    }

    fn encode(&self) -> Tree {
        Tree::Seq(self.iter().map(Field::encode).collect())
    }
}

impl<T: Field> Field for BTreeMap<String, T> {
    fn kind() -> Kind {
        T::kind().collected(Nesting::Map)
    }

    fn accepts() -> String {
        T::accepts()
    }

    fn decode(tree: &Tree) -> Result<Self, Findings> {
        let Tree::Map(entries) = tree else {
            return Err(mismatch("a map", tree));
        };
        let entries = entries.iter().map(|(key, value)| {
            let value = T::decode(value);
            let value = value.map_err(|findings| findings.under(&Step::Key(key.clone())))?;
            Ok((key.clone(), value))
        });
        all(entries).map(|entries| entries.into_iter().collect())
    }

    fn encode(&self) -> Tree {
        let entries = self.iter();
        Tree::Map(
            entries
                .map(|(key, value)| (key.clone(), value.encode()))
                .collect(),
        )
    }
}

/// Takes every part, or everything that is wrong with any of them.
pub(super) fn all<T>(parts: impl Iterator<Item = Result<T, Findings>>) -> Result<Vec<T>, Findings> {
    let mut values = Vec::new();
    let mut findings = Findings::default();
    for part in parts {
        match part {
            Ok(value) => values.push(value),
            Err(more) => findings.append(more),
        }
    }
    if findings.is_empty() {
        Ok(values)
    } else {
        Err(findings)
    }
}
