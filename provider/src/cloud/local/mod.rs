//! This machine as a cloud.
//!
//! A release is content kept under its hash; a member is a supervised process started from the
//! unpacked image; the front door is a proxy. All of that lives in a *host*: a process of this same
//! program, one for each directory, that is started on demand, outlives whoever started it, and ends
//! when nothing is left for it to do. [`LocalCloud`] is a client that asks it over a socket.
//!
//! The contract with a crash is short: members live exactly as long as their host. A host that dies
//! takes its members with it; the next call starts another, which starts everything again that the
//! records on disk ask for, at the same listeners.
//!
//! What only concerns what is on disk (releases, who uses them) is read without a host; where the
//! directory does not exist, nothing is made just by looking.

mod claimant;
mod client;
mod directory;
mod fleet_record;
pub mod front;
pub mod health;
mod host;
mod image;
mod init;
mod starter;
mod status;
mod store;
mod transition;
mod wire;

pub use client::LocalCloud;
pub use directory::Directory;
pub use host::run as run_host;
pub use init::{Isolation, probe as probe_isolation, run as run_member};
pub use starter::Stopped;
pub use status::Status;

/// A number that nobody can guess or repeat.
fn random_number() -> u64 {
    let mut bytes = [0; 8];
    // It fails only where the kernel is older than the calls that this module cannot do without.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}

/// A short name that is not used twice: six letters and digits.
fn random_name() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let number = random_number();
    (0..6)
        .map(|place| char::from(LETTERS[(number >> (place * 5)) as usize % LETTERS.len()]))
        .collect()
}
