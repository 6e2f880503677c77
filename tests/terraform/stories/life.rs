//! The whole life of a fleet, as its owner sees it.

use crate::app::Behaviour;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::Workspace;
use serde_json::json;

with_both_terraforms!(
    a_fleet_lives_from_apply_to_destroy,
    a_change_of_size_keeps_the_members_that_run,
    a_change_of_config_makes_a_new_generation,
    settings_of_the_rollout_change_no_machine,
    workers_need_no_traffic,
    a_fleet_whose_traffic_is_removed_lives_on,
    what_is_known_is_known_at_plan_time,
    both_resources_can_be_imported,
    a_protected_fleet_is_not_destroyed,
);

fn a_fleet_lives_from_apply_to_destroy(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.bake("1.1.0", Behaviour::Serves);
    let web = Web::new(&workspace, "1.0.0");

    workspace.configure(&web);
    workspace.apply_in_full();
    workspace.serves("1.0.0");
    let first = workspace.attributes("immutable_fleet.web");
    assert_eq!(first["phase"], "stable");
    assert_eq!(first["generation"], 1);
    assert_eq!(first["id"], "web");

    workspace.configure(web.version("1.1.0"));
    let plan = workspace.plan_has_changes();
    plan.says("create generation 2: 2 members of web@1.1.0");
    workspace.apply_in_full();
    workspace.serves("1.1.0");
    let second = workspace.attributes("immutable_fleet.web");
    assert_eq!(second["generation"], 2);
    assert_ne!(second["fingerprint"], first["fingerprint"]);

    workspace.destroy();
}

fn a_change_of_size_keeps_the_members_that_run(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    let web = Web::new(&workspace, "1.0.0");
    workspace.configure(&web);
    workspace.apply_in_full();
    let before = workspace.serving_processes();

    workspace.configure(web.size(3));
    workspace.apply_in_full();
    let grown = workspace.serving_processes();
    assert_eq!(grown.len(), 3);
    assert!(grown.is_superset(&before), "{before:?} became {grown:?}");

    workspace.configure(web.size(1));
    workspace.apply_in_full();
    let shrunk = workspace.serving_processes();
    assert_eq!(shrunk.len(), 1);
    assert!(grown.is_superset(&shrunk), "{grown:?} became {shrunk:?}");
    assert_eq!(workspace.attributes("immutable_fleet.web")["generation"], 1);
    workspace.destroy();
}

fn a_change_of_config_makes_a_new_generation(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.write("password", "correct horse");
    let web = Web::new(&workspace, "1.0.0");
    workspace.configure(web.config(r#"LOG_LEVEL = "info""#));
    workspace.apply_in_full();
    assert!(
        workspace
            .get("/environment")
            .unwrap()
            .contains(r#""LOG_LEVEL": "info""#)
    );
    let before = workspace.serving_processes();

    let reference = format!("file:{}", workspace.path("password").display());
    let secret = format!(r#"secrets = {{ DB_PASSWORD = "{reference}" }}"#);
    workspace.configure(web.config(r#"LOG_LEVEL = "debug""#).fleet(&secret));
    workspace.apply_in_full();
    let environment = workspace.get("/environment").unwrap();
    assert!(
        environment.contains(r#""LOG_LEVEL": "debug""#),
        "{environment}"
    );
    assert!(
        environment.contains(r#""DB_PASSWORD": "correct horse""#),
        "{environment}"
    );
    assert!(!environment.contains("TF_CLI_CONFIG_FILE"), "{environment}");
    assert!(workspace.serving_processes().is_disjoint(&before));
    assert_eq!(workspace.attributes("immutable_fleet.web")["generation"], 2);

    let state = workspace.run(&["show", "-json"]).stdout;
    assert!(
        !state.contains("correct horse"),
        "the state holds the secret"
    );
    workspace.destroy();
}

fn settings_of_the_rollout_change_no_machine(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    let web = Web::new(&workspace, "1.0.0");
    workspace.configure(&web);
    workspace.apply_in_full();
    let before = workspace.serving_processes();

    let other = web
        .drain("2s")
        .health(
            r#"path = "/healthz", interval = "400ms", timeout = "400ms", streak = 3, steady = "300ms""#,
        )
        .rollout(r#"bake = "1s", launch_deadline = "30s""#)
        .fleet(r#"timeouts = { update = "1h" }"#);
    workspace.configure(other);
    workspace.apply_in_full();
    assert_eq!(workspace.serving_processes(), before);
    assert_eq!(workspace.attributes("immutable_fleet.web")["generation"], 1);
    workspace.destroy();
}

fn workers_need_no_traffic(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Works);
    workspace.bake("1.1.0", Behaviour::Works);
    let workers = |version| {
        let web = Web::new(&workspace, version).without_traffic();
        web.health(r#"interval = "500ms", timeout = "500ms", steady = "500ms""#)
    };
    workspace.configure(workers("1.0.0"));
    workspace.apply_in_full();
    let before = workspace.member_ids();
    assert_eq!(before.len(), 2);

    workspace.configure(workers("1.1.0"));
    workspace.apply_in_full();
    let after = workspace.member_ids();
    assert_eq!(after.len(), 2);
    assert!(after.is_disjoint(&before));
    workspace.destroy();
}

fn a_fleet_whose_traffic_is_removed_lives_on(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.configure(Web::new(&workspace, "1.0.0"));
    workspace.apply_in_full();
    workspace.serves("1.0.0");
    let mut before = workspace.member_ids();
    for version in ["1.1.0", "1.2.0"] {
        workspace.bake(version, Behaviour::Works);
        let web = Web::new(&workspace, version).without_traffic();
        workspace
            .configure(web.health(r#"interval = "500ms", timeout = "500ms", steady = "500ms""#));
        workspace.apply_in_full();
        assert!(workspace.get("/").is_err(), "something still listens");
        let after = workspace.member_ids();
        assert_eq!(after.len(), 2);
        assert!(after.is_disjoint(&before));
        before = after;
    }
    workspace.destroy();
}

fn what_is_known_is_known_at_plan_time(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.configure(Web::new(&workspace, "1.0.0"));
    let release = workspace.planned_attributes("immutable_image_release.web");
    assert_eq!(release["id"], "web@1.0.0");
    let fleet = workspace.planned_attributes("immutable_fleet.web");
    assert_eq!(fleet["id"], "web");
    assert_eq!(fleet["generation"], 1);
    assert_eq!(fleet["release"], "web@1.0.0");
    let steps = fleet["forecast"].as_array().unwrap();
    assert!(
        steps.contains(&json!("create generation 1: 2 members of web@1.0.0")),
        "{steps:?}"
    );
    workspace.nothing_is_left();
}

fn both_resources_can_be_imported(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.configure(Web::new(&workspace, "1.0.0"));
    workspace.apply_in_full();
    let before = workspace.serving_processes();

    std::fs::remove_file(workspace.path("terraform.tfstate")).unwrap();
    for resource in ["immutable_image_release.web", "immutable_fleet.web"] {
        workspace
            .run(&["import", "-no-color", resource, "web"])
            .succeeded();
    }
    // What Terraform cannot read back, such as the path an image came from, is taken over from the
    // configuration; no machine changes for it.
    workspace.apply_in_full();
    assert_eq!(workspace.serving_processes(), before);
    assert_eq!(workspace.attributes("immutable_fleet.web")["generation"], 1);
    workspace
        .run(&["import", "-no-color", "immutable_fleet.other", "other"])
        .failed_with(&["other"]);
    workspace.destroy();
}

fn a_protected_fleet_is_not_destroyed(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    let web = Web::new(&workspace, "1.0.0");
    workspace.configure(web.fleet("deletion_protection = true"));
    workspace.apply_in_full();
    let before = workspace.serving_processes();

    let refused = workspace.run(&["destroy", "-auto-approve", "-no-color"]);
    refused.failed_with(&["web", "deletion_protection"]);
    assert_eq!(workspace.serving_processes(), before);

    workspace.configure(&web);
    workspace.apply_in_full();
    workspace.destroy();
}
