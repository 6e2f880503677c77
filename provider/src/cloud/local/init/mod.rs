//! The process that a member runs under.
//!
//! Each member gets an `init` of its own: this same program, started by the host. Where the machine
//! allows, it is process 1 of a namespace, and the kernel ends everything in it when it ends. Where
//! not, it adopts whatever the member leaves behind and ends that itself. It dies with the host,
//! and the member with it.
//!
//! Everything here runs in a process with a single thread, so that forking is safe. Start reading
//! at [`run`].

mod isolation;
mod sandbox;
mod system;

pub use isolation::Isolation;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a member is started from. It goes over a socket: neither the command line nor the
/// environment of an init shows a secret.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Spec {
    /// The host, which must still live when the member starts.
    pub(super) host: u32,
    pub(super) isolation: Isolation,
    /// How many files the program may have open; absent: any number.
    pub(super) open_files: Option<u64>,
    /// The program's absolute path.
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    /// The image's root, where the member starts.
    pub(super) root: PathBuf,
    /// The only directories that the member may write to.
    pub(super) writable: Vec<PathBuf>,
}

/// What an init tells its host, one line each, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// The init's own process id, as the host sees it.
    Process(u32),
    /// The member's program runs.
    Started,
    /// The member's program could not be started.
    Refused(String),
    /// The member ended by itself or by a signal.
    Ended(End),
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    Exited(i32),
    Killed(i32),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited with status {status}"),
            Self::Killed(signal) => write!(f, "was killed by signal {signal}"),
        }
    }
}

/// Is the init of one member, which it learns from its standard input. Ends with the member.
#[must_use]
pub fn run() -> ExitCode {
    match begin() {
        Ok(()) => ExitCode::SUCCESS,
        // The host has hung up or the machine is out of processes; it sees that the line is dead.
        Err(_) => ExitCode::FAILURE,
    }
}

/// Finds out how far members can be set apart on this machine, and prints it for the host.
#[must_use]
pub fn probe() -> ExitCode {
    match serde_json::to_string(&Isolation::best()) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn begin() -> io::Result<()> {
    let mut line = Line::from_standard_input()?;
    let spec: Spec = line.hear()?;
    // Set here for the time until the last process takes over; it does not survive a fork.
    system::die_with_parent(spec.host)?;
    system::allow_open_files(spec.open_files)?;
    match spec.isolation.enter()? {
        isolation::Role::Init(process) => init(line, &spec, process),
        // The one that stays is a child of the host itself, so this one is of no more use.
        isolation::Role::Done => Ok(()),
    }
}

/// Starts the member and waits for its end.
fn init(mut line: Line, spec: &Spec, process: Option<u32>) -> io::Result<()> {
    system::new_session()?;
    system::die_with_any_parent()?;
    line.say(&Report::Process(process.unwrap_or_else(std::process::id)))?;
    // The answer proves that the host lived after the kernel was told to end us with it.
    line.wait_for_go()?;
    spec.isolation.settle()?;
    let signals = system::Signals::block()?;
    let (refusal, refusing) = io::pipe()?;
    let member = match system::fork()? {
        system::Fork::Child => {
            let Err(error) = sandbox::become_member(spec, &signals);
            let mut refusing = refusing;
            let _ = refusing.write_all(error.to_string().as_bytes());
            std::process::exit(127);
        }
        system::Fork::Parent(member) => member,
    };
    drop(refusing);
    line.say(&started(refusal)?)?;
    let end = system::attend(member, &signals)?;
    spec.isolation.end_the_rest()?;
    line.say(&Report::Ended(end))
}

/// The pipe closes by itself when the program takes the place of ours.
fn started(mut refusal: io::PipeReader) -> io::Result<Report> {
    let mut words = String::new();
    refusal.read_to_string(&mut words)?;
    Ok(if words.is_empty() {
        Report::Started
    } else {
        Report::Refused(words)
    })
}

/// The line to the host.
struct Line(BufReader<UnixStream>);

impl Line {
    /// Takes the socket away from standard input, so that no member inherits it.
    fn from_standard_input() -> io::Result<Self> {
        let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
        let null = std::fs::File::open("/dev/null")?;
        rustix::stdio::dup2_stdin(&null)?;
        Ok(Self(BufReader::new(UnixStream::from(socket))))
    }

    fn hear<T: serde::de::DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    fn wait_for_go(&mut self) -> io::Result<()> {
        let mut go = [0];
        self.0.read_exact(&mut go)
    }

    fn say(&mut self, report: &Report) -> io::Result<()> {
        let mut line = serde_json::to_vec(report)?;
        line.push(b'\n');
        self.0.get_mut().write_all(&line)
    }
}
