//! Stories of `immutable_fleet`.

mod bad_days;
mod imported;
mod life;
mod operations;
mod preflight;
mod scaling;
mod strangers;
mod unknown;

use crate::calls::Known;
use crate::stage::Stage;
use immutable::value::Tree;
use std::time::Duration;

/// Three members behind a front; `MORE` stands for what a story adds.
const WEB: &str = r#"{
    "name": "web", "release": "web@1", "size": 3,
    "traffic": {"port": 8080, "listener": "127.0.0.1:8088"},
    "health": {"path": "/healthz"}
}"#;

/// The fleet with some of its text replaced and something added.
fn web(stage: &Stage, release: &str, more: &str) -> Tree {
    let text = WEB.replace("web@1", release);
    let text = match more {
        "" => text,
        more => text.replacen('{', &format!("{{ {more},"), 1),
    };
    stage.fleets.config(&text)
}

/// The same on AWS.
fn on_aws(stage: &Stage, release: &str, more: &str) -> Tree {
    let aws = r#""aws": {"instance_types": ["m7g.large"], "subnet_ids": ["s-1"]}"#;
    let text = WEB.replace("127.0.0.1:8088", "arn:aws:listener");
    let text = text.replace("web@1", release);
    stage
        .fleets
        .config(&text.replacen('{', &format!("{{ {more}, {aws},"), 1))
}

/// A stage on which release 1 serves.
async fn serving(more: &str) -> (Stage, Known) {
    let stage = Stage::new().await;
    stage.bake(&["1", "2", "3"]).await;
    let config = web(&stage, "web@1", more);
    let told = stage.fleets.settle(&Known::nothing(), &config).await;
    (stage, told.known)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
