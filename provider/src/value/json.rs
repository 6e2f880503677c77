//! JSON, the form of values in Terraform's state.

use super::{Finding, Num, Step, Tree, Type};
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads any JSON document. Depth is bounded by the parser.
///
/// # Errors
/// The bytes are no JSON, or hold a number of absurd length.
pub fn decode(bytes: &[u8]) -> Result<Tree, Finding> {
    let value = serde_json::from_slice(bytes)
        .map_err(|error| Finding::here(format!("the value is not valid JSON: {error}")))?;
    read(value)
}

/// Fits a value that was stored once to the type of today: attributes that are no longer known
/// are dropped, those that were not known then are null.
///
/// # Errors
/// A value is of another kind than its type asks for; the finding says where.
pub fn conform(tree: Tree, to: &Type) -> Result<Tree, Finding> {
    match (tree, to) {
        (Tree::Null, _) => Ok(Tree::Null),
        (Tree::Unknown, _) => Ok(Tree::Unknown),
        (Tree::Bool(value), Type::Bool) => Ok(Tree::Bool(value)),
        (Tree::Num(value), Type::Number) => Ok(Tree::Num(value)),
        (Tree::Str(text), Type::String) => Ok(Tree::Str(text)),
        (Tree::Seq(items), Type::List(element) | Type::Set(element)) => {
            conform_items(items.into_iter().map(|item| (item, &**element)))
        }
        (Tree::Seq(items), Type::Tuple(elements)) if items.len() == elements.len() => {
            conform_items(items.into_iter().zip(elements))
        }
        (Tree::Map(entries), Type::Map(element)) => {
            let entries = entries.into_iter().map(|(key, value)| {
                let value = conform(value, element);
                let value = value.map_err(|it| it.under(Step::Key(key.clone())))?;
                Ok((key, value))
            });
            entries.collect::<Result<_, _>>().map(Tree::Map)
        }
        (Tree::Map(mut entries), Type::Object(attributes)) => {
            let attributes = attributes.iter().map(|(name, of)| {
                let value = entries.remove(name).unwrap_or_default();
                let value = conform(value, of);
                let value = value.map_err(|it| it.under(Step::Attribute(name.clone())))?;
                Ok((name.clone(), value))
            });
            attributes.collect::<Result<_, _>>().map(Tree::Map)
        }
        // A value of any type is stored beside its type.
        (Tree::Map(mut entries), Type::Dynamic) if entries.contains_key("type") => {
            Ok(entries.remove("value").unwrap_or_default())
        }
        (other, to) => {
            let (wanted, found) = (to.describe(), other.describe());
            Err(Finding::here(format!("{wanted} is required, not {found}")))
        }
    }
}

fn conform_items<'a>(items: impl Iterator<Item = (Tree, &'a Type)>) -> Result<Tree, Finding> {
    let items = items.enumerate().map(|(index, (item, of))| {
        conform(item, of).map_err(|finding| finding.under(Step::Index(index)))
    });
    items.collect::<Result<_, _>>().map(Tree::Seq)
}

fn read(value: Value) -> Result<Tree, Finding> {
    Ok(match value {
        Value::Null => Tree::Null,
        Value::Bool(value) => Tree::Bool(value),
        Value::String(text) => Tree::Str(text),
        Value::Number(number) => {
            let text = number.to_string();
            let number = Num::parse(&text);
            Tree::Num(number.ok_or_else(|| Finding::here(format!("{text} is too long")))?)
        }
        Value::Array(items) => {
            let items = items.into_iter().enumerate().map(|(index, item)| {
                read(item).map_err(|finding| finding.under(Step::Index(index)))
            });
            Tree::Seq(items.collect::<Result<_, _>>()?)
        }
        Value::Object(entries) => {
            let entries = entries.into_iter().map(|(key, value)| {
                let value = read(value).map_err(|it| it.under(Step::Key(key.clone())))?;
                Ok((key, value))
            });
            Tree::Map(entries.collect::<Result<BTreeMap<_, _>, Finding>>()?)
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn object(attributes: &[(&str, Type)]) -> Type {
        let attributes = attributes.iter();
        Type::Object(
            attributes
                .map(|(name, of)| ((*name).to_owned(), of.clone()))
                .collect(),
        )
    }

    #[test]
    fn numbers_keep_every_digit() {
        let tree = decode(b"123456789012345678901234567890.5").unwrap();
        assert_eq!(
            tree,
            Tree::Num(Num::parse("123456789012345678901234567890.5").unwrap())
        );
    }

    #[test]
    fn state_of_another_time_is_fitted() {
        let stored = decode(br#"{"gone":1,"kept":"x","nested":[{"gone":true,"size":2}]}"#).unwrap();
        let nested = Type::List(Box::new(object(&[
            ("size", Type::Number),
            ("new", Type::Bool),
        ])));
        let of = object(&[
            ("kept", Type::String),
            ("new", Type::Bool),
            ("nested", nested),
        ]);
        let fitted = conform(stored, &of).unwrap();
        let wanted = decode(br#"{"kept":"x","new":null,"nested":[{"size":2,"new":null}]}"#);
        assert_eq!(fitted, wanted.unwrap());
    }

    #[test]
    fn a_wrong_kind_is_named_with_its_path() {
        let of = object(&[("tags", Type::Map(Box::new(Type::String)))]);
        let finding = conform(decode(br#"{"tags":{"team":7}}"#).unwrap(), &of).unwrap_err();
        assert_eq!(finding.path.to_string(), r#"tags["team"]"#);
        assert_eq!(finding.message, "a string is required, not a number");
    }

    #[test]
    fn deep_documents_are_refused() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(decode(deep.as_bytes()).is_err());
    }
}
