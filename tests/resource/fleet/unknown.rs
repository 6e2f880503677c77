//! Values that are not known before apply, in every place.

use super::web;
use crate::calls::Known;
use crate::rules::{NONE, disagreements, is_configurable, refusals, with_one_unknown};
use crate::stage::Stage;
use immutable::resource::site::CloudKind;
use immutable::value::Tree;

const FULL: &str = r#"{
    "name": "web", "release": "web@1", "size": 3,
    "config": {"LOG_LEVEL": "info"}, "secrets": {"TOKEN": "env:TOKEN"},
    "local": {"command": ["bin/web"]},
    "traffic": {"port": 8080, "listener": "127.0.0.1:8088", "protocol": "http"},
    "health": {"path": "/healthz", "interval": "5s", "timeout": "1s", "streak": 2, "steady": "9s"},
    "rollout": {"strategy": "canary", "steps": [{"weight": 5, "hold": "5m"}], "bake": "10m",
        "alarms": ["web-5xx"], "launch_deadline": "5m", "keep_previous": "1h", "keep_failed": true},
    "drain": "1m", "retry": "1", "drift": "report", "tags": {"team": "edge"},
    "deletion_protection": true, "timeouts": {"create": "1h", "update": "1h", "delete": "1h"}
}"#;

/// What only AWS knows, in a fleet that sizes itself.
const ON_AWS: &str = r##"{
    "name": "web", "release": "web@1", "autoscale": {"min": 2, "max": 9, "cpu": 60},
    "aws": {"instance_types": ["m7g.large"], "subnet_ids": ["subnet-1"],
        "security_group_ids": ["sg-1"], "instance_profile": "web", "user_data": "#!/bin/sh",
        "root_volume": {"size_gb": 20, "type": "gp3", "kms_key": "alias/fleets"}, "spot": true},
    "traffic": {"port": 8080, "listener": "arn:aws:listener", "hosts": ["web.example.com"],
        "paths": ["/*"], "priority": 100}
}"##;

/// Batches, and a size that another scaler changes.
const ROLLING: &str = r#"{
    "name": "web", "release": "web@1", "size": 4, "local": {},
    "rollout": {"strategy": "rolling", "surge": "25%", "min_healthy": "3"}
}"#;

const EXTERNAL: &str = r#"{
    "name": "web", "release": "web@1", "size": 2, "capacity": "external",
    "aws": {"instance_types": ["m7g.large"], "subnet_ids": ["subnet-1"]}
}"#;

#[tokio::test]
async fn a_plan_that_knows_less_never_contradicts_one_that_knows_more() {
    for (kind, text, places) in [
        (CloudKind::Local, FULL, 40),
        (CloudKind::Aws, ON_AWS, 20),
        (CloudKind::Local, ROLLING, 6),
        (CloudKind::Aws, EXTERNAL, 6),
    ] {
        let stage = Stage::on(kind, &[]).await;
        stage.bake(&["1", "2"]).await;
        let full = stage.fleets.config(text);
        let first = text.replace("web@1", "web@2").replace("true,", "false,");
        let first = stage.fleets.config(&first);
        let known = stage.fleets.settle(&Known::nothing(), &first).await.known;
        never_contradicts(&stage, &known, &full, places).await;
    }
}

/// Plans a configuration with one unknown after the other, for a new fleet and for one that serves.
async fn never_contradicts(stage: &Stage, known: &Known, full: &Tree, places: usize) {
    let attributes = &stage.fleets.schema.attributes;
    let configs = with_one_unknown(full);
    let configs: Vec<&Tree> = configs
        .iter()
        .filter(|config| is_configurable(attributes, config))
        .collect();
    assert!(configs.len() > places, "only {} places", configs.len());
    for config in configs {
        assert_eq!(stage.fleets.validate(config).await, [], "{config:?}");
        for prior in [&Known::nothing(), known] {
            let earlier = stage.fleets.plan(prior, config).await;
            assert_eq!(earlier.diagnostics, [], "{config:?}");
            let earlier = stage.fleets.read_value(earlier.planned_state.as_ref());
            assert_eq!(refusals(attributes, config, &prior.state, &earlier), NONE);
            let later = stage.fleets.plan(prior, full).await;
            let later = stage.fleets.read_value(later.planned_state.as_ref());
            assert_eq!(disagreements(&earlier, &later), NONE, "{config:?}");
        }
    }
}

#[tokio::test]
async fn a_provider_that_is_not_configured_yet_plans_and_cannot_apply() {
    let mut stage = Stage::new().await;
    stage.bake(&["1"]).await;
    stage.restart_in(Tree::Unknown).await;
    let config = web(&stage, "web@1", "");
    let ahead = stage.fleets.look_ahead(&Known::nothing(), &config).await;
    assert_eq!(ahead.diagnostics, []);
    assert_eq!(ahead.planned.entry("generation"), &Tree::Unknown);
    let plan = stage.fleets.plan(&Known::nothing(), &config).await;
    let applied = stage.fleets.apply(&Known::nothing(), &config, plan).await;
    assert_eq!(
        applied.diagnostics[0].summary,
        "Could not create the fleet: the provider's settings are not known yet"
    );
}
