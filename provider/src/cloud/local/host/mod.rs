//! The host: the process that fleets on this machine live in.
//!
//! Its main thread starts all members' processes and does nothing else; a runtime on other threads
//! answers clients ([`service`]), keeps fleets ([`fleet`]) and carries their traffic. Start reading
//! at [`run`].

mod backoff;
mod door;
mod fleet;
mod fleets;
mod lock;
mod log;
mod machine;
mod member;
mod observation;
mod open_files;
mod output;
mod patience;
mod port;
mod process;
mod releases;
mod report;
mod secret;
mod service;
mod spawner;
mod state;
mod sweep;

pub(super) use lock::Lock;
pub(super) use observation::nothing;
pub(super) use secret::{Reference, variables};
pub(super) use service::already_gone;

use super::directory::Directory;
use super::image::remove_tree;
use super::init::Isolation;
use super::store::Store;
use super::wire::{Conversation, Greeting, PROTOCOL, Reply, Request};
use crate::cloud::{Error, ErrorKind};
use machine::Machine;
use open_files::OpenFiles;
use service::Service;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a host without fleets waits for another request. A client that imports a release is
/// likely to make a fleet of it next.
const GRACE: Duration = Duration::from_millis(300);

/// After a failed accept, most likely for want of file descriptors: time for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Is the host of a directory until it has nothing left to do or is told to end. Returns at once
/// when there is a host already. Members are set apart by `isolation`; absent: the best that the
/// machine allows.
///
/// # Errors
/// The directory or its socket cannot be used, or an earlier host's records cannot be read.
pub fn run(
    directory: &Directory,
    isolation: Option<Isolation>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let Some(lock) = Lock::take(directory)?.map(Arc::new) else {
        return Ok(());
    };
    log::begin();
    std::env::set_current_dir("/")?;
    let (spawner, jobs) = spawner::spawner();
    let machine = Arc::new(Machine::new(
        directory.clone(),
        spawner,
        isolation.map_or_else(spawner::isolation, Ok)?,
        OpenFiles::raise(),
    ));
    sweep_leftovers(&machine)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let end_of_work = machine.spawner.end_of_work();
    let held = Arc::clone(&lock);
    let host = runtime.spawn(async move {
        let _end_of_work = end_of_work;
        serve(machine, &held).await
    });
    jobs.work();
    let served = runtime.block_on(host)?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    leave(directory, &lock)?;
    served
}

/// Ends what an earlier host that was killed could not: it cannot have been quick enough for
/// processes that hide from their parent.
fn sweep_leftovers(machine: &Machine) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let ours = machine.marker("");
    sweep::end_all(|marker| marker.starts_with(&ours))?;
    // Rests cost room; a host that does not start costs every fleet.
    let swept = remove_tree(&machine.directory.members()).and_then(|()| machine.store.sweep());
    if let Err(error) = swept {
        tracing::warn!(%error, "what an earlier host has left could not be removed");
    }
    Ok(())
}

/// Answers clients until there is nothing left to do, and ends what it has started.
async fn serve(
    machine: Arc<Machine>,
    lock: &Lock,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let directory = machine.directory.clone();
    let service = Arc::new(Service::begin(machine)?);
    let listener = listen(&directory)?;
    let accepted = accept(&listener, &service, lock).await;
    drop(listener);
    if lock.is_in_place()? {
        remove_socket(&directory)?;
    }
    service.end().await;
    Ok(accepted?)
}

/// Answers clients. Returns when nothing is left to do, when somebody has removed or replaced the
/// directory, so that no record says any more what shall run, or when the host is told to end.
async fn accept(listener: &UnixListener, service: &Arc<Service>, lock: &Lock) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut clients = JoinSet::new();
    loop {
        let is_idle = clients.is_empty() && service.is_idle();
        if is_idle && service.is_leaving() {
            return Ok(());
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    clients.spawn(converse(stream, Arc::clone(service)));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = clients.join_next() => {}
            () = tokio::time::sleep(GRACE) => if is_idle || !lock.is_in_place()? {
                return Ok(());
            },
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

/// Talks with one client until it hangs up.
async fn converse(stream: UnixStream, service: Arc<Service>) -> io::Result<()> {
    let mut conversation = Conversation::new(stream);
    // The socket's mode keeps others out; this holds even where a file system ignores modes.
    if conversation.peer()?.uid() != rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let greeting = Greeting {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        missing: service.missing(),
        leaving: service.is_leaving(),
    };
    conversation.say(&greeting).await?;
    loop {
        let reply = match conversation.hear::<Request>().await {
            Ok(None) => return Ok(()),
            Ok(Some(request)) => {
                let stop = CancellationToken::new();
                let mut answer = pin!(service.answer(request, &stop));
                tokio::select! {
                    reply = &mut answer => reply,
                    () = conversation.hung_up() => {
                        stop.cancel();
                        answer.await
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => not_understood(error),
            Err(error) => return Err(error),
        };
        conversation.say(&reply).await?;
    }
}

/// A later version of the provider may ask for what this one does not know.
fn not_understood(error: io::Error) -> Reply {
    let words = format!(
        "it is of version {} and does not know what is asked: {error}. To let another version take \
         its fleets over, which interrupts their traffic for a moment, end it with host stop",
        env!("CARGO_PKG_VERSION")
    );
    let subject = "the host of this directory";
    Reply::Failed(Error::new(ErrorKind::Invalid, "understand a request", subject, words).into())
}

fn listen(directory: &Directory) -> io::Result<UnixListener> {
    remove_socket(directory)?;
    let (path, _open) = short_path(directory)?;
    // The umask, 077 from the start, keeps everybody else out from the first moment.
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(
        directory.socket(),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )?;
    Ok(listener)
}

fn remove_socket(directory: &Directory) -> io::Result<()> {
    match fs::remove_file(directory.socket()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns a path to the socket that is short however long the directory's is, and the directory
/// that must stay open meanwhile: a socket's path has at most 107 bytes.
pub(super) fn short_path(directory: &Directory) -> io::Result<(PathBuf, fs::File)> {
    let open = fs::File::open(directory.path())?;
    let socket = directory.socket();
    let name = socket.file_name().map(Path::new).unwrap_or(&socket);
    Ok((
        Path::new(&format!("/proc/self/fd/{}", open.as_raw_fd())).join(name),
        open,
    ))
}

/// Removes what only a living host needs, and the directory when nothing else is in it.
fn leave(
    directory: &Directory,
    lock: &Lock,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    if !lock.is_in_place()? {
        return Ok(());
    }
    let store = Store::new(directory.clone());
    let members = remove_tree(&directory.members());
    if store.fleets()?.is_empty() {
        members?;
        let _ = fs::remove_file(directory.log());
        let parts = [
            directory.fleets(),
            directory.lines(),
            directory.sboms(),
            directory.images(),
        ];
        for part in parts {
            // One that is not empty stays.
            let _ = fs::remove_dir(part);
        }
    }
    lock.release()?;
    let _ = fs::remove_dir(directory.path());
    Ok(())
}
