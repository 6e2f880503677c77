//! The main job: generations replaced under load, without one failed request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::StatusCode;
use immutable::cloud::local::front::{Front, Protocol};
use tokio::task::JoinSet;

use crate::client::Client;
use crate::eventually;
use crate::member::{Member, front, route};

const SWAPS: u32 = 12;

/// Kept-alive clients that send until told to stop. Each returns how many answers it got; any
/// failure, of a request or of its connection, is a panic.
fn load(front: &Front, stop: &Arc<AtomicBool>, answered: &Arc<AtomicUsize>) -> JoinSet<usize> {
    let requests = [
        ("GET", "/", ""),
        ("POST", "/whole", "a body"),
        ("GET", "/work", ""),
        ("POST", "/work", "a body"),
    ];
    let mut load = JoinSet::new();
    for client in 0..12 {
        let (address, stop, answered) = (front.address(), Arc::clone(stop), Arc::clone(answered));
        let (method, path, body) = requests[client % requests.len()];
        load.spawn(async move {
            let mut client = Client::connect(address).await;
            let mut count = 0;
            while !stop.load(Ordering::SeqCst) {
                let answer = client.send(method, path, body).await.unwrap();
                assert_eq!(
                    answer.status,
                    StatusCode::OK,
                    "{method} {path}: {}",
                    answer.body
                );
                count += 1;
                answered.fetch_add(1, Ordering::SeqCst);
            }
            count
        });
    }
    load
}

async fn start(generation: u32) -> [Member; 2] {
    [
        Member::start(&format!("g{generation}-a")).await,
        Member::start(&format!("g{generation}-b")).await,
    ]
}

/// Starts a generation, shifts the traffic to it in steps, drains the earlier one and kills it.
async fn swap(
    front: &Front,
    generation: u32,
    earlier: [Member; 2],
    answered: &AtomicUsize,
) -> [Member; 2] {
    let later = start(generation).await;
    for weight in [10, 50, 100] {
        front.route(&[
            route(generation - 1, 100 - weight, &[&earlier[0], &earlier[1]]),
            route(generation, weight, &[&later[0], &later[1]]),
        ]);
        let before = answered.load(Ordering::SeqCst);
        eventually("traffic flows", || {
            answered.load(Ordering::SeqCst) > before + 40
        })
        .await;
    }
    front.route(&[route(generation, 100, &[&later[0], &later[1]])]);
    for member in earlier {
        let drain = front.drain(&member.name);
        drain.finished().await;
        let served = member.requests();
        member.kill().await;
        assert!(served > 0, "the earlier generation took part");
    }
    later
}

async fn swaps_lose_no_request() {
    let front = front(Protocol::Http);
    let mut serving = start(1).await;
    front.route(&[route(1, 100, &[&serving[0], &serving[1]])]);
    let (stop, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let load = load(&front, &stop, &answered);
    for generation in 2..2 + SWAPS {
        serving = swap(&front, generation, serving, &answered).await;
    }
    stop.store(true, Ordering::SeqCst);
    let counts = load.join_all().await;
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    let traffic = front.traffic();
    assert_eq!(traffic.unroutable, 0);
    assert!(
        traffic
            .generations
            .values()
            .all(|generation| generation.failed == 0),
        "{traffic:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_lose_no_request_on_two_threads() {
    swaps_lose_no_request().await;
}

#[tokio::test]
async fn swaps_lose_no_request_on_one_thread() {
    swaps_lose_no_request().await;
}
