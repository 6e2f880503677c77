//! Finds and ends processes that a member or an earlier host has left behind.

use super::spawner::MARKER;
use rustix::process::{Pid, PidfdFlags, Signal};
use std::fs;
use std::io;
use std::time::Duration;

/// How often the search is repeated: a process that is ended may have just made another one.
const ROUNDS: u32 = 50;

/// Ends every process whose marker is `wanted`, and returns when none is left.
pub(super) fn end_all(wanted: impl Fn(&str) -> bool) -> io::Result<()> {
    for _ in 0..ROUNDS {
        let found = marked(&wanted)?;
        if found.is_empty() {
            return Ok(());
        }
        found.into_iter().for_each(|process| end(process, &wanted));
    }
    Err(io::Error::other("processes of a member keep coming back"))
}

fn marked(wanted: &impl Fn(&str) -> bool) -> io::Result<Vec<Pid>> {
    let ids =
        fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let processes = ids.filter_map(Pid::from_raw);
    Ok(processes
        .filter(|process| has_marker(*process, wanted))
        .collect())
}

fn has_marker(process: Pid, wanted: &impl Fn(&str) -> bool) -> bool {
    // Another user's process, or one that has just ended, cannot be read and is not ours.
    let environment =
        fs::read(format!("/proc/{}/environ", process.as_raw_nonzero())).unwrap_or_default();
    let marker = environment.split(|byte| *byte == 0).find_map(|variable| {
        let text = std::str::from_utf8(variable).ok()?;
        text.strip_prefix(MARKER)?.strip_prefix('=')
    });
    marker.is_some_and(wanted)
}

fn end(process: Pid, wanted: &impl Fn(&str) -> bool) {
    let Ok(descriptor) = rustix::process::pidfd_open(process, PidfdFlags::empty()) else {
        return;
    };
    // The id may have gone to another process since it was found; the descriptor cannot.
    if !has_marker(process, wanted) {
        return;
    }
    let _ = rustix::process::pidfd_send_signal(&descriptor, Signal::KILL);
    let ended = &mut [rustix::event::PollFd::new(
        &descriptor,
        rustix::event::PollFlags::IN,
    )];
    let patience = rustix::event::Timespec::try_from(Duration::from_secs(1)).ok();
    let _ = rustix::event::poll(ended, patience.as_ref());
}
