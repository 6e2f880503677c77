//! Clients that keep a fleet under load and count what happens to each request.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// How many clients there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clients {
    /// Those that send GET and POST in turn.
    pub(crate) quick: usize,
    /// Those whose requests take long, so that some are in flight whenever a member has to go.
    pub(crate) slow: usize,
    /// What the slow ones ask for.
    pub(crate) slow_path: &'static str,
    /// Whether each keeps its connection. Behind a listener for TCP those are cut with the members.
    pub(crate) keep: bool,
    /// Between two rounds of a client. It keeps the clients from starving the fleet of a small
    /// machine's processors.
    pub(crate) pause: Duration,
}

/// As many as a fleet of some members notices.
const CROWD: Clients = Clients {
    quick: 8,
    slow: 4,
    slow_path: "/slow?seconds=0.7",
    keep: true,
    pause: Duration::from_millis(5),
};

/// Longer than the slowest answer by far; after it, a request counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A load that is on until it is ended.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    tally: Arc<Mutex<Tally>>,
    clients: Option<JoinHandle<()>>,
}

/// What happened to every request so far. A request is served when its whole answer came with the
/// right status and content; anything else is a failure. None is tried again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Served requests by the version that served them.
    pub(crate) served: BTreeMap<String, u64>,
    /// Why the others failed.
    pub(crate) failures: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let served: u64 = self.served.values().sum();
        write!(
            formatter,
            "{served} requests served, {} failed",
            self.failures.len()
        )
    }
}

impl Load {
    /// Starts the clients.
    pub(crate) fn start(address: SocketAddr) -> Self {
        Self::of(CROWD, address)
    }

    /// Starts these clients.
    pub(crate) fn of(clients: Clients, address: SocketAddr) -> Self {
        let (stop, tally) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(Mutex::new(Tally::default())),
        );
        let shop = Shop {
            address,
            keep: clients.keep,
            stop: Arc::clone(&stop),
            tally: Arc::clone(&tally),
        };
        let clients = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(shop.visit(clients));
        });
        Self {
            stop,
            tally,
            clients: Some(clients),
        }
    }

    /// What happened so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally.lock().unwrap().clone()
    }

    /// Ends the load, lets requests in flight finish and fails the story if any was lost.
    pub(crate) fn end_without_loss(mut self) -> Tally {
        self.end();
        let tally = self.tally();
        assert!(
            tally.failures.is_empty(),
            "{tally}: {:#?}",
            &tally.failures[..tally.failures.len().min(10)]
        );
        assert!(!tally.served.is_empty(), "nothing was served");
        tally
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(clients) = self.clients.take() {
            clients.join().ok();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}

#[derive(Clone)]
struct Shop {
    address: SocketAddr,
    keep: bool,
    stop: Arc<AtomicBool>,
    tally: Arc<Mutex<Tally>>,
}

impl Shop {
    async fn visit(self, wanted: Clients) {
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..wanted.quick {
            let post = Bytes::from(vec![b'x'; 8 * 1024]);
            let requests = vec![
                (Method::GET, "/", Bytes::new()),
                (Method::POST, "/orders", post),
            ];
            clients.spawn(self.clone().repeat(requests, wanted.pause));
        }
        for _ in 0..wanted.slow {
            let requests = vec![(Method::GET, wanted.slow_path, Bytes::new())];
            clients.spawn(self.clone().repeat(requests, wanted.pause));
        }
        clients.join_all().await;
    }

    async fn repeat(self, requests: Vec<(Method, &'static str, Bytes)>, pause: Duration) {
        let mut connection = None;
        while !self.stop.load(Ordering::Relaxed) {
            for (method, path, body) in &requests {
                let asked = timeout(PATIENCE, self.ask(&mut connection, method, path, body)).await;
                let answer = asked.unwrap_or_else(|_| Err("no answer in time".into()));
                let mut tally = self.tally.lock().unwrap();
                match answer {
                    Ok(version) => *tally.served.entry(version).or_default() += 1,
                    Err(why) => {
                        tally.failures.push(format!("{method} {path}: {why}"));
                        connection = None;
                    }
                }
            }
            sleep(pause).await;
        }
    }

    /// Sends one request on the connection, opening it where there is none; gives the version that
    /// answered.
    async fn ask(
        &self,
        connection: &mut Option<SendRequest<Full<Bytes>>>,
        method: &Method,
        path: &str,
        body: &Bytes,
    ) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let mut sender = match connection.take() {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        sender.ready().await?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", "web")
            .header("Connection", if self.keep { "keep-alive" } else { "close" })
            .body(Full::new(body.clone()))?;
        let (head, answer) = sender.send_request(request).await?.into_parts();
        let answer = answer.collect().await?.to_bytes();
        let wanted = if method == Method::POST {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        if head.status != wanted {
            return Err(format!(
                "status {}: {}",
                head.status,
                String::from_utf8_lossy(&answer)
            )
            .into());
        }
        if method == Method::POST && answer != *body {
            return Err(format!("{} of {} bytes came back", answer.len(), body.len()).into());
        }
        *connection = self.keep.then_some(sender);
        let version = head.headers.get("X-Version").ok_or("no X-Version")?;
        Ok(version.to_str()?.to_owned())
    }

    async fn connect(
        &self,
    ) -> Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
