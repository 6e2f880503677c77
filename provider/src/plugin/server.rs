//! The life of one provider process, from its first to its last step.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::{env, process};

use immutable_proto::tfplugin6::provider_server::Provider;
use tokio::net::UnixListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::connection::{Connection, Connections, accept};
use super::dispatch::Dispatch;
use super::environment::Environment;
use super::error::Error;
use super::lifetime::{Ending, until_ended, wind_down};
use super::socket::Socket;
use super::tls::Identity;
use super::work::Work;
use super::{crash, handshake, log, reattach};

/// Terraform opens one connection; a second may come while the first is in its handshake.
const WAITING_CONNECTIONS: usize = 4;

/// Who started the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Terraform, which says so in the environment.
    Plugin,
    /// A person who wants Terraform to use this process, in a debugger for example: no cookie, no
    /// TLS, and it stays until Ctrl-C.
    Debug {
        /// The provider's source address, such as `registry.terraform.io/acme/rocket`.
        address: String,
    },
}

/// Serves the provider that `provider` makes, until Terraform says that it is done or is gone.
///
/// `provider` is called after the handshake, inside the runtime, so that nothing it does delays
/// Terraform. Its RPCs do their work in the [`Work`] that it is given.
///
/// # Errors
/// [`Error::NotATerraform`] if a person started the process: tell them what it is. Any other means
/// that Terraform could not be served; print it and exit with 1.
pub fn serve<P: Provider>(mode: Mode, provider: impl FnOnce(Work) -> P) -> Result<(), Error> {
    let (socket, tls) = open(&mode)?;
    let runtime = runtime()?;
    let served = runtime.block_on(run(mode, socket, tls, provider));
    // Not an ordinary drop, which would wait for blocking calls that nobody waits for any more.
    runtime.shutdown_background();
    served
}

/// Listens, and tells whoever started the process where.
fn open(mode: &Mode) -> Result<(Socket, Option<TlsAcceptor>), Error> {
    match mode {
        Mode::Plugin => {
            // Not `env::var`: a certificate that is no text must not pass for an absent one.
            let text =
                |name: &str| env::var_os(name).map(|text| text.to_string_lossy().into_owned());
            let environment = Environment::read(text)?;
            log::start();
            crash::report_panics();
            let identity = environment
                .client_certificate
                .as_deref()
                .map(Identity::pinned_to)
                .transpose()?;
            let socket = Socket::open(environment.socket_directory)?;
            let certificate = identity
                .as_ref()
                .map(|identity| identity.certificate.as_ref());
            handshake::announce(&handshake::line(socket.path(), certificate)).map_err(
                |source| Error::System {
                    what: "write the handshake",
                    source,
                },
            )?;
            Ok((
                socket,
                identity.map(|identity| TlsAcceptor::from(identity.config)),
            ))
        }
        Mode::Debug { address } => {
            log::start();
            let socket = Socket::open(None)?;
            let value = reattach::value(address, process::id(), socket.path());
            io::stdout()
                .write_all(reattach::instructions(&value).as_bytes())
                .map_err(|source| Error::System {
                    what: "print the instructions",
                    source,
                })?;
            Ok((socket, None))
        }
    }
}

/// Calls come a few at a time and wait for clouds, not for processors; but one that computes must
/// not keep Shutdown from being answered.
fn runtime() -> Result<Runtime, Error> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| Error::System {
            what: "start the runtime",
            source,
        })
}

async fn run<P: Provider>(
    mode: Mode,
    socket: Socket,
    tls: Option<TlsAcceptor>,
    provider: impl FnOnce(Work) -> P,
) -> Result<(), Error> {
    let (listener, place) = socket.into_parts();
    let listener = listen(listener).map_err(|source| Error::System {
        what: "listen on the socket",
        source,
    })?;
    let (open, connections) = watch::channel(Connections::default());
    let (accepted, incoming) = mpsc::channel::<io::Result<Connection>>(WAITING_CONNECTIONS);
    tokio::spawn(accept(listener, tls, Arc::new(open), accepted));

    let work = Work::default();
    let shutdown = CancellationToken::new();
    let dispatch = Dispatch::new(provider(work.clone()), shutdown.clone());
    let server = Server::builder().serve_with_incoming(dispatch, ReceiverStream::new(incoming));
    let mut server = tokio::spawn(server);

    let ending = async {
        match mode {
            Mode::Plugin => until_ended(&shutdown, connections.clone()).await,
            Mode::Debug { .. } => until_interrupted(&work, connections.clone()).await,
        }
    };
    tokio::select! {
        ending = ending => {
            drop(place);
            wind_down(ending, &work, connections).await;
            Ok(())
        }
        ended = &mut server => Ok(ended.expect("the server neither panics nor is aborted")?),
    }
}

fn listen(listener: std::os::unix::net::UnixListener) -> io::Result<UnixListener> {
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Completes at Ctrl-C. Between two runs of Terraform, forgets that the first one was stopped.
async fn until_interrupted(work: &Work, mut connections: watch::Receiver<Connections>) -> Ending {
    let renewed = async {
        while connections.changed().await.is_ok() {
            if connections.borrow_and_update().open == 0 {
                work.resume();
            }
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Ending::Interrupted,
        () = renewed => Ending::Interrupted,
    }
}
