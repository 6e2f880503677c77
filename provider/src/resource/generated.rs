//! The configuration that describes an existing object.

use crate::schema::{Attribute, Kind, each};
use crate::value::Tree;

/// Returns the part of a state that a user would write: nothing that only the provider gives, and
/// nothing that is the same when it is left out.
pub(super) fn generated(attributes: &[Attribute], state: &Tree) -> Tree {
    let Tree::Map(_) = state else {
        return state.clone();
    };
    let written = attributes.iter().map(|attribute| {
        let value = written(attribute, state.entry(attribute.name));
        (attribute.name.to_owned(), value)
    });
    Tree::Map(written.collect())
}

fn written(attribute: &Attribute, value: &Tree) -> Tree {
    if !attribute.required && !attribute.optional {
        return Tree::Null;
    }
    if attribute.default.as_ref() == Some(value) {
        return Tree::Null;
    }
    let Kind::Nested(nesting, inner) = &attribute.kind else {
        return value.clone();
    };
    let inner = each(*nesting, value.clone(), &|it, _| generated(inner, &it));
    let says_nothing = matches!(&inner, Tree::Map(parts) if parts.values().all(Tree::is_null));
    // A default of an empty object stands for the defaults of its attributes.
    if attribute.default.is_some() && says_nothing {
        return Tree::Null;
    }
    inner
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::schema::{Applied, Attributes, Stage};
    use crate::value::json;

    /// A kite.
    #[derive(Debug, Clone, PartialEq, Attributes)]
    struct Kite<S: Stage = Applied> {
        /// Its name.
        #[tf(required)]
        name: S::Of<String>,
        /// Its colour.
        #[tf(optional, default = "red")]
        colour: S::Of<String>,
        /// Its tail.
        #[tf(optional, default = ())]
        tail: S::Of<Tail<S>>,
        /// Where it flies.
        #[tf(computed)]
        height: S::Of<Option<u32>>,
    }

    /// A tail.
    #[derive(Debug, Clone, PartialEq, Attributes)]
    struct Tail<S: Stage = Applied> {
        /// Its bows.
        #[tf(optional, default = 3)]
        bows: S::Of<u32>,
    }

    fn check(state: &str, written: &str) {
        let read = |text: &str| json::decode(text.as_bytes()).unwrap();
        let generated = generated(&Kite::<Applied>::attributes(), &read(state));
        assert_eq!(generated, read(written));
    }

    #[test]
    fn what_leaving_out_means_is_left_out() {
        check(
            r#"{"name":"a","colour":"red","tail":{"bows":3},"height":7}"#,
            r#"{"name":"a","colour":null,"tail":null,"height":null}"#,
        );
        check(
            r#"{"name":"a","colour":"blue","tail":{"bows":4},"height":null}"#,
            r#"{"name":"a","colour":"blue","tail":{"bows":4},"height":null}"#,
        );
    }
}
