//! The few calls of the system that the standard library does not offer.

use super::End;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use std::fs;
use std::io::{self, Read, Write};

/// Which of two processes the caller is.
pub(super) enum Fork {
    Child,
    Parent(u32),
}

/// Forks. The caller must have a single thread.
pub(super) fn fork() -> io::Result<Fork> {
    // SAFETY: an init has one thread, so the child finds every lock free.
    which(unsafe { libc::fork() }.into())
}

/// Forks a child of our parent instead of our own.
pub(super) fn fork_sibling() -> io::Result<Fork> {
    let flags = libc::c_long::from(libc::CLONE_PARENT | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with no stack given it is a fork; an init has one thread.
    which(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })
}

fn which(result: libc::c_long) -> io::Result<Fork> {
    match u32::try_from(result) {
        Ok(0) => Ok(Fork::Child),
        Ok(process) => Ok(Fork::Parent(process)),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// Tells another process a process id.
pub(super) fn send(pipe: &mut impl Write, process: u32) -> io::Result<()> {
    pipe.write_all(&process.to_ne_bytes())
}

/// Hears a process id from another process.
pub(super) fn receive(pipe: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    pipe.read_exact(&mut bytes)?;
    Ok(u32::from_ne_bytes(bytes))
}

/// Leaves the session of whoever started us: no terminal's Ctrl-C comes here.
pub(super) fn new_session() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// Asks the kernel to end this process with its parent, which must be `parent`.
pub(super) fn die_with_parent(parent: u32) -> io::Result<()> {
    die_with_any_parent()?;
    // A parent that died before the call gives no signal.
    match rustix::process::getppid() {
        Some(there) if u32::try_from(there.as_raw_nonzero().get()) == Ok(parent) => Ok(()),
        _ => Err(io::Error::other("the host is gone")),
    }
}

/// Lets this process, and what it starts, have so many files open; absent: any number.
pub(super) fn allow_open_files(most: Option<u64>) -> io::Result<()> {
    let limit = Rlimit {
        current: most,
        ..rustix::process::getrlimit(Resource::Nofile)
    };
    rustix::process::setrlimit(Resource::Nofile, limit)?;
    Ok(())
}

/// Asks the kernel to end this process with its parent, whoever that is.
pub(super) fn die_with_any_parent() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// Makes orphans among our descendants our children.
pub(super) fn adopt_orphans() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Kills all descendants and waits for them. Each round kills a generation; the orphans it makes
/// become our children and are met in the next.
pub(super) fn kill_all_children() -> io::Result<()> {
    let process = std::process::id();
    loop {
        let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"))?;
        for child in children
            .split_ascii_whitespace()
            .filter_map(|child| Pid::from_raw(child.parse().ok()?))
        {
            // One that has just ended is as good as killed.
            let _ = rustix::process::kill_process(child, Signal::KILL);
        }
        match wait_for_any(0) {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// All signals, kept waiting until they are asked for.
pub(super) struct Signals(libc::sigset_t);

impl Signals {
    pub(super) fn block() -> io::Result<Self> {
        // SAFETY: both calls only write to the set, which is as large as they expect.
        let all = unsafe {
            let mut all = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::sigprocmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
            all
        };
        Ok(Self(all))
    }

    pub(super) fn unblock(&self) -> io::Result<()> {
        // SAFETY: the set was filled by `block`.
        let result = unsafe {
            libc::sigprocmask(libc::SIG_UNBLOCK, &raw const self.0, std::ptr::null_mut())
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    fn next(&self) -> io::Result<i32> {
        loop {
            // SAFETY: the set was filled by `block`; no further information is asked for.
            let signal = unsafe { libc::sigwaitinfo(&raw const self.0, std::ptr::null_mut()) };
            if signal > 0 {
                return Ok(signal);
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

/// Hands signals on to the member and collects the dead until the member is among them.
pub(super) fn attend(member: u32, signals: &Signals) -> io::Result<End> {
    let pid = libc::pid_t::try_from(member).map_err(io::Error::other)?;
    loop {
        match signals.next()? {
            libc::SIGCHLD => {
                if let Some(end) = collect(pid)? {
                    return Ok(end);
                }
            }
            signal => {
                // SAFETY: the member is our child and not collected yet, so the id is its own.
                unsafe { libc::kill(pid, signal) };
            }
        }
    }
}

fn collect(member: libc::pid_t) -> io::Result<Option<End>> {
    loop {
        match wait_for_any(libc::WNOHANG)? {
            (0, _) => return Ok(None),
            (process, end) if process == member => return Ok(Some(end)),
            _ => {}
        }
    }
}

/// Collects one dead child: its process id (0: none is dead yet) and how it ended.
fn wait_for_any(options: libc::c_int) -> io::Result<(libc::pid_t, End)> {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the answer.
    let process = unsafe { libc::waitpid(-1, &raw mut status, options) };
    if process < 0 {
        return Err(io::Error::last_os_error());
    }
    let end = if libc::WIFSIGNALED(status) {
        End::Killed(libc::WTERMSIG(status))
    } else {
        End::Exited(libc::WEXITSTATUS(status))
    };
    Ok((process, end))
}
