//! The promise that matters most: an update loses no request.

use crate::app::Behaviour;
use crate::load::Load;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::Workspace;

with_both_terraforms!(
    twenty_updates_in_a_row_lose_no_request,
    changes_of_size_lose_no_request
);

fn twenty_updates_in_a_row_lose_no_request(terraform: &Terraform) {
    const UPDATES: usize = 20;
    let workspace = Workspace::new(terraform);
    let web = Web::new(&workspace, "1.0.0");
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.configure(&web);
    workspace.apply_in_full();

    let load = Load::start(workspace.listener());
    for update in 1..=UPDATES {
        let version = format!("1.{update}.0");
        workspace.bake(&version, Behaviour::Serves);
        workspace.configure(web.version(&version));
        workspace.apply().succeeded();
        workspace.serves(&version);
    }
    let tally = load.end_without_loss();
    println!("{UPDATES} updates in a row: {tally}");
    assert!(
        tally.served.len() > UPDATES,
        "not every version served: {:?}",
        tally.served
    );
    workspace.plan_is_empty();
    workspace.destroy();
}

fn changes_of_size_lose_no_request(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    let web = Web::new(&workspace, "1.0.0");
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.configure(&web);
    workspace.apply_in_full();

    let load = Load::start(workspace.listener());
    for size in [4, 1, 3, 2] {
        workspace.configure(web.size(size));
        workspace.apply().succeeded();
    }
    println!("sizes 4, 1, 3, 2: {}", load.end_without_loss());
    workspace.destroy();
}
