//! The services that go-plugin expects beside the provider's own.

use std::collections::BTreeMap;

use immutable_proto::health::health_check_response::ServingStatus;
use immutable_proto::health::health_server::Health;
use immutable_proto::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use immutable_proto::plugin::grpc_broker_server::GrpcBroker;
use immutable_proto::plugin::grpc_controller_server::GrpcController;
use immutable_proto::plugin::grpc_stdio_server::GrpcStdio;
use immutable_proto::plugin::{ConnInfo, Empty, StdioData};
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

/// The name under which go-plugin asks for the plugin's health.
const PLUGIN_SERVICE: &str = "plugin";

/// A stream that stays open and says nothing.
///
/// It also keeps Terraform's end from thinking the connection idle, which would close it after
/// half an hour without calls and look to us as if Terraform had gone.
fn silence<T: Send + 'static>() -> BoxStream<T> {
    Box::pin(tokio_stream::pending())
}

/// Ends the process when Terraform says so.
#[derive(Debug)]
pub(super) struct Controller {
    /// Cancelled by the first Shutdown.
    pub(super) shutdown: CancellationToken,
}

#[tonic::async_trait]
impl GrpcController for Controller {
    /// Answers at once: Terraform waits for this answer without a deadline, then gives the process
    /// two seconds.
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.shutdown.cancel();
        Ok(Response::new(Empty {}))
    }
}

/// Never prints anything: Terraform would log each piece as unexpected.
#[derive(Debug)]
pub(super) struct Stdio;

#[tonic::async_trait]
impl GrpcStdio for Stdio {
    async fn stream_stdio(&self, _: Request<()>) -> Result<Response<BoxStream<StdioData>>, Status> {
        Ok(Response::new(silence()))
    }
}

/// Never offers a further stream: providers have nothing to call back.
#[derive(Debug)]
pub(super) struct Broker;

#[tonic::async_trait]
impl GrpcBroker for Broker {
    async fn start_stream(
        &self,
        _: Request<Streaming<ConnInfo>>,
    ) -> Result<Response<BoxStream<ConnInfo>>, Status> {
        Ok(Response::new(silence()))
    }
}

/// Serving, for as long as it can answer at all.
#[derive(Debug)]
pub(super) struct Alive;

impl Alive {
    const SERVING: HealthCheckResponse = HealthCheckResponse {
        status: ServingStatus::Serving as i32,
    };

    fn knows(service: &str) -> bool {
        matches!(service, "" | PLUGIN_SERVICE)
    }
}

#[tonic::async_trait]
impl Health for Alive {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match request.get_ref().service.as_str() {
            service if Self::knows(service) => Ok(Response::new(Self::SERVING)),
            service => Err(Status::not_found(format!(
                "there is no service {service:?}"
            ))),
        }
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        let statuses = BTreeMap::from([(PLUGIN_SERVICE.to_owned(), Self::SERVING)]);
        Ok(Response::new(HealthListResponse { statuses }))
    }

    /// Unlike a check, a watch of an unknown service is answered: the service may yet come.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<BoxStream<HealthCheckResponse>>, Status> {
        let status = if Self::knows(&request.get_ref().service) {
            Self::SERVING
        } else {
            HealthCheckResponse {
                status: ServingStatus::ServiceUnknown as i32,
            }
        };
        let now = tokio_stream::once(Ok(status));
        Ok(Response::new(Box::pin(now.chain(tokio_stream::pending()))))
    }
}
