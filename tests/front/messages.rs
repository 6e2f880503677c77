//! What happens to requests and responses on their way through.

use http::StatusCode;
use immutable::cloud::local::front::{Front, Protocol};

use crate::client::{Client, Raw};
use crate::member::{Member, front, route};

async fn one_member() -> (Member, Front) {
    let member = Member::start("a").await;
    let front = front(Protocol::Http);
    front.route(&[route(1, 100, &[&member])]);
    (member, front)
}

/// Sends raw bytes on a connection of its own, reads until the front closes it.
async fn exchange(front: &Front, bytes: &str) -> String {
    let mut client = Raw::connect(front.address()).await;
    client.write(bytes.as_bytes()).await;
    client.read_to_end().await
}

#[tokio::test]
async fn members_see_the_client_and_the_host_and_no_hop_by_hop_headers() {
    let (_member, front) = one_member().await;
    let request = "GET /head?x=1 HTTP/1.1\r\nHost: web.example.com\r\nX-Forwarded-For: 10.0.0.1\r\n\
        Connection: close, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: x\r\n\
        Upgrade: h2c\r\nX-Kept: yes\r\n\r\n";
    let response = exchange(&front, request).await;
    let seen = response.split_once("\r\n\r\n").unwrap().1;
    let expected = "GET /head?x=1 HTTP/1.1\nhost: web.example.com\nx-forwarded-for: 10.0.0.1, 127.0.0.1\n\
        x-forwarded-host: web.example.com\nx-forwarded-proto: http\nx-kept: yes";
    assert_eq!(seen, expected, "{response}");
}

#[tokio::test]
async fn whoever_asks_for_an_absolute_address_is_told_to_nobody() {
    let (_member, front) = one_member().await;
    let request = "GET http://user:secret@h.test:81/head HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n";
    let response = exchange(&front, request).await;
    assert!(response.contains("\nhost: h.test:81\n"), "{response}");
    assert!(!response.contains("secret"), "{response}");
}

#[tokio::test]
async fn every_address_of_x_forwarded_for_is_kept() {
    let (_member, front) = one_member().await;
    let response = exchange(&front, "GET /head HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n").await;
    assert!(
        response.contains("x-forwarded-for: 10.0.0.1, 127.0.0.1"),
        "{response}"
    );
    assert!(response.contains("x-forwarded-proto: https"), "{response}");
}

#[tokio::test]
async fn hop_by_hop_headers_of_responses_stay_behind() {
    let (_member, front) = one_member().await;
    let mut client = Client::connect(front.address()).await;
    let answer = client.get("/hop").await;
    let names: Vec<&str> = answer
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    assert!(names.contains(&"x-public"), "{names:?}");
    for name in ["connection", "keep-alive", "x-private"] {
        assert!(!names.contains(&name), "{names:?}");
    }
    // A member that closes does not close the client.
    assert_eq!(client.get("/close").await.status, StatusCode::OK);
    assert_eq!(client.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn answers_without_a_body_are_framed_right() {
    let (_member, front) = one_member().await;
    let mut raw = Raw::connect(front.address()).await;
    raw.write(b"HEAD /large HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let head = raw.read_until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("content-length: 1048576"), "{head}");
    // What follows on the same connection shows that nothing was sent after each head.
    for code in ["204", "304"] {
        raw.write(format!("GET /status/{code} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes())
            .await;
        let head = raw.read_until("\r\n\r\n").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {code}")), "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
    }
    raw.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(raw.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn old_clients_are_served() {
    let (_member, front) = one_member().await;
    let response = exchange(&front, "GET /head HTTP/1.0\r\n\r\n").await;
    assert!(response.starts_with("HTTP/1.0 200"), "{response}");
    assert!(
        response.contains(&format!("GET /head HTTP/1.1\nhost: {}", front.address())),
        "{response}"
    );
    // Without chunks, which they do not know.
    let response = exchange(
        &front,
        "POST /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
    )
    .await;
    assert!(
        response.ends_with("\r\n\r\nhello") && !response.contains("chunked"),
        "{response}"
    );
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_member, front) = one_member().await;
    let request = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none\
        POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\ntwo\
        POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nthree";
    let response = exchange(&front, request).await;
    let places = ["one", "two", "three"].map(|body| response.find(body).unwrap());
    assert!(places.is_sorted(), "{response}");
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let (_member, front) = one_member().await;
    let mut raw = Raw::connect(front.address()).await;
    raw.write(
        b"POST /whole HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    )
    .await;
    assert!(raw.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 100"));
    raw.write(b"hello").await;
    let response = raw.read_until("a: 5 bytes").await;
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}

#[tokio::test]
async fn a_request_for_a_whole_address_names_its_host() {
    let (_member, front) = one_member().await;
    let response = exchange(
        &front,
        "GET http://real.example/head HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(
        response.contains("GET /head HTTP/1.1\nhost: real.example"),
        "{response}"
    );
}

#[tokio::test]
async fn malformed_requests_are_refused_and_reach_no_member() {
    let (member, front) = one_member().await;
    let rows = [
        ("\0\x01\x02 garbage \r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "400"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
            "400",
        ),
        (
            "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
            "400",
        ),
    ];
    for (request, status) in rows {
        let response = exchange(&front, request).await;
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status}")),
            "{request:?}: {response}"
        );
    }
    let large = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nX-Large: {}\r\n\r\n",
        "x".repeat(100_000)
    );
    let response = exchange(&front, &large).await;
    assert!(response.starts_with("HTTP/1.1 431"), "{response}");
    assert_eq!(member.requests(), 0);
    assert_eq!(front.traffic().generations[&1].failed, 0);
}

#[tokio::test]
async fn a_body_in_chunks_is_passed_on_whatever_the_method() {
    let (_member, front) = one_member().await;
    for method in ["GET", "DELETE", "POST"] {
        let request = format!(
            "{method} /whole HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
             2\r\n{{}}\r\n0\r\n\r\n"
        );
        let response = exchange(&front, &request).await;
        assert!(response.ends_with("a: 2 bytes"), "{method}: {response}");
    }
}

#[tokio::test]
async fn a_length_beside_chunks_is_not_passed_on() {
    let (_member, front) = one_member().await;
    let request = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let response = exchange(&front, request).await;
    // Refused or read by the chunks, never by the length.
    assert!(
        response.starts_with("HTTP/1.1 400") || response.contains("hello"),
        "{response}"
    );
}
