//! Bytes in both directions: raw TCP, and what follows when client and member have switched protocols.

use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional};

use super::backend::InFlight;
use super::body::Lease;
use super::motion::{Motion, Observed, looks};

/// How many quiet looks a client gets whose member has ended, 5 minutes: nothing will come for it any
/// more, and it may have gone without a word.
const ABANDONED_LOOKS: u32 = 20;

/// An upgraded connection, such as a WebSocket; it counts as in flight until it ends.
pub(super) struct Tunnel {
    pub(super) client: OnUpgrade,
    pub(super) lease: Lease,
}

impl Tunnel {
    /// Copies until both sides have ended, or one has failed.
    pub(super) async fn run(self) {
        let Lease {
            connection,
            in_flight,
        } = self.lease;
        let Ok(client) = self.client.await else {
            return;
        };
        let mut client = TokioIo::new(client);
        let Some((member, early)) = connection.into_switched().await else {
            return;
        };
        if client.write_all(&early).await.is_ok() {
            carry(client, member, &in_flight).await;
        }
    }
}

/// Copies both ways until both sides have ended, one has failed, or the member's connections are cut.
/// The end of one direction is passed on while the other goes on.
///
/// Silence is no reason to cut: a chat, a database's session or a listing that a person reads page by
/// page may be quiet for days. A client that has vanished is noticed by the kernel's own probes.
pub(super) async fn carry<C, M>(client: C, member: M, in_flight: &InFlight)
where
    C: AsyncRead + AsyncWrite + Unpin,
    M: AsyncRead + AsyncWrite + Unpin,
{
    let (ours, theirs) = (Arc::default(), Arc::default());
    let mut client = Observed::new(client, &ours);
    let mut member = Observed::new(member, &theirs);
    tokio::select! {
        // A broken connection is an end like any other: both sides see it.
        _ = copy_bidirectional(&mut client, &mut member) => {}
        () = abandoned(&ours, &theirs) => {}
        () = in_flight.backend().until_cut() => {}
    }
}

/// Completes when the member has ended and its client has done nothing for long.
async fn abandoned(client: &Motion, member: &Motion) {
    let mut looks = looks();
    let (mut quiet, mut earlier) = (0, usize::MAX);
    while quiet < ABANDONED_LOOKS {
        looks.tick().await;
        let moved = client.moved();
        let is_quiet = member.has_ended() && moved == earlier;
        quiet = if is_quiet { quiet + 1 } else { 0 };
        earlier = moved;
    }
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Tunnel({})",
            self.lease.in_flight.backend().member
        )
    }
}
