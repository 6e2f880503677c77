//! Values that are not known before apply, in every place.

use super::{serving, web};
use crate::calls::Known;
use crate::rules::{NONE, disagreements, is_configurable, refusals, with_one_unknown};
use crate::stage::Stage;
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

#[tokio::test]
async fn a_plan_that_knows_less_never_contradicts_one_that_knows_more() {
    let (stage, known) = serving("").await;
    let full = stage.fleets.config(FULL);
    let attributes = &stage.fleets.schema.attributes;
    let configs = with_one_unknown(&full);
    let configs: Vec<&Tree> = configs
        .iter()
        .filter(|config| is_configurable(attributes, config))
        .collect();
    assert!(configs.len() > 40, "only {} places", configs.len());
    for config in configs {
        assert_eq!(stage.fleets.validate(config).await, [], "{config:?}");
        for prior in [&Known::nothing(), &known] {
            let earlier = stage.fleets.plan(prior, config).await;
            assert_eq!(earlier.diagnostics, [], "{config:?}");
            let earlier = stage.fleets.read_value(earlier.planned_state.as_ref());
            assert_eq!(refusals(attributes, config, &prior.state, &earlier), NONE);
            let later = stage.fleets.plan(prior, &full).await;
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
