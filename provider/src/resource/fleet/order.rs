//! How orders are given to the driver.

use crate::cloud::Holder;
use rustix::rand::{GetRandomFlags, getrandom};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Returns another holder each time, in words for the one who finds its lease: two operations of one
/// process exclude each other like those of two.
pub(crate) fn holder() -> Holder {
    let operation = OPERATIONS.fetch_add(1, Ordering::Relaxed);
    Holder(format!("{}, operation {operation}", PROCESS.as_str()))
}

static OPERATIONS: AtomicU32 = AtomicU32::new(1);

/// Containers may share a host's name and have the same small process ids, and who takes another's
/// lease for its own acts beside it: a number by chance tells them apart.
static PROCESS: LazyLock<String> = LazyLock::new(|| {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy().into_owned();
    let mut chance = [0; 4];
    // Where the machine has no chance yet, the name is what it can be.
    let _ = getrandom(&mut chance, GetRandomFlags::empty());
    format!(
        "terraform on {host}, provider process {}-{:08x}",
        std::process::id(),
        u32::from_ne_bytes(chance)
    )
});

#[cfg(test)]
mod tests {
    use super::holder;

    #[test]
    fn no_two_operations_hold_one_lease() {
        assert_ne!(holder(), holder());
    }
}
