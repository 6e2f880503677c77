//! Members for the front to send to: small HTTP servers whose answers the tests steer.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use immutable::cloud::local::front::{Clients, Front, Protocol, Route, Target};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};

pub(crate) type Body = BoxBody<Bytes, hyper::Error>;

/// A running member. Dropping it kills it, as `kill -9` would: every socket is closed.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<State>,
    server: JoinHandle<()>,
}

/// What a test sees and steers.
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) requests: AtomicUsize,
    pub(crate) connections: AtomicUsize,
    pub(crate) open: AtomicUsize,
    /// `/wait` answers when it gets a permit.
    pub(crate) permits: Semaphore,
    pub(crate) waiting: AtomicUsize,
    /// `/stream` sends what arrives here, until the sender goes.
    pub(crate) chunks: tokio::sync::Mutex<mpsc::Receiver<Bytes>>,
    pub(crate) chunk: std::sync::Mutex<Option<mpsc::Sender<Bytes>>>,
}

impl Member {
    pub(crate) async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (chunk, chunks) = mpsc::channel(16);
        let state = Arc::new(State {
            name: name.to_owned(),
            requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            permits: Semaphore::new(0),
            waiting: AtomicUsize::new(0),
            chunks: tokio::sync::Mutex::new(chunks),
            chunk: std::sync::Mutex::new(Some(chunk)),
        });
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self {
            name: name.to_owned(),
            address,
            state,
            server,
        }
    }

    pub(crate) fn target(&self) -> Target {
        Target {
            member: self.name.clone(),
            address: self.address,
            eligible: true,
            draining: false,
        }
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Returns when every socket of the member is closed.
    pub(crate) async fn kill(mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut clients = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let state = Arc::clone(&state);
        state.connections.fetch_add(1, Ordering::SeqCst);
        clients.spawn(async move {
            let open = Open::new(&state);
            let service = service_fn(|request| answer(Arc::clone(&state), request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            let _ = connection.with_upgrades().await;
            drop(open);
        });
    }
}

struct Open<'a>(&'a State);

impl<'a> Open<'a> {
    fn new(state: &'a State) -> Self {
        state.open.fetch_add(1, Ordering::SeqCst);
        Self(state)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(
    state: Arc<State>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    state.requests.fetch_add(1, Ordering::SeqCst);
    let path = request.uri().path().to_owned();
    let mut response = match path.as_str() {
        "/echo" => Response::new(request.into_body().boxed()),
        "/whole" => {
            let body = request
                .into_body()
                .collect()
                .await
                .map(|whole| whole.to_bytes())
                .unwrap_or_default();
            Response::new(text(&format!("{}: {} bytes", state.name, body.len())))
        }
        "/whole-then-wait" => {
            let body = request.into_body().collect().await;
            let body = body.map(|whole| whole.to_bytes()).unwrap_or_default();
            wait(&state).await;
            Response::new(text(&format!("{}: {} bytes", state.name, body.len())))
        }
        "/head" => Response::new(text(&head(&request))),
        "/wait" => {
            wait(&state).await;
            Response::new(text(&state.name))
        }
        // Work that takes its time.
        "/work" => {
            let _ = request.into_body().collect().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            Response::new(text(&state.name))
        }
        "/stream" => Response::new(stream(Arc::clone(&state)).await),
        "/hop" => hop_by_hop(&state),
        "/close" => {
            let mut response = Response::new(text(&state.name));
            response
                .headers_mut()
                .insert("connection", "close".parse().unwrap());
            response
        }
        "/upgrade" => upgrade(&mut request),
        "/status/204" => status(204),
        "/status/304" => status(304),
        "/status/500" => status(500),
        "/large" => Response::new(
            Full::new(Bytes::from(vec![b'x'; 1 << 20]))
                .map_err(|never| match never {})
                .boxed(),
        ),
        _ => Response::new(text(&state.name)),
    };
    response
        .headers_mut()
        .insert("x-member", state.name.parse().unwrap());
    Ok(response)
}

async fn wait(state: &State) {
    state.waiting.fetch_add(1, Ordering::SeqCst);
    state.permits.acquire().await.unwrap().forget();
    state.waiting.fetch_sub(1, Ordering::SeqCst);
}

fn hop_by_hop(state: &State) -> Response<Body> {
    let mut response = Response::new(text(&state.name));
    let headers = response.headers_mut();
    headers.insert("connection", "x-private".parse().unwrap());
    headers.insert("x-private", "1".parse().unwrap());
    headers.insert("keep-alive", "timeout=5".parse().unwrap());
    headers.insert("x-public", "1".parse().unwrap());
    response
}

/// Echoes whatever follows the switch, starting with a greeting.
fn upgrade(request: &mut Request<Incoming>) -> Response<Body> {
    let switched = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(switched) = switched.await else { return };
        let mut socket = TokioIo::new(switched);
        if tokio::io::AsyncWriteExt::write_all(&mut socket, b"hello")
            .await
            .is_ok()
        {
            let (mut reader, mut writer) = tokio::io::split(socket);
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        }
    });
    let mut response = Response::new(text(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response
        .headers_mut()
        .insert("connection", "upgrade".parse().unwrap());
    response
        .headers_mut()
        .insert("upgrade", "echo".parse().unwrap());
    response
}

async fn stream(state: Arc<State>) -> Body {
    let chunks = futures_util::stream::unfold(state, |state| async move {
        let chunk = state.chunks.lock().await.recv().await?;
        Some((Ok(Frame::data(chunk)), state))
    });
    BodyExt::boxed(StreamBody::new(sync::SyncStream::new(chunks)))
}

mod sync {
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll};

    use futures_util::Stream;

    /// A stream behind a lock, since boxed bodies have to be `Sync`.
    pub(crate) struct SyncStream<S>(Mutex<Pin<Box<S>>>);

    impl<S: Stream> SyncStream<S> {
        pub(crate) fn new(stream: S) -> Self {
            Self(Mutex::new(Box::pin(stream)))
        }
    }

    impl<S: Stream> Stream for SyncStream<S> {
        type Item = S::Item;

        fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
            self.0.lock().unwrap().as_mut().poll_next(context)
        }
    }
}

fn head(request: &Request<Incoming>) -> String {
    let mut lines = vec![format!(
        "{} {} {:?}",
        request.method(),
        request.uri(),
        request.version()
    )];
    let headers: BTreeMap<_, _> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    lines.extend(
        headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}")),
    );
    lines.join("\n")
}

fn text(text: &str) -> Body {
    Full::new(Bytes::from(text.to_owned()))
        .map_err(|never| match never {})
        .boxed()
}

fn status(code: u16) -> Response<Body> {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed());
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

/// A front on a free port of loopback.
pub(crate) fn front(protocol: Protocol) -> Front {
    front_for(protocol, 1000)
}

/// The same for so many clients at once.
pub(crate) fn front_for(protocol: Protocol, clients: usize) -> Front {
    let address = "127.0.0.1:0".parse().unwrap();
    Front::bind(address, protocol, &Clients::at_most(clients)).unwrap()
}

pub(crate) fn route(generation: u32, weight: u16, members: &[&Member]) -> Route {
    Route {
        generation,
        weight,
        targets: members.iter().map(|member| member.target()).collect(),
    }
}
