//! The listening socket and the clients that come in through it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Protocol;
use super::clients::{Clients, Place};
use super::occupant::{Occupant, occupant};
use super::session::Session;
use super::table::Routes;
use super::tcp;

/// Clients that may wait to be accepted; the kernel's own limit caps it.
const BACKLOG: u32 = 1024;

/// After a failed accept, most likely for want of file descriptors: time for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A client that says nothing for so long is asked by the kernel whether it is still there, and so
/// often at this pace until it counts as gone. Its program notices nothing of that, however long it
/// is silent; one whose machine or network has vanished would otherwise be kept for ever.
const PROBED_AFTER: Duration = Duration::from_secs(60);
const PROBE_PAUSE: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;

/// The front's address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("the front door cannot listen on {listener}{}", note(.occupant))]
pub struct BindError {
    listener: SocketAddr,
    occupant: Option<Occupant>,
    source: io::Error,
}

impl BindError {
    pub(super) fn new(listener: SocketAddr, source: io::Error) -> Self {
        let in_use = source.kind() == io::ErrorKind::AddrInUse;
        Self {
            listener,
            occupant: in_use.then(|| occupant(listener)).flatten(),
            source,
        }
    }

    /// What the operating system said.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

fn note(occupant: &Option<Occupant>) -> String {
    occupant
        .as_ref()
        .map(|occupant| format!(", because {occupant} already does"))
        .unwrap_or_default()
}

/// Listens. The address of a front that has just ended can be taken again at once.
pub(super) fn listen(listener: SocketAddr) -> Result<TcpListener, BindError> {
    let socket = if listener.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    };
    let listening = socket.and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(listener)?;
        socket.listen(BACKLOG)
    });
    listening.map_err(|source| BindError::new(listener, source))
}

/// Accepts clients and owns the tasks that serve them.
pub(super) struct Acceptor {
    pub(super) socket: TcpListener,
    pub(super) protocol: Protocol,
    pub(super) address: SocketAddr,
    pub(super) routes: Arc<Routes>,
    pub(super) closing: CancellationToken,
    pub(super) places: Clients,
}

/// A client that was let in.
struct Client {
    socket: TcpStream,
    address: SocketAddr,
    place: Place,
}

impl Acceptor {
    /// Accepts until the front closes, then waits for the clients that are left. Dropping it cuts
    /// them all.
    pub(super) async fn run(self) {
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                () = self.closing.cancelled() => break,
                accepted = self.accept() => match accepted {
                    Ok(client) => self.serve(&mut clients, client),
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                Some(_) = clients.join_next() => {}
            }
        }
        drop(self.socket);
        while clients.join_next().await.is_some() {}
    }

    async fn accept(&self) -> io::Result<Client> {
        let place = self.places.place().await;
        let (socket, address) = self.socket.accept().await?;
        Ok(Client {
            socket,
            address,
            place,
        })
    }

    fn serve(&self, clients: &mut JoinSet<()>, client: Client) {
        let Client {
            socket,
            address,
            place,
        } = client;
        // A client that is gone already fails here; its task would find nothing to do.
        if set_up(&socket).is_err() {
            return;
        }
        let routes = Arc::clone(&self.routes);
        match self.protocol {
            Protocol::Http => {
                let session = Arc::new(Session::new(routes, address, self.address));
                clients.spawn(session.serve(socket, self.closing.clone(), place));
            }
            Protocol::Tcp => {
                clients.spawn(async move {
                    let _place = place;
                    tcp::serve(socket, &routes).await;
                });
            }
        }
    }
}

fn set_up(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, PROBED_AFTER)?;
    sockopt::set_tcp_keepintvl(socket, PROBE_PAUSE)?;
    sockopt::set_tcp_keepcnt(socket, PROBES)?;
    Ok(())
}
