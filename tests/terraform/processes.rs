//! The processes of one workspace, found without the provider's help.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A process that works for a workspace.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) parent: u32,
    pub(crate) command: String,
    pub(crate) role: Role,
}

/// What a process is to the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It has the workspace's marker in its environment: a member, or something a member started.
    Member,
    /// The provider's executable, as the process that a member runs under.
    Init,
    /// The provider's executable, running as the host.
    Host,
    /// The provider's executable, started by Terraform.
    Provider,
    /// Anything else that uses the workspace's files.
    Other,
}

impl Process {
    /// Sends a signal; a process that is gone is fine.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.id.cast_signed()).expect("process ids are not 0");
        kill_process(id, signal).ok();
    }
}

/// All processes that work for the workspace at `root`, whose members carry `marker` in their
/// environment. Zombies do not count: they only wait for their parent to notice.
pub(crate) fn processes(root: &Path, marker: &str) -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc is there").flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| *id != std::process::id())
        .filter_map(|id| look_at(id, root, marker))
        .collect()
}

/// None: the process is not the workspace's, or ended while we looked.
fn look_at(id: u32, root: &Path, marker: &str) -> Option<Process> {
    let directory = Path::new("/proc").join(id.to_string());
    let stat = fs::read_to_string(directory.join("stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    if state == "Z" || state == "X" {
        return None;
    }
    let command_line = fs::read(directory.join("cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command_line).replace('\0', " ");
    let environment = fs::read(directory.join("environ")).unwrap_or_default();
    let root_text = root.to_string_lossy();
    let is_member = contains(&environment, marker);
    let names_root = contains(&environment, &root_text) || contains(&command_line, &root_text);
    let is_ours = is_member || names_root || uses(&directory, root);
    let is_provider = command.contains("terraform-provider-immutable");
    let words: Vec<&str> = command.split(' ').collect();
    let role = match words[..] {
        _ if is_member => Role::Member,
        [_, "host", "member", ..] if is_provider => Role::Init,
        [_, "host", ..] if is_provider => Role::Host,
        _ if is_provider => Role::Provider,
        _ => Role::Other,
    };
    is_ours.then_some(Process {
        id,
        parent,
        command,
        role,
    })
}

/// Whether a process works in a directory, runs its files or has them open.
fn uses(process: &Path, root: &Path) -> bool {
    let open = fs::read_dir(process.join("fd"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    ["cwd", "exe"]
        .into_iter()
        .map(|link| process.join(link))
        .chain(open)
        .filter_map(|link| fs::read_link(link).ok())
        .any(|target| target.starts_with(root))
}

fn contains(bytes: &[u8], text: &str) -> bool {
    let wanted = std::ffi::OsStr::new(text).as_bytes();
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
