//! Requests: choose a member, send, and choose again where that is safe.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode, request};
use hyper::body::{Bytes, Incoming};
use hyper::upgrade::OnUpgrade;

use super::backend::{Backend, InFlight};
use super::body::{Download, Lease, Relayed, Source, Upload};
use super::connection::Connection;
use super::headers;
use super::session::{Busy, Session};
use super::traffic::Tally;
use super::tunnel::Tunnel;

/// A request that four members in a row could not take will not be helped by a fifth.
const ATTEMPTS: usize = 4;

/// Answers one request of a client.
pub(super) async fn answer(
    session: Arc<Session>,
    mut request: Request<Incoming>,
) -> Response<Download> {
    let busy = Busy::new(Arc::clone(&session));
    // Taken out in any case: it belongs to the client's connection, and what stays in the head is
    // sent on.
    let client = hyper::upgrade::on(&mut request);
    let (mut head, body) = request.into_parts();
    if let Err(reason) = headers::prepare_request(&mut head, session.ends()) {
        return own(StatusCode::BAD_REQUEST, reason);
    }
    let outgoing = Outgoing {
        head,
        body: Source::new(body, session.motion()),
    };
    match forward(&session, &outgoing).await {
        Ok(arrived) if arrived.switches_protocols() => switch(&session, &outgoing, client, arrived),
        Ok(arrived) => relay(busy, arrived).await,
        Err(failure) => failure.response(),
    }
}

/// A request that can be sent more than once.
struct Outgoing {
    head: request::Parts,
    body: Source,
}

/// The head of a member's response, and the connection its body comes over.
struct Arrived {
    response: Response<Incoming>,
    lease: Lease,
}

/// Why a request got no response from a member.
enum Failure {
    /// No generation with weight has an eligible member.
    NoMember,
    /// Not a byte of the request was written, because the member could not be reached or had
    /// closed the connection: it may go elsewhere, whatever it is.
    NotProcessed,
    /// The member may have acted on the request.
    Lost,
    /// The client did not deliver the body it had announced.
    Client,
}

impl Arrived {
    fn switches_protocols(&self) -> bool {
        self.response.status() == StatusCode::SWITCHING_PROTOCOLS
    }
}

impl Outgoing {
    fn request(&self) -> Request<Upload> {
        Request::from_parts(self.head.clone(), self.body.upload())
    }

    /// Whether sending it twice is the same as sending it once (RFC 9110, 9.2.2), and all of it is
    /// still at hand.
    fn is_repeatable(&self) -> bool {
        const IDEMPOTENT: [Method; 6] = [
            Method::GET,
            Method::HEAD,
            Method::OPTIONS,
            Method::TRACE,
            Method::PUT,
            Method::DELETE,
        ];
        IDEMPOTENT.contains(&self.head.method) && self.body.can_be_replayed()
    }

    fn may_go_elsewhere(&self, failure: &Failure) -> bool {
        match failure {
            Failure::NoMember | Failure::Client => false,
            Failure::NotProcessed => self.body.can_be_replayed(),
            Failure::Lost => self.is_repeatable(),
        }
    }
}

/// Sends the request to one member after the other until one answers or it may not be sent again.
async fn forward(session: &Session, outgoing: &Outgoing) -> Result<Arrived, Failure> {
    let mut tried = Vec::new();
    let mut failed: Option<(Failure, Arc<Tally>)> = None;
    for _ in 0..ATTEMPTS {
        let Some(in_flight) = session.routes().pick(&tried) else {
            break;
        };
        if let Some((_, tally)) = &failed {
            tally.count_retried();
        }
        let tally = Arc::clone(&in_flight.backend().tally);
        match attempt(session, in_flight, outgoing, &mut tried).await {
            Ok(arrived) => {
                tally.count_served();
                return Ok(arrived);
            }
            Err(failure) => {
                let may_go_elsewhere = outgoing.may_go_elsewhere(&failure);
                failed = Some((failure, tally));
                if !may_go_elsewhere {
                    break;
                }
            }
        }
    }
    Err(give_up(session, failed))
}

/// Counts the failure where it belongs.
fn give_up(session: &Session, failed: Option<(Failure, Arc<Tally>)>) -> Failure {
    match failed {
        None => {
            session.routes().count_unroutable();
            Failure::NoMember
        }
        Some((Failure::Client, _)) => Failure::Client,
        Some((failure, tally)) => {
            tally.count_failed();
            failure
        }
    }
}

/// Sends the request to one member. A failure on a connection that was used before says nothing
/// of the member; any other adds it to `tried`.
async fn attempt(
    session: &Session,
    in_flight: InFlight,
    outgoing: &Outgoing,
    tried: &mut Vec<Arc<Backend>>,
) -> Result<Arrived, Failure> {
    let backend = in_flight.backend();
    if !session.begin_at(backend) {
        tried.push(Arc::clone(backend));
        return Err(Failure::NotProcessed);
    }
    let mut connection = match connection_to(backend).await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::warn!(member = backend.member, %error, "a member cannot be reached");
            tried.push(Arc::clone(backend));
            return Err(Failure::NotProcessed);
        }
    };
    let mut error = match connection.send(outgoing.request()).await {
        Ok(response) => {
            let lease = Lease {
                connection,
                in_flight,
            };
            return Ok(Arrived { response, lease });
        }
        Err(error) => error,
    };
    let is_unwritten = error.take_message().is_some();
    let failure = match is_unwritten {
        true => Failure::NotProcessed,
        false if outgoing.body.is_broken() => Failure::Client,
        false => Failure::Lost,
    };
    let (member, error) = (&backend.member, error.error());
    if connection.is_reused() {
        // The others are as old: the member has most likely gone.
        tracing::debug!(member, %error, is_unwritten, "a request failed at a member");
        backend.pool.clear();
    } else {
        if !matches!(failure, Failure::Client) {
            tracing::warn!(member, %error, "a member broke off");
        }
        tried.push(Arc::clone(backend));
    }
    Err(failure)
}

async fn connection_to(backend: &Backend) -> io::Result<Box<Connection>> {
    match backend.pool.take().await {
        Some(connection) => Ok(connection),
        None => Ok(Box::new(Connection::open(backend.address).await?)),
    }
}

/// Passes a change of protocols on: the connections of both sides become one tunnel.
fn switch(
    session: &Session,
    outgoing: &Outgoing,
    client: OnUpgrade,
    arrived: Arrived,
) -> Response<Download> {
    if !headers::asks_for_upgrade(&outgoing.head.headers) {
        return own(
            StatusCode::BAD_GATEWAY,
            "the member switched protocols without being asked",
        );
    }
    let (mut head, _) = arrived.response.into_parts();
    headers::prepare_response(&mut head);
    session.open_tunnel(Tunnel {
        client,
        lease: arrived.lease,
    });
    Response::from_parts(head, Download::Own(Bytes::new()))
}

async fn relay(busy: Busy, arrived: Arrived) -> Response<Download> {
    let (mut head, incoming) = arrived.response.into_parts();
    headers::prepare_response(&mut head);
    let mut relayed = Relayed::new(incoming, arrived.lease, busy);
    poll_fn(|context| {
        relayed.end_if_complete(context);
        Poll::Ready(())
    })
    .await;
    Response::from_parts(head, Download::Member(relayed))
}

impl Failure {
    fn response(&self) -> Response<Download> {
        match self {
            Self::NoMember => own(
                StatusCode::SERVICE_UNAVAILABLE,
                "no healthy member is there to answer",
            ),
            Self::Client => own(StatusCode::BAD_REQUEST, "the request's body ended early"),
            Self::NotProcessed => own(
                StatusCode::BAD_GATEWAY,
                "no member could be reached; the request was not processed",
            ),
            Self::Lost => own(
                StatusCode::BAD_GATEWAY,
                "the member failed before it answered; it may have processed the request",
            ),
        }
    }
}

/// A response of the front's own.
fn own(status: StatusCode, text: &str) -> Response<Download> {
    let mut response = Response::new(Download::Own(Bytes::from(format!("{text}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
