//! A front on its way out.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::backend::Drain;
use super::table::Routes;
use super::traffic::Traffic;

/// A front that listens no more and lets its connections end.
#[derive(Debug)]
pub struct Closing {
    routes: Arc<Routes>,
    end: JoinHandle<()>,
}

impl Closing {
    pub(super) fn new(routes: Arc<Routes>, end: JoinHandle<()>) -> Self {
        Self { routes, end }
    }

    /// Whether nothing of it is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end.is_finished()
    }

    /// What has passed through so far, as [`Front::traffic`](super::Front::traffic) tells it.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.routes.traffic()
    }

    /// Tells when a member's requests are done, as [`Front::drain`](super::Front::drain) does.
    #[must_use]
    pub fn drain(&self, member: &str) -> Drain {
        self.routes.drain(member)
    }
}
