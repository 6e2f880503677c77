//! Bad days: everything that can end or get in the way during a rollout, and the members that no
//! one wants to run.

use crate::app::Behaviour;
use crate::load::Load;
use crate::processes::Role;
use crate::terraform::{Run, Terraform};
use crate::web::Web;
use crate::workspace::Workspace;
use rustix::process::Signal;
use std::net::TcpListener;

with_both_terraforms!(
    an_interrupted_rollout_goes_on,
    a_rollout_whose_provider_is_killed_goes_on,
    a_rollout_whose_host_is_killed_ends_well,
    a_host_killed_at_rest_comes_back,
    a_second_apply_finds_the_first,
    a_newer_goal_supersedes_an_interrupted_one,
    a_listener_of_a_stranger_is_left_alone,
    two_fleets_cannot_share_a_listener,
    a_command_that_is_not_in_the_image_is_named,
    a_member_that_ignores_sigterm_goes_all_the_same,
    what_a_member_forks_goes_with_it,
);

/// A fleet at 1.0.0, ready for 1.1.0, whose members start when they are told to.
fn ready(terraform: &Terraform) -> (Workspace, Web) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.bake("1.1.0", Behaviour::StartsWhenTold);
    let go = format!("GO = {:?}", workspace.path("go"));
    let web = Web::new(&workspace, "1.0.0").config(&go);
    // Whatever is done to the rollout by then, it is not for its members' lateness that it ends.
    let web = web.rollout(r#"bake = "300ms", launch_deadline = "120s""#);
    workspace.configure(&web);
    workspace.apply_in_full();
    (workspace, web)
}

/// Starts the rollout and waits until its candidate's members are there. None of them gets healthy
/// before it is told to start.
fn start_rollout(workspace: &Workspace, web: &Web) -> Run {
    workspace.configure(web.version("1.1.0"));
    let members = workspace.member_ids().len();
    let rollout = workspace.start(&["apply", "-auto-approve", "-no-color"]);
    workspace.wait_until("the candidate starts", || {
        workspace.member_ids().len() > members
    });
    rollout
}

/// Tells the members of 1.1.0 to start.
fn tell_to_start(workspace: &Workspace) {
    workspace.write("go", "");
}

fn finish(workspace: &Workspace) {
    workspace.apply_in_full();
    workspace.serves("1.1.0");
    assert_eq!(workspace.member_ids().len(), 2);
    workspace.destroy();
}

fn an_interrupted_rollout_goes_on(terraform: &Terraform) {
    let (workspace, web) = ready(terraform);
    let load = Load::start(workspace.listener());
    let rollout = start_rollout(&workspace, &web);
    rollout.interrupt();
    let output = rollout.wait();
    assert_eq!(output.code(), Some(1), "{}", output.everything());
    workspace.serves("1.0.0");
    let phase = workspace.attributes("immutable_fleet.web")["phase"].clone();
    assert_ne!(phase, "stable", "{}", output.everything());
    workspace.plan_has_changes().says("phase");

    tell_to_start(&workspace);
    workspace.apply_in_full();
    load.end_without_loss();
    finish(&workspace);
}

fn a_rollout_whose_provider_is_killed_goes_on(terraform: &Terraform) {
    let (workspace, web) = ready(terraform);
    let load = Load::start(workspace.listener());
    let rollout = start_rollout(&workspace, &web);
    let providers = workspace.processes_as(Role::Provider);
    assert!(!providers.is_empty(), "{:#?}", workspace.processes());
    providers
        .iter()
        .for_each(|provider| provider.signal(Signal::KILL));
    assert_eq!(rollout.wait().code(), Some(1));
    workspace.serves("1.0.0");
    workspace.plan_has_changes();

    tell_to_start(&workspace);
    // Nobody gave its lease back: until that is over, an apply names the one who held it.
    let goes_on = || {
        let apply = workspace.apply();
        let is_done = apply.code() == Some(0);
        if !is_done {
            apply.failed_with(&["another process changes it", "holds it until"]);
        }
        is_done
    };
    workspace.wait_until("the rollout goes on", goes_on);
    load.end_without_loss();
    finish(&workspace);
}

fn a_rollout_whose_host_is_killed_ends_well(terraform: &Terraform) {
    let (workspace, web) = ready(terraform);
    let rollout = start_rollout(&workspace, &web);
    kill_host(&workspace);
    tell_to_start(&workspace);
    // Whether this apply could go on with the next host or not: what it says is true.
    let output = rollout.wait();
    if output.code() == Some(0) {
        workspace.plan_is_empty();
    } else {
        workspace.plan_has_changes();
    }
    finish(&workspace);
}

fn a_host_killed_at_rest_comes_back(terraform: &Terraform) {
    let (workspace, _) = ready(terraform);
    kill_host(&workspace);
    workspace.apply().succeeded();
    workspace.wait_until("the fleet serves again", || {
        workspace
            .get("/")
            .is_ok_and(|answer| answer.contains("200 OK"))
    });
    workspace.serves("1.0.0");
    workspace.plan_is_empty();
    assert_eq!(workspace.attributes("immutable_fleet.web")["generation"], 1);
    workspace.destroy();
}

fn kill_host(workspace: &Workspace) {
    let hosts = workspace.processes_as(Role::Host);
    assert!(!hosts.is_empty(), "{:#?}", workspace.processes());
    hosts.iter().for_each(|host| host.signal(Signal::KILL));
    let is_gone = |id| !workspace.processes().iter().any(|process| process.id == id);
    workspace.wait_until("the host is dead", || {
        hosts.iter().all(|host| is_gone(host.id))
    });
}

fn a_second_apply_finds_the_first(terraform: &Terraform) {
    let (workspace, web) = ready(terraform);
    let first = start_rollout(&workspace, &web);
    // Terraform's own lock is out of the way: two people with a state each.
    let second = workspace.run(&[
        "apply",
        "-auto-approve",
        "-no-color",
        "-lock=false",
        "-state-out=other.tfstate",
    ]);
    second.failed_with(&["web", "lease"]);
    tell_to_start(&workspace);
    first.wait().succeeded();
    finish(&workspace);
}

fn a_newer_goal_supersedes_an_interrupted_one(terraform: &Terraform) {
    let (workspace, web) = ready(terraform);
    workspace.bake("1.2.0", Behaviour::Serves);
    let rollout = start_rollout(&workspace, &web);
    rollout.interrupt();
    rollout.wait();
    workspace.configure(web.version("1.2.0"));
    workspace.apply_in_full();
    workspace.serves("1.2.0");
    assert_eq!(workspace.member_ids().len(), 2);
    workspace.destroy();
}

fn a_listener_of_a_stranger_is_left_alone(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    let stranger = TcpListener::bind(workspace.listener()).unwrap();
    workspace.configure(Web::new(&workspace, "1.0.0"));
    let address = workspace.listener().to_string();
    workspace
        .apply()
        .failed_with(&["listen", &address, &format!("pid {}", std::process::id())]);
    drop(stranger);
    workspace.apply_in_full();
    workspace.serves("1.0.0");
    workspace.destroy();
}

fn two_fleets_cannot_share_a_listener(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    let web = Web::new(&workspace, "1.0.0");
    workspace.configure(&web);
    workspace.apply_in_full();
    let first = web.to_string();
    let second = first[first.find("resource \"immutable_fleet\"").unwrap()..]
        .replace(
            "\"immutable_fleet\" \"web\"",
            "\"immutable_fleet\" \"second\"",
        )
        .replace("name    = \"web\"", "name    = \"second\"");
    workspace.configure(format!("{first}\n{second}"));
    let address = workspace.listener().to_string();
    workspace
        .apply()
        .failed_with(&["listener", &address, "web"]);
    workspace.serves("1.0.0");
    workspace.configure(&web);
    workspace.apply_in_full();
    workspace.destroy();
}

fn a_command_that_is_not_in_the_image_is_named(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    let web = Web::new(&workspace, "1.0.0").local(r#"command = ["bin/shop"]"#);
    workspace.configure(&web);
    workspace.apply().failed_with(&["command", "bin/shop"]);
    workspace.configure(Web::new(&workspace, "1.0.0"));
    workspace.apply_in_full();
    workspace.destroy();
}

fn a_member_that_ignores_sigterm_goes_all_the_same(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::IgnoresSigterm);
    workspace.configure(Web::new(&workspace, "1.0.0").drain("1s"));
    workspace.apply_in_full();
    workspace.destroy();
}

fn what_a_member_forks_goes_with_it(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Forks);
    workspace.bake("1.1.0", Behaviour::Serves);
    let web = Web::new(&workspace, "1.0.0");
    workspace.configure(&web);
    workspace.apply_in_full();
    let sleepers = || {
        let members = workspace.processes_as(Role::Member);
        members
            .into_iter()
            .filter(|process| process.command.starts_with("sleep 3600"))
            .count()
    };
    assert_eq!(sleepers(), 2);
    workspace.configure(web.version("1.1.0"));
    workspace.apply_in_full();
    workspace.wait_until("what the members forked is gone", || sleepers() == 0);
    workspace.destroy();
}
