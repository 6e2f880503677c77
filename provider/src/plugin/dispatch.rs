//! Hands each call to the service that its path names.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use immutable_proto::health::health_server::HealthServer;
use immutable_proto::plugin::grpc_broker_server::GrpcBrokerServer;
use immutable_proto::plugin::grpc_controller_server::GrpcControllerServer;
use immutable_proto::plugin::grpc_stdio_server::GrpcStdioServer;
use immutable_proto::tfplugin6::provider_server::{Provider, ProviderServer};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;

use super::services::{Alive, Broker, Controller, Stdio};

/// What HashiCorp's SDKs accept. tonic's own limit of 4 MiB is less than a large configuration.
const LARGEST_MESSAGE_BYTES: usize = 256 << 20;

/// All services of one process. Clones share them.
#[derive(Debug)]
pub(super) struct Dispatch<P> {
    provider: ProviderServer<P>,
    controller: GrpcControllerServer<Controller>,
    stdio: GrpcStdioServer<Stdio>,
    broker: GrpcBrokerServer<Broker>,
    health: HealthServer<Alive>,
}

impl<P: Provider> Dispatch<P> {
    /// Serves `provider`; a Shutdown cancels `shutdown`.
    pub(super) fn new(provider: P, shutdown: CancellationToken) -> Self {
        Self {
            provider: ProviderServer::new(provider)
                .max_decoding_message_size(LARGEST_MESSAGE_BYTES),
            controller: GrpcControllerServer::new(Controller { shutdown }),
            stdio: GrpcStdioServer::new(Stdio),
            broker: GrpcBrokerServer::new(Broker),
            health: HealthServer::new(Alive),
        }
    }
}

// Not derived: that would ask the provider itself to be `Clone`.
impl<P> Clone for Dispatch<P> {
    fn clone(&self) -> Self {
        Self {
            provider: self.provider.clone(),
            controller: self.controller.clone(),
            stdio: self.stdio.clone(),
            broker: self.broker.clone(),
            health: self.health.clone(),
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<P: Provider> Service<Request<Body>> for Dispatch<P> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let path = request.uri().path();
        tracing::trace!(path, "called");
        match path.split('/').nth(1).unwrap_or_default() {
            <ProviderServer<P> as NamedService>::NAME => self.provider.call(request),
            <GrpcControllerServer<Controller> as NamedService>::NAME => {
                self.controller.call(request)
            }
            <GrpcStdioServer<Stdio> as NamedService>::NAME => self.stdio.call(request),
            <GrpcBrokerServer<Broker> as NamedService>::NAME => self.broker.call(request),
            <HealthServer<Alive> as NamedService>::NAME => self.health.call(request),
            _ => {
                let unknown = Status::unimplemented(format!("there is no {path} here"));
                Box::pin(async move { Ok(unknown.into_http()) })
            }
        }
    }
}
