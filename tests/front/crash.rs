//! Members that die: what a client may count on, and what not.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use immutable::cloud::local::front::{Front, Protocol, Route, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::client::Client;
use crate::eventually;
use crate::member::{Member, front, route};

/// Clients that get one page for ever; each counts what it gets and stops at the first failure.
fn load(front: &Front, clients: usize, answered: &Arc<AtomicUsize>) -> JoinSet<()> {
    let mut load = JoinSet::new();
    for _ in 0..clients {
        let (address, answered) = (front.address(), Arc::clone(answered));
        load.spawn(async move {
            let mut client = Client::connect(address).await;
            loop {
                assert_eq!(client.get("/work").await.status, StatusCode::OK);
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    load
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_member_costs_no_get() {
    let stable = Member::start("stable").await;
    let front = front(Protocol::Http);
    let answered = Arc::new(AtomicUsize::new(0));
    let mut load = load(&front, 0, &answered);
    for round in 0..10 {
        let victim = Member::start(&format!("victim-{round}")).await;
        front.route(&[route(1, 100, &[&stable, &victim])]);
        if round == 0 {
            load = self::load(&front, 8, &answered);
        }
        eventually("the victim works", || victim.requests() > 8).await;
        victim.kill().await;
        let before = answered.load(Ordering::SeqCst);
        eventually("the load goes on", || {
            answered.load(Ordering::SeqCst) > before + 16
        })
        .await;
    }
    assert!(load.try_join_next().is_none(), "a client failed");
    let traffic = front.traffic();
    assert_eq!((traffic.generations[&1].failed, traffic.unroutable), (0, 0));
    assert!(traffic.generations[&1].retried > 0);
}

#[tokio::test]
async fn a_post_in_flight_at_a_crash_is_answered_502_and_not_repeated() {
    let (victim, other) = (Member::start("victim").await, Member::start("other").await);
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&victim])]);
    let mut client = Client::connect(front.address()).await;
    assert_eq!(client.get("/").await.body, "victim");
    let posted =
        tokio::spawn(async move { (client.post("/wait", "charge").await, client.get("/").await) });
    eventually("the request waits", || {
        victim.state.waiting.load(Ordering::SeqCst) == 1
    })
    .await;
    front.route(&[route(1, 100, &[&victim, &other])]);
    victim.kill().await;
    let (answer, next) = posted.await.unwrap();
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(
        answer.body,
        "the member failed before it answered; it may have processed the request\n"
    );
    assert_eq!(next.body, "other");
    assert_eq!(other.requests(), 1, "only the GET");
    assert_eq!(front.traffic().generations[&1].failed, 1);
}

#[tokio::test]
async fn a_put_in_flight_at_a_crash_is_repeated_with_its_body() {
    for (size, status) in [(60_000, StatusCode::OK), (70_000, StatusCode::BAD_GATEWAY)] {
        let (victim, other) = (Member::start("victim").await, Member::start("other").await);
        let front = front(Protocol::Http);
        front.route(&[route(1, 100, &[&victim])]);
        let mut client = Client::connect(front.address()).await;
        let body = "x".repeat(size);
        let put = tokio::spawn(async move { client.send("PUT", "/whole-then-wait", &body).await });
        eventually("the request waits", || {
            victim.state.waiting.load(Ordering::SeqCst) == 1
        })
        .await;
        front.route(&[route(1, 100, &[&victim, &other])]);
        other.state.permits.add_permits(1);
        victim.kill().await;
        let answer = put.await.unwrap().unwrap();
        assert_eq!(answer.status, status, "{size} bytes: {}", answer.body);
        if status == StatusCode::OK {
            assert_eq!(answer.body, "other: 60000 bytes");
        }
    }
}

#[tokio::test]
async fn a_request_that_reached_nobody_goes_to_another_member_whatever_it_is() {
    let (gone, other) = (Member::start("gone").await, Member::start("other").await);
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&gone, &other])]);
    gone.kill().await;
    let mut client = Client::connect(front.address()).await;
    for size in [0, 10, 60_000, 1_000_000] {
        for _ in 0..4 {
            let answer = client.post("/whole", &"x".repeat(size)).await;
            assert_eq!(answer.body, format!("other: {size} bytes"));
        }
    }
    assert_eq!(front.traffic().generations[&1].failed, 0);
}

#[tokio::test]
async fn when_nobody_can_be_reached_the_answer_is_502() {
    let gone = Member::start("gone").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&gone])]);
    gone.kill().await;
    let answer = Client::connect(front.address())
        .await
        .post("/whole", "body")
        .await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(
        answer.body,
        "no member could be reached; the request was not processed\n"
    );
    assert_eq!(front.traffic().generations[&1].failed, 1);
}

/// A server of raw bytes: reads a request up to its `!`, answers if `answers`, closes
/// without a word.
async fn curt_member(answers: bool) -> (Target, Arc<AtomicUsize>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let server = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.contains(&b'!') {
                if socket.read_buf(&mut request).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            counter.fetch_add(1, Ordering::SeqCst);
            if answers {
                let _ = socket
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ncurt")
                    .await;
            }
        }
    });
    (
        Target {
            member: "curt".to_owned(),
            address,
            eligible: true,
            draining: false,
        },
        requests,
        server,
    )
}

#[tokio::test]
async fn a_connection_that_the_member_has_closed_costs_no_post() {
    let (target, requests, server) = curt_member(true).await;
    let front = front(Protocol::Http);
    front.route(&[Route {
        generation: 1,
        weight: 100,
        targets: vec![target],
    }]);
    let mut client = Client::connect(front.address()).await;
    for count in 1..=100 {
        let answer = client.post("/", "!").await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (StatusCode::OK, "curt")
        );
        assert_eq!(
            requests.load(Ordering::SeqCst),
            count,
            "every request is processed once"
        );
    }
    server.abort();
}

#[tokio::test]
async fn a_member_that_never_answers_is_not_asked_again() {
    let (target, requests, server) = curt_member(false).await;
    let front = front(Protocol::Http);
    front.route(&[Route {
        generation: 1,
        weight: 100,
        targets: vec![target],
    }]);
    let mut client = Client::connect(front.address()).await;
    assert_eq!(client.post("/", "!").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(requests.load(Ordering::SeqCst), 1);
    assert_eq!(client.get("/!").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(
        requests.load(Ordering::SeqCst),
        2,
        "its connection was fresh and there is nobody else"
    );
    assert_eq!(front.traffic().generations[&1].failed, 2);
    server.abort();
}

/// A server that answers each POST and then closes the connection, without a word, after a time
/// that depends on `seed`; it records every body that it read whole.
async fn fickle_member(seed: u64, bodies: Arc<Mutex<Vec<String>>>) -> (Target, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut clients, mut seed) = (JoinSet::new(), seed);
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            clients.spawn(be_fickle(
                socket,
                Duration::from_micros(seed >> 54),
                Arc::clone(&bodies),
            ));
        }
    });
    (
        Target {
            member: "fickle".to_owned(),
            address,
            eligible: true,
            draining: false,
        },
        server,
    )
}

async fn be_fickle(mut socket: TcpStream, patience: Duration, bodies: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    loop {
        let read = tokio::time::timeout(patience, socket.read_buf(&mut request));
        if !matches!(read.await, Ok(Ok(1..))) {
            return;
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, _)) = text.split_once('!') {
            bodies
                .lock()
                .unwrap()
                .push(head.rsplit('\n').next().unwrap().to_owned());
            request.clear();
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            if socket.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

/// Closing in the very moment a request arrives is the one case in which nobody can know whether
/// it was processed. It may cost a 502, never a second processing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_is_never_processed_twice_by_members_that_close_at_random() {
    let seed = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_nanos() as u64;
    println!("seed {seed}");
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let (target, server) = fickle_member(seed, Arc::clone(&bodies)).await;
    let front = front(Protocol::Http);
    front.route(&[Route {
        generation: 1,
        weight: 100,
        targets: vec![target],
    }]);
    let mut client = Client::connect(front.address()).await;
    let mut answered = Vec::new();
    for number in 0..500 {
        let answer = client.post("/", &format!("{number}!")).await;
        match answer.status {
            StatusCode::OK => answered.push(number.to_string()),
            status => assert_eq!(status, StatusCode::BAD_GATEWAY),
        }
    }
    server.abort();
    let processed = bodies.lock().unwrap().clone();
    let distinct: BTreeSet<&String> = processed.iter().collect();
    assert_eq!(distinct.len(), processed.len(), "processed twice");
    assert!(
        answered.iter().all(|number| distinct.contains(number)),
        "answered by nobody"
    );
    assert!(!answered.is_empty(), "nothing was answered at all");
}
