//! Terraform's types and the JSON that describes them on the wire.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The type of a Terraform value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// A number of any size.
    Number,
    /// True or false.
    Bool,
    /// Any type; the value brings its own.
    Dynamic,
    /// Values of one type, in order.
    List(Box<Type>),
    /// Values of one type, each once.
    Set(Box<Type>),
    /// Values of one type by key.
    Map(Box<Type>),
    /// Values of given types by given names; every one is always there, null if need be.
    Object(BTreeMap<String, Type>),
    /// Values of given types in order.
    Tuple(Vec<Type>),
}

impl Type {
    /// Describes the type the way Terraform's schema wants it. Invalid bytes there crash
    /// Terraform, so this is the only place that makes them.
    pub fn to_json(&self) -> Vec<u8> {
        self.json().to_string().into_bytes()
    }

    /// Reads a description. None when it is not one.
    pub fn from_json(bytes: &[u8]) -> Option<Type> {
        Type::read(&serde_json::from_slice(bytes).ok()?)
    }

    /// Names the type for messages: "a string", "a list".
    pub fn describe(&self) -> &'static str {
        match self {
            Type::String => "a string",
            Type::Number => "a number",
            Type::Bool => "a boolean",
            Type::Dynamic => "a value",
            Type::List(_) => "a list",
            Type::Set(_) => "a set",
            Type::Map(_) => "a map",
            Type::Object(_) => "an object",
            Type::Tuple(_) => "a tuple",
        }
    }

    fn json(&self) -> Value {
        match self {
            Type::String => json!("string"),
            Type::Number => json!("number"),
            Type::Bool => json!("bool"),
            Type::Dynamic => json!("dynamic"),
            Type::List(element) => json!(["list", element.json()]),
            Type::Set(element) => json!(["set", element.json()]),
            Type::Map(element) => json!(["map", element.json()]),
            Type::Tuple(elements) => {
                json!(["tuple", elements.iter().map(Type::json).collect::<Vec<_>>()])
            }
            Type::Object(attributes) => {
                let attributes = attributes
                    .iter()
                    .map(|(name, attribute)| (name.clone(), attribute.json()))
                    .collect::<serde_json::Map<_, _>>();
                json!(["object", attributes])
            }
        }
    }

    fn read(json: &Value) -> Option<Type> {
        if let Some(name) = json.as_str() {
            return match name {
                "string" => Some(Type::String),
                "number" => Some(Type::Number),
                "bool" => Some(Type::Bool),
                "dynamic" => Some(Type::Dynamic),
                _ => None,
            };
        }
        let parts = json.as_array()?;
        let (kind, of) = (parts.first()?.as_str()?, parts.get(1)?);
        // A third part of an object lists optional attributes; their values still arrive.
        if parts.len() > 2 && kind != "object" {
            return None;
        }
        match kind {
            "list" => Some(Type::List(Box::new(Type::read(of)?))),
            "set" => Some(Type::Set(Box::new(Type::read(of)?))),
            "map" => Some(Type::Map(Box::new(Type::read(of)?))),
            "tuple" => {
                let elements = of.as_array()?.iter().map(Type::read);
                Some(Type::Tuple(elements.collect::<Option<_>>()?))
            }
            "object" => {
                let attributes = of.as_object()?.iter();
                let attributes = attributes.map(|(name, of)| Some((name.clone(), Type::read(of)?)));
                Some(Type::Object(attributes.collect::<Option<_>>()?))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_compact_and_read_back() {
        for text in [
            r#""string""#,
            r#""number""#,
            r#""bool""#,
            r#""dynamic""#,
            r#"["list","string"]"#,
            r#"["set",["map","number"]]"#,
            r#"["object",{"a":"string","b":["list","bool"]}]"#,
            r#"["object",{}]"#,
            r#"["tuple",["string","number"]]"#,
        ] {
            let parsed = Type::from_json(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(parsed.to_json()).unwrap(), text);
        }
    }

    #[test]
    fn optional_attributes_are_attributes() {
        let parsed = Type::from_json(br#"["object",{"a":"string"},["a"]]"#).unwrap();
        assert_eq!(
            parsed,
            Type::Object([("a".to_owned(), Type::String)].into())
        );
    }

    #[test]
    fn anything_else_is_no_type() {
        for text in [
            "",
            "null",
            "1",
            r#""text""#,
            "[]",
            r#"["list"]"#,
            r#"["list","string",1]"#,
        ] {
            assert_eq!(Type::from_json(text.as_bytes()), None, "{text}");
        }
        let deep = format!(
            "{}\"string\"{}",
            r#"["list","#.repeat(9000),
            "]".repeat(9000)
        );
        assert_eq!(Type::from_json(deep.as_bytes()), None);
    }
}
