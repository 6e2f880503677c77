//! What is declared of an attribute, as data: Terraform's schema is one rendering of it, the
//! reference page another, planning reads it too.

use super::{Attributes, Field};
use crate::value::{Tree, Type};

/// The declaration of a resource or of the provider's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The version of stored state; grows only when older state needs a conversion.
    pub version: i64,
    /// What the thing is, in Markdown.
    pub description: String,
    /// Its attributes in the order of declaration.
    pub attributes: Vec<Attribute>,
}

/// The declaration of one attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// The name that users write.
    pub name: &'static str,
    /// What it means, in Markdown: the field's doc comment.
    pub description: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What a user may write, if the type alone does not say it: "a duration such as \"90s\"".
    pub accepts: String,
    /// A value is required.
    pub required: bool,
    /// A value may be given.
    pub optional: bool,
    /// The provider gives the value when the user does not.
    pub computed: bool,
    /// The value is hidden in output.
    pub sensitive: bool,
    /// A change makes a new object.
    pub replace: bool,
    /// The value when none is configured.
    pub default: Option<Tree>,
    /// Null is a value of the field's type.
    pub nullable: bool,
}

/// What an attribute holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A value of a plain type.
    Leaf(Type),
    /// Objects with attributes of their own.
    Nested(Nesting, Vec<Attribute>),
}

/// How nested objects are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nesting {
    /// One object.
    Single,
    /// Objects in order.
    List,
    /// Objects, each once.
    Set,
    /// Objects by key.
    Map,
}

impl Schema {
    /// The schema that a struct declares.
    pub fn of<A: Attributes>(version: i64) -> Schema {
        Schema {
            version,
            description: A::DESCRIPTION.to_owned(),
            attributes: A::attributes(),
        }
    }

    /// The type of a whole value.
    pub fn value_type(&self) -> Type {
        object_type(&self.attributes)
    }

    /// Returns a top-level attribute.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
    }
}

impl Kind {
    /// The type of the values.
    pub fn value_type(&self) -> Type {
        match self {
            Kind::Leaf(of) => of.clone(),
            Kind::Nested(nesting, attributes) => {
                let object = object_type(attributes);
                match nesting {
                    Nesting::Single => object,
                    Nesting::List => Type::List(Box::new(object)),
                    Nesting::Set => Type::Set(Box::new(object)),
                    Nesting::Map => Type::Map(Box::new(object)),
                }
            }
        }
    }

    /// The kind of a collection of these: nested objects stay nested attributes, so that each of
    /// theirs keeps its own rules.
    pub fn collected(self, nesting: Nesting) -> Kind {
        match (self, nesting) {
            (Kind::Nested(Nesting::Single, attributes), nesting) => {
                Kind::Nested(nesting, attributes)
            }
            (other, Nesting::List) => Kind::Leaf(Type::List(Box::new(other.value_type()))),
            (other, Nesting::Set) => Kind::Leaf(Type::Set(Box::new(other.value_type()))),
            (other, Nesting::Map) => Kind::Leaf(Type::Map(Box::new(other.value_type()))),
            (other, Nesting::Single) => other,
        }
    }
}

fn object_type(attributes: &[Attribute]) -> Type {
    let attributes = attributes.iter();
    Type::Object(
        attributes
            .map(|it| (it.name.to_owned(), it.kind.value_type()))
            .collect(),
    )
}

/// Building one declaration; the derive writes these calls.
impl Attribute {
    /// Declares an attribute of a field's type.
    pub fn of<F: Field>(name: &'static str, description: &'static str) -> Attribute {
        Attribute {
            name,
            description,
            kind: F::kind(),
            accepts: F::accepts(),
            required: false,
            optional: false,
            computed: false,
            sensitive: false,
            replace: false,
            default: None,
            nullable: F::NULLABLE,
        }
    }

    /// A value is required.
    #[must_use]
    pub fn required(self) -> Attribute {
        Attribute {
            required: true,
            ..self
        }
    }

    /// A value may be given.
    #[must_use]
    pub fn optional(self) -> Attribute {
        Attribute {
            optional: true,
            ..self
        }
    }

    /// The provider gives the value when the user does not.
    #[must_use]
    pub fn computed(self) -> Attribute {
        Attribute {
            computed: true,
            ..self
        }
    }

    /// The value is hidden in output.
    #[must_use]
    pub fn sensitive(self) -> Attribute {
        Attribute {
            sensitive: true,
            ..self
        }
    }

    /// A change makes a new object.
    #[must_use]
    pub fn replace(self) -> Attribute {
        Attribute {
            replace: true,
            ..self
        }
    }

    /// The value when none is configured. Terraform wants such an attribute to be computed too.
    #[must_use]
    pub fn default(self, value: impl Into<Tree>) -> Attribute {
        Attribute {
            computed: true,
            default: Some(value.into()),
            ..self
        }
    }
}
