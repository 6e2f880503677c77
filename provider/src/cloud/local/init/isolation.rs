//! How far a member is set apart from the rest of the machine.

use super::system;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;

/// How a member is set apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// In a process and mount namespace: we have the right to make them.
    Namespace,
    /// Likewise, inside a user namespace that gives us that right.
    UserNamespace,
    /// As a plain process: the machine refuses namespaces.
    Process,
}

/// What the calling process has become.
pub(super) enum Role {
    /// The member's init, with its process id as the host sees it where it cannot see that itself.
    Init(Option<u32>),
    /// The one that made the init, with nothing left to do.
    Done,
}

impl Isolation {
    /// Finds the best one by trying; the calling process is not of use afterwards.
    pub(super) fn best() -> Self {
        let ways = [Self::Namespace, Self::UserNamespace];
        ways.into_iter()
            .find(|way| way.unshare().is_ok())
            .unwrap_or(Self::Process)
    }

    /// Whether the kernel ends all of a member's processes together.
    pub(in crate::cloud::local) fn is_whole(self) -> bool {
        match self {
            Self::Namespace | Self::UserNamespace => true,
            Self::Process => false,
        }
    }

    /// Makes the process that the member will run under.
    pub(super) fn enter(self) -> io::Result<Role> {
        if !self.is_whole() {
            return Ok(Role::Init(None));
        }
        self.unshare()?;
        // A new process namespace begins with the next child. As a child of our parent it stands
        // under the host directly, and one process less is needed for each member.
        let (mut told, mut telling) = io::pipe()?;
        match system::fork_sibling()? {
            system::Fork::Child => {
                // Or a parent that is killed before it tells would be waited for for ever.
                drop(telling);
                system::receive(&mut told).map(|process| Role::Init(Some(process)))
            }
            system::Fork::Parent(process) => {
                system::send(&mut telling, process).map(|()| Role::Done)
            }
        }
    }

    /// Makes the inside of a namespace look right.
    pub(super) fn settle(self) -> io::Result<()> {
        if !self.is_whole() {
            return system::adopt_orphans();
        }
        let apart = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", apart)?;
        // Containers often forbid it; then the member sees the machine's processes, no more.
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let _ = rustix::mount::mount("proc", "/proc", "proc", flags, None);
        Ok(())
    }

    /// Ends what the member has left behind; in a namespace the kernel does.
    pub(super) fn end_the_rest(self) -> io::Result<()> {
        if self.is_whole() {
            Ok(())
        } else {
            system::kill_all_children()
        }
    }

    fn unshare(self) -> io::Result<()> {
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        if self == Self::UserNamespace {
            // SAFETY: no file descriptor table is unshared.
            unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }?;
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write(
                "/proc/self/uid_map",
                format!("{user} {user} 1", user = user.as_raw()),
            )?;
            fs::write(
                "/proc/self/gid_map",
                format!("{group} {group} 1", group = group.as_raw()),
            )?;
        }
        // SAFETY: no file descriptor table is unshared.
        unsafe { unshare_unsafe(UnshareFlags::NEWPID | UnshareFlags::NEWNS) }?;
        Ok(())
    }
}
