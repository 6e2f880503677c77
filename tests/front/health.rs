//! Health checks against real members.

use std::time::Duration;

use immutable::cloud::local::health::{Check, Health, Watch};
use tokio::net::TcpListener;

use crate::eventually;
use crate::member::Member;

fn check(path: Option<&str>) -> Check {
    Check {
        path: path.map(str::to_owned),
        interval: Duration::from_millis(20),
        timeout: Duration::from_secs(5),
    }
}

async fn first(watch: &Watch) -> Health {
    let mut outcomes = watch.subscribe();
    outcomes
        .wait_for(|health| *health != Health::default())
        .await
        .unwrap()
        .clone()
}

#[tokio::test]
async fn successes_add_up_and_remember_since_when() {
    let member = Member::start("a").await;
    for path in [
        Some("/"),
        Some("/status/304"),
        Some("/status/204"),
        Some("/large"),
        None,
    ] {
        let watch = Watch::start(member.address, check(path));
        let mut outcomes = watch.subscribe();
        let since = first(&watch).await.healthy_since;
        let health = outcomes
            .wait_for(|health| health.consecutive_successes >= 3)
            .await
            .unwrap()
            .clone();
        assert!(since.is_some());
        assert_eq!(
            (
                health.healthy_since,
                health.consecutive_failures,
                health.last_error
            ),
            (since, 0, None),
            "{path:?}"
        );
    }
}

#[tokio::test]
async fn failures_say_what_went_wrong() {
    let member = Member::start("a").await;
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let short = Check {
        timeout: Duration::from_millis(50),
        ..check(Some("/"))
    };
    let rows = [
        (member.address, check(Some("/status/500")), "status 500"),
        (gone, check(Some("/")), "connection refused"),
        (gone, check(None), "connection refused"),
        (mute.local_addr().unwrap(), short, "timed out after 50ms"),
        (
            member.address,
            check(Some("not a path")),
            "\"not a path\" is not a path: invalid uri character",
        ),
    ];
    for (address, check, expected) in rows {
        let health = first(&Watch::start(address, check)).await;
        assert_eq!(health.last_error.as_deref(), Some(expected));
        assert_eq!(
            (health.consecutive_successes, health.healthy_since),
            (0, None)
        );
        assert!(health.consecutive_failures > 0);
    }
}

#[tokio::test]
async fn a_member_that_dies_loses_its_streak() {
    let member = Member::start("a").await;
    let watch = Watch::start(member.address, check(Some("/")));
    let mut outcomes = watch.subscribe();
    outcomes
        .wait_for(|health| health.consecutive_successes > 1)
        .await
        .unwrap();
    member.kill().await;
    let health = outcomes
        .wait_for(|health| health.consecutive_failures > 1)
        .await
        .unwrap()
        .clone();
    assert_eq!(
        (health.consecutive_successes, health.healthy_since),
        (0, None)
    );
    assert_eq!(health.last_error.as_deref(), Some("connection refused"));
}

#[tokio::test]
async fn dropping_the_watch_ends_the_checks() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let gone = "127.0.0.1:9".parse().unwrap();
    let before = tasks();
    let watch = Watch::start(gone, check(None));
    first(&watch).await;
    drop(watch);
    eventually("no task is left", || tasks() == before).await;
}
