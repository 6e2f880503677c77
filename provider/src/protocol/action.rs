//! The calls about actions.

use super::service::Shared;
use super::{schema, value};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::plugin::{Panicked, Work};
use crate::resource::action::{AnyAction, Progress};
use crate::resource::{Context, Provider};
use crate::value::Tree;
use futures_util::StreamExt as _;
use futures_util::stream;
use immutable_proto::tfplugin6 as wire;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use wire::invoke_action::event::{Completed, Progress as Told, Type};
use wire::{get_metadata, invoke_action, plan_action, validate_action_config};

/// What InvokeAction answers: its progress, line by line, and how it ended.
pub(super) type Events =
    Pin<Box<dyn futures_util::Stream<Item = Result<invoke_action::Event, Status>> + Send>>;

/// The action that a call is about.
struct Subject<P: Provider> {
    action: Arc<dyn AnyAction<P::Configured>>,
    shared: Arc<Shared<P>>,
}

impl<P: Provider> Subject<P> {
    fn find(shared: Arc<Shared<P>>, type_name: &str) -> Result<Self, Diagnostics> {
        let name = type_name.strip_prefix(P::NAME);
        let name = name.and_then(|name| name.strip_prefix('_'));
        let action = name.and_then(|name| shared.actions.get(name));
        let action = action.ok_or_else(|| {
            let summary = format!("There is no action type {type_name}");
            let detail = "This version of the provider does not have it.";
            Diagnostics::from(Diagnostic::error(summary, detail))
        })?;
        Ok(Self { action, shared })
    }

    fn decode(&self, config: Option<&wire::DynamicValue>) -> Result<Tree, Diagnostics> {
        value::decode(config, &self.action.schema().value_type())
    }
}

/// The action types, for the metadata.
pub(super) fn metadata<P: Provider>(shared: &Shared<P>) -> Vec<get_metadata::ActionMetadata> {
    let names = shared.actions.iter().map(|(name, _)| name);
    names
        .map(|name| get_metadata::ActionMetadata {
            type_name: format!("{}_{name}", P::NAME),
        })
        .collect()
}

/// The actions' schemas by type.
pub(super) fn schemas<P: Provider>(shared: &Shared<P>) -> BTreeMap<String, wire::ActionSchema> {
    let actions = shared.actions.iter();
    actions
        .map(|(name, action)| {
            let schema = wire::ActionSchema {
                schema: Some(schema::encode(action.schema())),
            };
            (format!("{}_{name}", P::NAME), schema)
        })
        .collect()
}

pub(super) fn validate<P: Provider>(
    shared: Arc<Shared<P>>,
    request: &validate_action_config::Request,
) -> Result<validate_action_config::Response, Diagnostics> {
    let subject = Subject::find(shared, &request.type_name)?;
    let config = subject.decode(request.config.as_ref())?;
    Ok(validate_action_config::Response {
        diagnostics: value::diagnostics(subject.action.validate(&config)),
    })
}

/// Says that there is nothing against invoking it: what it meets is only known then.
pub(super) fn plan<P: Provider>(
    shared: Arc<Shared<P>>,
    request: &plan_action::Request,
) -> Result<plan_action::Response, Diagnostics> {
    let subject = Subject::find(shared, &request.action_type)?;
    let config = subject.decode(request.config.as_ref())?;
    Ok(plan_action::Response {
        diagnostics: value::diagnostics(subject.action.validate(&config)),
        ..Default::default()
    })
}

/// Starts an action; its events come while it goes on, and the last one says how it ended: a stream
/// that merely ends would count as success.
pub(super) fn invoke<P: Provider>(
    shared: Arc<Shared<P>>,
    work: Work,
    request: invoke_action::Request,
    refuse: fn(&Panicked) -> Diagnostic,
) -> Events {
    let (tell, told) = mpsc::unbounded_channel();
    let progress = Progress::to(tell);
    let ended = async move {
        let call = |stop| run(shared, request, stop, progress);
        let ended = work.run("InvokeAction", call).await;
        let ended = ended.unwrap_or_else(|panicked| Err(refuse(&panicked).into()));
        let diagnostics = match ended {
            Ok(diagnostics) | Err(diagnostics) => diagnostics,
        };
        Ok(event(Type::Completed(Completed {
            diagnostics: value::diagnostics(diagnostics),
        })))
    };
    let lines = stream::unfold(told, |mut told| async move {
        let message = told.recv().await?;
        Some((Ok(event(Type::Progress(Told { message }))), told))
    });
    // Both are polled from the start; the lines end with the call that tells them.
    let (done, wait) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let _ = done.send(ended.await);
    });
    let end = stream::once(async move { wait.await.unwrap_or_else(|_| Err(broken())) });
    Box::pin(lines.chain(end))
}

async fn run<P: Provider>(
    shared: Arc<Shared<P>>,
    request: invoke_action::Request,
    stop: CancellationToken,
    progress: Progress,
) -> Result<Diagnostics, Diagnostics> {
    let subject = Subject::find(shared, &request.action_type)?;
    let config = subject.decode(request.config.as_ref())?;
    let configured = subject.shared.configured().ok_or_else(|| {
        let summary = "The provider is not configured";
        let detail = "Terraform asked for work before it had configured the provider.";
        Diagnostics::from(Diagnostic::error(summary, detail))
    })?;
    let context = Context {
        configured,
        cancel: stop,
        private: Vec::new(),
    };
    Ok(subject.action.invoke(&context, config, &progress).await)
}

fn event(of: Type) -> invoke_action::Event {
    invoke_action::Event { r#type: Some(of) }
}

fn broken() -> Status {
    Status::internal("the action ended without an answer")
}
