//! The front door: one listener that shares traffic among the generations behind it.
//!
//! It is a library inside the host process and knows nothing of releases, processes or rollouts:
//! the host says which members exist, which are healthy and what share each generation gets
//! ([`Front::route`]), and asks when a member has nothing left to answer ([`Front::drain`]).
//!
//! What a client may count on: a planned change never fails a request, because a member that
//! leaves is drained first. A member that crashes is invisible to requests that may be repeated
//! (they go to another member) and costs the others that were in flight a 502.
//!
//! Start reading at [`Front`]; `table` chooses a member, `http` and `tcp` carry the traffic.

mod backend;
mod body;
mod clients;
mod closing;
mod connection;
mod gate;
mod headers;
mod http;
mod listener;
mod motion;
mod occupant;
mod schedule;
mod session;
mod table;
mod tcp;
mod traffic;
mod tunnel;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use backend::Drain;
pub use clients::Clients;
pub use closing::Closing;
pub use listener::BindError;
pub use table::{Route, Target};
pub use traffic::{GenerationTraffic, Traffic};

use table::Routes;

/// How the traffic of a front door is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 and 1.0: a member is chosen for every request.
    Http,
    /// Bytes: a member is chosen for every connection.
    Tcp,
}

/// A listener and the members behind it.
///
/// Dropping it ends the listener and cuts every connection; [`Front::close`] lets what is in
/// flight finish first.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    routes: Arc<Routes>,
    closing: CancellationToken,
    acceptor: Option<JoinHandle<()>>,
    sweeper: JoinHandle<()>,
}

/// How often idle connections to members are looked through. Together with the idle limit of
/// the pool it bounds how long a socket that nobody uses stays open.
const SWEEP: Duration = Duration::from_secs(1);

impl Front {
    /// Listens on `listener`; port 0 takes a free one. Whoever comes in needs one of `places`.
    /// Must be called inside a Tokio runtime.
    ///
    /// Until the first [`Front::route`] every request is answered with 503.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on; the error names it and, where the machine tells, the
    /// process that already does.
    pub fn bind(
        listener: SocketAddr,
        protocol: Protocol,
        places: &Clients,
    ) -> Result<Self, BindError> {
        let socket = listener::listen(listener)?;
        let address = socket
            .local_addr()
            .map_err(|source| BindError::new(listener, source))?;
        let routes = Arc::new(Routes::default());
        let closing = CancellationToken::new();
        let acceptor = listener::Acceptor {
            socket,
            protocol,
            address,
            routes: Arc::clone(&routes),
            closing: closing.clone(),
            places: places.clone(),
        };
        Ok(Self {
            address,
            sweeper: tokio::spawn(sweep(Arc::clone(&routes))),
            routes,
            closing,
            acceptor: Some(tokio::spawn(acceptor.run())),
        })
    }

    /// The address that is listened on, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces all routes at once: a request sees the earlier ones or these, never a mixture.
    ///
    /// Members are told apart by id and address. One that was there before keeps its connections
    /// and its count of requests in flight. One that is left out gets no new request and is
    /// drained; its requests in flight go on.
    pub fn route(&self, routes: &[Route]) {
        self.routes.replace(routes);
    }

    /// Stops new requests to `member` and tells when the earlier ones are done.
    ///
    /// A member that the front does not know has nothing in flight. A later [`Front::route`] that
    /// lists the member as not draining takes this back.
    pub fn drain(&self, member: &str) -> Drain {
        self.routes.drain(member)
    }

    /// What has passed through so far, by generation.
    pub fn traffic(&self) -> Traffic {
        self.routes.traffic()
    }

    /// Begins to [close](Front::close), and returns what tells about it meanwhile.
    pub fn begin_closing(self, grace: Duration) -> Closing {
        let routes = Arc::clone(&self.routes);
        Closing::new(routes, tokio::spawn(self.close(grace)))
    }

    /// Stops listening, lets connections in flight finish for at most `grace`, then cuts them.
    ///
    /// When it returns, no socket and no task of this front is left.
    pub async fn close(mut self, grace: Duration) {
        self.closing.cancel();
        if let Some(mut acceptor) = self.acceptor.take()
            && tokio::time::timeout(grace, &mut acceptor).await.is_err()
        {
            acceptor.abort();
            // The only outcome after an abort is "cancelled", which is what was asked for.
            let _ = acceptor.await;
        }
        self.routes.replace(&[]);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.sweeper.abort();
        if let Some(acceptor) = &self.acceptor {
            acceptor.abort();
        }
    }
}

async fn sweep(routes: Arc<Routes>) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        routes.close_idle_connections();
    }
}
