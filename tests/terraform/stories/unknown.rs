//! Values that the plan does not know yet: in a module, any argument may come from a resource that
//! is made in the same apply.

use crate::app::Behaviour;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::Workspace;

with_both_terraforms!(
    unknown_values_are_fine_in_every_attribute,
    an_unknown_version_changes_a_running_fleet,
    an_unknown_value_that_turns_out_wrong_is_an_error,
);

/// Everything that can be written, with no value that the first plan knows.
fn everything_unknown(workspace: &Workspace) -> String {
    format!(
        r#"
resource "terraform_data" "known_later" {{
  input = {{
    name = "web", version = "1.0.0", path = "images/1.0.0", keep = 2, marker = "{marker}", size = 2,
    command = "bin/web", port = 8080, listener = "{listener}", protocol = "http", health = "/healthz",
    interval = "1s", timeout = "1s", streak = 1, steady = "500ms", strategy = "blue_green",
    bake = "300ms", deadline = "20s", zero = "0s", off = false, drain = "3s", retry = "1",
    drift = "replace", tag = "edge", hour = "1h", commit = "9f2c1e7",
    secret = "file:{secret}"
  }}
}}

locals {{ later = terraform_data.known_later.output }}

resource "immutable_image_release" "web" {{
  name       = local.later.name
  version    = local.later.version
  source     = {{ path = local.later.path }}
  provenance = {{ git_commit = local.later.commit }}
  verify     = {{ port = local.later.port, path = local.later.health, timeout = local.later.deadline }}
  keep       = local.later.keep
}}

resource "immutable_fleet" "web" {{
  name    = local.later.name
  release = immutable_image_release.web.id
  size    = local.later.size
  config  = {{ WORKSPACE = local.later.marker }}
  secrets = {{ PASSWORD = local.later.secret }}
  local   = {{ command = [local.later.command] }}
  traffic = {{ port = local.later.port, listener = local.later.listener, protocol = local.later.protocol }}
  health = {{
    path = local.later.health, interval = local.later.interval, timeout = local.later.timeout
    streak = local.later.streak, steady = local.later.steady
  }}
  rollout = {{
    strategy = local.later.strategy
    bake = local.later.bake, launch_deadline = local.later.deadline, keep_previous = local.later.zero
    keep_failed = local.later.off
  }}
  drain = local.later.drain
  retry = local.later.retry
  drift = local.later.drift
  tags  = {{ team = local.later.tag }}
  deletion_protection = local.later.off
  timeouts = {{ create = local.later.hour, update = local.later.hour, delete = local.later.hour }}
}}
"#,
        marker = workspace.marker(),
        listener = workspace.listener(),
        secret = workspace.path("password").display(),
    )
}

fn unknown_values_are_fine_in_every_attribute(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.write("password", "correct horse");
    workspace.configure(everything_unknown(&workspace));
    workspace.apply_in_full();
    workspace.serves("1.0.0");
    workspace.destroy();
}

fn an_unknown_version_changes_a_running_fleet(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.bake("1.1.0", Behaviour::Serves);
    let later = |version: &str| {
        let web = Web::new(&workspace, version).to_string();
        let data = format!("resource \"terraform_data\" \"v\" {{\n  input = \"{version}\"\n}}\n");
        let quoted = format!("version = \"{version}\"");
        data + &web.replace(&quoted, "version = terraform_data.v.output")
    };
    for version in ["1.0.0", "1.1.0"] {
        workspace.configure(later(version));
        workspace.apply_in_full();
        workspace.serves(version);
    }
    workspace.destroy();
}

fn an_unknown_value_that_turns_out_wrong_is_an_error(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.write("password", "correct horse");
    let wrong = everything_unknown(&workspace).replace(r#"bake = "300ms""#, r#"bake = "soon""#);
    workspace.configure(&wrong);
    workspace.apply().failed_with(&["bake", "soon"]);
    workspace.configure(everything_unknown(&workspace));
    workspace.apply_in_full();
    workspace.destroy();
}
