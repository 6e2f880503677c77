//! A directory with a configuration, and everything that comes of it.

#[path = "address.rs"]
mod address;

pub(crate) use address::free_address;

use crate::app::{self, Behaviour};
use crate::processes::{Process, Role, processes};
use crate::terraform::{Output, Run, Terraform};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything that a story waits for takes, even on a machine that is busy: the longest is
/// a lease of 90 seconds.
const PATIENCE: Duration = Duration::from_secs(180);

/// The provider, configured as written.
pub(crate) fn provider(settings: &str) -> String {
    format!(
        r#"
terraform {{
  required_providers {{
    immutable = {{ source = "immutable-fleets/immutable" }}
  }}
}}

provider "immutable" {{
  {settings}
}}
"#
    )
}

/// A directory in which Terraform works with the provider under test. Dropped, it ends what it
/// started and nothing else.
pub(crate) struct Workspace {
    terraform: Terraform,
    root: TempDir,
    marker: String,
    listener: SocketAddr,
    /// Environment of every run beside Terraform's own.
    variables: Vec<(&'static str, String)>,
}

impl Workspace {
    /// An empty workspace for the local cloud.
    pub(crate) fn new(terraform: &Terraform) -> Self {
        let workspace = Self::at(terraform, free_address(), Vec::new());
        workspace.write("provider.tf", &provider("local = {}"));
        workspace
    }

    /// An empty workspace without a provider block, for a fleet that listens at an address.
    pub(crate) fn at(
        terraform: &Terraform,
        listener: SocketAddr,
        variables: Vec<(&'static str, String)>,
    ) -> Self {
        let root = tempfile::Builder::new()
            .prefix("immutable-test-")
            .tempdir()
            .unwrap();
        let marker = format!(
            "workspace-{}",
            root.path().file_name().unwrap().to_string_lossy()
        );
        let workspace = Self {
            terraform: terraform.clone(),
            root,
            marker,
            listener,
            variables,
        };
        let binary = Path::new(env!("CARGO_BIN_EXE_terraform-provider-immutable"));
        workspace.use_provider(binary);
        workspace
    }

    /// Makes Terraform start this executable as the provider.
    pub(crate) fn use_provider(&self, binary: &Path) {
        let directory = self.path("provider");
        fs::create_dir_all(&directory).unwrap();
        let link = directory.join("terraform-provider-immutable");
        fs::remove_file(&link).ok();
        std::os::unix::fs::symlink(binary, &link).unwrap();
        let overrides = format!(
            "provider_installation {{\n  dev_overrides {{ \"immutable-fleets/immutable\" = {directory:?} }}\n}}\n"
        );
        self.write("terraform.rc", &overrides);
    }

    /// Makes `terraform init` find the provider where a mirror would have it. Modules need this:
    /// Terraform's overrides for developers know no `init`.
    pub(crate) fn use_mirror(&self) {
        let version = env!("CARGO_PKG_VERSION");
        let platform = format!("linux_{}", architecture());
        let place = self
            .path("mirror/registry.terraform.io/immutable-fleets/immutable")
            .join(version)
            .join(platform);
        fs::create_dir_all(&place).unwrap();
        std::os::unix::fs::symlink(
            env!("CARGO_BIN_EXE_terraform-provider-immutable"),
            place.join(format!("terraform-provider-immutable_v{version}")),
        )
        .unwrap();
        let mirror = self.path("mirror");
        let rule =
            format!("provider_installation {{\n  filesystem_mirror {{ path = {mirror:?} }}\n}}\n");
        self.write("terraform.rc", &rule);
    }

    /// A path below the workspace.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }

    /// Where this workspace's fleet listens.
    pub(crate) fn listener(&self) -> SocketAddr {
        self.listener
    }

    /// What the members' environment must hold for the workspace to know them as its own.
    pub(crate) fn marker(&self) -> &str {
        &self.marker
    }

    /// The Terraform in use.
    pub(crate) fn terraform(&self) -> &Terraform {
        &self.terraform
    }

    /// Writes a file, with the directories above it.
    pub(crate) fn write(&self, relative: &str, content: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, hcl: impl ToString) {
        self.write("main.tf", &hcl.to_string());
    }

    /// Bakes `images/VERSION`.
    pub(crate) fn bake(&self, version: &str, behaviour: Behaviour) {
        app::bake(&self.path("images").join(version), version, behaviour);
    }

    /// Starts Terraform without waiting for it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Run {
        self.start_with(arguments, &[])
    }

    /// Starts Terraform with more environment.
    pub(crate) fn start_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        let own = self
            .variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let all: Vec<_> = own.chain(variables.iter().copied()).collect();
        self.terraform.start(self.root.path(), arguments, &all)
    }

    /// Runs Terraform to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).wait()
    }

    /// Applies what is configured.
    pub(crate) fn apply(&self) -> Output {
        self.run(&["apply", "-auto-approve", "-no-color"])
    }

    /// Plans what is configured.
    pub(crate) fn plan(&self) -> Output {
        self.run(&["plan", "-no-color", "-detailed-exitcode"])
    }

    /// Fails the story unless a plan finds nothing to do.
    #[track_caller]
    pub(crate) fn plan_is_empty(&self) {
        let plan = self.plan();
        assert_eq!(
            plan.code(),
            Some(0),
            "the plan is not empty:\n{}",
            plan.everything()
        );
    }

    /// Fails the story unless a plan finds something to do.
    #[track_caller]
    pub(crate) fn plan_has_changes(&self) -> Output {
        let plan = self.plan();
        assert_eq!(
            plan.code(),
            Some(2),
            "the plan has no changes:\n{}",
            plan.everything()
        );
        plan
    }

    /// Applies, and makes sure that this was all.
    #[track_caller]
    pub(crate) fn apply_in_full(&self) -> Output {
        let output = self.apply().succeeded();
        self.plan_is_empty();
        output
    }

    /// Destroys everything, and makes sure that nothing is left.
    #[track_caller]
    pub(crate) fn destroy(&self) {
        self.run(&["destroy", "-auto-approve", "-no-color"])
            .succeeded();
        self.nothing_is_left();
    }

    /// Destroys everything that is configured to run a release which was rolled back: Terraform plans
    /// before it destroys, and that plan is refused, with the way round it.
    #[track_caller]
    pub(crate) fn is_destroyed_without_its_plan(&self, release: &str) {
        let destroy = ["destroy", "-auto-approve", "-no-color"];
        let way = "-refresh=false";
        self.run(&destroy)
            .failed_with(&[release, "rolled back", "terraform destroy", way]);
        let [command, approved, plain] = destroy;
        self.run(&[command, approved, plain, way]).succeeded();
        self.nothing_is_left();
    }

    /// Fails the story unless no process, listener and file is left of what was applied.
    #[track_caller]
    pub(crate) fn nothing_is_left(&self) {
        self.wait_until("no process is left", || self.processes().is_empty());
        assert!(
            TcpStream::connect(self.listener).is_err(),
            "something listens on {}",
            self.listener
        );
        let files = files_below(&self.path(".immutable"));
        assert!(files.is_empty(), "files are left: {files:#?}");
    }

    /// What an output holds.
    pub(crate) fn output(&self, name: &str) -> Value {
        let outputs = self.run(&["output", "-json"]).succeeded().json();
        outputs[name]["value"].clone()
    }

    /// A resource's attributes in the state; `Null`: it is not there.
    pub(crate) fn attributes(&self, address: &str) -> Value {
        let state = self.run(&["show", "-json"]).succeeded().json();
        let resources = state["values"]["root_module"]["resources"]
            .as_array()
            .cloned();
        let found = resources
            .into_iter()
            .flatten()
            .find(|resource| resource["address"] == address);
        found.map_or(Value::Null, |resource| resource["values"].clone())
    }

    /// A resource's planned attributes.
    pub(crate) fn planned_attributes(&self, address: &str) -> Value {
        self.run(&["plan", "-no-color", "-out=plan"]).succeeded();
        let plan = self.run(&["show", "-json", "plan"]).succeeded().json();
        let changes = plan["resource_changes"].as_array().cloned();
        let found = changes
            .into_iter()
            .flatten()
            .find(|change| change["address"] == address);
        found.map_or(Value::Null, |change| change["change"]["after"].clone())
    }

    /// The processes that work for this workspace now.
    pub(crate) fn processes(&self) -> Vec<Process> {
        processes(self.root.path(), &self.marker)
    }

    /// Those of them in a role.
    pub(crate) fn processes_as(&self, role: Role) -> Vec<Process> {
        self.processes()
            .into_iter()
            .filter(|process| process.role == role)
            .collect()
    }

    /// The members' process ids. What a member starts does not count.
    pub(crate) fn member_ids(&self) -> BTreeSet<u32> {
        let members = self.processes_as(Role::Member);
        let ids: BTreeSet<u32> = members.iter().map(|member| member.id).collect();
        members
            .iter()
            .filter(|member| !ids.contains(&member.parent))
            .map(|member| member.id)
            .collect()
    }

    /// Names of the member processes that answer requests, as they call themselves.
    pub(crate) fn serving_processes(&self) -> BTreeSet<String> {
        let name = |answer: String| {
            let line = answer
                .lines()
                .find(|line| line.to_lowercase().starts_with("x-process:"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        // Enough for every member of a small fleet to get its turn.
        let answers = (0..64).map(|_| self.get("/").expect("the fleet answers"));
        answers
            .map(|answer| name(answer).expect("an answer names its process"))
            .collect()
    }

    /// Asks the fleet for a page on a connection of its own.
    pub(crate) fn get(&self, path: &str) -> Result<String, std::io::Error> {
        let mut connection = TcpStream::connect(self.listener)?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            connection,
            "GET {path} HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Fails the story unless the fleet answers with this version.
    #[track_caller]
    pub(crate) fn serves(&self, version: &str) {
        let answer = self
            .get("/")
            .unwrap_or_else(|error| panic!("{}: {error}", self.listener));
        assert!(
            answer
                .to_lowercase()
                .contains(&format!("x-version: {version}")),
            "{answer}"
        );
    }

    /// Waits for a condition; fails the story when it does not come.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let begin = Instant::now();
        while !condition() {
            let late = begin.elapsed() > PATIENCE;
            assert!(
                !late,
                "waited in vain until {what}; processes: {:#?}",
                self.processes()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until nothing is found wrong; tells what was wrong last when that does not come.
    #[track_caller]
    pub(crate) fn wait_until_or_tell<E: std::fmt::Debug>(
        &self,
        what: &str,
        look: impl Fn() -> Result<(), E>,
    ) {
        let begin = Instant::now();
        while let Err(wrong) = look() {
            let late = begin.elapsed() > PATIENCE;
            assert!(!late, "waited in vain until {what}: {wrong:#?}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Prints the logs that the provider left, for the reader of a failure.
    fn print_logs(&self) {
        for path in files_below(&self.path(".immutable")) {
            let is_log = path.to_string_lossy().contains("log") && path.is_file();
            if let (true, Ok(text)) = (is_log, fs::read_to_string(&path)) {
                let lines: Vec<_> = text.lines().collect();
                let end = &lines[lines.len().saturating_sub(30)..];
                println!("-- {}\n{}", path.display(), end.join("\n"));
            }
        }
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if thread::panicking() {
            self.print_logs();
        }
        let begin = Instant::now();
        // The host first, or it starts its members again.
        while begin.elapsed() < PATIENCE {
            let left = self.processes();
            if left.is_empty() {
                break;
            }
            left.iter()
                .filter(|process| process.role == Role::Host)
                .for_each(|host| host.signal(Signal::KILL));
            left.iter().for_each(|process| process.signal(Signal::KILL));
            thread::sleep(Duration::from_millis(20));
        }
        // Images are unpacked read-only; their directories must be opened before they can go.
        for path in files_below(self.root.path()) {
            if path.is_dir() && !path.is_symlink() {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).ok();
            }
        }
    }
}

/// This machine's architecture in Terraform's words.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Everything below a directory, parents first; nothing where there is no directory.
pub(crate) fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut ask = vec![directory.to_owned()];
    while let Some(directory) = ask.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                ask.push(path.clone());
            }
            found.push(path);
        }
    }
    found
}
