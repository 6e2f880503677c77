//! Unknown values in every place: plans stay valid, and a later plan that knows more agrees.

use crate::FULL;
use crate::rules::{NONE, disagreements, is_configurable, refusals, with_one_unknown};
use crate::terraform::{Known, Terraform, dynamic};
use immutable::value::{Tree, json};

#[tokio::test]
async fn every_place_may_be_unknown() {
    let terraform = Terraform::new().await;
    let full = terraform.config(FULL);
    let built = terraform.reach(&Known::nothing(), &full).await;
    let configs = with_one_unknown(&full);
    let configs: Vec<_> = configs
        .iter()
        .filter(|it| is_configurable(&terraform.schema.attributes, it))
        .collect();
    assert!(configs.len() > 40, "only {} places", configs.len());
    for config in configs {
        assert_eq!(terraform.validate(config).await, [], "{config:?}");
        for prior in [&Known::nothing(), &built] {
            let plan = terraform.plan(prior, config).await;
            assert_eq!(plan.diagnostics, [], "{config:?}");
            let planned = terraform.read_value(plan.planned_state.as_ref());
            let attributes = &terraform.schema.attributes;
            assert_eq!(refusals(attributes, config, &prior.state, &planned), NONE);

            // In the apply everything is known, and what was known before is the same.
            let later = terraform.plan(prior, &full).await;
            let later = terraform.read_value(later.planned_state.as_ref());
            assert_eq!(disagreements(&planned, &later), NONE, "{config:?}");
        }
    }
}

#[tokio::test]
async fn refined_unknowns_are_unknown() {
    let terraform = Terraform::new().await;
    // {"name": <not null, prefix "pre-">}, the other attributes left out.
    let mut config = dynamic(&Tree::Null, &terraform.schema.value_type());
    config.msgpack = b"\x81\xa4name\xc7\x09\x0c\x82\x01\xc2\x02\xa4pre-".to_vec();
    assert_eq!(terraform.validate_bytes(config).await, []);
}

#[tokio::test]
async fn json_is_read_as_well() {
    let terraform = Terraform::new().await;
    let mut config = dynamic(&Tree::Null, &terraform.schema.value_type());
    config.msgpack.clear();
    config.json = FULL.as_bytes().to_vec();
    assert_eq!(terraform.validate_bytes(config).await, []);
}

#[tokio::test]
async fn sets_come_in_any_order() {
    let terraform = Terraform::new().await;
    let built = terraform
        .reach(&Known::nothing(), &terraform.config(FULL))
        .await;
    let turned = FULL.replace(r#"["blue", "red"]"#, r#"["red", "blue"]"#);
    let plan = terraform.plan(&built, &terraform.config(&turned)).await;
    assert_eq!(plan.diagnostics, []);
    let planned = terraform.read_value(plan.planned_state.as_ref());
    assert_eq!(planned.entry("voyages"), built.state.entry("voyages"));
}

#[tokio::test]
async fn unknown_provider_settings_are_no_error_and_the_latest_count() {
    let terraform = Terraform::unconfigured();
    assert_eq!(terraform.configure(Tree::Unknown).await, []);
    assert_eq!(terraform.configure(Tree::from("dry")).await.len(), 1);
    assert_eq!(terraform.configure(Tree::from("west")).await, []);
    terraform
        .reach(&Known::nothing(), &terraform.config(FULL))
        .await;
}

#[tokio::test]
async fn every_digit_survives() {
    let terraform = Terraform::new().await;
    let built = terraform
        .reach(&Known::nothing(), &terraform.config(FULL))
        .await;
    let tons = json::decode(b"123456789012345678901234567890.5").expect("JSON");
    assert_eq!(built.state.entry("tons"), &tons);
}
