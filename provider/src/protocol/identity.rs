//! Resource identity: the one attribute that tells an object from all others.
//!
//! Its version is 0 and stays so: resources stored without identity count as version 0, and any
//! later version would have Terraform ask for the conversion of nothing.

use super::value;
use crate::diagnostic::Diagnostics;
use crate::value::{Tree, Type};
use immutable_proto::tfplugin6 as wire;
use std::collections::BTreeMap;

pub(super) fn schema(attribute: &str, description: &str) -> wire::ResourceIdentitySchema {
    let attribute = wire::resource_identity_schema::IdentityAttribute {
        name: attribute.to_owned(),
        r#type: Type::String.to_json(),
        required_for_import: true,
        optional_for_import: false,
        description: description.to_owned(),
    };
    wire::ResourceIdentitySchema {
        version: 0,
        identity_attributes: vec![attribute],
    }
}

/// The type of an identity.
pub(super) fn value_type(attribute: &str) -> Type {
    Type::Object(BTreeMap::from([(attribute.to_owned(), Type::String)]))
}

/// The identity of an object in a state; none for an object that does not exist.
pub(super) fn of_state(
    attribute: &str,
    state: &Tree,
) -> Result<Option<wire::ResourceIdentityData>, Diagnostics> {
    if state.is_null() {
        return Ok(None);
    }
    let value = state.entry(attribute).clone();
    let identity = Tree::Map(BTreeMap::from([(attribute.to_owned(), value)]));
    encode(attribute, &identity).map(Some)
}

pub(super) fn encode(
    attribute: &str,
    identity: &Tree,
) -> Result<wire::ResourceIdentityData, Diagnostics> {
    let data = value::encode(identity, &value_type(attribute))?;
    Ok(wire::ResourceIdentityData {
        identity_data: Some(data),
    })
}

/// The identifying text in an identity; none when it lacks it.
pub(super) fn read(
    attribute: &str,
    identity: &wire::ResourceIdentityData,
) -> Result<Option<String>, Diagnostics> {
    let data = identity.identity_data.as_ref();
    match value::decode(data, &value_type(attribute))?.entry(attribute) {
        Tree::Str(text) => Ok(Some(text.clone())),
        _ => Ok(None),
    }
}
