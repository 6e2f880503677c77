//! One client's connection in HTTP mode, from its first byte to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::backend::{Backend, until_cut};
use super::clients::Place;
use super::headers::Ends;
use super::http::answer;
use super::motion::{Motion, Observed, looks};
use super::table::Routes;
use super::tunnel::Tunnel;

/// A head must fit; members of most stacks accept far less.
const HEAD_BYTES: usize = 64 * 1024;

/// How many quiet looks close a connection without a request: after 75 to 90 s. It bounds what a
/// client costs that sends nothing, or its head a byte at a time.
const IDLE_LOOKS: u32 = 5;

/// How many quiet looks a client gets that is to send more of its request or to take more of its
/// answer: 5 minutes without one byte, which is longer than a player of films or a person pauses. A
/// request that its member has not answered yet is waited for as long as the client wants to.
const STALLED_LOOKS: u32 = 20;

/// What the requests of one client's connection share.
#[derive(Debug)]
pub(super) struct Session {
    routes: Arc<Routes>,
    ends: Ends,
    begun: AtomicUsize,
    under_way: AtomicUsize,
    motion: Arc<Motion>,
    /// The member that has the request under way.
    member: Mutex<Option<Arc<Backend>>>,
    tunnel: Mutex<Option<Tunnel>>,
}

/// What a look at a connection sees. Two looks alike: nothing has happened.
#[derive(PartialEq, Eq)]
struct Sight {
    begun: usize,
    moved: usize,
    is_under_way: bool,
    is_behind: bool,
}

impl Sight {
    /// How many looks alike end the connection.
    fn patience(&self) -> u32 {
        match (self.is_under_way, self.is_behind) {
            (false, _) => IDLE_LOOKS,
            (true, true) => STALLED_LOOKS,
            (true, false) => u32::MAX,
        }
    }
}

/// Marks its session as having a request under way, until the response is through.
pub(super) struct Busy(Arc<Session>);

impl Busy {
    pub(super) fn new(session: Arc<Session>) -> Self {
        *session.member() = None;
        session.begun.fetch_add(1, Ordering::Relaxed);
        session.under_way.fetch_add(1, Ordering::Relaxed);
        Self(session)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Session {
    pub(super) fn new(routes: Arc<Routes>, client: SocketAddr, listener: SocketAddr) -> Self {
        Self {
            routes,
            ends: Ends::new(client.ip(), listener),
            begun: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            motion: Arc::default(),
            member: Mutex::new(None),
            tunnel: Mutex::new(None),
        }
    }

    pub(super) fn routes(&self) -> &Routes {
        &self.routes
    }

    pub(super) fn ends(&self) -> &Ends {
        &self.ends
    }

    pub(super) fn motion(&self) -> &Arc<Motion> {
        &self.motion
    }

    /// Notes which member has the request now. Returns whether it may have it: a member that was
    /// cut after it had let the request in is gone.
    pub(super) fn begin_at(&self, member: &Arc<Backend>) -> bool {
        *self.member() = Some(Arc::clone(member));
        !member.is_cut()
    }

    fn member(&self) -> MutexGuard<'_, Option<Arc<Backend>>> {
        self.member.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the member that has the request under way was cut.
    fn is_cut(&self) -> bool {
        self.is_under_way() && self.member().as_ref().is_some_and(|member| member.is_cut())
    }

    fn is_under_way(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }

    /// Leaves a tunnel to be run once the client's connection has switched protocols.
    pub(super) fn open_tunnel(&self, tunnel: Tunnel) {
        *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
    }

    fn take_tunnel(&self) -> Option<Tunnel> {
        self.tunnel
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Serves the client until it leaves, is idle for too long, its member is cut, or the front
    /// closes; in the last case the request under way is still answered.
    pub(super) async fn serve(
        self: Arc<Self>,
        socket: TcpStream,
        closing: CancellationToken,
        _place: Place,
    ) {
        let socket = Observed::new(socket, &self.motion);
        let service = service_fn(|request| {
            let session = Arc::clone(&self);
            async move { Ok::<_, Infallible>(answer(session, request).await) }
        });
        let connection = http1::Builder::new()
            .max_buf_size(HEAD_BYTES)
            .max_header_size(HEAD_BYTES)
            // Heads and bodies are copied together: for the small messages that are most of the
            // traffic one plain write was measured to be faster than gathering the parts.
            .writev(false)
            .serve_connection(TokioIo::new(socket), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let served = async {
            tokio::select! {
                biased;
                // How a client's connection ends is the client's affair; what went wrong with a
                // request has been counted there.
                _ = connection.as_mut() => {}
                () = closing.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        };
        tokio::select! {
            biased;
            () = served => {}
            () = self.idle() => {}
            () = until_cut(self.routes.cuts(), || self.is_cut()) => {}
        }
        if let Some(tunnel) = self.take_tunnel() {
            tunnel.run().await;
        }
    }

    /// Completes when the client had its turn for some looks in a row and did nothing.
    async fn idle(&self) {
        let mut looks = looks();
        let mut earlier = self.sight();
        let mut quiet = 0;
        while quiet < earlier.patience() {
            looks.tick().await;
            let now = self.sight();
            quiet = if now == earlier { quiet + 1 } else { 0 };
            earlier = now;
        }
    }

    fn sight(&self) -> Sight {
        let is_under_way = self.is_under_way();
        Sight {
            begun: self.begun.load(Ordering::Relaxed),
            // Bytes that come in between two requests are no request yet.
            moved: match is_under_way {
                true => self.motion.moved(),
                false => self.motion.written(),
            },
            is_under_way,
            is_behind: self.motion.is_behind(),
        }
    }
}
