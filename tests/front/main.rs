//! The front door with real members on loopback: routing, retries, draining, streaming, upgrades.

#![allow(clippy::unwrap_used, missing_docs)]

mod client;
mod crash;
mod drain;
mod health;
mod lifecycle;
mod member;
mod messages;
mod routing;
mod stalled;
mod streaming;
mod swap;
mod tcp;
mod upgrade;

use std::time::Duration;

/// Waits for a condition that something else brings about; the limit only ends a test that is
/// broken.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}
