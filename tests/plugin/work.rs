//! What becomes of work when something goes wrong around it.

use std::fs;
use std::path::Path;

use immutable_proto::tfplugin6::{
    DynamicValue, apply_resource_change, read_resource, stop_provider, validate_provider_config,
};
use tokio::task::JoinHandle;

use crate::stub::{PANICS, STUBBORN};
use crate::terraform::{Start, Terraform};
use crate::until;

type Applied = Result<apply_resource_change::Response, tonic::Status>;

/// Begins to apply a resource of type `kind` that keeps a diary, and waits until it runs.
async fn begin_apply(terraform: &Terraform, kind: &str, diary: &Path) -> JoinHandle<Applied> {
    let mut provider = terraform.provider();
    let request = apply_resource_change::Request {
        type_name: kind.to_owned(),
        planned_private: diary.to_str().unwrap().as_bytes().to_vec(),
        ..Default::default()
    };
    let applying =
        tokio::spawn(
            async move { Ok(provider.apply_resource_change(request).await?.into_inner()) },
        );
    let started = || fs::read_to_string(diary).is_ok_and(|entry| entry == "started");
    until("the apply runs", started).await;
    applying
}

async fn read(terraform: &Terraform, kind: &str) -> read_resource::Response {
    let request = read_resource::Request {
        type_name: kind.to_owned(),
        ..Default::default()
    };
    terraform
        .provider()
        .read_resource(request)
        .await
        .unwrap()
        .into_inner()
}

pub(crate) async fn a_panic_is_a_diagnostic_and_a_report_and_other_calls_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let terraform = Start::stub().connect().await;
    let applying = begin_apply(&terraform, "calm", &directory.path().join("diary")).await;

    let panicked = read(&terraform, PANICS).await;
    assert_eq!(
        panicked.diagnostics[0].summary,
        "ReadResource failed because of a bug in the provider: the moon is full",
    );
    assert_eq!(read(&terraform, "calm").await.private, b"calm");

    terraform
        .provider()
        .stop_provider(stop_provider::Request {})
        .await
        .unwrap();
    assert_eq!(applying.await.unwrap().unwrap().private, b"early");

    let (status, _, err) = terraform.shut_down().await.ended().await;
    assert_eq!(status.code(), Some(0));
    // The form that Terraform prints when the run ends: its mark, then lines that are no JSON.
    let mut report = err.lines();
    assert_eq!(report.next(), Some("panic: the moon is full"));
    assert!(report.next().unwrap().contains("stub.rs"), "{err}");
}

pub(crate) async fn a_stop_ends_an_apply_early_with_its_answer() {
    let directory = tempfile::tempdir().unwrap();
    let diary = directory.path().join("diary");
    let terraform = Start::stub().connect().await;
    let applying = begin_apply(&terraform, "calm", &diary).await;

    let stopped = terraform
        .provider()
        .stop_provider(stop_provider::Request {})
        .await
        .unwrap();
    assert_eq!(stopped.into_inner().error, "");
    assert_eq!(applying.await.unwrap().unwrap().private, b"early");
    assert_eq!(fs::read_to_string(&diary).unwrap(), "safe");
}

pub(crate) async fn an_apply_outlives_its_terraform_until_its_safe_point() {
    let directory = tempfile::tempdir().unwrap();
    let diary = directory.path().join("diary");
    let terraform = Start::stub().connect().await;
    let applying = begin_apply(&terraform, "calm", &diary).await;

    applying.abort();
    let mut process = terraform.vanish();
    let (status, ..) = process.ended().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(fs::read_to_string(&diary).unwrap(), "safe");
    assert!(process.leftovers().is_empty());
}

pub(crate) async fn shutdown_does_not_wait_for_stubborn_work() {
    let directory = tempfile::tempdir().unwrap();
    let terraform = Start::stub().connect().await;
    let applying = begin_apply(&terraform, STUBBORN, &directory.path().join("diary")).await;

    let mut process = terraform.shut_down().await;
    let (status, ..) = process.ended().await;
    assert_eq!(status.code(), Some(0));
    assert!(applying.await.unwrap().is_err());
    assert!(process.leftovers().is_empty());
}

pub(crate) async fn large_messages_arrive() {
    let terraform = Start::stub().connect().await;
    // Twice what tonic accepts of itself.
    let size = 8 << 20;
    let config = DynamicValue {
        msgpack: vec![7; size],
        ..Default::default()
    };
    let request = validate_provider_config::Request {
        config: Some(config),
    };
    let answer = terraform
        .provider()
        .validate_provider_config(request)
        .await
        .unwrap();
    assert_eq!(
        answer.into_inner().diagnostics[0].summary,
        format!("{size} bytes")
    );
}
