//! Fleets that Terraform learns of.

use super::{seconds, serving, web};
use crate::calls::Known;
use crate::stage::{Stage, Told, changes};
use expect_test::expect;
use immutable::resource::site::CloudKind;

async fn imported(stage: &Stage) -> Told {
    let told = stage.fleets.import("immutable_fleet", "web").await;
    assert_eq!(told.diagnostics, []);
    told
}

const WHOLE: &str = r#"{
    "name": "web", "release": "web@1", "size": 3,
    "config": {"LOG_LEVEL": "info"}, "secrets": {"TOKEN": "env:TOKEN"},
    "local": {"command": ["bin/web", "--fast"]},
    "traffic": {"port": 8080, "listener": "127.0.0.1:8088", "protocol": "tcp"},
    "health": {"interval": "5s", "timeout": "1s", "streak": 2}, "drain": "2m",
    "tags": {"team": "edge"}
}"#;

#[tokio::test]
async fn a_plan_after_an_import_shows_nothing_that_the_cloud_knows() {
    let stage = Stage::new().await;
    stage.bake(&["1", "2"]).await;
    let config = stage.fleets.config(WHOLE);
    let built = stage.fleets.settle(&Known::nothing(), &config).await;
    let told = imported(&stage).await;
    let refreshed = stage.fleets.refreshed(&built.known).await;
    assert_eq!(told.known.state, refreshed.state);
    stage.fleets.nothing_to_do(&told.known, &config).await;

    let with_policy = WHOLE.replacen('{', r#"{"rollout": {"bake": "5m"}, "retry": "1","#, 1);
    let with_policy = stage.fleets.config(&with_policy);
    let ahead = stage.fleets.look_ahead(&told.known, &with_policy).await;
    assert_eq!(changes(&ahead), ["retry", "rollout"]);
    stage.fleets.settle(&told.known, &with_policy).await;
    assert_eq!(stage.web(|fleet| fleet.launched), 3);
}

#[tokio::test]
async fn a_release_can_be_moved_with_the_import() {
    let stage = Stage::new().await;
    stage.bake(&["1", "2"]).await;
    let config = stage.fleets.config(WHOLE);
    stage.fleets.settle(&Known::nothing(), &config).await;
    let told = imported(&stage).await;
    let second = stage.fleets.config(&WHOLE.replace("web@1", "web@2"));
    let ahead = stage.fleets.look_ahead(&told.known, &second).await;
    expect![[r#"
        create generation 2: 3 members of web@2
        wait until 3 of 3 are healthy (at least 30s)
        shift traffic: generation 2 0% -> 100%, generation 1 100% -> 0%
        bake 10m at full weight
        trust generation 2
        drain generation 1 (2m)
        destroy generation 1: 3 members of web@1
        in all: at least 3 serving, at most 6 running, 10m30s or more"#]]
    .assert_eq(&ahead.forecast().join("\n"));
    stage.fleets.settle(&told.known, &second).await;
}

#[tokio::test]
async fn everything_of_a_fleet_on_aws_is_read_back_but_the_providers_tags() {
    let stage = Stage::on(CloudKind::Aws, &[("team", "edge"), ("stage", "prod")]).await;
    stage.bake(&["1"]).await;
    let config = stage.fleets.config(
        r#"{
            "name": "web", "release": "web@1", "size": 2, "config": {"A": "b"},
            "secrets": {"TOKEN": "arn:aws:ssm:eu-west-1:1:parameter/token"},
            "aws": {"instance_types": ["m7g.large", "m6g.large"], "subnet_ids": ["s-1"],
                "security_group_ids": ["sg-1"], "instance_profile": "web", "user_data": "true",
                "root_volume": {"size_gb": 20, "type": "gp3"}, "spot": true},
            "traffic": {"port": 8080, "listener": "arn:aws:listener", "hosts": ["web.example"],
                "paths": ["/*"], "priority": 100},
            "health": {"path": "/healthz"}, "tags": {"owner": "web", "stage": "test"}
        }"#,
    );
    let built = stage.fleets.settle(&Known::nothing(), &config).await;
    let told = imported(&stage).await;
    let refreshed = stage.fleets.refreshed(&built.known).await;
    assert_eq!(told.known.state, refreshed.state);
    stage.fleets.nothing_to_do(&told.known, &config).await;
}

#[tokio::test]
async fn a_generation_that_is_kept_warm_survives_an_import() {
    let keep = r#""rollout": {"keep_previous": "1h"}"#;
    let (stage, known) = serving(keep).await;
    let second = web(&stage, "web@2", keep);
    stage.fleets.settle(&known, &second).await;
    stage.pass(seconds(600));
    let told = imported(&stage).await;
    let ahead = stage.fleets.look_ahead(&told.known, &second).await;
    expect!["keep generation 1 warm for 1h; the first apply after that removes it"]
        .assert_eq(&ahead.forecast().join("\n"));
    stage.fleets.settle(&told.known, &second).await;
    assert_eq!(stage.runs(), (2, "web@2".to_owned()));

    // Without the attribute it would go, and the plan says so.
    let told = imported(&stage).await;
    let bare = web(&stage, "web@2", "");
    let ahead = stage.fleets.look_ahead(&told.known, &bare).await;
    expect![[r#"
        drain generation 1 (30s)
        destroy generation 1: 3 members of web@1
        in all: at least 3 serving, at most 6 running, 0s or more"#]]
    .assert_eq(&ahead.forecast().join("\n"));
    stage.fleets.settle(&told.known, &bare).await;
    assert_eq!(stage.runs(), (1, "web@2".to_owned()));
}

#[tokio::test]
async fn an_import_in_the_middle_of_a_rollout_goes_on() {
    let (mut stage, known) = serving("").await;
    let second = web(&stage, "web@2", "");
    stage.stop_after(seconds(10));
    stage.fleets.apply_all(&known, &second).await;
    stage.restart().await;
    let told = imported(&stage).await;
    stage.fleets.settle(&told.known, &second).await;
    assert_eq!(stage.runs(), (1, "web@2".to_owned()));
}

#[tokio::test]
async fn what_is_not_there_cannot_be_imported() {
    let stage = Stage::new().await;
    for (id, why) in [
        ("web", "There is no such fleet"),
        ("Not a name", "lower-case"),
    ] {
        let told = stage.fleets.import("immutable_fleet", id).await;
        let (is_error, summary, detail) = told.only();
        assert!(is_error);
        assert_eq!(summary, format!("Cannot import the fleet \"{id}\""));
        assert!(detail.contains(why), "{detail}");
    }
}
