//! Who gets a request.

use std::sync::atomic::Ordering;

use http::StatusCode;
use immutable::cloud::local::front::Protocol;

use crate::client::Client;
use crate::member::{Member, front, route};

#[tokio::test]
async fn without_routes_the_answer_is_503() {
    let front = front(Protocol::Http);
    let mut client = Client::connect(front.address()).await;
    let answer = client.get("/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body, "no healthy member is there to answer\n");
    assert_eq!(front.traffic().unroutable, 1);
}

#[tokio::test]
async fn requests_follow_the_weights_exactly() {
    let (one, two, three) = (
        Member::start("one").await,
        Member::start("two").await,
        Member::start("three").await,
    );
    let front = front(Protocol::Http);
    front.route(&[
        route(1, 75, &[&one]),
        route(2, 25, &[&two]),
        route(3, 0, &[&three]),
    ]);
    let mut client = Client::connect(front.address()).await;
    for _ in 0..200 {
        assert_eq!(client.get("/").await.status, StatusCode::OK);
    }
    assert_eq!(
        [one.requests(), two.requests(), three.requests()],
        [150, 50, 0]
    );
    let traffic = front.traffic();
    assert_eq!(traffic.generations[&1].served, 150);
    assert_eq!(traffic.generations[&2].served, 50);
    assert_eq!(traffic.generations[&3].served, 0);
}

#[tokio::test]
async fn members_of_a_generation_share_its_requests() {
    let members = [
        Member::start("a").await,
        Member::start("b").await,
        Member::start("c").await,
    ];
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&members[0], &members[1], &members[2]])]);
    let mut client = Client::connect(front.address()).await;
    for _ in 0..30 {
        client.get("/").await;
    }
    assert_eq!(members.each_ref().map(Member::requests), [10, 10, 10]);
}

#[tokio::test]
async fn connections_to_members_are_kept() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let mut client = Client::connect(front.address()).await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.body, "a");
        assert_eq!(client.post("/whole", "body").await.body, "a: 4 bytes");
        assert_eq!(
            client.get("/status/204").await.status,
            StatusCode::NO_CONTENT
        );
        assert_eq!(client.get("/large").await.body.len(), 1 << 20);
        assert_eq!(client.post("/echo", "chunked").await.body, "chunked");
    }
    assert_eq!(member.state.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_generation_without_eligible_members_is_stood_in_for() {
    let (one, two) = (Member::start("one").await, Member::start("two").await);
    let front = front(Protocol::Http);
    let mut sick = route(2, 50, &[&two]);
    sick.targets[0].eligible = false;
    front.route(&[route(1, 50, &[&one]), sick]);
    let mut client = Client::connect(front.address()).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.body, "one");
    }
    assert_eq!(two.requests(), 0);
}

#[tokio::test]
async fn weight_0_gets_nothing_even_when_nobody_else_can_answer() {
    let (one, two) = (Member::start("one").await, Member::start("two").await);
    let front = front(Protocol::Http);
    let mut sick = route(1, 100, &[&one]);
    sick.targets[0].eligible = false;
    front.route(&[sick, route(2, 0, &[&two])]);
    let mut client = Client::connect(front.address()).await;
    assert_eq!(
        client.get("/").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!([one.requests(), two.requests()], [0, 0]);
}

#[tokio::test]
async fn a_busy_member_is_spared() {
    let (busy, free) = (Member::start("busy").await, Member::start("free").await);
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&busy])]);
    let mut waiting = Client::connect(front.address()).await;
    let waiting = tokio::spawn(async move { waiting.get("/wait").await });
    crate::eventually("the request waits", || {
        busy.state.waiting.load(Ordering::SeqCst) == 1
    })
    .await;
    front.route(&[route(1, 100, &[&busy, &free])]);
    let mut client = Client::connect(front.address()).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.body, "free");
    }
    busy.state.permits.add_permits(1);
    assert_eq!(waiting.await.unwrap().body, "busy");
}

#[tokio::test]
async fn shares_hold_while_routes_change_all_the_time() {
    let members = [
        Member::start("one").await,
        Member::start("two").await,
        Member::start("three").await,
    ];
    let front = front(Protocol::Http);
    let mut client = Client::connect(front.address()).await;
    for _ in 0..100 {
        front.route(&[
            route(1, 10, &[&members[0]]),
            route(2, 90, &[&members[1], &members[2]]),
        ]);
        client.get("/").await;
    }
    assert_eq!(members.each_ref().map(Member::requests), [10, 45, 45]);
}
