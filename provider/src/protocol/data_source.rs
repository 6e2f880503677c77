//! The calls about data sources.

use super::service::Shared;
use super::value;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::resource::{AnyDataSource, Provider};
use immutable_proto::tfplugin6 as wire;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use wire::{read_data_source, validate_data_resource_config};

pub(super) fn validate<P: Provider>(
    shared: &Shared<P>,
    request: &validate_data_resource_config::Request,
) -> Result<validate_data_resource_config::Response, Diagnostics> {
    let source = find(shared, &request.type_name)?;
    let config = value::decode(request.config.as_ref(), &source.schema().value_type())?;
    Ok(validate_data_resource_config::Response {
        diagnostics: value::diagnostics(source.validate(&config)),
    })
}

pub(super) async fn read<P: Provider>(
    shared: Arc<Shared<P>>,
    request: read_data_source::Request,
    stop: CancellationToken,
) -> Result<read_data_source::Response, Diagnostics> {
    let source = find(&shared, &request.type_name)?;
    let of = source.schema().value_type();
    let config = value::decode(request.config.as_ref(), &of)?;
    let context = shared.context(stop, Vec::new())?;
    let outcome = source.read(&context, config).await;
    let state = outcome.state.as_ref().map(|it| value::encode(it, &of));
    Ok(read_data_source::Response {
        state: state.transpose()?,
        diagnostics: value::diagnostics(outcome.diagnostics),
        deferred: None,
    })
}

type Found<P> = Arc<dyn AnyDataSource<<P as Provider>::Configured>>;

fn find<P: Provider>(shared: &Shared<P>, type_name: &str) -> Result<Found<P>, Diagnostics> {
    let name = super::provider::own_name::<P>(type_name);
    let source = name.and_then(|name| shared.data_sources.get(name));
    source.ok_or_else(|| {
        let summary = format!("There is no data source {type_name}");
        let detail = "This version of the provider does not have it.";
        Diagnostic::error(summary, detail).into()
    })
}

/// What a data source answers is known as a whole or not at all.
pub(super) fn unread(diagnostics: Vec<wire::Diagnostic>) -> read_data_source::Response {
    read_data_source::Response {
        diagnostics,
        ..Default::default()
    }
}
