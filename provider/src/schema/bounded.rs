//! Whole numbers within limits.

use super::field::{mismatch, out_of_range};
use super::{Field, Kind};
use crate::value::{Findings, Num, Tree, Type};

/// A whole number from `MIN` to `MAX`, both included: a port is `Bounded<1, 65535>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bounded<const MIN: i64, const MAX: i64>(i64);

impl<const MIN: i64, const MAX: i64> Bounded<MIN, MAX> {
    /// Accepts a number within the limits.
    pub fn new(value: i64) -> Option<Self> {
        (MIN..=MAX).contains(&value).then_some(Bounded(value))
    }

    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl<const MIN: i64, const MAX: i64> Field for Bounded<MIN, MAX> {
    fn kind() -> Kind {
        Kind::Leaf(Type::Number)
    }

    fn accepts() -> String {
        format!("a whole number from {MIN} to {MAX}")
    }

    fn decode(tree: &Tree) -> Result<Self, Findings> {
        let Tree::Num(value) = tree else {
            return Err(mismatch("a number", tree));
        };
        let within = value.as_i64().and_then(Bounded::new);
        within.ok_or_else(|| out_of_range(value, MIN.into(), MAX.into()))
    }

    fn encode(&self) -> Tree {
        Tree::Num(Num::from(self.0))
    }
}
