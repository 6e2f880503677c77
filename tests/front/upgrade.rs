//! Connections that switch protocols, as WebSockets do.

use immutable::cloud::local::front::Protocol;
use tokio::io::AsyncWriteExt;

use crate::client::{Client, Raw};
use crate::eventually;
use crate::member::{Member, front, route};

pub(crate) const SWITCH: &[u8] =
    b"GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n";

#[tokio::test]
async fn bytes_pass_both_ways_and_the_connection_counts_until_it_ends() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let mut raw = Raw::connect(front.address()).await;
    raw.write(SWITCH).await;
    let head = raw.read_until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(
        head.contains("upgrade: echo") && head.contains("connection: upgrade"),
        "{head}"
    );
    // What the member says first is not lost.
    raw.read_until("hello").await;
    for word in ["one", "two", "three"] {
        raw.write(word.as_bytes()).await;
        assert_eq!(raw.read_until(word).await, word);
    }
    let drain = front.drain("a");
    assert_eq!(drain.in_flight(), 1);
    raw.0.shutdown().await.unwrap();
    assert_eq!(raw.read_to_end().await, "");
    drain.finished().await;
}

#[tokio::test]
async fn a_member_that_dies_ends_the_connection() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let mut raw = Raw::connect(front.address()).await;
    raw.write(SWITCH).await;
    raw.read_until("hello").await;
    drop(raw);
    eventually("nothing is in flight", || {
        front.traffic().generations[&1].in_flight == 0
    })
    .await;
}

#[tokio::test]
async fn a_refused_switch_is_an_ordinary_answer() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let mut raw = Raw::connect(front.address()).await;
    raw.write(
        b"GET /status/500 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
    )
    .await;
    assert!(raw.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 500"));
    raw.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(raw.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for_is_not_passed_on() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let mut client = Client::connect(front.address()).await;
    assert_eq!(
        client.get("/upgrade").await.status,
        http::StatusCode::BAD_GATEWAY
    );
    assert_eq!(client.get("/").await.body, "a");
}
