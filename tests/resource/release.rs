//! Stories of `immutable_image_release`.

use crate::calls::Known;
use crate::rules::{NONE, disagreements, is_configurable, refusals, with_one_unknown};
use crate::stage::{Stage, Told, changes, has_errors};
use expect_test::expect;
use immutable::cloud::{Cloud as _, Trial};
use immutable::model::{Line, LineName, ReleaseId};
use immutable::value::Tree;

/// A release whose content is its source's name.
fn release(stage: &Stage, version: &str, content: &str, more: &str) -> Tree {
    let more = if more.is_empty() {
        String::new()
    } else {
        format!(", {more}")
    };
    stage.releases.config(&format!(
        r#"{{"name": "web", "version": "{version}", "source": {{"image_id": "{content}"}}{more}}}"#
    ))
}

async fn line(stage: &Stage) -> Option<Line> {
    let name: LineName = "web".parse().expect("a name");
    stage.place.sim.line(&name).await.expect("it can be asked")
}

async fn versions(stage: &Stage) -> Vec<String> {
    let line = line(stage).await;
    let releases = line.map(|line| line.releases).unwrap_or_default();
    releases.into_iter().map(|it| it.id.version).collect()
}

fn id(version: &str) -> ReleaseId {
    format!("web@{version}").parse().expect("a release")
}

async fn released(versions: &[&str], more: &str) -> (Stage, Told) {
    let stage = Stage::new().await;
    let mut told: Option<Told> = None;
    for version in versions {
        let config = release(&stage, version, &format!("content-{version}"), more);
        let known = told.map_or_else(Known::nothing, |told| told.known);
        told = Some(stage.releases.settle(&known, &config).await);
    }
    (stage, told.expect("some version"))
}

#[tokio::test]
async fn a_line_moves_on_keeps_some_and_is_removed() {
    let (stage, told) = released(&["1", "2", "3", "4"], r#""keep": 2"#).await;
    assert_eq!(versions(&stage).await, ["4", "3", "2"]);
    let state = &told.known.state;
    assert_eq!(state.entry("id"), &Tree::from("web@4"));
    assert_eq!(state.entry("digest"), &Tree::from("sim:content-4"));
    let Tree::Seq(history) = state.entry("history") else {
        panic!("a history is a list");
    };
    assert_eq!(history.len(), 3);

    // Keeping less takes effect with the next apply.
    let less = release(&stage, "4", "content-4", r#""keep": 0"#);
    let told = stage.releases.settle(&told.known, &less).await;
    assert_eq!(versions(&stage).await, ["4"]);
    let gone = stage.releases.destroy(&told.known).await;
    assert_eq!(gone.diagnostics, []);
    assert!(line(&stage).await.is_none());
}

#[tokio::test]
async fn the_id_is_known_in_the_plan() {
    let (stage, told) = released(&["1"], "").await;
    let second = release(&stage, "2", "content-2", "");
    let ahead = stage.releases.look_ahead(&told.known, &second).await;
    assert_eq!(ahead.planned.entry("id"), &Tree::from("web@2"));
    assert_eq!(
        changes(&ahead),
        [
            "architecture",
            "digest",
            "history",
            "id",
            "image_id",
            "image_ids",
            "released_at",
            "source",
            "version"
        ]
    );
}

#[tokio::test]
async fn going_back_takes_nothing_in() {
    let (stage, told) = released(&["1", "2"], "").await;
    // The source of the first release is long gone.
    let back = release(&stage, "1", "missing", "");
    let told = stage.releases.apply_all(&told.known, &back).await;
    assert_eq!(told.diagnostics, []);
    // What it is bound to is known before.
    for planned in ["digest", "image_id", "released_at"] {
        let known = told.planned.entry(planned);
        assert_eq!(known, told.known.state.entry(planned), "{planned}");
    }
    assert_eq!(
        told.known.state.entry("digest"),
        &Tree::from("sim:content-1")
    );
    assert_eq!(versions(&stage).await, ["2", "1"]);
    let current = line(&stage).await.and_then(|line| line.current);
    assert_eq!(current, Some(id("1")));
    stage.releases.nothing_to_do(&told.known, &back).await;
}

#[tokio::test]
async fn a_version_never_gets_other_content() {
    let (stage, told) = released(&["1", "2"], "").await;
    for version in ["1", "2"] {
        let other = release(&stage, version, "something else", "");
        let refused = stage.releases.look_ahead(&told.known, &other).await;
        let (is_error, summary, _) = refused.only();
        assert!(is_error);
        assert_eq!(
            summary,
            format!("Version {version} has other content than when it was released")
        );
    }
}

#[tokio::test]
async fn a_release_that_is_not_well_is_removed_again() {
    let verify = r#""verify": {"port": 8080, "path": "/healthz"}"#;
    let (stage, told) = released(&["1"], verify).await;
    let failed = Trial::Failed {
        why: "it answered 500".to_owned(),
        output: "no database".to_owned(),
    };
    stage.place.sim.set_trial(&id("2"), failed);
    let second = release(&stage, "2", "content-2", verify);
    let told = stage.releases.apply_all(&told.known, &second).await;
    let (is_error, summary, detail) = told.only();
    assert!(is_error);
    assert_eq!(summary, "The release web@2 failed its verification");
    expect![[r#"
        A member booted from it was not well: it answered 500. The end of its output:

            no database

        The line's current release is what it was, and what was made for this one is removed. Correct the image and release it again, under the same version if you like: this one was never accepted."#]].assert_eq(detail);
    assert_eq!(versions(&stage).await, ["1"]);
    assert_eq!(told.known.state.entry("id"), &Tree::from("web@1"));

    // It was never accepted, so the version may come with other content.
    stage.place.sim.set_trial(&id("2"), Trial::Passed);
    let corrected = release(&stage, "2", "corrected", verify);
    stage.releases.settle(&told.known, &corrected).await;
}

#[tokio::test]
async fn a_first_release_that_is_not_well_leaves_nothing() {
    let stage = Stage::new().await;
    let failed = Trial::Failed {
        why: "it ended".to_owned(),
        output: String::new(),
    };
    stage.place.sim.set_trial(&id("1"), failed);
    let first = release(&stage, "1", "content-1", r#""verify": {"port": 8080}"#);
    let told = stage.releases.apply_all(&Known::nothing(), &first).await;
    assert!(told.only().0);
    assert!(
        told.only().2.contains("It wrote nothing."),
        "{:?}",
        told.only()
    );
    assert!(told.known.state.is_null());
    assert!(line(&stage).await.is_none());
}

#[tokio::test]
async fn what_a_fleet_runs_stays() {
    let (stage, told) = released(&["1"], r#""keep": 0"#).await;
    let fleet = r#"{"name": "web", "release": "web@1", "size": 1}"#;
    let fleet = stage.fleets.config(fleet);
    let built = stage.fleets.settle(&Known::nothing(), &fleet).await;

    let second = release(&stage, "2", "content-2", r#""keep": 0"#);
    let told = stage.releases.settle(&told.known, &second).await;
    assert_eq!(versions(&stage).await, ["2", "1"]);
    let refused = stage.releases.destroy(&told.known).await;
    let (is_error, summary, detail) = refused.only();
    assert!(is_error);
    assert_eq!(summary, "The line web is in use");
    expect!["The release web@1 is run by the fleet web. Destroy the fleet or move it to another line first; nothing was removed."].assert_eq(detail);
    assert_eq!(versions(&stage).await, ["2", "1"]);

    let gone = stage.fleets.destroy(&built.known).await;
    assert_eq!(gone.diagnostics, []);
    let gone = stage.releases.destroy(&refused.known).await;
    assert_eq!(gone.diagnostics, []);
    assert!(line(&stage).await.is_none());
}

#[tokio::test]
async fn a_line_that_is_there_is_taken_over_only_by_the_same_release() {
    let (stage, _) = released(&["1"], "").await;
    let other = release(&stage, "2", "content-2", "");
    let refused = stage.releases.apply_all(&Known::nothing(), &other).await;
    let (is_error, summary, detail) = refused.only();
    assert!(is_error);
    assert_eq!(summary, "The line web exists already");
    assert!(
        detail.contains("terraform import immutable_image_release."),
        "{detail}"
    );
    // What an apply that was killed has left is exactly what is wanted.
    let same = release(&stage, "1", "content-1", "");
    stage.releases.settle(&Known::nothing(), &same).await;
}

#[tokio::test]
async fn a_first_release_that_nobody_can_see_is_not_left_to_be_destroyed() {
    let stage = Stage::new().await;
    stage.place.sim.hide_next_move();
    let first = release(&stage, "1", "content-1", "");
    let told = stage.releases.apply_all(&Known::nothing(), &first).await;
    let (is_error, _, detail) = told.only();
    assert!(is_error);
    assert!(detail.contains("takes it over as it is"), "{detail}");
    assert!(told.known.state.is_null(), "Terraform would destroy it");
    assert_eq!(versions(&stage).await, ["1"]);
    stage.releases.settle(&Known::nothing(), &first).await;
}

#[tokio::test]
async fn an_accepted_release_is_never_removed_by_a_trial() {
    let verify = r#""verify": {"port": 8080}"#;
    let (stage, told) = released(&["1"], verify).await;
    let failed = Trial::Failed {
        why: "no capacity for it today".to_owned(),
        output: String::new(),
    };
    stage.place.sim.set_trial(&id("1"), failed);
    // The state was lost, and the same configuration is applied once more.
    let same = release(&stage, "1", "content-1", verify);
    let again = stage.releases.settle(&Known::nothing(), &same).await;
    assert_eq!(again.known.state, told.known.state);
    assert_eq!(versions(&stage).await, ["1"]);
}

#[tokio::test]
async fn an_imported_line_needs_its_source_alone() {
    let (stage, told) = released(&["1", "2"], "").await;
    let imported = stage
        .releases
        .import("immutable_image_release", "web")
        .await;
    assert_eq!(imported.diagnostics, []);
    let config = release(&stage, "2", "content-2", "");
    let ahead = stage.releases.look_ahead(&imported.known, &config).await;
    assert_eq!(changes(&ahead), ["source"]);
    let applied = stage.releases.settle(&imported.known, &config).await;
    assert_eq!(applied.known.state, told.known.state);
    let missing = stage
        .releases
        .import("immutable_image_release", "none")
        .await;
    assert_eq!(missing.only().1, "Cannot import the line \"none\"");
}

#[tokio::test]
async fn a_source_that_is_not_there_yet_is_a_warning_until_it_is_needed() {
    let stage = Stage::new().await;
    let config = release(&stage, "1", "missing", "");
    let ahead = stage.releases.look_ahead(&Known::nothing(), &config).await;
    assert!(!has_errors(&ahead.diagnostics));
    let told = stage.releases.apply_plan(ahead, &config).await;
    assert_eq!(told.diagnostics.len(), 2);
    assert!(has_errors(&told.diagnostics));
    let detail = &told.diagnostics[1].detail;
    let then = "The line has no release yet. The next apply tries again.";
    assert!(detail.ends_with(then), "{detail}");
    assert!(told.known.state.is_null());
}

#[tokio::test]
async fn regions_and_accounts_change_with_the_same_version() {
    let copied = |regions: &str| format!(r#""aws": {{"copy_to": {regions}}}"#);
    let (stage, told) = released(&["1"], &copied(r#"["us-west-2"]"#)).await;
    let regions = |told: &Told| match told.known.state.entry("image_ids") {
        Tree::Map(ids) => ids.keys().cloned().collect::<Vec<String>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(regions(&told), ["sim", "us-west-2"]);
    let wider = copied(r#"["us-west-2", "eu-west-1"]"#);
    let wider = release(&stage, "1", "content-1", &wider);
    let ahead = stage.releases.look_ahead(&told.known, &wider).await;
    assert_eq!(changes(&ahead), ["aws", "image_ids"]);
    let told = stage.releases.settle(&told.known, &wider).await;
    assert_eq!(regions(&told), ["eu-west-1", "sim", "us-west-2"]);
    let none = release(&stage, "1", "content-1", "");
    let told = stage.releases.settle(&told.known, &none).await;
    assert_eq!(regions(&told), ["sim"]);
}

#[tokio::test]
async fn a_region_that_there_is_not_is_told_in_the_plan() {
    let (stage, told) = released(&["1"], "").await;
    let config = r#""aws": {"copy_to": ["us-missing-1"]}"#;
    let config = release(&stage, "2", "content-2", config);
    let refused = stage.releases.apply_all(&told.known, &config).await;
    let (is_error, _, detail) = refused.only();
    assert!(is_error);
    assert!(detail.contains("no region us-missing-1"), "{detail}");
    assert_eq!(versions(&stage).await, ["1"]);
}

#[tokio::test]
async fn regions_accounts_and_keys_are_checked_as_they_are_written() {
    let stage = Stage::new().await;
    let config = release(
        &stage,
        "1",
        "content-1",
        r#""aws": {"copy_to": ["Oregon", "us-west-2"], "share_with": ["12345", "123456789012"],
            "kms_keys": {"us-west-2": "alias/a", "eu-west-1": "alias/b"}}"#,
    );
    let found = stage.releases.validate(&config).await;
    let details: Vec<&str> = found.iter().map(|it| it.detail.as_str()).collect();
    assert_eq!(details.len(), 3, "{details:?}");
    for (detail, expected) in details.iter().zip(["\"Oregon\"", "\"12345\"", "eu-west-1"]) {
        assert!(detail.contains(expected), "{detail}");
    }
}

#[tokio::test]
async fn what_was_given_up_takes_the_place_of_nothing() {
    let (stage, told) = released(&["1", "2"], r#""keep": 1"#).await;
    // An apply took it in and never made it current.
    stage.bake(&["3"]).await;
    let fourth = release(&stage, "4", "content-4", r#""keep": 1"#);
    let told = stage.releases.settle(&told.known, &fourth).await;
    assert_eq!(versions(&stage).await, ["4", "2"]);
    let Tree::Seq(history) = told.known.state.entry("history") else {
        panic!("a history is a list");
    };
    assert_eq!(history.len(), 2);
}

#[tokio::test]
async fn a_plan_that_knows_less_never_contradicts_one_that_knows_more() {
    let (stage, told) = released(&["1"], "").await;
    let full = stage.releases.config(
        r#"{"name": "web", "version": "2", "source": {"image_id": "content-2"}, "keep": 1,
            "provenance": {"git_commit": "9f2c1e7"},
            "verify": {"port": 8080, "path": "/healthz", "timeout": "1m"},
            "aws": {"copy_to": ["us-west-2"], "kms_keys": {"us-west-2": "alias/images"},
                "share_with": ["123456789012"],
                "verify": {"instance_type": "t3.micro", "subnet_id": "s-1",
                    "security_group_ids": ["sg-1"]}}}"#,
    );
    let attributes = &stage.releases.schema.attributes;
    let configs = with_one_unknown(&full);
    let configs: Vec<&Tree> = configs
        .iter()
        .filter(|config| is_configurable(attributes, config))
        .collect();
    assert!(configs.len() > 15, "only {} places", configs.len());
    for config in configs {
        assert_eq!(stage.releases.validate(config).await, [], "{config:?}");
        for prior in [&Known::nothing(), &told.known] {
            let earlier = stage.releases.plan(prior, config).await;
            assert_eq!(earlier.diagnostics, [], "{config:?}");
            let earlier = stage.releases.read_value(earlier.planned_state.as_ref());
            assert_eq!(refusals(attributes, config, &prior.state, &earlier), NONE);
            let later = stage.releases.plan(prior, &full).await;
            let later = stage.releases.read_value(later.planned_state.as_ref());
            assert_eq!(disagreements(&earlier, &later), NONE, "{config:?}");
        }
    }
}

#[tokio::test]
async fn a_line_that_someone_else_moved_is_not_moved_on_unawares() {
    let (stage, told) = released(&["1"], "").await;
    let second = release(&stage, "2", "content-2", "");
    let ahead = stage.releases.look_ahead(&told.known, &second).await;
    // Another configuration releases in between.
    let third = release(&stage, "3", "content-3", "");
    stage.releases.settle(&told.known, &third).await;
    let late = stage.releases.apply_plan(ahead, &second).await;
    assert!(has_errors(&late.diagnostics));
    let said = &late.diagnostics[0];
    assert_eq!(said.summary, "Someone else moved the line web meanwhile");
    assert!(said.detail.contains("web@3 is current"), "{said:?}");
    let current = line(&stage).await.and_then(|line| line.current);
    assert_eq!(current, Some(id("3")));
}

#[tokio::test]
async fn a_copy_that_is_gone_is_made_again_by_the_next_apply() {
    let copies = r#""aws": {"copy_to": ["eu-west-1", "us-west-2"]}"#;
    let (stage, told) = released(&["1"], copies).await;
    let same = release(&stage, "1", "content-1", copies);
    stage.releases.nothing_to_do(&told.known, &same).await;
    stage.place.sim.lose_image(&id("1"), "eu-west-1");
    let ahead = stage.releases.look_ahead(&told.known, &same).await;
    assert_eq!(changes(&ahead), ["image_ids"]);
    let mended = stage.releases.apply_plan(ahead, &same).await;
    assert!(!has_errors(&mended.diagnostics), "{mended:#?}");
    let ids = told.known.state.entry("image_ids");
    assert_eq!(mended.known.state.entry("image_ids"), ids);
    stage.releases.nothing_to_do(&mended.known, &same).await;
}

#[tokio::test]
async fn an_image_that_cannot_come_back_is_refused() {
    let (stage, told) = released(&["1"], "").await;
    let same = release(&stage, "1", "content-1", "");
    stage.place.sim.lose_image(&id("1"), "sim");
    let ahead = stage.releases.look_ahead(&told.known, &same).await;
    assert_eq!(changes(&ahead), ["image_ids"]);
    let refused = stage.releases.apply_plan(ahead, &same).await;
    assert!(has_errors(&refused.diagnostics), "{refused:#?}");
    // A new version is the way on.
    let next = release(&stage, "2", "content-2", "");
    let told = stage.releases.settle(&told.known, &next).await;
    assert_eq!(told.known.state.entry("id"), &Tree::from("web@2"));
}
