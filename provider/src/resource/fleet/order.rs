//! How orders are given to the driver.

use crate::cloud::Holder;
use rustix::rand::{GetRandomFlags, getrandom};
use std::sync::LazyLock;

/// Returns who this process is, in words for the one who finds its lease.
pub(crate) fn holder() -> Holder {
    HOLDER.clone()
}

/// Containers may share a host's name and have the same small process ids, and who takes another's
/// lease for its own acts beside it: a number by chance tells them apart.
static HOLDER: LazyLock<Holder> = LazyLock::new(|| {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy().into_owned();
    let mut chance = [0; 4];
    // Where the machine has no chance yet, the name is what it can be.
    let _ = getrandom(&mut chance, GetRandomFlags::empty());
    Holder(format!(
        "terraform on {host}, provider process {}-{:08x}",
        std::process::id(),
        u32::from_ne_bytes(chance)
    ))
});
