//! Opening and closing the front itself.

use std::error::Error;
use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::Duration;

use immutable::cloud::local::front::{Clients, Front, Protocol};
use tokio::net::{TcpListener, TcpStream};

use crate::client::{Client, Raw};
use crate::eventually;
use crate::member::{Member, front, route};

const AMPLE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn an_address_in_use_is_refused_and_its_owner_named() {
    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = stranger.local_addr().unwrap();
    let error = Front::bind(address, Protocol::Http, &Clients::at_most(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let text = error.to_string();
    assert!(
        text.starts_with(&format!(
            "the front door cannot listen on {address}, because process "
        )),
        "{text}"
    );
    assert!(
        text.ends_with(&format!("(pid {}) already does", std::process::id())),
        "{text}"
    );
    assert!(error.source().unwrap().to_string().contains("in use"));
}

#[tokio::test]
async fn an_address_of_another_machine_is_refused() {
    let error = Front::bind(
        "192.0.2.1:80".parse().unwrap(),
        Protocol::Http,
        &Clients::at_most(1),
    )
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    assert_eq!(
        error.to_string(),
        "the front door cannot listen on 192.0.2.1:80"
    );
}

#[tokio::test]
async fn closing_answers_what_is_in_flight_and_leaves_nothing() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    let address = front.address();
    front.route(&[route(1, 100, &[&member])]);
    let mut idle = Raw::connect(address).await;
    let mut waiting = Client::connect(address).await;
    let waiting = tokio::spawn(async move { waiting.get("/wait").await });
    eventually("the request waits", || {
        member.state.waiting.load(Ordering::SeqCst) == 1
    })
    .await;

    let closing = tokio::spawn(front.close(AMPLE));
    // Idle clients are let go at once; the other is still waited for.
    assert_eq!(idle.read_to_end().await, "");
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!closing.is_finished());
    member.state.permits.add_permits(1);
    assert_eq!(waiting.await.unwrap().body, "a");
    closing.await.unwrap();
    eventually("no connection is open", || {
        member.state.open.load(Ordering::SeqCst) == 0
    })
    .await;
    // The address can be taken again at once.
    Front::bind(address, Protocol::Http, &Clients::at_most(1))
        .unwrap()
        .close(AMPLE)
        .await;
}

#[tokio::test]
async fn closing_does_not_wait_beyond_its_grace() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let mut raw = Raw::connect(front.address()).await;
    raw.write(b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n").await;
    eventually("the request waits", || {
        member.state.waiting.load(Ordering::SeqCst) == 1
    })
    .await;
    front.close(Duration::from_millis(10)).await;
    assert_eq!(raw.read_to_end().await, "");
    eventually("no connection is open", || {
        member.state.open.load(Ordering::SeqCst) == 0
    })
    .await;
}

#[tokio::test]
async fn dropping_cuts_everything() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let member = Member::start("a").await;
    let before = tasks();
    let front = front(Protocol::Http);
    let address = front.address();
    front.route(&[route(1, 100, &[&member])]);
    let mut raw = Raw::connect(address).await;
    raw.write(b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut switched = Raw::connect(address).await;
    switched
        .write(b"GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        .await;
    switched.read_until("hello").await;
    drop(front);
    assert_eq!(raw.read_to_end().await, "");
    assert_eq!(switched.read_to_end().await, "");
    eventually("no task is left", || tasks() <= before).await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn clients_that_ask_nothing_are_let_go_and_those_that_wait_are_not() {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    let mut waiting = Raw::connect(front.address()).await;
    waiting
        .write(b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
        .await;
    eventually("the request waits", || {
        member.state.waiting.load(Ordering::SeqCst) == 1
    })
    .await;
    let mut silent = Raw::connect(front.address()).await;
    let mut slow = Raw::connect(front.address()).await;
    slow.write(b"GET / HT").await;
    assert_eq!(silent.read_to_end().await, "");
    assert_eq!(slow.read_to_end().await, "");
    member.state.permits.add_permits(1);
    assert!(
        waiting
            .read_until("\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 200")
    );
}
