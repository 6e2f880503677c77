//! Connections to members, and the pool that keeps the idle ones.
//!
//! A connection has no task of its own: whoever uses it drives it, in the task of the client it
//! works for. So a request never crosses threads, and dropping the request drops everything.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::backend::Backend;
use super::body::Upload;

/// Long enough for a machine that is busy starting members; a member on this machine that has
/// not accepted by then will not.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Below the keep-alive of the servers in use (Node.js closes after 5 s, many later), because a
/// request that meets a member's close on the way is lost or has to be repeated.
const IDLE_LIMIT: Duration = Duration::from_secs(2);

/// Enough to keep a busy front on warm connections; beyond it a closed one costs a connect.
const IDLE_CONNECTIONS: usize = 256;

/// One connection to a member and the machine that moves its bytes.
pub(super) struct Connection {
    sender: SendRequest<Upload>,
    driver: Driver,
    is_reused: bool,
}

type Machine = http1::Connection<TokioIo<TcpStream>, Upload>;

/// The machine that moves the bytes, and whether it has stopped: then it must not be polled again.
///
/// A stopped machine is kept only as long as its socket may be wanted for another protocol. A
/// request that it has not taken yet is given back when it is dropped, and not before.
struct Driver {
    machine: Option<Machine>,
    is_stopped: bool,
}

/// Connects to a member, without Nagle's delay.
pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
    let socket = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = connect(address).await?;
        let handshake = http1::Builder::new()
            .writev(false) // as in `Session::serve`
            .handshake(TokioIo::new(socket))
            .await;
        let (sender, machine) = handshake.map_err(io::Error::other)?;
        Ok(Self {
            sender,
            driver: Driver {
                machine: Some(machine),
                is_stopped: false,
            },
            is_reused: false,
        })
    }

    /// Whether an earlier request went over it: then a failure may only mean that the member
    /// closed it for having been idle.
    pub(super) fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Sends the request and waits for the head of the response.
    ///
    /// # Errors
    ///
    /// The request comes back inside the error when not a byte of it was written.
    pub(super) async fn send(
        &mut self,
        request: Request<Upload>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Upload>>> {
        let mut answer = std::pin::pin!(self.sender.try_send_request(request));
        let driver = &mut self.driver;
        poll_fn(|context| {
            driver.drive(context);
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(answer);
            }
            driver.drop_if_stopped();
            answer.as_mut().poll(context)
        })
        .await
    }

    /// Moves whatever bytes of the response's body can be moved now.
    pub(super) fn drive(&mut self, context: &mut Context<'_>) {
        self.driver.drive(context);
        self.driver.drop_if_stopped();
    }

    /// The bare socket of a connection whose member has switched protocols, and what the member
    /// has already sent in the new one.
    /// `None`: the connection is gone already.
    pub(super) async fn into_switched(mut self) -> Option<(TcpStream, Bytes)> {
        poll_fn(|context| {
            self.driver.drive(context);
            match self.driver.is_stopped {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        let parts = self.driver.machine?.into_parts();
        Some((parts.io.into_inner(), parts.read_buf))
    }

    /// Whether the next request may be sent: the last response is complete and nobody closed.
    fn is_ready(&mut self, context: &mut Context<'_>) -> bool {
        self.drive(context);
        !self.driver.is_stopped && self.sender.is_ready()
    }
}

impl Driver {
    /// An error is not lost here: it reaches the response head or body that waits for it.
    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(machine) = &mut self.machine
            && !self.is_stopped
        {
            self.is_stopped = Pin::new(machine).poll(context).is_ready();
        }
    }

    fn drop_if_stopped(&mut self) {
        if self.is_stopped {
            self.machine = None;
        }
    }
}

/// The idle connections of one member, the most recently used last.
#[derive(Default)]
pub(super) struct Pool(Mutex<VecDeque<Idle>>);

struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

impl Pool {
    /// A connection that is still open as far as this side knows.
    pub(super) async fn take(&self) -> Option<Box<Connection>> {
        poll_fn(|context| Poll::Ready(self.take_open(context))).await
    }

    fn take_open(&self, context: &mut Context<'_>) -> Option<Box<Connection>> {
        loop {
            let Idle {
                mut connection,
                since,
            } = self.idle().pop_back()?;
            if since.elapsed() < IDLE_LIMIT && connection.is_ready(context) {
                return Some(connection);
            }
        }
    }

    pub(super) fn clear(&self) {
        self.idle().clear();
    }

    pub(super) fn close_expired(&self) {
        self.idle().retain(|idle| idle.since.elapsed() < IDLE_LIMIT);
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a connection whose response is complete to its member's pool, if it may be used again.
pub(super) fn put_back(
    backend: &Backend,
    mut connection: Box<Connection>,
    context: &mut Context<'_>,
) {
    if !connection.is_ready(context) {
        return;
    }
    connection.is_reused = true;
    let mut idle = backend.pool.idle();
    // Looked at under the pool's lock: who drains marks first and clears afterwards, so that no
    // connection can slip in behind the clearing.
    if !backend.is_draining() && idle.len() < IDLE_CONNECTIONS {
        idle.push_back(Idle {
            connection,
            since: Instant::now(),
        });
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Pool({} idle)", self.idle().len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;
    use std::time::Duration;

    use http::Request;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::super::body::Source;
    use super::Connection;

    /// The end of an idle connection is noticed at the earliest when it is used again; between the
    /// rounds the point moves at which it comes.
    #[tokio::test]
    async fn a_request_for_a_connection_that_has_ended_is_given_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for turns in 0..20 {
            let opening = Connection::open(listener.local_addr().unwrap());
            let (connection, accepted) = tokio::join!(opening, listener.accept());
            let (mut connection, (mut member, _)) = (connection.unwrap(), accepted.unwrap());
            let request = || Request::new(Source::Empty.upload());
            let answer = member.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
            let (first, _) = tokio::join!(connection.send(request()), answer);
            assert!(first.is_ok_and(|answer| answer.status() == 204));
            assert!(poll_fn(|context| Poll::Ready(connection.is_ready(context))).await);
            member.shutdown().await.unwrap();
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            let again = tokio::time::timeout(Duration::from_secs(20), connection.send(request()));
            assert!(again.await.expect("an answer, whatever it is").is_err());
        }
    }
}
