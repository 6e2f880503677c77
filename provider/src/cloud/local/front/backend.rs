//! One member behind the front: its requests in flight, its draining, its idle connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use super::connection::Pool;
use super::gate::Gate;
use super::traffic::Tally;

/// A member as the front sees it. It lives across changes of the routes.
#[derive(Debug)]
pub(super) struct Backend {
    pub(super) member: String,
    pub(super) address: SocketAddr,
    pub(super) generation: u32,
    pub(super) tally: Arc<Tally>,
    pub(super) pool: Pool,
    gate: Gate,
    is_cut: AtomicBool,
    cuts: Arc<Notify>,
}

impl Backend {
    pub(super) fn new(
        member: &str,
        address: SocketAddr,
        generation: u32,
        (tally, cuts): (Arc<Tally>, Arc<Notify>),
    ) -> Self {
        Self {
            member: member.to_owned(),
            address,
            generation,
            tally,
            pool: Pool::default(),
            gate: Gate::default(),
            is_cut: AtomicBool::new(false),
            cuts,
        }
    }

    /// Counts one more request in flight, unless the member is draining.
    pub(super) fn admit(self: &Arc<Self>) -> Option<InFlight> {
        self.gate.enter().then(|| InFlight(Arc::clone(self)))
    }

    pub(super) fn in_flight(&self) -> usize {
        self.gate.inside()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.gate.is_shut()
    }

    /// Shuts or opens the member for new requests. Shutting closes its idle connections, so that
    /// a member that is about to stop holds none of ours.
    pub(super) fn set_draining(&self, draining: bool) {
        self.gate.set_shut(draining);
        if draining {
            self.pool.clear();
        }
    }

    /// Whether whatever is still in flight has been given up.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst)
    }

    /// Waits until whatever is still in flight is given up.
    pub(super) async fn until_cut(&self) {
        until_cut(&self.cuts, || self.is_cut()).await;
    }

    fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        self.cuts.notify_waiters();
    }
}

/// Waits until something holds that only a cut brings about.
pub(super) async fn until_cut(cuts: &Notify, is_cut: impl Fn() -> bool) {
    loop {
        let mut told = std::pin::pin!(cuts.notified());
        // Listening starts before the look, or a cut between the two could be missed.
        told.as_mut().enable();
        if is_cut() {
            return;
        }
        told.await;
    }
}

/// One request, upgraded connection or TCP connection that counts as in flight until dropped.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Backend>);

impl InFlight {
    pub(super) fn backend(&self) -> &Arc<Backend> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.gate.leave();
    }
}

/// The way of a member to having nothing in flight.
#[derive(Debug, Clone)]
pub struct Drain(pub(super) Vec<Arc<Backend>>);

impl Drain {
    /// Requests (in TCP mode: connections) that the member still has to finish.
    pub fn in_flight(&self) -> usize {
        self.0.iter().map(|backend| backend.in_flight()).sum()
    }

    /// Waits until nothing is in flight. It has no deadline of its own: the caller's drain time
    /// is the limit.
    pub async fn finished(&self) {
        for backend in &self.0 {
            backend.gate.empty().await;
        }
    }

    /// This one and another one together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self([self.0, other.0].concat())
    }

    /// Cuts whatever is still in flight: the member has had its time, or has gone.
    pub fn cut(&self) {
        self.0.iter().for_each(|backend| backend.cut());
    }
}
