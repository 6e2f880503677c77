//! The good days: from schema to destroy.

use crate::FULL;
use crate::terraform::{Known, Terraform, answered};
use immutable::value::{Tree, json};
use immutable_proto::tfplugin6 as wire;
use immutable_proto::tfplugin6::provider_server::Provider as _;
use tonic::Request;

#[tokio::test]
async fn the_schema_is_whole() {
    let terraform = Terraform::unconfigured();
    let request = Request::new(wire::get_provider_schema::Request {});
    let schemas = answered(terraform.service.get_provider_schema(request).await);
    assert!(schemas.provider.expect("a provider schema").block.is_some());
    let ship = &schemas.resource_schemas["harbor_ship"];
    assert_eq!(ship.version, 2);
    let attributes = &ship.block.as_ref().expect("a block").attributes;
    assert_eq!(attributes.len(), terraform.schema.attributes.len());
    for attribute in attributes {
        // Exactly one of both, or Terraform refuses the whole provider.
        assert!(attribute.r#type.is_empty() == attribute.nested_type.is_some());
        assert!(attribute.required || attribute.optional || attribute.computed);
    }
    assert!(
        schemas
            .server_capabilities
            .is_some_and(|it| it.plan_destroy)
    );
    let request = Request::new(wire::get_metadata::Request {});
    let metadata = answered(terraform.service.get_metadata(request).await);
    assert_eq!(metadata.resources[0].type_name, "harbor_ship");
    let request = Request::new(wire::get_resource_identity_schemas::Request {});
    let identities = answered(
        terraform
            .service
            .get_resource_identity_schemas(request)
            .await,
    );
    let identity = &identities.identity_schemas["harbor_ship"];
    assert_eq!(
        (identity.version, &*identity.identity_attributes[0].name),
        (0, "name")
    );
}

#[tokio::test]
async fn what_is_left_out_is_planned_from_defaults_or_unknown() {
    let terraform = Terraform::new().await;
    let config = terraform.config(r#"{"name": "Ada", "crew": [{"name": "Bob"}]}"#);
    let plan = terraform.plan(&Known::nothing(), &config).await;
    assert_eq!(plan.diagnostics, []);
    let planned = terraform.read_value(plan.planned_state.as_ref());
    let wanted = r#"{
        "name": "Ada", "masts": 2, "patience": "90s", "engine": {"fuel": "wind"},
        "crew": [{"name": "Bob", "rank": "sailor", "berth": "?"}],
        "id": "ship-Ada", "voyages": "?", "history": "?"
    }"#;
    let placeholders = json::decode(wanted.as_bytes()).expect("JSON");
    for (name, value) in match placeholders {
        Tree::Map(entries) => entries,
        other => panic!("{other:?} is no object"),
    } {
        let shown = format!("{:?}", planned.entry(&name)).replace("Unknown", "Str(\"?\")");
        if name != "crew" && name != "engine" {
            assert_eq!(shown, format!("{value:?}"), "{name}");
        }
    }
    let sailor = planned.entry("crew").element(0);
    assert_eq!(sailor.entry("rank"), &Tree::from("sailor"));
    assert_eq!(sailor.entry("berth"), &Tree::Unknown);
    assert_eq!(planned.entry("engine").entry("fuel"), &Tree::from("wind"));
}

#[tokio::test]
async fn a_ship_is_built_changed_and_scrapped() {
    let terraform = Terraform::new().await;
    let config = terraform.config(FULL);
    assert_eq!(terraform.validate(&config).await, []);
    let built = terraform.reach(&Known::nothing(), &config).await;
    assert_eq!(built.private, b"log");
    assert!(built.identity.is_some());

    // Nothing to do: the second plan is the state.
    let plan = terraform.plan(&built, &config).await;
    assert_eq!(
        terraform.read_value(plan.planned_state.as_ref()),
        built.state
    );
    assert_eq!(plan.planned_private, built.private);
    assert_eq!(plan.planned_identity, built.identity);
    assert_eq!(plan.requires_replace, []);

    let read = terraform.read(&built).await;
    assert_eq!(terraform.read_value(read.new_state.as_ref()), built.state);
    assert_eq!(
        (read.private, read.new_identity),
        (built.private.clone(), built.identity.clone())
    );

    let other = terraform.config(&FULL.replace("Bergen", "Rome"));
    let changed = terraform.reach(&built, &other).await;
    assert_eq!(changed.state.entry("ports").element(1), &Tree::from("Rome"));

    let plan = terraform.plan(&changed, &Tree::Null).await;
    assert_eq!(plan.diagnostics[0].summary, "Ada will be scrapped");
    assert_eq!(
        terraform.read_value(plan.planned_state.as_ref()),
        Tree::Null
    );
    let scrapped = terraform.apply(&changed, &Tree::Null, plan).await;
    assert_eq!(scrapped.diagnostics, []);
    assert_eq!(
        terraform.read_value(scrapped.new_state.as_ref()),
        Tree::Null
    );
}

#[tokio::test]
async fn only_what_needs_a_new_object_is_named() {
    let terraform = Terraform::new().await;
    let built = terraform
        .reach(&Known::nothing(), &terraform.config(FULL))
        .await;
    let rows = [
        (r#""north""#, r#""south""#, ""),
        (r#""oak""#, r#""iron""#, "hull.material"),
        (r#""Ada""#, r#""Eve""#, "name"),
        (r#""Ada""#, r#""?""#, "name"),
    ];
    for (before, after, wanted) in rows {
        let config = terraform.config(&FULL.replace(before, after));
        let plan = terraform.plan(&built, &config).await;
        let paths: Vec<_> = plan.requires_replace.iter().map(text).collect();
        assert_eq!(paths.join(" "), wanted, "{before} -> {after}");
    }
}

#[tokio::test]
async fn state_of_other_times_is_read() {
    let terraform = Terraform::unconfigured();
    let rows = [
        (
            2,
            r#"{"name": "Ada", "sails": 3, "crew": [{"name": "Bob", "age": 7}]}"#,
        ),
        (1, r#"{"title": "Ada", "crew": [{"name": "Bob"}]}"#),
    ];
    for (version, stored) in rows {
        let upgraded = upgrade(&terraform, version, stored).await;
        assert_eq!(upgraded.diagnostics, [], "{stored}");
        let state = terraform.read_value(upgraded.upgraded_state.as_ref());
        assert_eq!(state.entry("name"), &Tree::from("Ada"));
        assert_eq!(state.entry("masts"), &Tree::from(2));
        assert_eq!(
            state.entry("crew").element(0).entry("rank"),
            &Tree::from("sailor")
        );
    }
    for (version, stored) in [(0, "{}"), (2, "{"), (2, r#"{"name": 7}"#)] {
        let upgraded = upgrade(&terraform, version, stored).await;
        assert_eq!(upgraded.diagnostics.len(), 1, "{stored}");
        assert_eq!(upgraded.upgraded_state, None);
    }
}

#[tokio::test]
async fn a_ship_is_imported_by_name_or_identity() {
    let terraform = Terraform::new().await;
    let built = terraform
        .reach(&Known::nothing(), &terraform.config(FULL))
        .await;
    for (id, identity) in [("Ada", None), ("", built.identity.clone())] {
        let imported = import(&terraform, id, identity).await;
        assert_eq!(imported.diagnostics, []);
        let [ship] = &imported.imported_resources[..] else {
            panic!("one ship is imported");
        };
        assert_eq!(ship.identity, built.identity);
        let state = terraform.read_value(ship.state.as_ref());
        assert_eq!(state.entry("name"), &Tree::from("Ada"));
    }
    for id in ["", "Ghost"] {
        let imported = import(&terraform, id, None).await;
        assert_eq!(
            (
                imported.diagnostics.len(),
                imported.imported_resources.len()
            ),
            (1, 0)
        );
    }
}

async fn import(
    terraform: &Terraform,
    id: &str,
    identity: Option<wire::ResourceIdentityData>,
) -> wire::import_resource_state::Response {
    let request = wire::import_resource_state::Request {
        type_name: "harbor_ship".to_owned(),
        id: id.to_owned(),
        identity,
        ..Default::default()
    };
    answered(
        terraform
            .service
            .import_resource_state(Request::new(request))
            .await,
    )
}

async fn upgrade(
    terraform: &Terraform,
    version: i64,
    stored: &str,
) -> wire::upgrade_resource_state::Response {
    let request = wire::upgrade_resource_state::Request {
        type_name: "harbor_ship".to_owned(),
        version,
        raw_state: Some(wire::RawState {
            json: stored.as_bytes().to_vec(),
            ..Default::default()
        }),
    };
    answered(
        terraform
            .service
            .upgrade_resource_state(Request::new(request))
            .await,
    )
}

pub(crate) fn text(path: &wire::AttributePath) -> String {
    use wire::attribute_path::step::Selector;
    let steps = path.steps.iter().map(|step| match &step.selector {
        Some(Selector::AttributeName(name)) => name.clone(),
        Some(Selector::ElementKeyString(key)) => format!("{key:?}"),
        Some(Selector::ElementKeyInt(index)) => index.to_string(),
        None => panic!("a step leads somewhere"),
    });
    steps.collect::<Vec<_>>().join(".")
}
