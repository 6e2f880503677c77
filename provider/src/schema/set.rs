//! Collections in which order means nothing.

use super::field::{all, mismatch};
use super::{Field, Kind, Nesting};
use crate::value::{Findings, Tree};

/// Values of one type, each once. Terraform folds duplicates on its side; unknown elements are
/// kept apart, because each may turn out to be another value.
#[derive(Debug, Clone, Default)]
pub struct Set<T>(pub Vec<T>);

/// Order means nothing: Terraform sends sets of objects in an order of its own.
impl<T: PartialEq> PartialEq for Set<T> {
    fn eq(&self, other: &Set<T>) -> bool {
        let covers = |a: &Set<T>, b: &Set<T>| a.0.iter().all(|item| b.0.contains(item));
        self.0 == other.0 || (covers(self, other) && covers(other, self))
    }
}

impl<T: Field> Field for Set<T> {
    fn kind() -> Kind {
        T::kind().collected(Nesting::Set)
    }

    fn accepts() -> String {
        T::accepts()
    }

    fn decode(tree: &Tree) -> Result<Self, Findings> {
        let Tree::Seq(items) = tree else {
            return Err(mismatch("a set", tree));
        };
        all(items
            .iter()
            .map(|item| T::decode(item).map_err(Findings::here)))
        .map(Set)
    }

    fn encode(&self) -> Tree {
        Tree::Seq(self.0.iter().map(Field::encode).collect())
    }
}
