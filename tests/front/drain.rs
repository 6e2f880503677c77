//! Taking a member out without losing a request.

use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use http::StatusCode;
use immutable::cloud::local::front::Protocol;

use crate::client::Client;
use crate::eventually;
use crate::member::{Member, front, route};

#[tokio::test]
async fn a_drained_member_finishes_its_requests_and_gets_no_more() {
    let (leaving, staying) = (
        Member::start("leaving").await,
        Member::start("staying").await,
    );
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&leaving])]);
    let mut waiting = Client::connect(front.address()).await;
    let waiting = tokio::spawn(async move { (waiting.get("/wait").await, waiting.get("/").await) });
    eventually("the request waits", || {
        leaving.state.waiting.load(Ordering::SeqCst) == 1
    })
    .await;

    front.route(&[route(1, 0, &[&leaving]), route(2, 100, &[&staying])]);
    let drain = front.drain("leaving");
    assert_eq!(drain.in_flight(), 1);
    assert!(drain.finished().now_or_never().is_none());
    let mut other = Client::connect(front.address()).await;
    assert_eq!(other.get("/").await.body, "staying");
    assert_eq!(drain.in_flight(), 1);

    leaving.state.permits.add_permits(1);
    drain.finished().await;
    assert_eq!(drain.in_flight(), 0);
    leaving.kill().await;
    // The client's connection is the front's own: it outlives the member that served it.
    let (answer, next) = waiting.await.unwrap();
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, "leaving")
    );
    assert_eq!(next.body, "staying");
}

#[tokio::test]
async fn draining_closes_idle_connections() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let mut client = Client::connect(front.address()).await;
    client.get("/").await;
    assert_eq!(member.state.open.load(Ordering::SeqCst), 1);
    front.drain("a").finished().await;
    eventually("no connection is open", || {
        member.state.open.load(Ordering::SeqCst) == 0
    })
    .await;
    assert_eq!(
        client.get("/").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn idle_connections_are_closed_in_time() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    Client::connect(front.address()).await.get("/").await;
    eventually("the pool lets go", || {
        member.state.open.load(Ordering::SeqCst) == 0
    })
    .await;
}

#[tokio::test]
async fn a_member_left_out_of_the_routes_is_drained_like_any_other() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let mut waiting = Client::connect(front.address()).await;
    let waiting = tokio::spawn(async move { waiting.get("/wait").await });
    eventually("the request waits", || {
        member.state.waiting.load(Ordering::SeqCst) == 1
    })
    .await;
    front.route(&[]);
    let drain = front.drain("a");
    assert_eq!(drain.in_flight(), 1);
    assert_eq!(front.traffic().generations[&1].in_flight, 1);
    member.state.permits.add_permits(1);
    drain.finished().await;
    assert_eq!(waiting.await.unwrap().body, "a");
    front.route(&[]);
    assert!(front.traffic().generations.is_empty());
}

#[tokio::test]
async fn an_unknown_member_has_nothing_in_flight() {
    let front = front(Protocol::Http);
    front.drain("nobody").finished().await;
}

#[tokio::test]
async fn draining_can_be_taken_back() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    front.drain("a").finished().await;
    front.route(&[route(1, 100, &[&member])]);
    assert_eq!(
        Client::connect(front.address()).await.get("/").await.body,
        "a"
    );
}
