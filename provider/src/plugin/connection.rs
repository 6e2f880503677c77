//! Accepts Terraform's connections, and counts them.
//!
//! A loop of our own, because tonic's TLS can only verify chains of authorities. Whatever a
//! stranger sends, the loop goes on: a failed handshake ends that connection alone.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// Terraform's own handshake takes a few milliseconds, and it gives up after two seconds.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// The system is out of file descriptors or the like; asking again at once would only burn time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many connections there are and were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Connections {
    /// Open now.
    pub(super) open: usize,
    /// Opened since the start: tells of one that was gone again before anyone looked.
    pub(super) ever: usize,
}

/// An open connection from someone who proved to be Terraform.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    _presence: Presence,
}

#[derive(Debug)]
enum Stream {
    Tls(Box<TlsStream<UnixStream>>),
    /// The user turned TLS off, or debugs.
    Plain(UnixStream),
}

/// Accepts until the receiving side is gone. Each connection counts in `open` while it lives.
pub(super) async fn accept(
    listener: UnixListener,
    tls: Option<TlsAcceptor>,
    open: Arc<watch::Sender<Connections>>,
    accepted: mpsc::Sender<io::Result<Connection>>,
) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = accepted.closed() => return,
        };
        match stream {
            Ok((stream, _)) => {
                let (tls, open, accepted) = (tls.clone(), Arc::clone(&open), accepted.clone());
                tokio::spawn(async move {
                    match secured(stream, tls).await {
                        Ok(stream) => {
                            let connection = Connection {
                                stream,
                                _presence: Presence::counted_in(open),
                            };
                            // Nobody receives any more: the process is about to end.
                            let _ = accepted.send(Ok(connection)).await;
                        }
                        Err(error) => tracing::error!(%error, "refused a connection"),
                    }
                });
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn secured(stream: UnixStream, tls: Option<TlsAcceptor>) -> io::Result<Stream> {
    let Some(tls) = tls else {
        return Ok(Stream::Plain(stream));
    };
    let stream = timeout(HANDSHAKE_DEADLINE, tls.accept(stream)).await??;
    Ok(Stream::Tls(Box::new(stream)))
}

/// Counts for as long as it lives.
#[derive(Debug)]
struct Presence(Arc<watch::Sender<Connections>>);

impl Presence {
    fn counted_in(open: Arc<watch::Sender<Connections>>) -> Self {
        open.send_modify(|count| {
            count.open += 1;
            count.ever += 1;
        });
        Self(open)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.send_modify(|count| count.open -= 1);
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buffer),
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buffer),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
