//! One member's processes, from the init down.

use super::super::init::{End, Isolation, Report, Spec};
use super::output::Output;
use super::spawner::{Birth, Spawner};
use super::sweep;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// How long a member has between being told to end and being ended.
const GRACE: Duration = Duration::from_secs(5);

/// A member's init and everything below it.
pub(super) struct Process {
    init: Pid,
    exited: AsyncFd<OwnedFd>,
    reports: Lines<BufReader<OwnedReadHalf>>,
    _line: OwnedWriteHalf,
    end: Option<End>,
    isolation: Isolation,
    marker: String,
}

impl Process {
    /// Starts a member.
    ///
    /// # Errors
    /// Its program could not be started; nothing of it runs.
    pub(super) async fn start(
        spawner: &Spawner,
        member: &str,
        marker: &str,
        spec: &Spec,
        output: Arc<Output>,
    ) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let (reading, writing) = io::pipe()?;
        let birth = Birth {
            marker: marker.to_owned(),
            member: member.to_owned(),
            line: theirs,
            output: writing,
        };
        let child = spawner.spawn(birth).await?;
        tokio::spawn(output.follow(reading));
        let (reports, write, init) = match introduce(ours, spec).await {
            Ok(introduced) => introduced,
            Err(error) => return Err(never_began(child, error).await),
        };
        if init != child.id() {
            reap(child).await?;
        }
        let init = Pid::from_raw(i32::try_from(init).map_err(io::Error::other)?)
            .ok_or(io::ErrorKind::InvalidData)?;
        let descriptor = rustix::process::pidfd_open(init, PidfdFlags::NONBLOCK)?;
        // SAFETY: an owned descriptor stays open and the same until it is dropped.
        let exited = unsafe { AsyncFd::register(descriptor) }?;
        let mut process = Self {
            init,
            exited,
            reports,
            _line: write,
            end: None,
            isolation: spec.isolation,
            marker: marker.to_owned(),
        };
        process.go().await?;
        Ok(process)
    }

    /// Lets the init go on, and waits until the program runs.
    async fn go(&mut self) -> io::Result<()> {
        self._line.write_all(b".").await?;
        match next(&mut self.reports).await? {
            Some(Report::Started) => Ok(()),
            Some(Report::Refused(words)) => {
                self.ended().await?;
                Err(io::Error::other(words))
            }
            Some(Report::Process(_) | Report::Ended(_)) | None => {
                self.kill();
                self.ended().await?;
                Err(io::Error::other("its init ended before it was started"))
            }
        }
    }

    /// The process id of the member's own program; absent: it has ended.
    pub(super) fn program(&self) -> Option<u32> {
        let init = self.init.as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/{init}/task/{init}/children")).ok()?;
        children.split_ascii_whitespace().next()?.parse().ok()
    }

    /// Waits until nothing of the member is left, and tells how it ended. May be given up and
    /// called again.
    pub(super) async fn ended(&mut self) -> io::Result<End> {
        while let Some(report) = next(&mut self.reports).await? {
            match report {
                Report::Ended(end) => self.end = Some(end),
                Report::Process(_) | Report::Started | Report::Refused(_) => {}
            }
        }
        self.exited.readable().await?.retain_ready();
        let status = rustix::process::waitpid(Some(self.init), WaitOptions::NOHANG);
        if !self.isolation.is_whole() {
            let marker = self.marker.clone();
            // A look at every process of the machine, which holds nobody else up.
            let swept = tokio::task::spawn_blocking(move || sweep::end_all(|it| it == marker));
            swept.await??;
        }
        // Somebody ended the init itself: the member went with it and nobody saw how.
        let signal = status
            .ok()
            .flatten()
            .and_then(|(_, status)| status.terminating_signal());
        Ok(self
            .end
            .unwrap_or(End::Killed(signal.unwrap_or(libc::SIGKILL))))
    }

    /// Ends the member: asks, waits, then insists.
    pub(super) async fn stop(&mut self) -> io::Result<()> {
        self.signal(Signal::TERM);
        // One that was stopped by hand hears nothing until it goes on.
        if let Some(program) = self
            .program()
            .and_then(|program| Pid::from_raw(i32::try_from(program).ok()?))
        {
            let _ = rustix::process::kill_process(program, Signal::CONT);
        }
        if let Ok(ended) = tokio::time::timeout(GRACE, self.ended()).await {
            return ended.map(drop);
        }
        self.kill();
        self.ended().await.map(drop)
    }

    fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // The descriptor names this very process for ever; one that is gone needs no signal.
        let _ = rustix::process::pidfd_send_signal(self.exited.get_ref(), signal);
    }
}

async fn next(reports: &mut Lines<BufReader<OwnedReadHalf>>) -> io::Result<Option<Report>> {
    match reports.next_line().await {
        Ok(Some(line)) => Ok(Some(serde_json::from_str(&line)?)),
        Ok(None) => Ok(None),
        // An init that is killed with unread bytes on its line resets it.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells an init what to start, and hears its process id.
async fn introduce(
    line: std::os::unix::net::UnixStream,
    spec: &Spec,
) -> io::Result<(Lines<BufReader<OwnedReadHalf>>, OwnedWriteHalf, u32)> {
    line.set_nonblocking(true)?;
    let (read, mut write) = UnixStream::from_std(line)?.into_split();
    let mut order = serde_json::to_vec(spec)?;
    order.push(b'\n');
    write.write_all(&order).await?;
    let mut reports = BufReader::new(read).lines();
    match next(&mut reports).await? {
        Some(Report::Process(init)) => Ok((reports, write, init)),
        other => Err(io::Error::other(format!("it said {other:?}"))),
    }
}

/// Collects what is left of an init, whatever went wrong, so that none stays behind as a zombie.
async fn never_began(mut child: std::process::Child, error: io::Error) -> io::Error {
    let _ = child.kill();
    match reap(child).await {
        Err(error) => error,
        Ok(status) => io::Error::other(format!("its init did not begin ({status}): {error}")),
    }
}

async fn reap(mut child: std::process::Child) -> io::Result<std::process::ExitStatus> {
    tokio::task::spawn_blocking(move || child.wait()).await?
}
