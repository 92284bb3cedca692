//! Heads of requests, and connections without one.

use std::time::{Duration, Instant};

use super::{head, idle, others_are_served, public, trickled};
use crate::support::wire::Connection;

const QUICK: &str = "[server.limits]\nheader_timeout = \"300ms\"";

#[tokio::test]
async fn a_head_that_does_not_end_in_time_is_answered_408_and_closed() {
    let gateway = public(QUICK).await;
    for part in [
        "G",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nCookie: a=b",
        "\r\n\r\nGET / HTTP/1.1\r\n",
        "POST / HTTP/1.1\nHost: localhost\n",
    ] {
        let mut connection = Connection::open(gateway.address).await;
        connection.send(part.as_bytes()).await;
        let answer = connection.response(false).await;
        assert_eq!(
            (
                answer.status,
                answer.header("connection"),
                answer.header("cache-control")
            ),
            (408, Some("close"), Some("no-store")),
            "{part:?}"
        );
        assert_eq!(answer.json()["error"], "request_timeout");
        assert!(connection.is_closed().await);
    }
    assert!(
        gateway
            .metric("sidegate_http_requests_total{method=\"other\",route=\"none\",status=\"408\"")
            .await
            >= 5.0
    );
    assert!(gateway.app.seen().is_empty());
}

#[tokio::test]
async fn the_deadline_is_for_the_whole_head_however_often_a_byte_comes() {
    let gateway = public(QUICK).await;
    // At its pace this would take more than three minutes.
    let slow = trickled(&gateway, "GET / HTTP/1.1\r\nCookie: ", &[b'a'; 10_000]);
    let (answer, ()) = tokio::join!(slow, others_are_served(&gateway));
    assert_eq!(answer.status, 408);
}

#[tokio::test]
async fn the_next_request_on_a_connection_has_the_same_deadline() {
    let gateway = public(QUICK).await;
    let mut connection = idle(&gateway).await;
    connection.send(b"GET / HTTP/1.1\r\nHost:").await;
    assert_eq!(connection.response(false).await.status, 408);
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_without_a_word() {
    let gateway = public("[server.limits]\nheader_timeout = \"300ms\"\nidle_timeout = \"400ms\"").await;
    let mut fresh = Connection::open(gateway.address).await;
    assert!(fresh.is_closed().await);
    let began = Instant::now();
    let mut kept = idle(&gateway).await;
    assert!(kept.is_closed().await);
    assert!(began.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn a_kept_connection_may_be_idle_for_longer_than_a_head_may_take() {
    let gateway = public(QUICK).await;
    let mut kept = idle(&gateway).await;
    // Two connections in turn that are closed after header_timeout: the clock of this test.
    for _ in 0..2 {
        assert!(Connection::open(gateway.address).await.is_closed().await);
    }
    kept.send(head(&gateway, "GET /again", "").as_bytes()).await;
    assert_eq!(kept.response(false).await.status, 200);
}

#[tokio::test]
async fn a_head_past_the_limit_is_431_and_only_the_limit_is_kept() {
    let gateway = public("[server.limits]\nrequest_header = \"16KiB\"").await;
    for (size, ends) in [(17_000, true), (900_000, true), (900_000, false), (3_000_000, false)] {
        let mut connection = Connection::open(gateway.address).await;
        let mut bytes = head(&gateway, "GET /", &format!("Cookie: a={}\r\n", "x".repeat(size)));
        bytes.truncate(if ends { bytes.len() } else { bytes.len() - 2 });
        connection.send(bytes.as_bytes()).await;
        let answer = connection.response(false).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (431, &"header_too_large".into()),
            "{size} {ends}"
        );
    }
    others_are_served(&gateway).await;
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused_at_once() {
    let gateway = public("").await;
    let began = Instant::now();
    let mut connection = Connection::open(gateway.address).await;
    connection.send(b"\x16\x03\x01\x02\x00\x01").await;
    assert_eq!(connection.response(false).await.status, 400);
    assert!(began.elapsed() < Duration::from_secs(5), "the deadline is 10 s");
}
