//! Bodies that are passed on while they arrive.

use std::sync::atomic::Ordering;

use hyper::body::Bytes;
use immutable::cloud::local::front::Protocol;

use crate::client::{Client, Raw};
use crate::eventually;
use crate::member::{Member, front, route};

#[tokio::test]
async fn a_response_starts_before_it_ends_and_is_in_flight_until_then() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let chunks = member.state.chunk.lock().unwrap().take().unwrap();
    let mut raw = Raw::connect(front.address()).await;
    raw.write(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").await;
    raw.read_until("\r\n\r\n").await;
    chunks.send(Bytes::from_static(b"first")).await.unwrap();
    raw.read_until("first\r\n").await;
    assert_eq!(front.traffic().generations[&1].in_flight, 1);
    chunks.send(Bytes::from_static(b"second")).await.unwrap();
    drop(chunks);
    raw.read_until("second\r\n0\r\n\r\n").await;
    assert_eq!(front.traffic().generations[&1].in_flight, 0);
}

#[tokio::test]
async fn an_upload_is_passed_on_while_it_arrives() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let mut raw = Raw::connect(front.address()).await;
    raw.write(
        b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
    )
    .await;
    raw.read_until("first\r\n").await;
    raw.write(b"6\r\nsecond\r\n0\r\n\r\n").await;
    raw.read_until("second\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn large_bodies_pass_in_both_directions() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let mut client = Client::connect(front.address()).await;
    let body = "0123456789abcdef".repeat(1 << 17);
    for _ in 0..3 {
        assert_eq!(client.post("/echo", &body).await.body, body);
    }
    assert_eq!(client.post("/whole", &body).await.body, "a: 2097152 bytes");
    assert_eq!(front.traffic().generations[&1].in_flight, 0);
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_member() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let mut raw = Raw::connect(front.address()).await;
    raw.write(b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n").await;
    eventually("the request waits", || {
        member.state.waiting.load(Ordering::SeqCst) == 1
    })
    .await;
    drop(raw);
    eventually("nothing is in flight", || {
        front.traffic().generations[&1].in_flight == 0
    })
    .await;
    eventually("the member was told", || {
        member.state.open.load(Ordering::SeqCst) == 0
    })
    .await;
}

#[tokio::test]
async fn slow_clients_hold_up_nobody() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let mut slow = Vec::new();
    for _ in 0..20 {
        // One sends half a head, one half a body, one does not read its answer.
        for request in [
            "GET / HT",
            "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345",
            "GET /large HTTP/1.1\r\nHost: h\r\n\r\n",
        ] {
            let mut raw = Raw::connect(front.address()).await;
            raw.write(request.as_bytes()).await;
            slow.push(raw);
        }
    }
    let mut client = Client::connect(front.address()).await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.body, "a");
    }
}

#[tokio::test]
async fn a_body_cut_off_by_its_member_is_cut_off_for_the_client() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let chunks = member.state.chunk.lock().unwrap().take().unwrap();
    let mut raw = Raw::connect(front.address()).await;
    raw.write(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").await;
    chunks.send(Bytes::from_static(b"first")).await.unwrap();
    raw.read_until("first\r\n").await;
    member.kill().await;
    let rest = raw.read_to_end().await;
    assert!(!rest.contains("0\r\n\r\n"), "the end was made up: {rest:?}");
}
