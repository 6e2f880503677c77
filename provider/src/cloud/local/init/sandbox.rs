//! The last steps of a process before it is the member.

use super::{Spec, system};
use landlock::{
    ABI, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError,
};
use std::convert::Infallible;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Devices that programs write to as a matter of course.
const DEVICES: [&str; 5] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/shm",
    "/dev/tty",
];

/// Becomes the member. It returns only with the reason why that failed.
pub(super) fn become_member(spec: &Spec, signals: &system::Signals) -> io::Result<Infallible> {
    system::die_with_any_parent()?;
    // Whatever the image holds, it gives nobody more rights than the user has.
    rustix::thread::set_no_new_privs(true)?;
    restrict_writing(&spec.writable).map_err(io::Error::other)?;
    signals.unblock()?;
    let mut command = Command::new(&spec.program);
    command
        .args(&spec.arguments)
        .env_clear()
        .envs(&spec.environment)
        .current_dir(&spec.root);
    let error = command.exec();
    Err(io::Error::new(
        error.kind(),
        format!("{}: {error}", spec.program.display()),
    ))
}

/// Leaves only the member's own directories writable, where the kernel has Landlock. Without it the
/// image's permissions still stand, and a change to it is found as drift.
fn restrict_writing(writable: &[PathBuf]) -> Result<(), RulesetError> {
    let writing = AccessFs::from_write(ABI::V3);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(writing)?
        .create()?;
    for path in writable {
        rules = allow(rules, path, writing)?;
    }
    for device in DEVICES.map(Path::new) {
        let access = if device.is_dir() {
            writing
        } else {
            AccessFs::WriteFile.into()
        };
        rules = allow(rules, device, access)?;
    }
    rules.restrict_self().map(drop)
}

/// What is not there cannot be written to anyway.
fn allow(
    rules: landlock::RulesetCreated,
    path: &Path,
    access: landlock::BitFlags<AccessFs>,
) -> Result<landlock::RulesetCreated, RulesetError> {
    match PathFd::new(path) {
        Ok(directory) => rules.add_rule(PathBeneath::new(directory, access)),
        Err(_) => Ok(rules),
    }
}
