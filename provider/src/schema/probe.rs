//! Whether a declaration can take unknown values wherever a user can cause them.

use super::{Attribute, Attributes, Kind, Nesting};
use crate::value::{Tree, Type};

/// Returns every configurable place of a declaration that refuses an unknown value: an element
/// whose type lacks `S::Of`, as [`super::List`] and [`super::Map`] have it. A user who writes `steps = [var.first]` would get an error in every
/// plan in which the variable is not known yet. Empty when the declaration is sound.
pub fn refuses_unknown<A: Attributes>() -> Vec<String> {
    match A::decode(&object(&A::attributes())) {
        Ok(_) => Vec::new(),
        Err(findings) => findings.into_iter().map(|it| it.path.to_string()).collect(),
    }
}

/// An object in which collections have an unknown element beside one that is given.
fn object(attributes: &[Attribute]) -> Tree {
    let places = attributes.iter().map(|it| {
        let is_configurable = it.required || it.optional;
        let value = if is_configurable {
            value(&it.kind)
        } else {
            Tree::Null
        };
        (it.name.to_owned(), value)
    });
    Tree::Map(places.collect())
}

fn value(kind: &Kind) -> Tree {
    let nesting = match kind {
        Kind::Nested(nesting, _) => *nesting,
        Kind::Leaf(Type::List(_)) => Nesting::List,
        Kind::Leaf(Type::Set(_)) => Nesting::Set,
        Kind::Leaf(Type::Map(_)) => Nesting::Map,
        Kind::Leaf(_) => Nesting::Single,
    };
    let given = match kind {
        Kind::Nested(_, inner) => object(inner),
        Kind::Leaf(_) => Tree::Unknown,
    };
    match nesting {
        Nesting::Single => given,
        Nesting::List | Nesting::Set => Tree::Seq(vec![Tree::Unknown, given]),
        Nesting::Map => {
            let entries = [
                ("unknown".to_owned(), Tree::Unknown),
                ("given".to_owned(), given),
            ];
            Tree::Map(entries.into())
        }
    }
}
