//! Declarations as Terraform's schemas. The only place that makes them: a schema without block or
//! with a type that is none crashes Terraform itself.

use crate::schema::{Attribute, Kind, Nesting, Schema};
use immutable_proto::tfplugin6 as wire;
use wire::schema::object::NestingMode;

pub(super) fn encode(schema: &Schema) -> wire::Schema {
    let block = wire::schema::Block {
        attributes: attributes(&schema.attributes),
        description: schema.description.clone(),
        description_kind: wire::StringKind::Markdown.into(),
        ..Default::default()
    };
    wire::Schema {
        version: schema.version,
        block: Some(block),
    }
}

fn attributes(attributes: &[Attribute]) -> Vec<wire::schema::Attribute> {
    attributes.iter().map(attribute).collect()
}

fn attribute(attribute: &Attribute) -> wire::schema::Attribute {
    let (of, nested_type) = match &attribute.kind {
        Kind::Leaf(of) => (of.to_json(), None),
        Kind::Nested(nesting, inner) => (Vec::new(), Some(object(*nesting, inner))),
    };
    wire::schema::Attribute {
        name: attribute.name.to_owned(),
        r#type: of,
        nested_type,
        description: attribute.description.to_owned(),
        description_kind: wire::StringKind::Markdown.into(),
        required: attribute.required,
        optional: attribute.optional,
        computed: attribute.computed,
        sensitive: attribute.sensitive,
        ..Default::default()
    }
}

fn object(nesting: Nesting, inner: &[Attribute]) -> wire::schema::Object {
    let nesting = match nesting {
        Nesting::Single => NestingMode::Single,
        Nesting::List => NestingMode::List,
        Nesting::Set => NestingMode::Set,
        Nesting::Map => NestingMode::Map,
    };
    wire::schema::Object {
        attributes: attributes(inner),
        nesting: nesting.into(),
        ..Default::default()
    }
}
