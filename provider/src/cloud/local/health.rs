//! Asks members whether they are well, and keeps count.
//!
//! A [`Watch`] asks one member again and again. It judges nothing: how many successes in a row
//! make a member healthy, and what follows from failures, is for the caller to say. Members
//! without a port are not asked here at all; for them, running is being well.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use http::{Request, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// While a member starts, its port refuses connections. Looking again this soon shows its first
/// success quickly, at the cost of one refused connect on loopback.
const STARTING_PAUSE: Duration = Duration::from_millis(200);

/// How much of a health page is read, so that the member can finish writing it in peace.
const PAGE_BYTES: usize = 64 * 1024;

/// What is asked, how often, and for how long an answer is awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The page to ask for; a status of 2xx or 3xx is a success. `None`: it is enough that the
    /// port accepts a connection.
    pub path: Option<String>,
    /// From the start of one check to the start of the next.
    pub interval: Duration,
    /// For connecting and the head of the answer together.
    pub timeout: Duration,
}

/// The outcome of the checks so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Successes since the last failure.
    pub consecutive_successes: u32,
    /// When the first of these successes was seen; `None` before it and after a failure.
    pub healthy_since: Option<SystemTime>,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Why the latest check failed; `None` if it did not.
    pub last_error: Option<String>,
}

impl Health {
    /// The health after one more check that ended at `now`.
    fn after(&self, outcome: &Result<(), Unwell>, now: SystemTime) -> Self {
        match outcome {
            Ok(()) => Self {
                consecutive_successes: self.consecutive_successes.saturating_add(1),
                healthy_since: self.healthy_since.or(Some(now)),
                consecutive_failures: 0,
                last_error: None,
            },
            Err(unwell) => Self {
                consecutive_successes: 0,
                healthy_since: None,
                consecutive_failures: self.consecutive_failures.saturating_add(1),
                last_error: Some(unwell.to_string()),
            },
        }
    }
}

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unwell {
    Refused,
    TimedOut(Duration),
    Status(u16),
    Broken(String),
}

impl fmt::Display for Unwell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => formatter.write_str("connection refused"),
            Self::TimedOut(after) => write!(
                formatter,
                "timed out after {}",
                humantime::format_duration(*after)
            ),
            Self::Status(status) => write!(formatter, "status {status}"),
            Self::Broken(how) => formatter.write_str(how),
        }
    }
}

impl From<io::Error> for Unwell {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl From<hyper::Error> for Unwell {
    fn from(error: hyper::Error) -> Self {
        // The kind alone ("connection error") says little; the source has the system's words.
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        Self::Broken(format!("{error}{}", source.unwrap_or_default()))
    }
}

/// Checks one member until dropped. The first check starts at once.
#[derive(Debug)]
pub struct Watch {
    health: watch::Receiver<Health>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Starts checking the member at `address`. Must be called inside a Tokio runtime.
    pub fn start(address: SocketAddr, check: Check) -> Self {
        let (sender, health) = watch::channel(Health::default());
        Self {
            health,
            task: tokio::spawn(keep_checking(address, check, sender)),
        }
    }

    /// The health as of the latest check.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Every later outcome, for callers that wait for one.
    pub fn subscribe(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep_checking(address: SocketAddr, check: Check, health: watch::Sender<Health>) {
    let mut has_started = false;
    loop {
        let begun = Instant::now();
        let outcome = ask_in_time(address, &check).await;
        has_started |= outcome.is_ok();
        let after = health.borrow().after(&outcome, SystemTime::now());
        health.send_replace(after);
        tokio::time::sleep_until(begun + pause(&check, &outcome, has_started)).await;
    }
}

/// From the start of the check with this outcome to the start of the next.
fn pause(check: &Check, outcome: &Result<(), Unwell>, has_started: bool) -> Duration {
    match outcome {
        Err(Unwell::Refused) if !has_started => check.interval.min(STARTING_PAUSE),
        _ => check.interval,
    }
}

async fn ask_in_time(address: SocketAddr, check: &Check) -> Result<(), Unwell> {
    let asked = tokio::time::timeout(check.timeout, ask(address, check.path.as_deref()));
    asked.await.unwrap_or(Err(Unwell::TimedOut(check.timeout)))
}

async fn ask(address: SocketAddr, path: Option<&str>) -> Result<(), Unwell> {
    let socket = TcpStream::connect(address).await?;
    match path {
        None => Ok(()),
        Some(path) => ask_for_page(socket, address, path).await,
    }
}

async fn ask_for_page(socket: TcpStream, address: SocketAddr, path: &str) -> Result<(), Unwell> {
    let request = page_request(address, path)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    let answered = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        match head.status {
            status if status.is_success() || status.is_redirection() => Ok(body),
            status => Err(Unwell::Status(status.as_u16())),
        }
    };
    let mut connection = std::pin::pin!(connection);
    let mut answered = std::pin::pin!(answered);
    let body = tokio::select! {
        biased;
        answer = &mut answered => answer,
        // Once the connection is through, the answer is there: a response or the reason for none.
        _ = &mut connection => return answered.await.map(|_: Incoming| ()),
    }?;
    // The status was the answer. The page is read only so that the member is not cut off.
    let page = Limited::new(body, PAGE_BYTES).collect();
    tokio::select! {
        _ = page => {}
        _ = &mut connection => {}
    }
    Ok(())
}

fn page_request(address: SocketAddr, path: &str) -> Result<Request<Empty<Bytes>>, Unwell> {
    let uri: Uri = path
        .parse()
        .map_err(|error| Unwell::Broken(format!("{path:?} is not a path: {error}")))?;
    Request::get(uri)
        .header(http::header::HOST, address.to_string())
        .header(http::header::USER_AGENT, "immutable-health-check")
        .header(http::header::CONNECTION, "close")
        .body(Empty::new())
        .map_err(|error| Unwell::Broken(error.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Check, Health, Unwell, pause};

    #[test]
    fn a_failure_ends_the_streak_and_a_success_starts_another() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let two = Health::default()
            .after(&Ok(()), at(1))
            .after(&Ok(()), at(2));
        assert_eq!(
            (two.consecutive_successes, two.healthy_since),
            (2, Some(at(1)))
        );

        let failed = two
            .after(&Err(Unwell::Status(500)), at(3))
            .after(&Err(Unwell::TimedOut(Duration::from_secs(2))), at(4));
        let expected = Health {
            consecutive_successes: 0,
            healthy_since: None,
            consecutive_failures: 2,
            last_error: Some("timed out after 2s".to_owned()),
        };
        assert_eq!(failed, expected);

        let again = failed.after(&Ok(()), at(5));
        assert_eq!(
            (again.consecutive_successes, again.healthy_since),
            (1, Some(at(5)))
        );
        assert_eq!((again.consecutive_failures, again.last_error), (0, None));
    }

    #[test]
    fn only_a_starting_member_that_refuses_is_asked_sooner() {
        let check = |seconds| Check {
            path: None,
            interval: Duration::from_secs(seconds),
            timeout: Duration::from_secs(2),
        };
        let quick = Duration::from_millis(200);
        let interval = Duration::from_secs(10);
        assert_eq!(pause(&check(10), &Err(Unwell::Refused), false), quick);
        assert_eq!(
            pause(&check(0), &Err(Unwell::Refused), false),
            Duration::ZERO
        );
        assert_eq!(pause(&check(10), &Err(Unwell::Refused), true), interval);
        assert_eq!(
            pause(&check(10), &Err(Unwell::Status(500)), false),
            interval
        );
        assert_eq!(pause(&check(10), &Ok(()), false), interval);
    }
}
