//! Strings with rules: checked when a configuration is read, given back as the user wrote them.

use super::field::mismatch;
use super::{Field, Kind};
use crate::value::{Finding, Findings, Tree, Type};
use std::fmt::Debug;

/// A string of which not every value is accepted.
///
/// The type keeps the user's own text and gives it back from [`Text::text`]: a normalised value
/// would differ from the configuration, which Terraform refuses as an invalid plan.
///
/// ```
/// use immutable::schema::Text;
///
/// #[derive(Debug, Clone, PartialEq)]
/// struct Version(String);
///
/// impl Text for Version {
///     const ACCEPTS: &'static str = "a version such as \"1.4.2\"";
///
///     fn parse(text: &str) -> Option<Version> {
///         let is_dotted = text.split('.').all(|part| part.parse::<u32>().is_ok());
///         is_dotted.then(|| Version(text.to_owned()))
///     }
///
///     fn text(&self) -> &str {
///         &self.0
///     }
/// }
/// ```
pub trait Text: Clone + Debug + PartialEq + Send + Sync + Sized + 'static {
    /// What a user may write; completes "must be". Empty when everything is accepted.
    const ACCEPTS: &'static str;

    /// Reads the user's text. None when it is not accepted.
    fn parse(text: &str) -> Option<Self>;

    /// The user's text.
    fn text(&self) -> &str;
}

impl Text for String {
    const ACCEPTS: &'static str = "";

    fn parse(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn text(&self) -> &str {
        self
    }
}

impl<T: Text> Field for T {
    fn kind() -> Kind {
        Kind::Leaf(Type::String)
    }

    fn accepts() -> String {
        T::ACCEPTS.to_owned()
    }

    fn decode(tree: &Tree) -> Result<Self, Findings> {
        let Tree::Str(text) = tree else {
            return Err(mismatch("a string", tree));
        };
        let accepted = T::parse(text);
        accepted.ok_or_else(|| Finding::here(refusal(T::ACCEPTS, text)).into())
    }

    fn encode(&self) -> Tree {
        Tree::Str(self.text().to_owned())
    }
}

/// Says what is accepted and what came instead, cut so that a pasted file stays out of the logs.
fn refusal(accepts: &str, text: &str) -> String {
    const SHOWN: usize = 60;
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if text.chars().count() > SHOWN {
        " and more"
    } else {
        ""
    };
    format!("must be {accepts}, not {shown:?}{more}")
}
