//! WebSockets and streams end within five seconds of their session's end.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedSender;

use crate::support::answer::Answer;
use crate::support::browser::Browser;
use crate::support::gateway::{Gateway, Setup};
use crate::support::idp::Endpoint;
use crate::support::upstream::Reply;
use crate::support::wire::Connection;

/// The contract's.
const MOST: Duration = Duration::from_secs(5);

async fn gateway() -> Gateway {
    Gateway::start_with(Setup {
        session: "lifetime = \"1h\"".to_owned(),
        ..Setup::default()
    })
    .await
}

async fn websocket(gateway: &Gateway, browser: &Browser) -> Connection {
    let handshake = browser.request("GET", "/ws?token=x").header("Upgrade", "websocket");
    let (answer, mut socket) = handshake.header("Origin", &gateway.origin).open().await;
    assert_eq!(answer.status, 101);
    echoes(&mut socket).await;
    socket
}

async fn events(gateway: &Gateway, browser: &Browser) -> (Connection, UnboundedSender<Bytes>) {
    let (reply, sender) = Reply::events();
    gateway.app.script("/events", [reply]);
    let (_, mut connection) = browser.fetch("GET", "/events").open().await;
    sender.send("data: 1\n\n".into()).unwrap();
    assert!(connection.until("data: 1\n\n").await.contains("data: 1"));
    (connection, sender)
}

async fn echoes(socket: &mut Connection) {
    socket.send(b"ping").await;
    assert_eq!(socket.until("ping").await, "ping");
}

async fn ends_in_time(connection: &mut Connection) {
    let began = Instant::now();
    // What is left of a chunk may come first.
    connection.until("nothing that is ever sent").await;
    assert!(began.elapsed() < MOST, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_silent_websocket_and_a_silent_stream_end_with_the_session() {
    let gateway = gateway().await;
    let browser = gateway.browser();
    browser.login("/", "alice").await;
    let mut socket = websocket(&gateway, &browser).await;
    let (mut stream, sender) = events(&gateway, &browser).await;
    gateway.advance(3_600);
    ends_in_time(&mut socket).await;
    ends_in_time(&mut stream).await;
    sender.closed().await;
    let line = "sidegate_http_requests_total{method=\"GET\",route=\"/\",status=\"101\"}";
    assert_eq!(gateway.metric(line).await, 1.0, "what is cut is counted");
}

#[tokio::test]
async fn a_busy_websocket_ends_with_the_session_too() {
    let gateway = gateway().await;
    let browser = gateway.browser();
    browser.login("/", "alice").await;
    let mut socket = websocket(&gateway, &browser).await;
    gateway.advance(3_600);
    let began = Instant::now();
    loop {
        socket.send(b"ping").await;
        if socket.until("ping").await != "ping" {
            break;
        }
        assert!(began.elapsed() < MOST);
    }
}

#[tokio::test]
async fn without_a_refresh_token_a_tunnel_ends_with_its_access_token() {
    let gateway = gateway().await;
    gateway.idp.script(Endpoint::Token, [Answer::without_refresh_token()]);
    let browser = gateway.browser();
    browser.login("/", "alice").await;
    let info = browser.fetch("GET", "/oauth2/userinfo").send().await.json();
    let left = info["session_expires_at"].as_u64().unwrap() - info["expires_at"].as_u64().unwrap();
    let mut socket = websocket(&gateway, &browser).await;
    gateway.advance(3_600 - left);
    ends_in_time(&mut socket).await;
}

#[tokio::test]
async fn signing_out_ends_the_tunnels_of_this_session_and_of_no_other() {
    let gateway = gateway().await;
    let (alice, bob) = (gateway.browser(), gateway.browser());
    alice.login("/", "alice").await;
    bob.login("/", "bob").await;
    let (mut of_alice, mut of_bob) = (websocket(&gateway, &alice).await, websocket(&gateway, &bob).await);
    alice.visit("/oauth2/sign_out").send().await;
    ends_in_time(&mut of_alice).await;
    echoes(&mut of_bob).await;
}

#[tokio::test]
async fn a_refused_refresh_ends_the_tunnels_of_its_session() {
    let gateway = gateway().await;
    let browser = gateway.browser();
    browser.login("/", "alice").await;
    let info = browser.fetch("GET", "/oauth2/userinfo").send().await.json();
    let mut socket = websocket(&gateway, &browser).await;
    let left = info["session_expires_at"].as_u64().unwrap() - info["expires_at"].as_u64().unwrap();
    assert!(left > 0, "the access token ends before the session");
    gateway
        .idp
        .always(Endpoint::Token, || Answer::error(400, "invalid_grant"));
    gateway.advance(3_600 - left);
    echoes(&mut socket).await;
    assert_eq!(browser.fetch("GET", "/").send().await.status, 401);
    ends_in_time(&mut socket).await;
}

#[tokio::test]
async fn an_answer_with_a_known_end_is_delivered_to_its_end() {
    let gateway = gateway().await;
    let browser = gateway.browser();
    browser.login("/", "alice").await;
    let gate = crate::support::gate::Gate::shut();
    gateway.app.script("/file", [Reply::with(200, &[]).behind(&gate)]);
    let (download, ()) = tokio::join!(browser.visit("/file").send(), async {
        gate.arrived(1).await;
        gateway.advance(3_600);
        let mut other = websocket(&gateway, &{
            let other = gateway.browser();
            other.login("/", "bob").await;
            other
        })
        .await;
        gateway.advance(3_600);
        ends_in_time(&mut other).await;
        gate.open();
    });
    assert_eq!(download.status, 200);
}
