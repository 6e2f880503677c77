//! What the provider writes to standard error.

use immutable_proto::tfplugin6::read_resource;
use serde_json::Value;

use crate::terraform::Start;

pub(crate) async fn nothing_is_logged_unless_asked_for() {
    for (name, value) in [
        ("TF_LOG", ""),
        ("TF_LOG", "OFF"),
        ("TF_LOG_PROVIDER", "ERROR"),
    ] {
        let terraform = Start::provider().env(name, value).connect().await;
        let (_, _, err) = terraform.shut_down().await.ended().await;
        assert_eq!(err, "", "{name}={value}");
    }
}

pub(crate) async fn lines_are_what_terraform_parses() {
    let terraform = Start::stub().env("TF_LOG", "DEBUG").connect().await;
    let request = read_resource::Request {
        type_name: "calm".to_owned(),
        ..Default::default()
    };
    terraform.provider().read_resource(request).await.unwrap();
    let (_, _, err) = terraform.shut_down().await.ended().await;

    let lines: Vec<Value> = err
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        assert!(line["@message"].is_string(), "{line}");
        assert!(
            ["debug", "info"].contains(&line["@level"].as_str().unwrap()),
            "{line}"
        );
        let stamp = line["@timestamp"].as_str().unwrap();
        let fraction = stamp.split_once('.').unwrap().1.strip_suffix('Z').unwrap();
        assert_eq!(fraction.len(), 6, "{line}");
    }
    // A line of a call says which call it was.
    assert!(
        lines.iter().any(|line| line["rpc"] == "ReadResource"),
        "{err}"
    );
}
