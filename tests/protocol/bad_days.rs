//! The bad days: nothing that Terraform knew is lost, and every message says where.

use crate::FULL;
use crate::lifecycle::text;
use crate::terraform::{Known, Terraform, answered, dynamic};
use expect_test::expect;
use immutable::value::Tree;
use immutable_proto::tfplugin6 as wire;
use immutable_proto::tfplugin6::provider_server::Provider as _;
use tonic::Request;

fn list(diagnostics: &[wire::Diagnostic]) -> String {
    let lines = diagnostics.iter().map(|it| {
        let path = it.attribute.as_ref().map(text).unwrap_or_default();
        format!("[{path}] {}: {}\n", it.summary, it.detail)
    });
    lines.collect()
}

fn with_mishap(terraform: &Terraform, mishap: &str) -> Tree {
    let mishap = format!(r#""orders": "south", "mishap": "{mishap}""#);
    terraform.config(&FULL.replace(r#""orders": "north""#, &mishap))
}

#[tokio::test]
async fn all_mistakes_are_told_at_once_beside_unknown_values() {
    let terraform = Terraform::new().await;
    let config = terraform.config(
        r#"{"name": "?", "masts": 9, "patience": "soon", "watch": "all", "cargo": {"tea": -1},
            "crew": [{"name": "Bob"}, "?"], "cannons": [{"length": 1.5}], "engine": "?"}"#,
    );
    expect![[r#"
        [masts] Invalid value for masts: Must be a whole number from 1 to 5, not 9.
        [patience] Invalid value for patience: Must be a duration of whole hours, minutes, seconds or milliseconds, such as "90s", "5m" or "1h30m", not "soon".
        [watch] Invalid value for watch: Must be a count such as "3" or a share of the size from "0%" to "100%", not "all".
        [cargo."tea"] Invalid value for cargo["tea"]: Must be a whole number from 0 to 4294967295, not -1.
        [cannons] Invalid value for cannons: Must be a whole number from 0 to 65535, not 1.5.
    "#]]
    .assert_eq(&list(&terraform.validate(&config).await));
    let config = r#"{"name": "Ada", "masts": 4, "afloat": false, "patience": "soon"}"#;
    let config = terraform.config(config);
    expect![[r#"
        [patience] Invalid value for patience: Must be a duration of whole hours, minutes, seconds or milliseconds, such as "90s", "5m" or "1h30m", not "soon".
        [masts] Invalid value for masts: A ship ashore has 3 masts at most.
    "#]]
    .assert_eq(&list(&terraform.validate(&config).await));
    let config = terraform.config(r#"{"name": "Ada", "masts": 4, "afloat": false}"#);
    expect![[r#"
        [masts] Invalid value for masts: A ship ashore has 3 masts at most.
    "#]]
    .assert_eq(&list(&terraform.validate(&config).await));
}

#[tokio::test]
async fn a_wrong_type_on_the_wire_is_named_with_its_path() {
    let terraform = Terraform::new().await;
    let mut config = dynamic(&Tree::Null, &terraform.schema.value_type());
    config.msgpack = b"\x81\xa5ports\x92\xa1a\x05".to_vec();
    expect![[r#"
        [ports.1] Invalid value for ports[1]: A string is required, not a number.
    "#]]
    .assert_eq(&list(&terraform.validate_bytes(config).await));
}

#[tokio::test]
async fn a_panic_in_validation_is_an_error_and_the_process_goes_on() {
    let terraform = Terraform::new().await;
    let diagnostics = terraform
        .validate(&with_mishap(&terraform, "panic_early"))
        .await;
    assert!(
        diagnostics[0].summary.contains("a rogue wave"),
        "{diagnostics:?}"
    );
    assert_eq!(terraform.validate(&terraform.config(FULL)).await, []);
}

#[tokio::test]
async fn a_resource_cannot_overwrite_what_the_user_configured() {
    let terraform = Terraform::new().await;
    let config = with_mishap(&terraform, "mutiny");
    let built = terraform.reach(&Known::nothing(), &config).await;
    assert_eq!(built.state.entry("name"), &Tree::from("Ada"));
    assert_eq!(built.state.entry("orders"), &Tree::from("south"));
}

/// What an update that does not end well leaves.
#[tokio::test]
async fn a_failed_update_keeps_state_private_data_and_identity() {
    let terraform = Terraform::new().await;
    let built = terraform
        .reach(&Known::nothing(), &terraform.config(FULL))
        .await;
    for mishap in ["panic", "storm", "calm", "silence"] {
        let config = with_mishap(&terraform, mishap);
        let plan = terraform.plan(&built, &config).await;
        assert_eq!(plan.diagnostics, []);
        let applied = terraform.apply(&built, &config, plan).await;
        assert_eq!(applied.diagnostics.len(), 1, "{mishap}");
        assert_eq!(terraform.known(applied), built, "{mishap}");
    }
}

#[tokio::test]
async fn a_failed_create_keeps_what_was_reached() {
    let terraform = Terraform::new().await;
    for (mishap, is_kept) in [
        ("panic", false),
        ("storm", true),
        ("calm", false),
        ("silence", false),
    ] {
        let config = with_mishap(&terraform, mishap);
        let plan = terraform.plan(&Known::nothing(), &config).await;
        let applied = terraform.apply(&Known::nothing(), &config, plan).await;
        assert_eq!(applied.diagnostics.len(), 1, "{mishap}");
        let known = terraform.known(applied);
        assert_eq!(!known.state.is_null(), is_kept, "{mishap}");
        assert_eq!(known.identity.is_some(), is_kept, "{mishap}");
    }
}

#[tokio::test]
async fn a_failed_delete_keeps_everything() {
    let terraform = Terraform::new().await;
    for mishap in ["panic", "calm"] {
        let built = terraform
            .reach(&Known::nothing(), &terraform.config(FULL))
            .await;
        let Tree::Map(mut state) = built.state.clone() else {
            panic!("a ship is an object");
        };
        state.insert("mishap".to_owned(), Tree::from(mishap));
        let built = Known {
            state: Tree::Map(state),
            ..built
        };
        let plan = terraform.plan(&built, &Tree::Null).await;
        let applied = terraform.apply(&built, &Tree::Null, plan).await;
        assert_eq!(applied.diagnostics.len(), 1, "{mishap}");
        assert_eq!(terraform.known(applied), built, "{mishap}");
    }
}

#[tokio::test]
async fn reading_tells_absence_from_failure() {
    let terraform = Terraform::new().await;
    let lost = terraform
        .reach(&Known::nothing(), &with_mishap(&terraform, "lost"))
        .await;
    let read = terraform.read(&lost).await;
    assert_eq!(terraform.read_value(read.new_state.as_ref()), Tree::Null);

    let fog = terraform
        .reach(&Known::nothing(), &with_mishap(&terraform, "fog"))
        .await;
    let read = terraform.read(&fog).await;
    assert!(read.diagnostics[0].summary.contains("lost in the fog"));
    assert_eq!(terraform.read_value(read.new_state.as_ref()), fog.state);
    assert_eq!(
        (read.private, read.new_identity),
        (fog.private, fog.identity)
    );
}

#[tokio::test]
async fn a_stop_ends_an_update_at_its_next_safe_point() {
    let terraform = Terraform::new().await;
    let built = terraform
        .reach(&Known::nothing(), &terraform.config(FULL))
        .await;
    let config = terraform.config(&FULL.replace("1h30m", "1h"));
    let plan = terraform.plan(&built, &config).await;
    let stop = terraform
        .service
        .stop_provider(Request::new(wire::stop_provider::Request {}));
    let (applied, stopped) = tokio::join!(terraform.apply(&built, &config, plan), stop);
    assert_eq!(answered(stopped).error, "");
    assert_eq!(applied.diagnostics[0].summary, "Stopped");
    assert_eq!(terraform.known(applied).state, built.state);
}

#[tokio::test]
async fn what_is_not_there_is_said_in_words() {
    let terraform = Terraform::unconfigured();
    let config = terraform.config(FULL);
    let plan = terraform.plan(&Known::nothing(), &config).await;
    assert_eq!(
        plan.diagnostics[0].summary,
        "The provider is not configured"
    );

    let request = wire::validate_resource_config::Request {
        type_name: "harbor_crane".to_owned(),
        ..Default::default()
    };
    let request = Request::new(request);
    let answer = answered(terraform.service.validate_resource_config(request).await);
    assert_eq!(
        answer.diagnostics[0].summary,
        "There is no resource type harbor_crane"
    );

    let request = wire::move_resource_state::Request {
        source_type_name: "aws_boat".to_owned(),
        target_type_name: "harbor_ship".to_owned(),
        ..Default::default()
    };
    let answer = answered(
        terraform
            .service
            .move_resource_state(Request::new(request))
            .await,
    );
    assert_eq!(
        answer.diagnostics[0].summary,
        "Cannot move aws_boat to harbor_ship"
    );
}
