//! Clients that stop in the middle, that are slow, or that are silent for good reason.

use std::time::Duration;

use hyper::body::Bytes;
use immutable::cloud::local::front::{Drain, Front, Protocol};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::client::Raw;
use crate::member::{Member, front, front_for, route};
use crate::tcp::Echo;
use crate::upgrade::SWITCH;

/// Longer than anybody is waited for who stands still; all clocks here are virtual.
const AMPLE: Duration = Duration::from_secs(3600);

/// Longer than a connection without a request is kept, and shorter than one that stands still.
const WHILE: Duration = Duration::from_secs(240);

/// Begins an endless answer that its client does not read.
async fn unread(front: &Front, member: &Member) -> Raw {
    let mut raw = Raw::connect(front.address()).await;
    raw.write(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let chunks = member.state.chunk.lock().unwrap().take().unwrap();
    tokio::spawn(async move {
        let chunk = Bytes::from(vec![b'x'; 64 << 10]);
        while chunks.send(chunk.clone()).await.is_ok() {}
    });
    raw.read_until("\r\n\r\n").await;
    raw
}

async fn finishes(drain: &Drain) {
    let finished = timeout(AMPLE, drain.finished()).await;
    finished.expect("nothing is in flight any more");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_in_the_middle_of_its_request_is_let_go() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let mut raw = Raw::connect(front.address()).await;
    raw.write(b"POST /whole HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345")
        .await;
    let rest = timeout(AMPLE, raw.read_to_end()).await;
    assert_eq!(rest.expect("it is let go"), "");
    assert_eq!(front.drain("a").in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_answer_is_let_go() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let _raw = unread(&front, &member).await;
    finishes(&front.drain("a")).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_slow_and_moves_is_served_to_the_end() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let mut raw = Raw::connect(front.address()).await;
    raw.write(b"POST /whole HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
        .await;
    for letter in "slow!".bytes() {
        tokio::time::sleep(WHILE).await;
        raw.write(&[letter]).await;
    }
    raw.read_until("a: 5 bytes").await;
}

#[tokio::test(start_paused = true)]
async fn silence_on_an_upgraded_or_tcp_connection_is_no_reason_to_cut_it() {
    let (member, echo) = (Member::start("a").await, Echo::start("b").await);
    let (http, tcp) = (front(Protocol::Http), front(Protocol::Tcp));
    http.route(&[route(1, 100, &[&member])]);
    tcp.route(&[echo.route(1, 100)]);
    let mut upgraded = Raw::connect(http.address()).await;
    upgraded.write(SWITCH).await;
    upgraded.read_until("hello").await;
    let mut raw = Raw::connect(tcp.address()).await;
    raw.read_until("b\n").await;
    tokio::time::sleep(6 * AMPLE).await;
    upgraded.write(b"still there").await;
    upgraded.read_until("still there").await;
    raw.write(b"here too").await;
    raw.0.shutdown().await.unwrap();
    assert_eq!(raw.read_to_end().await, "here too");
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_tcp_member_has_ended_is_let_go_when_it_stays_silent() {
    let echo = Echo::start("a").await;
    let front = front(Protocol::Tcp);
    front.route(&[echo.route(1, 100)]);
    let mut raw = Raw::connect(front.address()).await;
    raw.read_until("a\n").await;
    drop(echo);
    assert_eq!(raw.read_to_end().await, "");
    finishes(&front.drain("a")).await;
}

#[tokio::test]
async fn what_is_left_of_a_drain_can_be_cut() {
    let (member, echo) = (Member::start("a").await, Echo::start("b").await);
    let (http, tcp) = (front(Protocol::Http), front(Protocol::Tcp));
    http.route(&[route(1, 100, &[&member])]);
    tcp.route(&[echo.route(1, 100)]);
    let _unread = unread(&http, &member).await;
    let mut upgraded = Raw::connect(http.address()).await;
    upgraded.write(SWITCH).await;
    upgraded.read_until("hello").await;
    let mut idle = Raw::connect(http.address()).await;
    idle.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    idle.read_until("\r\n\r\na").await;
    let mut raw = Raw::connect(tcp.address()).await;
    raw.read_until("b\n").await;
    let drain = http.drain("a").and(tcp.drain("b"));
    assert_eq!(drain.in_flight(), 3);
    drain.cut();
    drain.finished().await;
    assert_eq!(upgraded.read_to_end().await, "");
    assert_eq!(raw.read_to_end().await, "");
    // Whoever had nothing in flight there keeps its connection.
    let other = Member::start("c").await;
    http.route(&[route(2, 100, &[&other])]);
    idle.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    idle.read_until("\r\n\r\nc").await;
}

#[tokio::test(start_paused = true)]
async fn clients_beyond_the_places_wait_for_one() {
    let member = Member::start("a").await;
    let front = front_for(Protocol::Http, 1);
    front.route(&[route(1, 100, &[&member])]);
    let (mut first, mut second) = (
        Raw::connect(front.address()).await,
        Raw::connect(front.address()).await,
    );
    for raw in [&mut first, &mut second] {
        raw.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    }
    first.read_until("\r\n\r\na").await;
    let early = timeout(Duration::from_secs(10), second.read_until("\r\n\r\na")).await;
    assert!(early.is_err(), "there is no place for it");
    drop(first);
    second.read_until("\r\n\r\na").await;
}
