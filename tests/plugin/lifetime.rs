//! From the handshake to the exit.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use immutable_proto::health::health_check_response::ServingStatus;
use immutable_proto::health::health_client::HealthClient;
use immutable_proto::health::{HealthCheckRequest, HealthListRequest};
use immutable_proto::plugin::ConnInfo;
use immutable_proto::plugin::grpc_broker_client::GrpcBrokerClient;
use immutable_proto::plugin::grpc_stdio_client::GrpcStdioClient;
use immutable_proto::tfplugin6::{get_metadata, list_resource};
use tonic::Code;

use crate::terraform::{Start, schema_over};
use crate::until;

pub(crate) async fn shutdown_ends_the_process_and_leaves_nothing() {
    let terraform = Start::provider().connect().await;
    let schema = schema_over(terraform.channel.clone()).await.unwrap();
    // Terraform crashes on a schema without a block.
    assert!(schema.provider.unwrap().block.is_some());

    let socket = &terraform.handshake.socket;
    assert_eq!(
        fs::metadata(socket).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(terraform.process.leftovers().len(), 1);

    let mut process = terraform.shut_down().await;
    let (status, out, err) = process.ended().await;
    assert_eq!(
        (status.code(), out.as_str(), err.as_str()),
        (Some(0), "", "")
    );
    assert!(process.leftovers().is_empty());
}

pub(crate) async fn signals_from_the_first_moment_on_are_left_to_terraform() {
    let mut process = Start::provider().spawn();
    // Nothing can be done about a signal before `main` runs; from the handlers' moment on, none
    // counts.
    until("it is ready for signals", || handles_signals(process.id())).await;
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGINT] {
        process.signal(signal);
    }
    let handshake = process.handshake().await;
    let channel = handshake.connect(process.identity.as_ref()).await.unwrap();
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        process.signal(signal);
        schema_over(channel.clone()).await.unwrap();
    }
}

/// Whether the process `id` handles SIGINT, SIGTERM and SIGHUP. Ignoring them would not do: the
/// processes it starts would ignore them too.
fn handles_signals(id: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let caught = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .unwrap();
    let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP]
        .iter()
        .all(|signal| caught >> (signal - 1) & 1 == 1)
}

pub(crate) async fn a_terraform_that_vanishes_takes_the_process_with_it() {
    let terraform = Start::provider().connect().await;
    schema_over(terraform.channel.clone()).await.unwrap();

    let mut process = terraform.vanish();
    let (status, ..) = process.ended().await;
    assert_eq!(status.code(), Some(0));
    assert!(process.leftovers().is_empty());
}

pub(crate) async fn go_plugins_services_answer() {
    let terraform = Start::provider().connect().await;

    let mut health = HealthClient::new(terraform.channel.clone());
    let asked = |service: &str| HealthCheckRequest {
        service: service.to_owned(),
    };
    for service in ["plugin", ""] {
        let answer = health.check(asked(service)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
    assert_eq!(
        health.check(asked("other")).await.unwrap_err().code(),
        Code::NotFound
    );
    let all = health
        .list(HealthListRequest {})
        .await
        .unwrap()
        .into_inner()
        .statuses;
    assert_eq!(all["plugin"].status(), ServingStatus::Serving);
    let mut watched = health.watch(asked("plugin")).await.unwrap().into_inner();
    let first = watched.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);

    // Open and silent, until the process ends.
    let mut stdio = GrpcStdioClient::new(terraform.channel.clone());
    let mut printed = stdio.stream_stdio(()).await.unwrap().into_inner();
    let mut broker = GrpcBrokerClient::new(terraform.channel.clone());
    let offers = tokio_stream::pending::<ConnInfo>();
    let mut offered = broker.start_stream(offers).await.unwrap().into_inner();
    let mut process = terraform.shut_down().await;
    assert!(printed.message().await.is_err());
    assert!(offered.message().await.is_err());
    assert_eq!(process.ended().await.0.code(), Some(0));
}

pub(crate) async fn unneeded_calls_are_unimplemented() {
    let terraform = Start::stub().connect().await;
    let mut provider = terraform.provider();
    let unary = provider
        .get_metadata(get_metadata::Request {})
        .await
        .unwrap_err();
    assert_eq!(unary.code(), Code::Unimplemented);
    let streamed = provider
        .list_resource(list_resource::Request::default())
        .await
        .unwrap_err();
    assert_eq!(streamed.code(), Code::Unimplemented);
}

pub(crate) async fn a_terraform_without_protocol_6_is_refused() {
    let mut process = Start::provider()
        .env("PLUGIN_PROTOCOL_VERSIONS", "4,5")
        .spawn();
    let (status, out, err) = process.ended().await;
    assert_eq!((status.code(), out.as_str()), (Some(1), ""));
    assert!(err.contains("offers only 4,5"), "{err}");
}

pub(crate) async fn a_long_temporary_directory_is_no_obstacle() {
    let parent = tempfile::tempdir().unwrap();
    let deep = parent.path().join("d".repeat(120));
    fs::create_dir(&deep).unwrap();
    let terraform = Start::provider()
        .env("TMPDIR", deep.to_str().unwrap())
        .connect()
        .await;
    schema_over(terraform.channel.clone()).await.unwrap();

    let socket = terraform.handshake.socket.clone();
    let mut process = terraform.shut_down().await;
    process.ended().await;
    assert!(!socket.parent().unwrap().exists());
}
