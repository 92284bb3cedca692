//! Bodies, and readers of answers.

use std::time::Duration;

use bytes::Bytes;

use super::{PACE, head, idle, others_are_served, public, trickled};
use crate::support::upstream::Reply;
use crate::support::wire::Connection;
use crate::support::within;

const QUICK: &str = "[server.limits]\nidle_timeout = \"400ms\"";

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_408_when_its_time_is_up() {
    let gateway = public(QUICK).await;
    let request = head(&gateway, "POST /", "Content-Length: 10000\r\n");
    let (answer, ()) = tokio::join!(
        trickled(&gateway, &request, &[b'a'; 10_000]),
        others_are_served(&gateway)
    );
    assert_eq!(answer.status, 408);
}

#[tokio::test]
async fn a_body_that_stays_away_is_408() {
    let gateway = public(QUICK).await;
    for lines in ["Content-Length: 10\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut connection = Connection::open(gateway.address).await;
        connection.send(head(&gateway, "POST /", lines).as_bytes()).await;
        let answer = connection.response(false).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (408, &"request_timeout".into())
        );
        assert!(connection.is_closed().await);
    }
}

#[tokio::test]
async fn a_slow_upload_that_keeps_its_pace_arrives_whole() {
    let gateway = public(QUICK).await;
    let mut connection = Connection::open(gateway.address).await;
    let request = head(&gateway, "POST /upload", "Content-Length: 40960\r\n");
    connection.send(request.as_bytes()).await;
    for _ in 0..40 {
        tokio::time::sleep(PACE).await;
        connection.send(&[b'a'; 1024]).await;
    }
    assert_eq!(connection.response(false).await.status, 200);
    assert_eq!(gateway.app.last().body.len(), 40_960);
}

#[tokio::test]
async fn what_is_meant_to_trickle_may() {
    let gateway = public(QUICK).await;
    let lines = "Content-Type: application/grpc\r\nContent-Length: 40\r\n";
    let answer = trickled(&gateway, &head(&gateway, "POST /", lines), &[b'a'; 40]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(gateway.app.last().body.len(), 40);
}

#[tokio::test]
async fn a_silent_websocket_outlasts_the_idle_timeout() {
    let gateway = public(QUICK).await;
    let (answer, mut socket) = gateway
        .browser()
        .request("GET", "/ws")
        .header("Upgrade", "websocket")
        .open()
        .await;
    assert_eq!(answer.status, 101);
    for _ in 0..2 {
        assert!(idle(&gateway).await.is_closed().await);
    }
    socket.send(b"ping").await;
    assert_eq!(socket.until("ping").await, "ping");
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_does_not_hold_the_app() {
    let gateway = public(QUICK).await;
    let (events, sender) = Reply::events();
    gateway.app.script("/large", [events]);
    let mut reader = Connection::open(gateway.address).await;
    reader.send(head(&gateway, "GET /large", "").as_bytes()).await;
    // More than the sockets between us take: 64 MiB.
    for _ in 0..1024 {
        sender.send(Bytes::from(vec![b'x'; 64 * 1024])).unwrap();
    }
    within("the end of the app's stream", sender.closed()).await;
    others_are_served(&gateway).await;
}

#[tokio::test]
async fn a_reader_that_takes_its_time_gets_everything() {
    let gateway = public("[server.limits]\nidle_timeout = \"2s\"").await;
    let (events, sender) = Reply::events();
    gateway.app.script("/large", [events]);
    let mut reader = Connection::open(gateway.address).await;
    reader.send(head(&gateway, "GET /large", "").as_bytes()).await;
    for _ in 0..128 {
        sender.send(Bytes::from(vec![b'x'; 64 * 1024])).unwrap();
    }
    drop(sender);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(reader.response(false).await.body.len(), 128 * 64 * 1024);
}
