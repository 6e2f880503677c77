//! The same fleet under another provider address: a mirror, or an earlier home of the provider.

use crate::app::Behaviour;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::Workspace;

with_both_terraforms!(a_fleet_moves_from_another_provider_address);

fn a_fleet_moves_from_another_provider_address(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    let config = std::fs::read_to_string(workspace.path("provider.tf")).unwrap();
    let home = "immutable-fleets/immutable";
    let rc = std::fs::read_to_string(workspace.path("terraform.rc")).unwrap();
    let directory = workspace.path("provider");
    let both = format!("dev_overrides {{\n \"elsewhere/immutable\" = {directory:?}\n");
    workspace.write("terraform.rc", &rc.replace("dev_overrides {", &both));

    workspace.write("provider.tf", &config.replace(home, "elsewhere/immutable"));
    let web = Web::new(&workspace, "1.0.0").to_string();
    workspace.configure(&web);
    workspace.apply_in_full();
    let members = workspace.member_ids();

    // Terraform takes the type of a moved block from both addresses; the names must differ.
    let here = config.replace(
        "immutable = {",
        "elsewhere = { source = \"elsewhere/immutable\" }\n    immutable = {",
    ) + "\nprovider \"elsewhere\" {\n  local = {}\n}\n";
    workspace.write("provider.tf", &here);
    let renamed = web
        .replace(
            "resource \"immutable_fleet\" \"web\"",
            "resource \"immutable_fleet\" \"here\"",
        )
        .replace(
            "resource \"immutable_image_release\" \"web\"",
            "resource \"immutable_image_release\" \"here\"",
        )
        .replace(
            "immutable_image_release.web.id",
            "immutable_image_release.here.id",
        );
    let moved = |of: &str| format!("moved {{\n  from = {of}.web\n  to = {of}.here\n}}\n");
    let moves = [moved("immutable_fleet"), moved("immutable_image_release")].concat();
    workspace.configure(format!("{renamed}{moves}"));
    workspace.apply_in_full();
    assert_eq!(workspace.member_ids(), members, "no member was touched");
    workspace.serves("1.0.0");
    workspace.destroy();
}
