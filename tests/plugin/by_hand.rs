//! What people meet who start the program themselves.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::terraform::{PROVIDER, Start, connect_plainly, schema_over};

/// Runs the program by hand: how it ended, standard output, standard error.
async fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(PROVIDER)
        .args(arguments)
        .env_remove("TF_PLUGIN_MAGIC_COOKIE")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(crate::PATIENCE, output)
        .await
        .unwrap()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

pub(crate) async fn tells_what_it_is_and_how_to_use_it() {
    let (code, out, err) = run(&[]).await;
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let directory = Path::new(PROVIDER).parent().unwrap().to_str().unwrap();
    for part in [
        "Terraform provider",
        "required_providers",
        "dev_overrides",
        directory,
    ] {
        assert!(err.contains(part), "{part} is missing in:\n{err}");
    }
}

pub(crate) async fn version_help_and_nonsense() {
    let (code, out, _) = run(&["--version"]).await;
    assert_eq!(code, Some(0));
    assert_eq!(
        out,
        concat!(
            "terraform-provider-immutable ",
            env!("CARGO_PKG_VERSION"),
            "\n"
        )
    );

    let (code, out, _) = run(&["--help"]).await;
    assert_eq!(code, Some(0));
    assert!(out.contains("--debug"), "{out}");

    let (code, out, err) = run(&["--frobnicate"]).await;
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("--frobnicate"), "{err}");
}

pub(crate) async fn debug_mode_serves_one_terraform_after_another_until_interrupted() {
    let mut start = Start::provider().without_tls();
    start
        .command
        .arg("--debug")
        .env_remove("TF_PLUGIN_MAGIC_COOKIE");
    let mut process = start.spawn();

    let value = loop {
        let line = process.line().await;
        if let Some(value) = line.trim().strip_prefix("export TF_REATTACH_PROVIDERS=") {
            break value.trim_matches('\'').to_owned();
        }
    };
    let all: serde_json::Value = serde_json::from_str(&value).unwrap();
    let reattach = &all["registry.terraform.io/immutable-fleets/immutable"];
    assert_eq!(reattach["Pid"], process.id());
    assert_eq!(reattach["ProtocolVersion"], 6);

    for _ in 0..2 {
        let socket = Path::new(reattach["Addr"]["String"].as_str().unwrap());
        let schema = schema_over(connect_plainly(socket).await.unwrap())
            .await
            .unwrap();
        assert!(schema.provider.is_some());
    }

    process.signal(libc::SIGINT);
    let (status, ..) = process.ended().await;
    assert_eq!(status.code(), Some(0));
    assert!(process.leftovers().is_empty());
}
