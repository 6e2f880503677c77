//! What is declared of a function: its parameters and what it answers.

use super::{Attribute, Attributes, Field, Kind};
use crate::value::Type;

/// The declaration of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// Its name, without the provider's.
    pub name: &'static str,
    /// What it does, in Markdown.
    pub description: String,
    /// Its parameters in their order.
    pub parameters: Vec<Attribute>,
    /// What it answers.
    pub answer: Kind,
}

impl Signature {
    /// The signature that a struct of arguments and a field's type declare.
    #[must_use]
    pub fn of<A: Attributes, F: Field>(name: &'static str) -> Signature {
        Signature {
            name,
            description: A::DESCRIPTION.to_owned(),
            parameters: A::attributes(),
            answer: F::kind(),
        }
    }

    /// The first sentence of the description.
    #[must_use]
    pub fn summary(&self) -> &str {
        let end = self.description.find(". ").map(|at| at + 1);
        let end = end.or_else(|| self.description.find("\n\n"));
        &self.description[..end.unwrap_or(self.description.len())]
    }
}

/// The type of a parameter as a caller sees it. An object's type would demand every one of its
/// attributes; a function accepts an object that leaves some out, so it takes any type and reads it
/// by its declaration.
#[must_use]
pub fn parameter_type(parameter: &Attribute) -> Type {
    match &parameter.kind {
        Kind::Leaf(of) => of.clone(),
        Kind::Nested(..) => Type::Dynamic,
    }
}
