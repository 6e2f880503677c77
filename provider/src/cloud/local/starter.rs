//! Reaches the host of a directory, and starts it where none lives.

use super::directory::Directory;
use super::host::{Lock, short_path};
use super::wire::{Conversation, Greeting, PROTOCOL};
use rustix::process::{Pid, Signal};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::net::UnixStream;

/// How long a host may take until it answers. It starts within some 20 ms; the rest is for a machine
/// under load and for images that are checked first.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a host that ends at once is started: what keeps it from its work seldom passes by itself.
const STARTS: u32 = 5;

/// The pause after the first failed start; each further one is so much longer. A program
/// that is just being replaced cannot be started for a moment.
const RESTARTING: Duration = Duration::from_millis(100);

/// The size beyond which a host's log begins anew. It holds what a dying host has to say.
const LOG: u64 = 1 << 20;

/// How long a host may take to end: its members may have requests in flight, for as long as their
/// fleets' drain time says.
const ENDING: Duration = Duration::from_secs(600);

/// Between two looks for a host that starts or ends.
const PAUSE: Duration = Duration::from_millis(5);

/// Between two questions to a leaving host whether it still wants to.
const ASKING: Duration = Duration::from_millis(100);

/// What became of a host that was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It has ended, and every member with it.
    Stopped,
    /// There was none.
    NotRunning,
}

/// Opens a conversation with the host, which is started where none lives.
/// `program` is what to start; absent: our own.
pub(super) async fn reach(
    directory: &Directory,
    program: Option<&Path>,
) -> io::Result<(Conversation, Greeting)> {
    let deadline = Instant::now() + PATIENCE;
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    let mut failed_starts = 0;
    while Instant::now() < deadline && failed_starts < STARTS {
        match greet(directory).await {
            Ok(Some(reached)) => return Ok(reached),
            Ok(None) => {}
            Err(error) => return Err(error),
        }
        if !directory.path().try_exists()? {
            directory.create()?;
        }
        if !Lock::is_held(directory)?
            && let Err(error) = start(directory, program).await
        {
            (last, failed_starts) = (error, failed_starts + 1);
            tokio::time::sleep(RESTARTING * failed_starts).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(no_answer(directory, &last))
}

/// Opens a conversation with the host that lives; absent: there is none, or it is just ending.
pub(super) async fn greet(directory: &Directory) -> io::Result<Option<(Conversation, Greeting)>> {
    let Some(stream) = connect(directory).await? else {
        return Ok(None);
    };
    let mut conversation = Conversation::new(stream);
    let heard = tokio::time::timeout(PATIENCE, conversation.hear()).await;
    let heard = heard.unwrap_or_else(|_| {
        let words = format!(
            "the host of {} has accepted and says nothing; it may have been stopped by hand",
            directory.path().display()
        );
        Err(io::Error::new(io::ErrorKind::TimedOut, words))
    });
    let greeting: Greeting = match heard {
        Ok(Some(greeting)) => greeting,
        Ok(None) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
        Err(error) => return Err(error),
    };
    if greeting.protocol == PROTOCOL {
        return Ok(Some((conversation, greeting)));
    }
    Err(io::Error::other(format!(
        "the host of {directory} is of version {theirs} and speaks protocol {number}, this provider is of version {ours} \
         and speaks protocol {PROTOCOL}. Its fleets go on as they are. To let this provider take them over, which \
         interrupts their traffic for a moment, run: terraform-provider-immutable host stop --directory {directory}",
        directory = directory.path().display(),
        theirs = greeting.version,
        number = greeting.protocol,
        ours = env!("CARGO_PKG_VERSION"),
    )))
}

/// Waits until the host that said that it leaves is gone, or has found more to do.
pub(super) async fn wait_until_gone(directory: &Directory) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut asked = Instant::now();
    while Lock::is_held(directory)? && Instant::now() < deadline {
        tokio::time::sleep(PAUSE).await;
        // Seldom: each question keeps it for a moment.
        if asked.elapsed() > ASKING {
            let stays = greet(directory).await?;
            if stays.is_some_and(|(_, greeting)| !greeting.leaving) {
                return Ok(());
            }
            asked = Instant::now();
        }
    }
    Ok(())
}

/// Tells the host to end, whatever its version, and waits until it has. Its fleets stay on record.
pub(super) async fn stop(directory: &Directory) -> io::Result<Stopped> {
    if !Lock::is_held(directory)? {
        return Ok(Stopped::NotRunning);
    }
    let Some(stream) = connect(directory).await? else {
        return Ok(Stopped::NotRunning);
    };
    let process = stream.peer_cred()?.pid().and_then(Pid::from_raw);
    let process = process
        .ok_or_else(|| io::Error::other("the system does not tell which process the host is"))?;
    rustix::process::kill_process(process, Signal::TERM)?;
    drop(stream);
    let deadline = Instant::now() + ENDING;
    while Lock::is_held(directory)? {
        if Instant::now() > deadline {
            let words = format!("process {} does not end", process.as_raw_nonzero());
            return Err(io::Error::new(io::ErrorKind::TimedOut, words));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Stopped::Stopped)
}

/// Connects to whoever listens in the directory, if that can only be a host of ours: it is told the
/// values of secrets.
async fn connect(directory: &Directory) -> io::Result<Option<UnixStream>> {
    let (path, open) = match short_path(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    // The very directory that is connected through, whatever its path leads to by now.
    check_owner(directory, &open.metadata()?)?;
    match UnixStream::connect(path).await {
        Ok(stream) => check_peer(directory, stream).map(Some),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn check_owner(directory: &Directory, metadata: &fs::Metadata) -> io::Result<()> {
    let path = directory.path().display();
    let ours = rustix::process::geteuid().as_raw();
    if metadata.uid() != ours {
        return Err(denied(format!(
            "{path} belongs to user {}, and this is user {ours}; choose a directory of your own",
            metadata.uid()
        )));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(denied(format!(
            "others may write to {path}, so that anybody could pose as its host; run: chmod go-w {path}"
        )));
    }
    Ok(())
}

fn check_peer(directory: &Directory, stream: UnixStream) -> io::Result<UnixStream> {
    let peer = stream.peer_cred()?.uid();
    if peer == rustix::process::geteuid().as_raw() {
        return Ok(stream);
    }
    Err(denied(format!(
        "user {peer} poses as the host of {}",
        directory.path().display()
    )))
}

fn denied(words: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, words)
}

/// Starts a host and waits until it or another one listens, or it has ended.
async fn start(directory: &Directory, program: Option<&Path>) -> io::Result<()> {
    let mut child = command(directory, program)?.spawn()?;
    let deadline = Instant::now() + PATIENCE;
    while connect(directory).await?.is_none() && Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            if status.success() {
                return Ok(());
            }
            return Err(io::Error::other(format!(
                "it ended with {status}: {}",
                words(&directory.log())
            )));
        }
        tokio::time::sleep(PAUSE).await;
    }
    // It outlives us as a rule; when it does not, somebody must collect it.
    std::thread::spawn(move || child.wait());
    Ok(())
}

fn command(directory: &Directory, program: Option<&Path>) -> io::Result<Command> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(directory.log())?;
    if log.metadata()?.len() > LOG {
        log.set_len(0)?;
    }
    let mut command = Command::new(program.map_or_else(ourselves, Path::to_owned));
    command
        .args(["host", "run", "--directory"])
        .arg(directory.path());
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let passed = ["PATH", "LANG", "TZ"].map(|name| (name, std::env::var_os(name)));
    command.env_clear().envs(
        passed
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    // SAFETY: all three calls are allowed between fork and exec.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            // Whatever our parents left open to us, somebody may wait for its end: the host outlives
            // them all. A kernel without the call leaves it open.
            libc::syscall(
                libc::SYS_close_range,
                3,
                libc::c_uint::MAX,
                libc::CLOSE_RANGE_CLOEXEC,
            );
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
            Ok(())
        });
    }
    Ok(command)
}

/// Our own program; where its file has been replaced or removed meanwhile, the one that runs.
fn ourselves() -> PathBuf {
    there(std::env::current_exe().ok())
}

fn there(named: Option<PathBuf>) -> PathBuf {
    let named = named.filter(|path| path.exists());
    named.unwrap_or_else(|| PathBuf::from("/proc/self/exe"))
}

fn words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().last().unwrap_or("it said nothing").to_owned()
}

fn no_answer(directory: &Directory, last: &io::Error) -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!(
            "the host of {} does not answer: {last}",
            directory.path().display()
        ),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_program_whose_file_is_gone_starts_the_one_that_runs() {
        let ours = std::env::current_exe().unwrap();
        assert_eq!(there(Some(ours.clone())), ours);
        let running = PathBuf::from("/proc/self/exe");
        // As the kernel names it after a removal.
        let removed = format!("{} (deleted)", ours.display());
        assert_eq!(there(Some(removed.into())), running);
        assert_eq!(there(None), running);
        assert!(running.exists());
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_says_nothing_is_not_waited_for_for_ever() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::at(place.path()).unwrap();
        let _silent = std::os::unix::net::UnixListener::bind(directory.socket()).unwrap();
        let error = greet(&directory).await.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains("says nothing"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_cannot_be_started_is_tried_a_few_times_and_quoted() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::at(place.path()).unwrap();
        let error = reach(&directory, Some(Path::new("/bin/false")))
            .await
            .err()
            .unwrap();
        assert!(error.to_string().contains("exit status: 1"), "{error}");
    }
}
