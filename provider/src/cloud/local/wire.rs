//! What clients and the host say to each other: one line of JSON each way.
//!
//! The host greets first, so that a client knows whom it talks to before it asks for anything. The
//! greeting and its fields are for ever; everything after it belongs to one [`PROTOCOL`].

use super::claimant::Claimant;
use crate::cloud::{Error, ErrorKind, Fence, Holder, Lease, NewRelease, Probe, Trial};
use crate::model::{FleetName, MemberId, Release, ReleaseId, Sbom};
use crate::rollout::{Action, Intent, Request as Wanted, World};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// The protocol's number. It changes when an earlier client or host could misunderstand; then they
/// refuse each other and say how to go on. New requests and new optional fields do not change it.
pub(super) const PROTOCOL: u32 = 1;

/// The longest line that is read. A world of 10,000 members has some 4 MiB.
const LONGEST: u64 = 64 << 20;

/// The host's first words.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Greeting {
    /// The number that both must agree on.
    pub(super) protocol: u32,
    /// The host's version, for people.
    pub(super) version: String,
    /// The names of environment variables that the host needs the values of: secrets of members
    /// that it must start and whose values died with an earlier host.
    #[serde(default)]
    pub(super) missing: Vec<String>,
    /// The host ends as soon as its last client has hung up.
    #[serde(default)]
    pub(super) leaving: bool,
}

/// What a client asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    Observe {
        fleet: FleetName,
        alarms: Vec<String>,
    },
    Act {
        fleet: FleetName,
        fence: Fence,
        action: Box<Action>,
        values: Values,
    },
    TakeLease {
        fleet: FleetName,
        holder: Holder,
        duration: Duration,
        /// The process that asks; absent: only time tells when its lease is over.
        #[serde(default)]
        claimant: Option<Claimant>,
    },
    ReleaseLease {
        fleet: FleetName,
        fence: Fence,
    },
    Note {
        fleet: FleetName,
        note: Box<Note>,
    },
    MemberOutput {
        fleet: FleetName,
        member: MemberId,
    },
    Import(NewRelease),
    Verify {
        release: ReleaseId,
        probe: Probe,
    },
    MoveLine {
        to: ReleaseId,
        from: Option<ReleaseId>,
    },
    StoreSbom {
        release: ReleaseId,
        sbom: Sbom,
    },
    RemoveRelease(ReleaseId),
    Supply(Values),
    Status,
    Log {
        member: MemberId,
    },
}

/// What is written down of a fleet and changes nothing about it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Note {
    /// What the holder of the lease is up to.
    Intent { fence: Fence, intent: Box<Intent> },
    /// What a person asks for; none takes the last request back.
    Asked(Option<Wanted>),
}

/// Values of environment variables that secrets refer to, by variable. They are held in memory
/// alone and never printed.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Values(pub(super) BTreeMap<String, String>);

impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What the host answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    World(Box<World>),
    /// It is done. `leaving` says that the host has nothing left to do and ends now.
    Done {
        leaving: bool,
    },
    Lease(Lease),
    Text(String),
    Release(Box<Release>),
    Trial(Trial),
    Status(Box<super::status::Status>),
    Failed(Failure),
}

/// An error on its way to the client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Failure {
    kind: ErrorKind,
    operation: String,
    subject: String,
    source: String,
}

impl Failure {
    /// The same as this version hears it from a host of another one: who of the two is mistaken
    /// depends on what they are.
    pub(super) fn heard_from(self, theirs: &str) -> Self {
        let ours = env!("CARGO_PKG_VERSION");
        if self.kind != ErrorKind::Invalid || theirs == ours {
            return self;
        }
        let source = format!(
            "{} (the host is of version {theirs}, this provider of version {ours})",
            self.source
        );
        Self { source, ..self }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind,
            operation: error.operation,
            subject: error.subject,
            source: chain(error.source.as_ref()),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::new(
            failure.kind,
            failure.operation,
            failure.subject,
            failure.source,
        )
    }
}

/// Joins an error with what caused it: only text goes over the socket.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// One end of a conversation.
pub(super) struct Conversation {
    stream: BufReader<UnixStream>,
    /// What was heard of a line that is not over.
    heard: Vec<u8>,
}

impl Conversation {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream: BufReader::new(stream),
            heard: Vec::new(),
        }
    }

    pub(super) fn peer(&self) -> io::Result<tokio::net::unix::UCred> {
        self.stream.get_ref().peer_cred()
    }

    pub(super) async fn say<T: Serialize>(&mut self, what: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        self.stream.write_all(&line).await
    }

    /// Says that nothing more will be said; the other side may still be heard.
    pub(super) async fn hang_up(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Waits until the other side has hung up.
    pub(super) async fn hung_up(&mut self) {
        match self.stream.fill_buf().await {
            Ok([]) | Err(_) => {}
            // It has more to say, and waits for an answer before it does anything else.
            Ok(_) => std::future::pending().await,
        }
    }

    /// Returns what the other side says next; absent: it hung up. It may be given up and called anew.
    pub(super) async fn hear<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        (&mut self.stream)
            .take(LONGEST)
            .read_until(b'\n', &mut self.heard)
            .await?;
        let line = std::mem::take(&mut self.heard);
        if line.last() != Some(&b'\n') {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&line)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_between_two_versions_names_both() {
        let refused = |kind| Failure {
            kind,
            operation: "dance".to_owned(),
            subject: "the host".to_owned(),
            source: "no".to_owned(),
        };
        let ours = env!("CARGO_PKG_VERSION");
        let told = refused(ErrorKind::Invalid).heard_from("0.0.9");
        let both = format!("no (the host is of version 0.0.9, this provider of version {ours})");
        assert_eq!(told.source, both);
        assert_eq!(refused(ErrorKind::Invalid).heard_from(ours).source, "no");
        let conflict = refused(ErrorKind::Conflict).heard_from("0.0.9");
        assert_eq!(conflict.source, "no");
    }
}
