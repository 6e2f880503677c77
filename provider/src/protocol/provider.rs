//! The calls about the provider itself.

use super::service::Shared;
use super::{action, function, identity, schema, value};
use crate::diagnostic::Diagnostics;
use crate::resource::Provider;
use crate::schema::{Field, Planned, Schema};
use immutable_proto::tfplugin6 as wire;
use std::sync::Arc;
use wire::{
    configure_provider, get_metadata, get_provider_schema, get_resource_identity_schemas,
    validate_provider_config,
};

/// What Terraform may rely on beyond the calls that every provider answers.
fn capabilities() -> wire::ServerCapabilities {
    wire::ServerCapabilities {
        // A destroy is planned too: the place for warnings and refusals.
        plan_destroy: true,
        move_resource_state: true,
        // Terraform's own way keeps what leaving out means as well.
        generate_resource_config: true,
        ..Default::default()
    }
}

pub(super) fn metadata<P: Provider>(shared: &Shared<P>) -> get_metadata::Response {
    let resources = shared.resources.iter();
    let resources = resources.map(|(name, _)| get_metadata::ResourceMetadata {
        type_name: type_name::<P>(name),
    });
    let sources = shared.data_sources.iter();
    let sources = sources.map(|(name, _)| get_metadata::DataSourceMetadata {
        type_name: type_name::<P>(name),
    });
    let functions = shared.functions.iter();
    let functions = functions.map(|(name, _)| get_metadata::FunctionMetadata {
        name: name.to_owned(),
    });
    let listings = shared.listings.iter();
    let listings = listings.map(|(name, _)| get_metadata::ListResourceMetadata {
        type_name: type_name::<P>(name),
    });
    get_metadata::Response {
        server_capabilities: Some(capabilities()),
        resources: resources.collect(),
        actions: action::metadata(shared),
        data_sources: sources.collect(),
        functions: functions.collect(),
        list_resources: listings.collect(),
        ..Default::default()
    }
}

pub(super) fn schemas<P: Provider>(shared: &Shared<P>) -> get_provider_schema::Response {
    let resources = shared.resources.iter();
    let resources = resources.map(|(name, it)| (type_name::<P>(name), schema::encode(it.schema())));
    let sources = shared.data_sources.iter();
    let sources = sources.map(|(name, it)| (type_name::<P>(name), schema::encode(it.schema())));
    let listings = shared.listings.iter();
    let listings = listings.map(|(name, it)| (type_name::<P>(name), schema::encode(it.schema())));
    get_provider_schema::Response {
        provider: Some(schema::encode(&shared.schema)),
        resource_schemas: resources.collect(),
        action_schemas: action::schemas(shared),
        data_source_schemas: sources.collect(),
        functions: function::all(shared),
        list_resource_schemas: listings.collect(),
        server_capabilities: Some(capabilities()),
        ..Default::default()
    }
}

pub(super) fn identities<P: Provider>(
    shared: &Shared<P>,
) -> get_resource_identity_schemas::Response {
    let resources = shared.resources.iter();
    let identities = resources.map(|(name, resource)| {
        let attribute = resource.schema().attribute(resource.identity());
        let description = attribute.map_or("", |it| it.description);
        let schema = identity::schema(resource.identity(), description);
        (type_name::<P>(name), schema)
    });
    get_resource_identity_schemas::Response {
        identity_schemas: identities.collect(),
        diagnostics: Vec::new(),
    }
}

pub(super) fn validate<P: Provider>(
    shared: &Shared<P>,
    request: &validate_provider_config::Request,
) -> Result<validate_provider_config::Response, Diagnostics> {
    let config = config(shared, request.config.as_ref())?;
    Ok(validate_provider_config::Response {
        diagnostics: value::diagnostics(shared.provider.validate(&config)),
    })
}

pub(super) async fn configure<P: Provider>(
    shared: Arc<Shared<P>>,
    request: configure_provider::Request,
) -> Result<configure_provider::Response, Diagnostics> {
    let config = config(&shared, request.config.as_ref())?;
    let configured = shared.provider.configure(config).await?;
    shared.configure(configured);
    Ok(configure_provider::Response::default())
}

fn config<P: Provider>(
    shared: &Shared<P>,
    config: Option<&wire::DynamicValue>,
) -> Result<P::Config<Planned>, Diagnostics> {
    let config = value::decode(config, &shared.schema.value_type())?;
    Ok(P::Config::decode(&config)?)
}

pub(super) fn declared<P: Provider>() -> Schema {
    Schema::of::<P::Config<Planned>>(0)
}

fn type_name<P: Provider>(name: &str) -> String {
    format!("{}_{name}", P::NAME)
}

/// A type's name behind the provider's; absent: it is another provider's.
pub(super) fn own_name<P: Provider>(type_name: &str) -> Option<&str> {
    type_name.strip_prefix(P::NAME)?.strip_prefix('_')
}
