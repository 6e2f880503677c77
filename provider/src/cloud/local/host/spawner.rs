//! Starts processes from the one thread that lives as long as the host.
//!
//! The kernel ends a member's init when the *thread* that started it ends. A worker of the runtime
//! may end at any time; the main thread does not.

use super::super::init::Isolation;
use std::io::{self, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use tokio::sync::oneshot;

/// The variable by which a member's processes are found, whatever has become of their parents.
pub(super) const MARKER: &str = "IMMUTABLE_MEMBER";

/// Our own program, even when its file has been replaced or removed since.
const OURSELVES: &str = "/proc/self/exe";

/// Hands work to the main thread.
#[derive(Debug, Clone)]
pub(super) struct Spawner(mpsc::Sender<Job>);

/// The main thread's end.
pub(super) struct Jobs(mpsc::Receiver<Job>);

/// Something to do for the main thread.
#[derive(Debug)]
enum Job {
    /// An init to be started.
    Start {
        birth: Birth,
        answer: oneshot::Sender<io::Result<Child>>,
    },
    /// The host ends.
    End,
}

/// Ends the main thread's work when it is dropped, however that comes about.
pub(super) struct EndOfWork(Spawner);

impl Drop for EndOfWork {
    fn drop(&mut self) {
        // Work that has ended already need not be ended.
        let _ = self.0.0.send(Job::End);
    }
}

/// What an init is born with.
#[derive(Debug)]
pub(super) struct Birth {
    /// Who it is: directory and member, for finding it again.
    pub(super) marker: String,
    /// The member's id, for people who list processes.
    pub(super) member: String,
    /// The line to the host.
    pub(super) line: UnixStream,
    /// Where the member's output goes.
    pub(super) output: PipeWriter,
}

/// Makes the two ends.
pub(super) fn spawner() -> (Spawner, Jobs) {
    let (sender, receiver) = mpsc::channel();
    (Spawner(sender), Jobs(receiver))
}

impl Spawner {
    /// Returns what ends the work when it is dropped.
    pub(super) fn end_of_work(&self) -> EndOfWork {
        EndOfWork(self.clone())
    }

    /// Starts an init.
    pub(super) async fn spawn(&self, birth: Birth) -> io::Result<Child> {
        let (answer, answered) = oneshot::channel();
        let ending = || io::Error::other("the host is ending");
        self.0
            .send(Job::Start { birth, answer })
            .map_err(|_| ending())?;
        answered.await.map_err(|_| ending())?
    }
}

impl Jobs {
    /// Works until the host ends.
    pub(super) fn work(self) {
        while let Ok(Job::Start { birth, answer }) = self.0.recv() {
            // Nobody waits any more when the host is ending; then the init sees its line closed.
            let _ = answer.send(start(birth));
        }
    }
}

fn start(birth: Birth) -> io::Result<Child> {
    let Birth {
        marker,
        member,
        line,
        output,
    } = birth;
    let mut command = Command::new(OURSELVES);
    command
        .arg0("terraform-provider-immutable")
        .args(["host", "member", &member]);
    command.env_clear().env(MARKER, marker);
    command
        .stdin(OwnedFd::from(line))
        .stdout(output.try_clone()?)
        .stderr(output);
    command.spawn()
}

/// Asks a process of our own how far members can be set apart here.
pub(super) fn isolation() -> io::Result<Isolation> {
    let mut command = Command::new(OURSELVES);
    command
        .args(["host", "probe"])
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    Ok(serde_json::from_slice(&command.output()?.stdout)?)
}
