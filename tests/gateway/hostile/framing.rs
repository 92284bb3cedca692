//! Framing and Host: the app sees exactly what was judged, or nothing.
//!
//! Payloads: 68 heads and 21 chunked bodies of a POST, each with the connection kept and closed (178); 8 bodies behind a
//! refusal; 4 requests sent ahead; 16 requests after an upgrade that failed and 9 behind one. 215 in all. Request lines and
//! hosts are in `hosts`, HTTP/2 in `http2`.
//!
//! Where Pingora's parser answers by itself (400), no callback runs; that nothing reached the app is asserted all the same.

use super::taken;
use crate::support::gateway::Gateway;
use crate::support::seen::Seen;
use crate::support::upstream::Reply;
use crate::support::wire::{Connection, raw};

pub(super) const ROUTES: &str = r#"
[[routes]]
path = "/"
access = "public"
upstream = "APP"
[[routes]]
path = "/admin"
access = "deny"
upstream = "APP"
[[routes]]
path = "/mine"
upstream = "APP"
"#;

/// Sends bytes (`HOST` is ours; one char, one byte) and reads to the end: the status of each answer, and what the app saw.
pub(super) async fn outcome(gateway: &Gateway, bytes: &str) -> (Vec<u16>, Vec<String>) {
    let bytes = bytes.replace("HOST", gateway.origin.trim_start_matches("http://"));
    let bytes: Vec<u8> = bytes
        .chars()
        .map(|char| u8::try_from(u32::from(char)).unwrap())
        .collect();
    let answer = String::from_utf8_lossy(&raw(gateway.address, bytes).await).into_owned();
    let statuses = answer
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| answer[at + 9..at + 12].parse().unwrap());
    let (statuses, seen) = (statuses.collect(), gateway.app.seen());
    gateway.app.forget();
    let line = |seen: &Seen| {
        format!(
            "{} {} {}",
            seen.method,
            seen.target,
            String::from_utf8_lossy(&seen.body)
        )
    };
    (
        statuses,
        seen.iter().map(|seen| line(seen).trim_end().to_owned()).collect(),
    )
}

const BEHIND: &str = "GET /smuggled HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n";
const CHUNKED: &str = "3\r\nabc\r\n0\r\n\r\n";

/// A POST with these lines and this body, with another request behind it; the connection may stay, or not.
async fn posted(gateway: &Gateway, lines: &str, body: &str, connection: &str) -> (Vec<u16>, Vec<String>) {
    let head = format!("POST /a HTTP/1.1\r\nHost: HOST\r\n{connection}{lines}\r\n\r\n");
    outcome(gateway, &format!("{head}{body}{BEHIND}")).await
}

const CONNECTIONS: [&str; 2] = ["", "Connection: close\r\n"];

/// Lines of a POST whose end is not clear.
const UNCLEAR: [&str; 48] = [
    "Content-Length: +3",
    "Content-Length: -3",
    "Content-Length: 0x3",
    "Content-Length: 3 3",
    "Content-Length: 3, 4",
    "Content-Length: 3, 3",
    "Content-Length: 3;",
    "Content-Length: 3.0",
    "Content-Length: 3e0",
    "Content-Length: ",
    "Content-Length: \u{b3}",
    "Content-Length: 99999999999999999999999",
    "Content-Length: 18446744073709551619",
    "Content-Length: 3\r\nContent-Length: 4",
    "Content-Length: 4\r\nContent-Length: 3",
    "Content-Length: 3\r\nContent-Length: 3",
    "Content-Length: 0\r\ncontent-length: 3",
    "Content-Length : 3",
    " Content-Length: 3",
    "Content-Length:\u{b}3",
    "Content-Length: 3\u{0}",
    "Content-Length\u{0}: 3",
    "Content-Length: 3\r\nTransfer-Encoding: identity",
    "Content-Length: 3\r\nTransfer-Encoding: xchunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding:\u{b}chunked",
    "Transfer-Encoding: \u{ff}chunked",
    "Transfer-Encoding: chunked\u{b}",
    "Transfer-Encoding: chunked,",
    "Transfer-Encoding : chunked",
    " Transfer-Encoding: chunked",
    "Transfer-Encoding:\r\n chunked",
    "X: y\r\n Transfer-Encoding: chunked",
    "X: y\rContent-Length: 3",
    "X: y\r\r\nContent-Length: 3",
    "Transfer-Encoding: \r\nContent-Length: 3",
    "X\u{0}: y\r\nContent-Length: 3",
    "X: a\u{0}b\r\nContent-Length: 3",
    ": y\r\nContent-Length: 3",
    "X y\r\nContent-Length: 3",
    "X\r\nContent-Length: 3",
    "X(y): z\r\nContent-Length: 3",
    "X: y\r\n\tz\r\nContent-Length: 3",
];

/// Lines that are odd, but have one reading only, and the body that the app sees. What is behind an empty line is no
/// part of this request, and what follows a request unasked is dropped.
const ODD: [(&str, &str); 20] = [
    ("Content-Length: 003", "abc"),
    ("Content_Length: 9\r\nContent-Length: 3", "abc"),
    ("Content-Length:\t3", "abc"),
    ("Connection: close, content-length\r\nContent-Length: 3", "abc"),
    ("Content-Length: 3\r\nTransfer-Encoding: chunked", "abc"),
    ("Transfer-Encoding: chunked\r\nContent-Length: 3", "abc"),
    ("Transfer-Encoding: Chunked", "abc"),
    ("Transfer-Encoding: identity, chunked", "abc"),
    ("Transfer-Encoding: chunked, chunked", "abc"),
    ("Transfer-Encoding: gzip, chunked", "abc"),
    ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "abc"),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "abc"),
    ("Transfer-Encoding:\tchunked", "abc"),
    ("Transfer-Encoding: ,chunked", "abc"),
    ("X: y\nContent-Length: 3", "abc"),
    ("X: y\n\nContent-Length: 3", ""),
    ("Transfer_Encoding: chunked\r\nContent-Length: 3", "abc"),
    (
        "Transfer-Encoding: chunked\r\nConnection: close, transfer-encoding",
        "abc",
    ),
    ("\r\nContent-Length: 3", ""),
    ("Expect: 200-maybe\r\nContent-Length: 3", "abc"),
];

const BAD_CHUNKS: [&str; 13] = [
    "g\r\nabc\r\n0\r\n\r\n",
    "0x3\r\nabc\r\n0\r\n\r\n",
    "-3\r\nabc\r\n0\r\n\r\n",
    "+3\r\nabc\r\n0\r\n\r\n",
    " 3\r\nabc\r\n0\r\n\r\n",
    "3;a=\"\r\n\"\r\nabc\r\n0\r\n\r\n",
    "10000000000000003\r\nabc\r\n0\r\n\r\n",
    "3\nabc\n0\n\n",
    "3\nabc\r\n0\r\n\r\n",
    "3\r\nabc0\r\n\r\n",
    "3\r\nabcd\r\n0\r\n\r\n",
    "3\r\nabcXX0\r\n\r\n",
    "3\r\rabc\r\n0\r\n\r\n",
];

/// Extensions and trailers are not passed on.
const ODD_CHUNKS: [(&str, &str); 8] = [
    ("3\r\nabc\r\n0\r\n\r\n", "abc"),
    ("3 \r\nabc\r\n0\r\n\r\n", "abc"),
    ("3;ext\r\nabc\r\n0\r\n\r\n", "abc"),
    ("3;\nx\r\nabc\r\n0\r\n\r\n", "abc"),
    ("3\r\nabc\r\n0\r\nX-Forwarded-User: root\r\n\r\n", "abc"),
    ("3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n", "abc"),
    ("\r\n3\r\nabc\r\n0\r\n\r\n", ""),
    ("003\r\nabc\r\n000\r\n\r\n", "abc"),
];

#[tokio::test]
async fn a_body_whose_end_is_not_clear_reaches_no_app() {
    let gateway = Gateway::with_routes(ROUTES).await;
    for connection in CONNECTIONS {
        for lines in UNCLEAR {
            let body = if lines.contains("chunked") { CHUNKED } else { "abc" };
            let outcome = posted(&gateway, lines, body, connection).await;
            assert_eq!(outcome, (vec![400], vec![]), "{lines:?}");
        }
        for chunks in BAD_CHUNKS {
            let outcome = posted(&gateway, "Transfer-Encoding: chunked", chunks, connection).await;
            assert_eq!(outcome, (vec![400], vec![]), "{chunks:?}");
        }
    }
}

#[tokio::test]
async fn a_body_reaches_the_app_once_and_nothing_behind_it() {
    let gateway = Gateway::with_routes(ROUTES).await;
    for connection in CONNECTIONS {
        for (lines, seen) in ODD {
            let chunked = lines.contains("Transfer-Encoding:");
            let outcome = posted(&gateway, lines, if chunked { CHUNKED } else { "abc" }, connection).await;
            let seen = format!("POST /a {seen}").trim_end().to_owned();
            assert_eq!(outcome, (vec![200], vec![seen]), "{lines:?} {connection:?}");
        }
        for (chunks, seen) in ODD_CHUNKS {
            let outcome = posted(&gateway, "Transfer-Encoding: chunked", chunks, connection).await;
            let seen = format!("POST /a {seen}").trim_end().to_owned();
            assert_eq!(outcome, (vec![200], vec![seen]), "{chunks:?} {connection:?}");
        }
    }
}

#[tokio::test]
async fn a_body_behind_a_refusal_is_never_read_as_a_request() {
    let gateway = Gateway::with_routes(ROUTES).await;
    let length = BEHIND
        .replace("HOST", gateway.origin.trim_start_matches("http://"))
        .len();
    for (line, status) in [
        ("POST /admin", 403),
        ("GET /admin", 403),
        ("HEAD /admin", 403),
        ("POST /oauth2/start", 405),
        ("POST /oauth2/nothing", 404),
        ("POST /mine", 401),
        ("POST //admin", 400),
        ("TRACE /a", 405),
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost: HOST\r\nContent-Length: {length}\r\n\r\n{BEHIND}");
        assert_eq!(outcome(&gateway, &request).await, (vec![status], vec![]), "{line}");
    }
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_one_by_one_or_not_at_all() {
    let gateway = Gateway::with_routes(ROUTES).await;
    let first = "GET /a HTTP/1.1\r\nHost: HOST\r\n\r\n";
    for behind in ["GET /admin HTTP/1.1\r\nHost: HOST\r\n\r\n", BEHIND, "\r\n\r\n", "x"] {
        let outcome = outcome(&gateway, &format!("{first}{behind}")).await;
        assert_eq!(outcome, (vec![200], vec!["GET /a".to_owned()]), "{behind:?}");
    }
}

const UPGRADE: &str = "Host: HOST\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn after_an_upgrade_that_failed_the_next_request_is_judged_like_any_other() {
    let gateway = Gateway::with_routes(ROUTES).await;
    let host = gateway.origin.trim_start_matches("http://").to_owned();
    for status in [200, 403, 426, 500] {
        for (line, next) in [
            ("GET /admin", 403),
            ("GET /mine", 401),
            ("GET //admin", 400),
            ("GET /b", 200),
        ] {
            gateway.app.script("/ws", [Reply::status(status)]);
            let mut connection = Connection::open(gateway.address).await;
            let upgrade = format!("GET /ws HTTP/1.1\r\n{UPGRADE}\r\n").replace("HOST", &host);
            connection.send(upgrade.as_bytes()).await;
            assert_eq!(connection.response(false).await.status, status);
            connection
                .send(format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())
                .await;
            let answered = connection.response(false).await.status;
            assert!(answered == next || answered == 0, "{line} after {status}: {answered}");
            let expected = if answered == 200 {
                vec!["GET /ws", "GET /b"]
            } else {
                vec!["GET /ws"]
            };
            assert_eq!(taken(&gateway), expected, "{line} after {status}");
        }
    }
}

#[tokio::test]
async fn bytes_behind_an_upgrade_that_failed_are_never_read_as_a_request() {
    let gateway = Gateway::with_routes(ROUTES).await;
    for status in [200, 403, 426] {
        for more in ["", "Content-Length: 0\r\n", "Content-Length: 5\r\n"] {
            gateway.app.script("/ws", [Reply::status(status)]);
            let outcome = outcome(&gateway, &format!("GET /ws HTTP/1.1\r\n{UPGRADE}{more}\r\n{BEHIND}")).await;
            assert_eq!(outcome, (vec![status], vec!["GET /ws".to_owned()]), "{status} {more:?}");
        }
    }
}
