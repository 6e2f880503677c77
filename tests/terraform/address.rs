//! Addresses that a test can listen on.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// An address on loopback where nothing listens. It is below the ports that members get, and below
/// those that the kernel gives to outgoing connections, so that nobody takes it by chance between now
/// and its use.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id()
            .wrapping_mul(37)
            .wrapping_add(NEXT.fetch_add(1, Relaxed));
        let address = SocketAddr::from(([127, 0, 0, 1], 10_000 + (number % 10_000) as u16));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
