//! A fleet whose size changes by itself, through plans and applies.

use super::seconds;
use crate::calls::Known;
use crate::stage::{Stage, changes};
use immutable::cloud::sim::Event;
use immutable::resource::site::CloudKind;
use immutable::value::Tree;

const AUTOSCALE: &str = r#""autoscale": {"min": 2, "max": 9, "cpu": 60}"#;
const EXTERNAL: &str = r#""size": 2, "capacity": "external""#;

fn config(stage: &Stage, release: &str, size: &str) -> Tree {
    let aws = r#""aws": {"instance_types": ["m7g.large"], "subnet_ids": ["s-1"]}"#;
    let text = super::WEB.replace("127.0.0.1:8088", "arn:aws:listener");
    let text = text.replace("web@1", release);
    let text = text.replace(r#""size": 3"#, &format!("{aws}, {size}"));
    stage.fleets.config(&text)
}

async fn serving(size: &str) -> (Stage, Known) {
    let stage = Stage::on(CloudKind::Aws, &[]).await;
    stage.bake(&["1", "2"]).await;
    let first = config(&stage, "web@1", size);
    let made = stage.fleets.settle(&Known::nothing(), &first).await;
    (stage, made.known)
}

#[tokio::test]
async fn a_size_that_changed_by_itself_is_no_difference_and_carries_over_to_the_next_release() {
    for size in [AUTOSCALE, EXTERNAL] {
        let (stage, known) = serving(size).await;
        stage.happen(Event::Scale(5));
        stage.pass(seconds(600));
        let same = config(&stage, "web@1", size);
        stage.fleets.nothing_to_do(&known, &same).await;

        let next = config(&stage, "web@2", size);
        let ahead = stage.fleets.look_ahead(&known, &next).await;
        let first = ahead.forecast().swap_remove(0);
        assert_eq!(first, "create generation 2: 5 members of web@2", "{size}");
        let moved = stage.fleets.settle(&known, &next).await;
        assert_eq!(stage.runs(), (1, "web@2".to_owned()));
        stage.web(|fleet| {
            let sizes: Vec<u32> = fleet.generations.values().map(|it| it.desired).collect();
            assert_eq!(sizes, [5], "{size}");
        });
        let gone = stage.fleets.destroy(&moved.known).await;
        assert_eq!(gone.diagnostics, []);
    }
}

#[tokio::test]
async fn a_configuration_that_decides_again_starts_from_the_size_found() {
    let (stage, known) = serving(AUTOSCALE).await;
    stage.happen(Event::Scale(5));
    stage.pass(seconds(600));
    let fixed = config(&stage, "web@1", r#""size": 3"#);
    let ahead = stage.fleets.look_ahead(&known, &fixed).await;
    assert!(changes(&ahead).contains(&"autoscale".to_owned()));
    assert_eq!(
        ahead.forecast()[..2],
        [
            "change front and checks",
            "shrink generation 1: 5 -> 3 members"
        ]
    );
    stage.fleets.settle(&known, &fixed).await;
    let (stage, known) = serving(r#""size": 3"#).await;
    let scaled = config(&stage, "web@1", AUTOSCALE);
    stage.fleets.settle(&known, &scaled).await;
}
