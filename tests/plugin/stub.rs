//! A provider that misbehaves on request, served by the plugin layer under test.

use std::fs;
use std::process::ExitCode;

use immutable::plugin::{self, Mode, Provider, Work};
use immutable_proto::tfplugin6::diagnostic::Severity;
use immutable_proto::tfplugin6::{
    Diagnostic, apply_resource_change, read_resource, stop_provider, validate_provider_config,
};
use tonic::{Request, Response, Status};

/// Starts this program as the stub.
pub(crate) const ARGUMENT: &str = "--serve-as-stub";

/// The resource type whose read panics.
pub(crate) const PANICS: &str = "panics";

/// The resource type whose apply heeds no stop. Every other type's apply ends when told to.
pub(crate) const STUBBORN: &str = "stubborn";

pub(crate) fn serve() -> ExitCode {
    plugin::outlive_interrupts();
    match plugin::serve(Mode::Plugin, Stub) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

struct Stub(Work);

fn error(summary: impl ToString) -> Vec<Diagnostic> {
    let summary = summary.to_string();
    vec![Diagnostic {
        severity: Severity::Error.into(),
        summary,
        ..Diagnostic::default()
    }]
}

#[tonic::async_trait]
impl Provider for Stub {
    /// Answers with the size of what it got.
    async fn validate_provider_config(
        &self,
        request: Request<validate_provider_config::Request>,
    ) -> Result<Response<validate_provider_config::Response>, Status> {
        let size = request
            .into_inner()
            .config
            .unwrap_or_default()
            .msgpack
            .len();
        let diagnostics = error(format!("{size} bytes"));
        Ok(Response::new(validate_provider_config::Response {
            diagnostics,
        }))
    }

    /// Panics, for the type that does.
    async fn read_resource(
        &self,
        request: Request<read_resource::Request>,
    ) -> Result<Response<read_resource::Response>, Status> {
        let kind = request.into_inner().type_name;
        let read = move |_| async move {
            assert!(kind != PANICS, "the moon is full");
            read_resource::Response {
                private: kind.into_bytes(),
                ..Default::default()
            }
        };
        Ok(Response::new(
            self.0
                .run("ReadResource", read)
                .await
                .unwrap_or_else(|panicked| read_resource::Response {
                    diagnostics: error(panicked),
                    ..Default::default()
                }),
        ))
    }

    /// Writes `started` to the file that `planned_private` names, waits to be stopped, and writes
    /// `safe`.
    async fn apply_resource_change(
        &self,
        request: Request<apply_resource_change::Request>,
    ) -> Result<Response<apply_resource_change::Response>, Status> {
        let request = request.into_inner();
        let diary = String::from_utf8(request.planned_private).unwrap();
        let apply = move |stop: tokio_util::sync::CancellationToken| async move {
            fs::write(&diary, "started").unwrap();
            if request.type_name == STUBBORN {
                return std::future::pending().await;
            }
            stop.cancelled().await;
            fs::write(&diary, "safe").unwrap();
            apply_resource_change::Response {
                private: b"early".to_vec(),
                ..Default::default()
            }
        };
        Ok(Response::new(
            self.0.run("ApplyResourceChange", apply).await.unwrap(),
        ))
    }

    async fn stop_provider(
        &self,
        _: Request<stop_provider::Request>,
    ) -> Result<Response<stop_provider::Response>, Status> {
        self.0.stop();
        Ok(Response::new(stop_provider::Response::default()))
    }
}
