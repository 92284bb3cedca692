//! Slowness and size: who comes byte by byte, sends nothing, takes nothing, or comes in crowds, is let go within its
//! time, and everybody else is served meanwhile.
//!
//! | file | what it is about |
//! |---|---|
//! | [`heads`] | heads of requests, and connections without one |
//! | [`bodies`] | bodies, and readers of answers |
//! | [`crowds`] | many connections, and their limit |
//! | [`http2`] | HTTP/2 frames by hand: h2c, floods, idle connections |
//! | [`tunnels`] | WebSockets and streams end with their session |
//! | [`balancer`] | the PROXY protocol |

mod balancer;
mod bodies;
mod crowds;
mod heads;
mod http2;
mod tunnels;

use std::time::Duration;

use crate::support::gateway::{Gateway, Setup};
use crate::support::wire::{Connection, Response};

/// How slowly a slow client writes: a pace, never something that a test waits for.
const PACE: Duration = Duration::from_millis(20);

/// A gateway with one public route, and these lines in `[server]`.
async fn public(server: &str) -> Gateway {
    Gateway::start_with(Setup {
        server: server.to_owned(),
        rest: "[[routes]]\npath = \"/\"\naccess = \"public\"\nupstream = \"APP\"\n".to_owned(),
        ..Setup::default()
    })
    .await
}

/// `METHOD target` with the gateway's host and these further lines.
fn head(gateway: &Gateway, request: &str, lines: &str) -> String {
    let host = gateway.origin.trim_start_matches("http://");
    format!("{request} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")
}

/// A connection on which one request was answered and which waits for the next.
async fn idle(gateway: &Gateway) -> Connection {
    let mut connection = Connection::open(gateway.address).await;
    connection.send(head(gateway, "GET /", "").as_bytes()).await;
    assert_eq!(connection.response(false).await.status, 200);
    connection
}

/// Whether another visitor is served.
async fn others_are_served(gateway: &Gateway) {
    assert_eq!(gateway.browser().visit("/").send().await.status, 200);
}

/// Sends the bytes one at a time, for as long as it is polled, and reads the answer meanwhile.
async fn trickled(gateway: &Gateway, at_once: &str, then: &[u8]) -> Response {
    let mut reader = Connection::open(gateway.address).await;
    reader.send(at_once.as_bytes()).await;
    for byte in then {
        tokio::select! {
            head = reader.head() => return head.unwrap_or_else(|| panic!("closed without an answer")),
            () = tokio::time::sleep(PACE) => {}
        }
        reader.send(&[*byte]).await;
    }
    reader.response(false).await
}
