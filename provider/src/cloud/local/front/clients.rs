//! How many clients there may be at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places for clients that the fronts of a process share, because they share what it may open.
///
/// Whoever finds no place waits in the kernel's queue until another client leaves: that is better
/// than to be accepted and then find no descriptor left for the way to a member.
#[derive(Debug, Clone)]
pub struct Clients(Arc<Semaphore>);

/// One client's place, for as long as it is kept.
pub(super) struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Clients {
    /// So many places.
    #[must_use]
    pub fn at_most(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))))
    }

    /// Waits for a place.
    pub(super) async fn place(&self) -> Place {
        // Nobody closes the semaphore; without it there would be no limit.
        Place {
            _permit: Arc::clone(&self.0).acquire_owned().await.ok(),
        }
    }
}
