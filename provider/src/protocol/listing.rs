//! The calls about lists of objects, which `terraform query` makes.

use super::resource::Subject;
use super::service::Shared;
use super::{identity, value};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::resource::{AnyListing, Context, Listed, Provider};
use crate::value::Tree;
use immutable_proto::tfplugin6 as wire;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use wire::{list_resource, validate_list_resource_config};

/// Where events go. Terraform hangs up when it has had enough.
pub(super) type Events = Sender<Result<list_resource::Event, Status>>;

pub(super) fn validate<P: Provider>(
    shared: &Shared<P>,
    request: &validate_list_resource_config::Request,
) -> Result<validate_list_resource_config::Response, Diagnostics> {
    let listing = find(shared, &request.type_name)?;
    let filter = value::decode(request.config.as_ref(), &listing.schema().value_type())?;
    Ok(validate_list_resource_config::Response {
        diagnostics: value::diagnostics(listing.validate(&filter)),
    })
}

/// Sends an event for each object found.
pub(super) async fn list<P: Provider>(
    shared: Arc<Shared<P>>,
    request: list_resource::Request,
    stop: CancellationToken,
    events: Events,
) {
    let told = match found(&shared, &request, stop.clone()).await {
        Ok(found) => send_all(shared, &request, stop, (found, &events)).await,
        Err(diagnostics) => Err(diagnostics),
    };
    if let Err(diagnostics) = told {
        // Where nobody listens any more, nobody misses it.
        let _ = events.send(Ok(refused(diagnostics))).await;
    }
}

async fn found<P: Provider>(
    shared: &Arc<Shared<P>>,
    request: &list_resource::Request,
    stop: CancellationToken,
) -> Result<Vec<Listed>, Diagnostics> {
    let listing = find(shared, &request.type_name)?;
    let filter = value::decode(request.config.as_ref(), &listing.schema().value_type())?;
    let context = shared.context(stop, Vec::new())?;
    let mut found = listing.list(&context, filter).await?;
    found.truncate(usize::try_from(request.limit).unwrap_or_default());
    Ok(found)
}

/// Looks at objects one after the other, so that what is not asked for costs nothing.
async fn send_all<P: Provider>(
    shared: Arc<Shared<P>>,
    request: &list_resource::Request,
    stop: CancellationToken,
    (found, events): (Vec<Listed>, &Events),
) -> Result<(), Diagnostics> {
    let subject = Subject::find(shared, &request.type_name)?;
    let context = subject.context(stop, Vec::new())?;
    for one in found {
        let event = event(&subject, &context, request, one).await?;
        if events.send(Ok(event)).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn event<P: Provider>(
    subject: &Subject<P>,
    context: &Context<P::Configured>,
    request: &list_resource::Request,
    one: Listed,
) -> Result<list_resource::Event, Diagnostics> {
    let attribute = subject.resource.identity();
    let text = Tree::Str(one.identity.clone());
    let identity = Tree::Map(BTreeMap::from([(attribute.to_owned(), text)]));
    let mut event = list_resource::Event {
        identity: Some(identity::encode(attribute, &identity)?),
        display_name: one.display_name,
        ..Default::default()
    };
    if request.include_resource_object {
        let outcome = subject.resource.import(context, &one.identity).await;
        let state = outcome.state.as_ref().map(|state| subject.encode(state));
        event.resource_object = state.transpose()?;
        event.diagnostic = value::diagnostics(outcome.diagnostics);
    }
    Ok(event)
}

pub(super) fn refused(diagnostics: Diagnostics) -> list_resource::Event {
    list_resource::Event {
        diagnostic: value::diagnostics(diagnostics),
        ..Default::default()
    }
}

type Found<P> = Arc<dyn AnyListing<<P as Provider>::Configured>>;

fn find<P: Provider>(shared: &Shared<P>, type_name: &str) -> Result<Found<P>, Diagnostics> {
    let name = super::provider::own_name::<P>(type_name);
    let listing = name.and_then(|name| shared.listings.get(name));
    listing.ok_or_else(|| {
        let summary = format!("There is no list of {type_name}");
        let detail = "This version of the provider does not have it.";
        Diagnostic::error(summary, detail).into()
    })
}
