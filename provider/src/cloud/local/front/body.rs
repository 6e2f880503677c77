//! Bodies on their way through: requests that can be replayed, responses that count as in flight.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use hyper::body::{Bytes, Incoming};

use super::backend::InFlight;
use super::connection::{Connection, put_back};
use super::motion::Motion;
use super::session::Busy;

/// How much of a request's body is kept so that it can be sent again. The PUT of an API call fits;
/// an upload of files does not, and is sent once.
const KEPT_BYTES: usize = 64 * 1024;

/// The body of a client's request, as often as it is needed.
#[derive(Clone)]
pub(super) enum Source {
    /// There is none.
    Empty,
    /// It arrives while it is being sent on.
    Streamed(Arc<Mutex<Stream>>),
}

/// The part of a body that has arrived, while it is short enough to be kept, and the rest.
pub(super) struct Stream {
    incoming: Incoming,
    client: Arc<Motion>,
    kept: Vec<Bytes>,
    kept_bytes: usize,
    is_whole: bool,
    is_broken: bool,
}

impl Source {
    pub(super) fn new(incoming: Incoming, client: &Arc<Motion>) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        let stream = Stream {
            incoming,
            client: Arc::clone(client),
            kept: Vec::new(),
            kept_bytes: 0,
            is_whole: true,
            is_broken: false,
        };
        Self::Streamed(Arc::new(Mutex::new(stream)))
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Whether everything that was read from the client is still at hand.
    pub(super) fn can_be_replayed(&self) -> bool {
        self.stream()
            .is_none_or(|stream| stream.is_whole && !stream.is_broken)
    }

    /// Whether the client itself failed to deliver the body.
    pub(super) fn is_broken(&self) -> bool {
        self.stream().is_some_and(|stream| stream.is_broken)
    }

    /// The body from its beginning. Only sensible while it can be replayed.
    pub(super) fn upload(&self) -> Upload {
        Upload {
            source: self.clone(),
            next: 0,
        }
    }

    fn stream(&self) -> Option<MutexGuard<'_, Stream>> {
        match self {
            Self::Empty => None,
            Self::Streamed(stream) => Some(stream.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

impl Stream {
    /// Whatever is kept from `next` on, then what still arrives.
    fn poll_next(
        &mut self,
        next: &mut usize,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        if let Some(kept) = self.kept.get(*next) {
            *next += 1;
            return Poll::Ready(Some(Ok(Frame::data(kept.clone()))));
        }
        let polled = Pin::new(&mut self.incoming).poll_frame(context);
        self.client.set_awaited(polled.is_pending());
        let arrived = std::task::ready!(polled);
        match &arrived {
            Some(Ok(frame)) => *next += self.keep(frame),
            Some(Err(_)) => self.is_broken = true,
            None => {}
        }
        Poll::Ready(arrived)
    }

    /// Keeps the frame if the whole body so far can be kept; says how many frames were added.
    fn keep(&mut self, frame: &Frame<Bytes>) -> usize {
        let fitting = frame
            .data_ref()
            .filter(|data| self.kept_bytes + data.len() <= KEPT_BYTES);
        match fitting {
            Some(data) if self.is_whole => {
                self.kept_bytes += data.len();
                self.kept.push(data.clone());
                1
            }
            _ => {
                self.is_whole = false;
                self.kept.clear();
                0
            }
        }
    }
}

impl Drop for Stream {
    /// Whatever has not arrived is waited for no more.
    fn drop(&mut self) {
        self.client.set_awaited(false);
    }
}

/// One sending of a request's body.
pub(super) struct Upload {
    source: Source,
    next: usize,
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let Self { source, next } = &mut *self;
        match source.stream() {
            None => Poll::Ready(None),
            Some(mut stream) => stream.poll_next(next, context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.source
            .stream()
            .is_none_or(|stream| self.next >= stream.kept.len() && stream.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        // Only the client's content-length header frames the body: it is passed on as it stands,
        // and without it the length is unknown.
        if self.source.is_empty() {
            SizeHint::with_exact(0)
        } else {
            SizeHint::default()
        }
    }
}

/// The body of a response to a client.
pub(super) enum Download {
    /// Written by the front itself.
    Own(Bytes),
    /// Passed on from a member.
    Member(Relayed),
}

/// A member's body and what it holds until it is complete.
pub(super) struct Relayed {
    incoming: Incoming,
    lease: Option<Lease>,
    _busy: Busy,
}

/// A connection at work, and the count of its request. The connection is closed before the count
/// falls, if it comes to that.
pub(super) struct Lease {
    pub(super) connection: Box<Connection>,
    pub(super) in_flight: InFlight,
}

impl Lease {
    /// The response is complete: the member has nothing more to do with it.
    fn end(self, context: &mut Context<'_>) {
        put_back(self.in_flight.backend(), self.connection, context);
    }
}

impl Relayed {
    pub(super) fn new(incoming: Incoming, lease: Lease, busy: Busy) -> Self {
        Self {
            incoming,
            lease: Some(lease),
            _busy: busy,
        }
    }

    /// Gives everything back when there is nothing more to come: of an empty body nobody will ask
    /// for a frame.
    pub(super) fn end_if_complete(&mut self, context: &mut Context<'_>) {
        if self.incoming.is_end_stream() {
            self.end(context);
        }
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let frame = std::task::ready!(self.poll_incoming(context));
        if frame.is_none() {
            self.end(context);
        } else {
            self.end_if_complete(context);
        }
        Poll::Ready(frame)
    }

    /// Asks twice, because the first asking tells the connection that the body is wanted.
    fn poll_incoming(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let first = Pin::new(&mut self.incoming).poll_frame(context);
        let Some(lease) = self.lease.as_mut().filter(|_| first.is_pending()) else {
            return first;
        };
        lease.connection.drive(context);
        Pin::new(&mut self.incoming).poll_frame(context)
    }

    fn end(&mut self, context: &mut Context<'_>) {
        if let Some(lease) = self.lease.take() {
            lease.end(context);
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Own(text) if text.is_empty() => Poll::Ready(None),
            Self::Own(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Self::Member(relayed) => relayed.poll_next(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(text) => text.is_empty(),
            Self::Member(relayed) => relayed.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(text) => SizeHint::with_exact(text.len() as u64),
            Self::Member(relayed) => relayed.incoming.size_hint(),
        }
    }
}
