//! Attributes that nobody declared. In a configuration Terraform finds them; in a value of any type
//! nobody else does.

use super::{Attribute, Kind, Nesting};
use crate::value::{Finding, Findings, Step, Tree};

/// Returns every attribute of an object, at any depth, that is not declared.
#[must_use]
pub fn strangers(attributes: &[Attribute], tree: &Tree) -> Findings {
    let Tree::Map(entries) = tree else {
        return Findings::default();
    };
    let found = entries.iter().flat_map(|(name, value)| {
        let step = Step::Attribute(name.clone());
        match attributes.iter().find(|it| it.name == name) {
            None => vec![Finding::here(no_such(attributes)).under(step)],
            Some(declared) => within(&declared.kind, value)
                .into_iter()
                .map(|finding| finding.under(step.clone()))
                .collect(),
        }
    });
    found.collect()
}

fn within(kind: &Kind, value: &Tree) -> Findings {
    let Kind::Nested(nesting, inner) = kind else {
        return Findings::default();
    };
    match (nesting, value) {
        (Nesting::Single, value) => strangers(inner, value),
        (Nesting::List | Nesting::Set, Tree::Seq(items)) => items
            .iter()
            .enumerate()
            .flat_map(|(index, item)| strangers(inner, item).under(&Step::Index(index)))
            .collect(),
        (Nesting::Map, Tree::Map(entries)) => entries
            .iter()
            .flat_map(|(key, item)| strangers(inner, item).under(&Step::Key(key.clone())))
            .collect(),
        (Nesting::List | Nesting::Set | Nesting::Map, _) => Findings::default(),
    }
}

fn no_such(attributes: &[Attribute]) -> String {
    let names: Vec<&str> = attributes.iter().map(|it| it.name).collect();
    format!("there is no such attribute; there are {}", names.join(", "))
}
