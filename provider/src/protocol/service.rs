//! The list of calls.

use super::{action, data_source, function, listing, provider, resource, value};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::plugin::{Panicked, Work};
use crate::resource::action::Actions;
use crate::resource::{Context, DataSources, Functions, Listings, Provider, Resources};
use crate::schema::Schema;
use immutable_proto::tfplugin6 as wire;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};
use wire::{
    apply_resource_change, call_function, configure_provider, generate_resource_config,
    get_functions, get_metadata, get_provider_schema, get_resource_identity_schemas,
    import_resource_state, invoke_action, list_resource, move_resource_state, plan_action,
    plan_resource_change, read_data_source, read_resource, stop_provider,
    upgrade_resource_identity, upgrade_resource_state, validate_action_config,
    validate_data_resource_config, validate_list_resource_config, validate_provider_config,
    validate_resource_config,
};

/// So many objects of a list may wait for Terraform to take them.
const EVENTS_AHEAD: usize = 16;

/// A provider as Terraform's service.
pub struct Service<P: Provider> {
    shared: Arc<Shared<P>>,
    work: Work,
}

/// What all calls share.
pub(super) struct Shared<P: Provider> {
    pub(super) provider: P,
    pub(super) schema: Schema,
    pub(super) resources: Resources<P::Configured>,
    pub(super) actions: Actions<P::Configured>,
    pub(super) data_sources: DataSources<P::Configured>,
    pub(super) functions: Functions,
    pub(super) listings: Listings<P::Configured>,
    /// Replaced as a whole: a debugged provider is configured many times. A call goes on with what
    /// it started with.
    configured: Mutex<Option<Arc<P::Configured>>>,
}

impl<P: Provider> Shared<P> {
    pub(super) fn configured(&self) -> Option<Arc<P::Configured>> {
        let configured = self.configured.lock();
        configured.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn configure(&self, configured: P::Configured) {
        let mut current = self
            .configured
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Some(Arc::new(configured));
    }

    /// The surroundings of one call.
    pub(super) fn context(
        &self,
        stop: CancellationToken,
        private: Vec<u8>,
    ) -> Result<Context<P::Configured>, Diagnostics> {
        let configured = self.configured().ok_or_else(|| {
            let summary = "The provider is not configured";
            let detail = "Terraform asked for work before it had configured the provider.";
            Diagnostics::from(Diagnostic::error(summary, detail))
        })?;
        Ok(Context {
            configured,
            cancel: stop,
            private,
        })
    }
}

impl<P: Provider> Service<P> {
    /// Serves a provider; its calls run as `work`.
    pub fn new(provider: P, work: Work) -> Service<P> {
        let shared = Shared {
            schema: provider::declared::<P>(),
            resources: provider.resources(),
            actions: provider.actions(),
            data_sources: provider.data_sources(),
            functions: provider.functions(),
            listings: provider.listings(),
            configured: Mutex::new(None),
            provider,
        };
        Service {
            shared: Arc::new(shared),
            work,
        }
    }

    /// Runs a call to its end. `refuse` makes the answer when there is none: because a value
    /// could not be read, or because the call panicked.
    async fn answer<A, F>(
        &self,
        rpc: &'static str,
        refuse: impl FnOnce(Vec<wire::Diagnostic>) -> A,
        call: impl FnOnce(Arc<Shared<P>>, CancellationToken) -> F,
    ) -> Result<Response<A>, Status>
    where
        A: Send + 'static,
        F: Future<Output = Result<A, Diagnostics>> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let ended = self.work.run(rpc, |stop| call(shared, stop)).await;
        let answer = ended.unwrap_or_else(|panicked| Err(bug(&panicked).into()));
        let answer = answer.unwrap_or_else(|it| refuse(value::diagnostics(it)));
        Ok(Response::new(answer))
    }
}

fn bug(panicked: &Panicked) -> Diagnostic {
    let detail = "Nothing that Terraform knew before is lost. Run the command again; if the error \
                  stays, please report it with the log that TF_LOG=DEBUG writes.";
    Diagnostic::error(panicked.to_string(), detail)
}

#[tonic::async_trait]
impl<P: Provider> wire::provider_server::Provider for Service<P> {
    async fn get_metadata(
        &self,
        _: Request<get_metadata::Request>,
    ) -> Result<Response<get_metadata::Response>, Status> {
        Ok(Response::new(provider::metadata(&self.shared)))
    }

    async fn get_provider_schema(
        &self,
        _: Request<get_provider_schema::Request>,
    ) -> Result<Response<get_provider_schema::Response>, Status> {
        Ok(Response::new(provider::schemas(&self.shared)))
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<get_resource_identity_schemas::Request>,
    ) -> Result<Response<get_resource_identity_schemas::Response>, Status> {
        Ok(Response::new(provider::identities(&self.shared)))
    }

    async fn get_functions(
        &self,
        _: Request<get_functions::Request>,
    ) -> Result<Response<get_functions::Response>, Status> {
        Ok(Response::new(get_functions::Response {
            functions: function::all(&self.shared),
            diagnostics: Vec::new(),
        }))
    }

    async fn call_function(
        &self,
        request: Request<call_function::Request>,
    ) -> Result<Response<call_function::Response>, Status> {
        let request = request.into_inner();
        let refuse = |diagnostics: Vec<_>| function::broken(&diagnostics);
        self.answer("CallFunction", refuse, |shared, _| async move {
            Ok(function::call(&shared, &request))
        })
        .await
    }

    async fn validate_provider_config(
        &self,
        request: Request<validate_provider_config::Request>,
    ) -> Result<Response<validate_provider_config::Response>, Status> {
        let request = request.into_inner();
        let refuse = |diagnostics| validate_provider_config::Response { diagnostics };
        self.answer("ValidateProviderConfig", refuse, |shared, _| async move {
            provider::validate(&shared, &request)
        })
        .await
    }

    async fn configure_provider(
        &self,
        request: Request<configure_provider::Request>,
    ) -> Result<Response<configure_provider::Response>, Status> {
        let request = request.into_inner();
        let refuse = |diagnostics| configure_provider::Response { diagnostics };
        self.answer("ConfigureProvider", refuse, |shared, _| {
            provider::configure(shared, request)
        })
        .await
    }

    /// Answers at once; calls in flight end at their next safe point.
    async fn stop_provider(
        &self,
        _: Request<stop_provider::Request>,
    ) -> Result<Response<stop_provider::Response>, Status> {
        self.work.stop();
        Ok(Response::new(stop_provider::Response::default()))
    }

    async fn validate_resource_config(
        &self,
        request: Request<validate_resource_config::Request>,
    ) -> Result<Response<validate_resource_config::Response>, Status> {
        let request = request.into_inner();
        let refuse = |diagnostics| validate_resource_config::Response { diagnostics };
        self.answer("ValidateResourceConfig", refuse, |shared, _| async move {
            resource::validate(shared, &request)
        })
        .await
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<upgrade_resource_state::Request>,
    ) -> Result<Response<upgrade_resource_state::Response>, Status> {
        let request = request.into_inner();
        let refuse = |diagnostics| upgrade_resource_state::Response {
            upgraded_state: None,
            diagnostics,
        };
        self.answer("UpgradeResourceState", refuse, |shared, _| async move {
            resource::upgrade(shared, &request)
        })
        .await
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<upgrade_resource_identity::Request>,
    ) -> Result<Response<upgrade_resource_identity::Response>, Status> {
        let request = request.into_inner();
        let refuse = |diagnostics| upgrade_resource_identity::Response {
            upgraded_identity: None,
            diagnostics,
        };
        self.answer("UpgradeResourceIdentity", refuse, |shared, _| async move {
            resource::upgrade_identity(shared, &request)
        })
        .await
    }

    async fn read_resource(
        &self,
        request: Request<read_resource::Request>,
    ) -> Result<Response<read_resource::Response>, Status> {
        let request = request.into_inner();
        let kept = request.clone();
        let refuse = |diagnostics| resource::unread(kept, diagnostics);
        self.answer("ReadResource", refuse, |shared, stop| {
            resource::read(shared, request, stop)
        })
        .await
    }

    async fn plan_resource_change(
        &self,
        request: Request<plan_resource_change::Request>,
    ) -> Result<Response<plan_resource_change::Response>, Status> {
        let request = request.into_inner();
        let kept = request.clone();
        let refuse = |diagnostics| resource::unplanned(kept, diagnostics);
        self.answer("PlanResourceChange", refuse, |shared, stop| {
            resource::plan(shared, request, stop)
        })
        .await
    }

    async fn apply_resource_change(
        &self,
        request: Request<apply_resource_change::Request>,
    ) -> Result<Response<apply_resource_change::Response>, Status> {
        let request = request.into_inner();
        let kept = request.clone();
        let refuse = |diagnostics| resource::unapplied(kept, diagnostics);
        self.answer("ApplyResourceChange", refuse, |shared, stop| {
            resource::apply(shared, request, stop)
        })
        .await
    }

    async fn import_resource_state(
        &self,
        request: Request<import_resource_state::Request>,
    ) -> Result<Response<import_resource_state::Response>, Status> {
        let request = request.into_inner();
        let refuse = |diagnostics| import_resource_state::Response {
            diagnostics,
            ..Default::default()
        };
        self.answer("ImportResourceState", refuse, |shared, stop| {
            resource::import(shared, request, stop)
        })
        .await
    }

    async fn validate_action_config(
        &self,
        request: Request<validate_action_config::Request>,
    ) -> Result<Response<validate_action_config::Response>, Status> {
        let request = request.into_inner();
        let refuse = |diagnostics| validate_action_config::Response { diagnostics };
        self.answer("ValidateActionConfig", refuse, |shared, _| async move {
            action::validate(shared, &request)
        })
        .await
    }

    async fn plan_action(
        &self,
        request: Request<plan_action::Request>,
    ) -> Result<Response<plan_action::Response>, Status> {
        let request = request.into_inner();
        let refuse = |diagnostics| plan_action::Response {
            diagnostics,
            deferred: None,
        };
        self.answer("PlanAction", refuse, |shared, _| async move {
            action::plan(shared, &request)
        })
        .await
    }

    async fn invoke_action(
        &self,
        request: Request<invoke_action::Request>,
    ) -> Result<Response<action::Events>, Status> {
        let (shared, work) = (Arc::clone(&self.shared), self.work.clone());
        let events = action::invoke(shared, work, request.into_inner(), bug);
        Ok(Response::new(events))
    }

    async fn move_resource_state(
        &self,
        request: Request<move_resource_state::Request>,
    ) -> Result<Response<move_resource_state::Response>, Status> {
        let request = request.into_inner();
        let refuse = |diagnostics| move_resource_state::Response {
            diagnostics,
            ..Default::default()
        };
        self.answer("MoveResourceState", refuse, |shared, _| async move {
            resource::moved(shared, request)
        })
        .await
    }

    async fn generate_resource_config(
        &self,
        request: Request<generate_resource_config::Request>,
    ) -> Result<Response<generate_resource_config::Response>, Status> {
        let request = request.into_inner();
        let refuse = |diagnostics| generate_resource_config::Response {
            config: None,
            diagnostics,
        };
        self.answer("GenerateResourceConfig", refuse, |shared, _| async move {
            resource::generate(shared, &request)
        })
        .await
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<validate_data_resource_config::Request>,
    ) -> Result<Response<validate_data_resource_config::Response>, Status> {
        let request = request.into_inner();
        let refuse = |diagnostics| validate_data_resource_config::Response { diagnostics };
        self.answer(
            "ValidateDataResourceConfig",
            refuse,
            |shared, _| async move { data_source::validate(&shared, &request) },
        )
        .await
    }

    async fn read_data_source(
        &self,
        request: Request<read_data_source::Request>,
    ) -> Result<Response<read_data_source::Response>, Status> {
        let request = request.into_inner();
        self.answer("ReadDataSource", data_source::unread, |shared, stop| {
            data_source::read(shared, request, stop)
        })
        .await
    }

    async fn validate_list_resource_config(
        &self,
        request: Request<validate_list_resource_config::Request>,
    ) -> Result<Response<validate_list_resource_config::Response>, Status> {
        let request = request.into_inner();
        let refuse = |diagnostics| validate_list_resource_config::Response { diagnostics };
        self.answer(
            "ValidateListResourceConfig",
            refuse,
            |shared, _| async move { listing::validate(&shared, &request) },
        )
        .await
    }

    async fn list_resource(
        &self,
        request: Request<list_resource::Request>,
    ) -> Result<Response<BoxStream<list_resource::Event>>, Status> {
        let request = request.into_inner();
        let (events, receiver) = mpsc::channel(EVENTS_AHEAD);
        let (shared, work, last) = (Arc::clone(&self.shared), self.work.clone(), events.clone());
        tokio::spawn(async move {
            let listed = work.run("ListResource", |stop| {
                listing::list(shared, request, stop, events)
            });
            if let Err(panicked) = listed.await {
                // Where nobody listens any more, nobody misses it.
                let _ = last.send(Ok(listing::refused(bug(&panicked).into()))).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}
