//! A rollout watched from outside Terraform.

use crate::app::Behaviour;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::Workspace;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

with_both_terraforms!(a_rollout_is_watched_from_outside, whoever_watches_may_leave,);

/// Someone who watches; dropped, nobody does.
struct Watcher(Child);

impl Watcher {
    fn start(workspace: &Workspace, arguments: &[&str]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_terraform-provider-immutable"))
            .arg("watch")
            .args(arguments)
            .current_dir(workspace.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    /// Waits for the end and returns whether it was a good one, and what went to standard error.
    fn end(mut self) -> (bool, String) {
        let mut said = String::new();
        let mut errors = self.0.stderr.take().unwrap();
        errors.read_to_string(&mut said).unwrap();
        (self.0.wait().unwrap().success(), said)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn serving(terraform: &Terraform) -> (Workspace, Web) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.bake("1.1.0", Behaviour::Serves);
    let rollout = r#"strategy = "canary", bake = "300ms", launch_deadline = "20s",
        steps = [{ weight = 20, hold = "next_apply" }]"#;
    let web = Web::new(&workspace, "1.0.0").rollout(rollout);
    workspace.configure(&web);
    workspace.apply_in_full();
    (workspace, web)
}

fn a_rollout_is_watched_from_outside(terraform: &Terraform) {
    let (workspace, web) = serving(terraform);
    let mut watcher = Watcher::start(&workspace, &["web"]);
    let mut lines = BufReader::new(watcher.0.stdout.take().unwrap()).lines();
    let mut until = |fragment: &str| {
        let mut seen = Vec::new();
        loop {
            let line = lines.next().expect("it goes on").unwrap();
            if line.contains(fragment) {
                return;
            }
            seen.push(line);
            assert!(seen.len() < 500, "no {fragment:?} in {seen:#?}");
        }
    };
    until("at rest: generation 1 serves with 2 members");
    workspace.configure(web.version("1.1.0"));
    workspace.apply().succeeded();
    until("generation 2 is held at 20% until the next apply");
    workspace.apply().succeeded();
    until("at rest: generation 2 serves with 2 members");
    drop(watcher);

    let once = Watcher::start(&workspace, &["--once"]);
    assert_eq!(once.end(), (true, String::new()));
    let (is_there, said) = Watcher::start(&workspace, &["--once", "wep"]).end();
    let place = workspace.path(".immutable").display().to_string();
    assert!(
        !is_there && said.contains(&format!("there is no fleet wep in {place}")),
        "{said}"
    );
    workspace.destroy();
    let nothing = Watcher::start(&workspace, &["--once"]);
    assert_eq!(nothing.end(), (true, String::new()));
    workspace.nothing_is_left();
}

fn whoever_watches_may_leave(terraform: &Terraform) {
    let (workspace, web) = serving(terraform);
    let mut gone = Watcher::start(&workspace, &[]);
    drop(gone.0.stdout.take());
    // It notices with the next line that it writes.
    workspace.configure(web.version("1.1.0"));
    workspace.apply().succeeded();
    assert_eq!(gone.end(), (true, String::new()));

    let mut interrupted = Watcher::start(&workspace, &[]);
    let mut first = String::new();
    let mut reader = BufReader::new(interrupted.0.stdout.take().unwrap());
    reader.read_line(&mut first).unwrap();
    assert!(first.contains("is held at 20%"), "{first}");
    kill_process(Pid::from_child(&interrupted.0), Signal::INT).unwrap();
    assert_eq!(interrupted.end(), (true, String::new()));
    workspace.destroy();
}
