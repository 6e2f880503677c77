//! TCP mode.

use std::net::SocketAddr;

use futures_util::FutureExt;
use immutable::cloud::local::front::{Protocol, Route, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::client::Raw;
use crate::eventually;
use crate::member::front;

/// A member that says its name, reads to the end, then sends everything back.
pub(crate) struct Echo {
    name: String,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Echo {
    pub(crate) async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let greeting = format!("{name}\n");
        let server = tokio::spawn(async move {
            let mut clients = JoinSet::new();
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let greeting = greeting.clone();
                clients.spawn(async move {
                    let mut all = Vec::new();
                    socket.write_all(greeting.as_bytes()).await.unwrap();
                    socket.read_to_end(&mut all).await.unwrap();
                    socket.write_all(&all).await.unwrap();
                });
            }
        });
        Self {
            name: name.to_owned(),
            address,
            server,
        }
    }

    pub(crate) fn route(&self, generation: u32, weight: u16) -> Route {
        let target = Target {
            member: self.name.clone(),
            address: self.address,
            eligible: true,
            draining: false,
        };
        Route {
            generation,
            weight,
            targets: vec![target],
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tokio::test]
async fn half_closed_connections_carry_the_rest() {
    let member = Echo::start("a").await;
    let front = front(Protocol::Tcp);
    front.route(&[member.route(1, 100)]);
    let mut raw = Raw::connect(front.address()).await;
    raw.write(b"\0\x01binary").await;
    raw.0.shutdown().await.unwrap();
    assert_eq!(raw.read_to_end().await, "a\n\0\x01binary");
    eventually("nothing is in flight", || {
        front.traffic().generations[&1].in_flight == 0
    })
    .await;
    assert_eq!(front.traffic().generations[&1].served, 1);
}

#[tokio::test]
async fn connections_follow_the_weights() {
    let (one, two) = (Echo::start("one").await, Echo::start("two").await);
    let front = front(Protocol::Tcp);
    front.route(&[one.route(1, 25), two.route(2, 75)]);
    let mut ones = 0;
    for _ in 0..40 {
        let mut raw = Raw::connect(front.address()).await;
        ones += usize::from(raw.read_until("\n").await == "one\n");
    }
    assert_eq!(ones, 10);
}

#[tokio::test]
async fn draining_waits_for_connections_and_new_ones_go_elsewhere() {
    let (one, two) = (Echo::start("one").await, Echo::start("two").await);
    let front = front(Protocol::Tcp);
    front.route(&[one.route(1, 100)]);
    let mut earlier = Raw::connect(front.address()).await;
    earlier.read_until("one\n").await;
    front.route(&[one.route(1, 0), two.route(2, 100)]);
    let drain = front.drain("one");
    assert_eq!(drain.in_flight(), 1);
    assert!(drain.finished().now_or_never().is_none());
    Raw::connect(front.address())
        .await
        .read_until("two\n")
        .await;
    earlier.write(b"bye").await;
    earlier.0.shutdown().await.unwrap();
    assert_eq!(earlier.read_to_end().await, "bye");
    drain.finished().await;
}

#[tokio::test]
async fn an_unreachable_member_is_passed_over() {
    let (gone, other) = (Echo::start("gone").await, Echo::start("other").await);
    let front = front(Protocol::Tcp);
    let mut route = other.route(1, 100);
    route.targets.extend(gone.route(1, 100).targets);
    front.route(&[route]);
    gone.server.abort();
    eventually("it is gone", || gone.server.is_finished()).await;
    for _ in 0..4 {
        Raw::connect(front.address())
            .await
            .read_until("other\n")
            .await;
    }
}

#[tokio::test]
async fn without_a_member_the_connection_is_closed() {
    let front = front(Protocol::Tcp);
    assert_eq!(Raw::connect(front.address()).await.read_to_end().await, "");
    assert_eq!(front.traffic().unroutable, 1);
}
