//! How long a call waits for what a fleet's loop brings about.

use super::fleet::Fleet;
use crate::cloud::{Error, ErrorKind, Result};
use crate::model::GenerationNumber;
use std::time::Duration;

/// How long a removal is waited for beyond the fleet's drain time. A member that ignores being
/// asked is gone well within it.
const REMOVAL: Duration = Duration::from_secs(20);

/// Between two tries to listen where an earlier front is just leaving.
const REOPENING: Duration = Duration::from_millis(10);

/// Waits until a front listens where the one before it has just left.
///
/// # Errors
/// `Unavailable`: it does not yet; it is tried again and again.
pub(super) async fn reopened(fleet: &Fleet) -> Result<()> {
    let opened = async {
        while !fleet.reopen_door() {
            tokio::time::sleep(REOPENING).await;
        }
    };
    let opened = tokio::time::timeout(REMOVAL, opened).await;
    opened.map_err(|_| {
        let words = "its listener is still in use; it is tried again and again";
        late("change its protocol", fleet, words)
    })
}

/// Waits until nothing of a generation is left.
///
/// # Errors
/// Why its record could not be written, or `Unavailable`: it is not gone yet; its removal goes on.
pub(super) async fn removed(fleet: &Fleet, number: GenerationNumber) -> Result<()> {
    let drain = fleet.state().drain();
    let gone = tokio::time::timeout(drain + REMOVAL, fleet.gone(number)).await;
    gone.unwrap_or_else(|_| {
        let words = "its members have not ended yet; the removal goes on";
        Err(late(&format!("destroy generation {number}"), fleet, words))
    })
}

/// Ends every member of a fleet.
///
/// # Errors
/// `Unavailable`: some have not ended yet.
pub(super) async fn ended(fleet: &Fleet) -> Result<()> {
    let drain = fleet.state().drain();
    let ended = tokio::time::timeout(drain + REMOVAL, fleet.end()).await;
    ended.map_err(|_| late("end its members", fleet, "some have not ended yet"))
}

fn late(operation: &str, fleet: &Fleet, words: &str) -> Error {
    let subject = format!("fleet {}", fleet.name);
    Error::new(ErrorKind::Unavailable, operation, subject, words)
}
