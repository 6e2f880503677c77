//! State that an earlier version of the provider stored.
//!
//! The sample was stored by the first version that could; attributes that came later are not in it.

use crate::app::Behaviour;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::Workspace;
use serde_json::Value;

with_both_terraforms!(stored_state_of_an_earlier_version_goes_on);

const STORED: &str = include_str!("samples/first.tfstate");

fn stored_state_of_an_earlier_version_goes_on(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    let web = Web::new(&workspace, "1.0.0");
    workspace.configure(&web);
    workspace.apply_in_full();

    let now: Value = serde_json::from_str(
        &std::fs::read_to_string(workspace.path("terraform.tfstate")).unwrap(),
    )
    .unwrap();
    let mut stored: Value = serde_json::from_str(STORED).unwrap();
    stored["lineage"] = now["lineage"].clone();
    let resources = stored["resources"].as_array_mut().unwrap();
    for (resource, now) in resources
        .iter_mut()
        .zip(now["resources"].as_array().unwrap())
    {
        assert_eq!(resource["type"], now["type"]);
        let attributes = &mut resource["instances"][0]["attributes"];
        to_this_run(attributes, &now["instances"][0]["attributes"]);
    }
    workspace.write("terraform.tfstate", &stored.to_string());
    workspace.plan_is_empty();
    workspace.bake("1.1.0", Behaviour::Serves);
    workspace.configure(web.version("1.1.0"));
    workspace.apply_in_full();
    workspace.serves("1.1.0");
    workspace.destroy();
}

/// Gives what was stored the places, hashes and moments of this run, and nothing that it lacks.
fn to_this_run(stored: &mut Value, now: &Value) {
    match (stored, now) {
        (Value::Object(stored), Value::Object(now)) => {
            for (name, value) in stored {
                to_this_run(value, now.get(name).unwrap_or(&Value::Null));
            }
        }
        (Value::Array(stored), Value::Array(now)) => {
            for (value, now) in stored.iter_mut().zip(now) {
                to_this_run(value, now);
            }
        }
        (stored @ (Value::String(_) | Value::Number(_)), now) => *stored = now.clone(),
        (_, _) => {}
    }
}
