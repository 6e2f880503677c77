//! Walking over nested objects, however they are arranged.

use super::{Attribute, Kind, Nesting};
use crate::value::Tree;

/// Fills in the defaults of an object and of all objects in it: what leaving them out means, and
/// what state lacks that was stored before they existed.
pub fn with_defaults(attributes: &[Attribute], value: Tree) -> Tree {
    let Tree::Map(mut entries) = value else {
        return value;
    };
    for attribute in attributes {
        let entry = entries.remove(attribute.name).unwrap_or_default();
        let entry = match &attribute.default {
            Some(default) if entry.is_null() => default.clone(),
            _ => entry,
        };
        let filled = match &attribute.kind {
            Kind::Leaf(_) => entry,
            Kind::Nested(nesting, inner) => {
                each(*nesting, entry, &|value, _| with_defaults(inner, value))
            }
        };
        entries.insert(attribute.name.to_owned(), filled);
    }
    Tree::Map(entries)
}

/// Where an element is within nested objects.
#[derive(Debug, Clone, Copy)]
pub enum Element<'a> {
    /// The one object.
    Whole,
    /// In a list or set, counted from 0.
    Index(usize),
    /// In a map.
    Key(&'a str),
}

/// The same place in another value; null when there is none.
pub fn element_at<'a>(tree: &'a Tree, element: &Element<'_>) -> &'a Tree {
    match element {
        Element::Whole => tree,
        Element::Index(index) => tree.element(*index),
        Element::Key(key) => tree.entry(key),
    }
}

/// Applies a function to each nested object; null and unknown stay as they are.
pub fn each(nesting: Nesting, tree: Tree, change: &dyn Fn(Tree, &Element<'_>) -> Tree) -> Tree {
    match (nesting, tree) {
        (_, tree @ (Tree::Null | Tree::Unknown)) => tree,
        (Nesting::Single, tree) => change(tree, &Element::Whole),
        (Nesting::List | Nesting::Set, Tree::Seq(items)) => {
            let items = items.into_iter().enumerate();
            Tree::Seq(
                items
                    .map(|(index, it)| change(it, &Element::Index(index)))
                    .collect(),
            )
        }
        (Nesting::Map, Tree::Map(entries)) => {
            let entries = entries.into_iter().map(|(key, value)| {
                let value = change(value, &Element::Key(&key));
                (key, value)
            });
            Tree::Map(entries.collect())
        }
        (_, other) => other,
    }
}
