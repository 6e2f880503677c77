//! What moves over a connection, for whoever looks at it now and then.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// How often a connection is looked at. Nothing is counted in time while bytes move, which would
/// cost every request a look at the clock.
const LOOK: Duration = Duration::from_secs(15);

/// What a connection has moved so far, and whom it waits for.
#[derive(Debug, Default)]
pub(super) struct Motion {
    read: AtomicUsize,
    written: AtomicUsize,
    has_ended: AtomicBool,
    is_full: AtomicBool,
    is_awaited: AtomicBool,
}

impl Motion {
    /// A number that changes with every byte in either direction.
    pub(super) fn moved(&self) -> usize {
        self.read
            .load(Ordering::Relaxed)
            .wrapping_add(self.written())
    }

    /// A number that changes with every byte that the other side takes.
    pub(super) fn written(&self) -> usize {
        self.written.load(Ordering::Relaxed)
    }

    /// Whether the other side sends nothing more.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// Whether it is the other side's turn: it has to take bytes, or owes some that are waited for.
    pub(super) fn is_behind(&self) -> bool {
        self.is_full.load(Ordering::Relaxed) || self.is_awaited.load(Ordering::Relaxed)
    }

    /// Records whether more of what the other side has announced is waited for.
    pub(super) fn set_awaited(&self, is_awaited: bool) {
        self.is_awaited.store(is_awaited, Ordering::Relaxed);
    }
}

/// A connection that tells its motion.
pub(super) struct Observed<S> {
    socket: S,
    motion: Arc<Motion>,
}

impl<S> Observed<S> {
    pub(super) fn new(socket: S, motion: &Arc<Motion>) -> Self {
        Self {
            socket,
            motion: Arc::clone(motion),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Observed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        self.motion.read.fetch_add(read, Ordering::Relaxed);
        if read == 0 && buffer.remaining() > 0 {
            self.motion.has_ended.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Observed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.motion
            .is_full
            .store(polled.is_pending(), Ordering::Relaxed);
        let written = std::task::ready!(polled)?;
        self.motion.written.fetch_add(written, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

/// The moments at which connections are looked at.
pub(super) fn looks() -> Interval {
    let mut looks = tokio::time::interval_at(Instant::now() + LOOK, LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}
