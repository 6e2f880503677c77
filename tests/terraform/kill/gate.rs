//! A gate in front of a workspace's host, which counts the changes that pass and stops at one.
//!
//! The provider talks with the host over a socket in the workspace, one line of JSON each way. The
//! gate takes that socket's place, so that the moments just before a change and just after it can be
//! held for as long as it takes to end whoever shall be ended. The product knows nothing of it.

use serde_json::Value;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// Which requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Fleet,
    Release,
}

/// When a change is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The host has not heard of it.
    Before,
    /// The host has done it; whoever asked has not heard of that.
    After,
}

/// Which change is held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop {
    pub(crate) of: Of,
    /// Counted from 1.
    pub(crate) number: usize,
    pub(crate) moment: Moment,
}

/// The gate, open again when dropped.
pub(crate) struct Gate {
    shared: Arc<Shared>,
    socket: PathBuf,
    /// Where the host's own socket is meanwhile.
    behind: PathBuf,
    inode: u64,
}

struct Shared {
    stop: Stop,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The changes that have come so far, by name.
    changes: Vec<String>,
    is_reached: bool,
    is_released: bool,
    /// What the host said to the change that was held.
    answer: Option<Value>,
}

impl Gate {
    /// Takes the place of the socket in `directory`; the host's own goes to `behind`.
    pub(crate) fn close(directory: &Path, behind: &Path, stop: Stop) -> Self {
        let socket = directory.join("host.sock");
        let front = behind.with_extension("gate");
        let listener = UnixListener::bind(&front).expect("a path that is free");
        let inode = fs::metadata(&front).expect("it is there").ino();
        fs::rename(&socket, behind).expect("the host listens");
        fs::rename(&front, &socket).expect("the same file system");
        let shared = Arc::new(Shared {
            stop,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let (passing, host) = (Arc::clone(&shared), behind.to_owned());
        // It ends with the test's process; nobody can connect once the socket's name is gone.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (shared, host) = (Arc::clone(&passing), host.clone());
                thread::spawn(move || shared.pass(client, &host));
            }
        });
        Self {
            shared,
            socket,
            behind: behind.to_owned(),
            inode,
        }
    }

    /// Waits until the change is held; false when it has not come in this time.
    pub(crate) fn is_reached_within(&self, time: Duration) -> bool {
        let state = self.shared.state.lock().unwrap();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, time, |state| !state.is_reached);
        waited.unwrap().0.is_reached
    }

    /// The names of the changes that have come so far.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().changes.clone()
    }

    /// Lets the change that is held go on.
    pub(crate) fn release(&self) {
        self.shared.state.lock().unwrap().is_released = true;
        self.shared.changed.notify_all();
    }

    /// Lets the change that is held go on, and returns what the host says to it.
    pub(crate) fn release_late(&self) -> Value {
        self.release();
        let state = self.shared.state.lock().unwrap();
        let waited =
            self.shared
                .changed
                .wait_timeout_while(state, Duration::from_secs(60), |state| {
                    state.answer.is_none()
                });
        waited.unwrap().0.answer.clone().expect("the host answers")
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.release();
        let ours = fs::metadata(&self.socket).is_ok_and(|found| found.ino() == self.inode);
        if ours {
            fs::rename(&self.behind, &self.socket).ok();
        } else {
            // Another host has come, with a socket of its own.
            fs::remove_file(&self.behind).ok();
        }
    }
}

impl Shared {
    /// Carries one client's conversation; whichever side hangs up ends it.
    fn pass(&self, client: UnixStream, host: &Path) -> io::Result<()> {
        let host = UnixStream::connect(host)?;
        let mut heard = BufReader::new(client.try_clone()?);
        let mut answered = BufReader::new(host.try_clone()?);
        let greeting = line(&mut answered)?;
        (&client).write_all(&greeting)?;
        loop {
            let request = line(&mut heard)?;
            let is_held = self.count(&request);
            self.hold(is_held, Moment::Before);
            (&host).write_all(&request)?;
            let answer = line(&mut answered)?;
            if is_held {
                self.keep(&answer);
            }
            self.hold(is_held, Moment::After);
            (&client).write_all(&answer)?;
        }
    }

    /// Whether this request is the change to hold.
    fn count(&self, request: &[u8]) -> bool {
        let Some((of, name)) = change(request) else {
            return false;
        };
        let mut state = self.state.lock().unwrap();
        if of != self.stop.of {
            return false;
        }
        state.changes.push(name);
        state.changes.len() == self.stop.number
    }

    fn hold(&self, is_held: bool, moment: Moment) {
        if !is_held || moment != self.stop.moment {
            return;
        }
        let mut state = self.state.lock().unwrap();
        state.is_reached = true;
        self.changed.notify_all();
        let released = self.changed.wait_while(state, |state| !state.is_released);
        drop(released.unwrap());
    }

    fn keep(&self, answer: &[u8]) {
        let answer = serde_json::from_slice(answer).expect("the host speaks JSON");
        self.state.lock().unwrap().answer = Some(answer);
        self.changed.notify_all();
    }
}

fn line(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        return Ok(line);
    }
    Err(io::Error::from(io::ErrorKind::UnexpectedEof))
}

/// What a request changes, and its name; absent: it only asks.
fn change(request: &[u8]) -> Option<(Of, String)> {
    let request: Value = serde_json::from_slice(request).ok()?;
    let (name, content) = request.as_object()?.iter().next()?;
    let action = || match &content["action"] {
        Value::String(name) => Some(name.clone()),
        action => action.as_object()?.keys().next().cloned(),
    };
    match name.as_str() {
        "act" => Some((Of::Fleet, action()?)),
        "take_lease" | "release_lease" => Some((Of::Fleet, name.clone())),
        "import" | "move_line" | "remove_release" => Some((Of::Release, name.clone())),
        _ => None,
    }
}
