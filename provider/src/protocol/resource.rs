//! The calls about managed resources.

use super::service::Shared;
use super::{identity, value};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::resource::{AnyResource, Change, Context, Provider};
use crate::value::{Findings, Tree, json};
use immutable_proto::tfplugin6 as wire;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use wire::{
    apply_resource_change, generate_resource_config, import_resource_state, move_resource_state,
    plan_resource_change, read_resource, upgrade_resource_identity, upgrade_resource_state,
    validate_resource_config,
};

/// The resource that a call is about.
pub(super) struct Subject<P: Provider> {
    pub(super) resource: Arc<dyn AnyResource<P::Configured>>,
    shared: Arc<Shared<P>>,
}

impl<P: Provider> Subject<P> {
    pub(super) fn find(shared: Arc<Shared<P>>, type_name: &str) -> Result<Subject<P>, Diagnostics> {
        let name = super::provider::own_name::<P>(type_name);
        let resource = name.and_then(|name| shared.resources.get(name));
        let resource = resource.ok_or_else(|| {
            let summary = format!("There is no resource type {type_name}");
            let detail = "This version of the provider does not have it.";
            Diagnostics::from(Diagnostic::error(summary, detail))
        })?;
        Ok(Subject { resource, shared })
    }

    pub(super) fn context(
        &self,
        stop: CancellationToken,
        private: Vec<u8>,
    ) -> Result<Context<P::Configured>, Diagnostics> {
        self.shared.context(stop, private)
    }

    fn decode(&self, value: Option<&wire::DynamicValue>) -> Result<Tree, Diagnostics> {
        value::decode(value, &self.resource.schema().value_type())
    }

    pub(super) fn encode(&self, tree: &Tree) -> Result<wire::DynamicValue, Diagnostics> {
        value::encode(tree, &self.resource.schema().value_type())
    }

    fn identity(&self, state: &Tree) -> Result<Option<wire::ResourceIdentityData>, Diagnostics> {
        identity::of_state(self.resource.identity(), state)
    }
}

pub(super) fn validate<P: Provider>(
    shared: Arc<Shared<P>>,
    request: &validate_resource_config::Request,
) -> Result<validate_resource_config::Response, Diagnostics> {
    let subject = Subject::find(shared, &request.type_name)?;
    let config = subject.decode(request.config.as_ref())?;
    Ok(validate_resource_config::Response {
        diagnostics: value::diagnostics(subject.resource.validate(&config)),
    })
}

/// Comes before every use of stored state, also of state of the current version.
pub(super) fn upgrade<P: Provider>(
    shared: Arc<Shared<P>>,
    request: &upgrade_resource_state::Request,
) -> Result<upgrade_resource_state::Response, Diagnostics> {
    let subject = Subject::find(shared, &request.type_name)?;
    let stored = raw(request.raw_state.as_ref())?;
    let state = subject.resource.upgrade(request.version, stored)?;
    Ok(upgrade_resource_state::Response {
        upgraded_state: Some(subject.encode(&state)?),
        diagnostics: Vec::new(),
    })
}

pub(super) fn upgrade_identity<P: Provider>(
    shared: Arc<Shared<P>>,
    request: &upgrade_resource_identity::Request,
) -> Result<upgrade_resource_identity::Response, Diagnostics> {
    let subject = Subject::find(shared, &request.type_name)?;
    let attribute = subject.resource.identity();
    let stored = raw(request.raw_identity.as_ref())?;
    let identity = json::conform(stored, &identity::value_type(attribute));
    let identity = identity.map_err(Findings::from)?;
    Ok(upgrade_resource_identity::Response {
        upgraded_identity: Some(identity::encode(attribute, &identity)?),
        diagnostics: Vec::new(),
    })
}

pub(super) async fn read<P: Provider>(
    shared: Arc<Shared<P>>,
    request: read_resource::Request,
    stop: CancellationToken,
) -> Result<read_resource::Response, Diagnostics> {
    let subject = Subject::find(shared, &request.type_name)?;
    let state = subject.decode(request.current_state.as_ref())?;
    let context = subject.context(stop, request.private)?;
    let outcome = subject.resource.read(&context, state).await;
    let state = outcome.state.unwrap_or_default();
    Ok(read_resource::Response {
        new_state: Some(subject.encode(&state)?),
        diagnostics: value::diagnostics(outcome.diagnostics),
        private: outcome.private.unwrap_or_default(),
        new_identity: subject.identity(&state)?,
        deferred: None,
    })
}

/// A read that could not be: everything stays as it was. An answer without private data or
/// identity would erase them.
pub(super) fn unread(
    request: read_resource::Request,
    diagnostics: Vec<wire::Diagnostic>,
) -> read_resource::Response {
    read_resource::Response {
        new_state: request.current_state,
        diagnostics,
        private: request.private,
        new_identity: request.current_identity,
        deferred: None,
    }
}

pub(super) async fn plan<P: Provider>(
    shared: Arc<Shared<P>>,
    request: plan_resource_change::Request,
    stop: CancellationToken,
) -> Result<plan_resource_change::Response, Diagnostics> {
    let subject = Subject::find(shared, &request.type_name)?;
    let change = Change {
        prior: subject.decode(request.prior_state.as_ref())?,
        wanted: subject.decode(request.proposed_new_state.as_ref())?,
        config: subject.decode(request.config.as_ref())?,
    };
    // What the object had that is being replaced is not the new object's.
    let is_create = change.prior.is_null();
    let private = if is_create {
        Vec::new()
    } else {
        request.prior_private
    };
    let context = subject.context(stop, private)?;
    let planned = subject.resource.plan(&context, change).await;
    let identity = subject.identity(&planned.planned)?;
    Ok(plan_resource_change::Response {
        planned_state: Some(subject.encode(&planned.planned)?),
        requires_replace: planned.replace.iter().map(value::path).collect(),
        planned_private: context.private,
        diagnostics: value::diagnostics(planned.diagnostics),
        planned_identity: identity.or(request.prior_identity),
        ..Default::default()
    })
}

/// A plan that could not be made.
pub(super) fn unplanned(
    request: plan_resource_change::Request,
    diagnostics: Vec<wire::Diagnostic>,
) -> plan_resource_change::Response {
    plan_resource_change::Response {
        planned_state: request.prior_state,
        planned_private: request.prior_private,
        planned_identity: request.prior_identity,
        diagnostics,
        ..Default::default()
    }
}

pub(super) async fn apply<P: Provider>(
    shared: Arc<Shared<P>>,
    request: apply_resource_change::Request,
    stop: CancellationToken,
) -> Result<apply_resource_change::Response, Diagnostics> {
    let subject = Subject::find(shared, &request.type_name)?;
    let change = Change {
        prior: subject.decode(request.prior_state.as_ref())?,
        wanted: subject.decode(request.planned_state.as_ref())?,
        config: subject.decode(request.config.as_ref())?,
    };
    let context = subject.context(stop, request.planned_private)?;
    let outcome = subject.resource.apply(&context, change).await;
    let state = outcome.state.unwrap_or_default();
    Ok(apply_resource_change::Response {
        new_state: Some(subject.encode(&state)?),
        private: outcome.private.unwrap_or_default(),
        diagnostics: value::diagnostics(outcome.diagnostics),
        new_identity: subject.identity(&state)?,
        ..Default::default()
    })
}

/// An apply that broke off without an answer of the resource: what was there before is kept, with
/// its private data and identity. Of a create nothing is known, and nothing is stored.
pub(super) fn unapplied(
    request: apply_resource_change::Request,
    diagnostics: Vec<wire::Diagnostic>,
) -> apply_resource_change::Response {
    // What identifies an object that was never made may not even be known.
    let exists = !value::is_null(request.prior_state.as_ref());
    apply_resource_change::Response {
        new_state: request.prior_state,
        private: request.planned_private,
        new_identity: request.planned_identity.filter(|_| exists),
        diagnostics,
        ..Default::default()
    }
}

pub(super) async fn import<P: Provider>(
    shared: Arc<Shared<P>>,
    request: import_resource_state::Request,
    stop: CancellationToken,
) -> Result<import_resource_state::Response, Diagnostics> {
    let subject = Subject::find(shared, &request.type_name)?;
    let attribute = subject.resource.identity();
    let identity = match &request.identity {
        Some(identity) => identity::read(attribute, identity)?,
        None => Some(request.id),
    };
    let identity = identity.filter(|text| !text.is_empty()).ok_or_else(|| {
        let summary = format!("Cannot import a {}", request.type_name);
        let detail = format!("Its {attribute} is required, as the ID or as the identity.");
        Diagnostic::error(summary, detail)
    })?;
    let context = subject.context(stop, Vec::new())?;
    let outcome = subject.resource.import(&context, &identity).await;
    let mut diagnostics = outcome.diagnostics;
    let imported = match outcome.state {
        Some(state) => vec![import_resource_state::ImportedResource {
            type_name: request.type_name,
            state: Some(subject.encode(&state)?),
            private: outcome.private.unwrap_or_default(),
            identity: subject.identity(&state)?,
        }],
        None if diagnostics.has_errors() => Vec::new(),
        None => {
            let summary = format!("Cannot import {} {identity:?}", request.type_name);
            diagnostics.push(Diagnostic::error(summary, "It does not exist."));
            Vec::new()
        }
    };
    Ok(import_resource_state::Response {
        imported_resources: imported,
        diagnostics: value::diagnostics(diagnostics),
        deferred: None,
    })
}

/// Takes over the state of a resource of the same type that another provider address managed, such
/// as an earlier name of this provider or a mirror of it.
pub(super) fn moved<P: Provider>(
    shared: Arc<Shared<P>>,
    request: move_resource_state::Request,
) -> Result<move_resource_state::Response, Diagnostics> {
    if request.source_type_name != request.target_type_name {
        return Err(cannot_move(&request));
    }
    let subject = Subject::find(shared, &request.target_type_name)?;
    let stored = raw(request.source_state.as_ref())?;
    let version = request.source_schema_version;
    let state = subject.resource.upgrade(version, stored)?;
    Ok(move_resource_state::Response {
        target_state: Some(subject.encode(&state)?),
        diagnostics: Vec::new(),
        target_private: request.source_private,
        target_identity: subject.identity(&state)?,
    })
}

/// No state of another resource can become one of ours.
fn cannot_move(request: &move_resource_state::Request) -> Diagnostics {
    let (source, target) = (&request.source_type_name, &request.target_type_name);
    Diagnostic::error(
        format!("Cannot move {source} to {target}"),
        format!(
            "The state of {source} cannot become the state of {target}. Remove the moved block, \
             and import what exists into a new {target}."
        ),
    )
    .into()
}

/// Writes the configuration of an object that exists.
pub(super) fn generate<P: Provider>(
    shared: Arc<Shared<P>>,
    request: &generate_resource_config::Request,
) -> Result<generate_resource_config::Response, Diagnostics> {
    let subject = Subject::find(shared, &request.type_name)?;
    let state = subject.decode(request.state.as_ref())?;
    let config = subject.resource.configuration(&state);
    Ok(generate_resource_config::Response {
        config: Some(subject.encode(&config)?),
        diagnostics: Vec::new(),
    })
}

/// Reads stored JSON; none at all is null.
fn raw(stored: Option<&wire::RawState>) -> Result<Tree, Diagnostics> {
    match stored {
        Some(stored) if !stored.json.is_empty() => {
            json::decode(&stored.json).map_err(|finding| Findings::from(finding).into())
        }
        Some(_) | None => Ok(Tree::Null),
    }
}
