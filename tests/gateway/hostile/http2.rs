//! Framing and Host over HTTP/2: the app sees exactly what was judged, or nothing.
//!
//! Payloads: 63 header blocks, frame by frame, and 4 bodies. 67 in all. What the `h2` library answers by itself (a reset, a
//! GOAWAY) calls nothing of ours; that nothing reached the app is asserted all the same.

use http::Request;

use super::framing::ROUTES;
use super::taken;
use crate::support::gateway::{Gateway, Setup};
use crate::support::http2::Tls;

type Fields = &'static [(&'static str, &'static str)];

/// A field with another value than in a plain request; the status, 0 where the protocol refuses the stream; and what the
/// app sees.
const REPLACED: [(&str, &str, u16, &str); 25] = [
    (":authority", "evil.example", 421, ""),
    (":authority", "x@HOST", 400, ""),
    (":authority", "", 0, ""),
    (":authority", "HOST,evil.example", 400, ""),
    (":path", "", 0, ""),
    (":path", "a", 0, ""),
    (":path", "*", 400, ""),
    (":path", "https://HOST/a", 0, ""),
    (":path", "//evil.example", 200, "GET //evil.example"),
    (":path", "/a b", 0, ""),
    (":path", "/a\r\nX: y", 0, ""),
    (":path", "/a#b", 200, "GET /a"),
    (":path", "/a\\b", 400, ""),
    (":path", "/x/../admin", 400, ""),
    (":path", "//admin", 400, ""),
    (":path", "/a HTTP/1.1\r\nHost: x", 0, ""),
    (":method", "TRACE", 405, ""),
    (":method", "CONNECT", 0, ""),
    (":method", "get", 200, "get /a"),
    (":method", "GET /admin HTTP/1.1", 0, ""),
    (":method", "GET\r\n", 0, ""),
    (":method", "", 0, ""),
    (":scheme", "javascript", 200, "GET /a"),
    (":scheme", "http", 200, "GET /a"),
    (":scheme", "", 200, "GET /a"),
];

/// Fields behind those of a plain request.
const ADDED: [(Fields, u16, &str); 32] = [
    (&[], 200, "GET /a"),
    (&[("host", "HOST")], 200, "GET /a"),
    (&[("host", "evil.example")], 400, ""),
    (&[("host", "")], 400, ""),
    (&[("host", "HOST"), ("host", "evil.example")], 400, ""),
    (&[(":authority", "evil.example")], 0, ""),
    (&[(":path", "/admin")], 0, ""),
    (&[("a", "b"), (":path", "/admin")], 0, ""),
    (&[("connection", "close")], 0, ""),
    (&[("transfer-encoding", "chunked")], 0, ""),
    (&[("upgrade", "h2c")], 0, ""),
    (&[("upgrade", "websocket")], 0, ""),
    (&[("keep-alive", "1")], 0, ""),
    (&[("proxy-connection", "x")], 0, ""),
    (&[("te", "gzip")], 0, ""),
    (&[("te", "trailers")], 200, "GET /a"),
    (&[("http2-settings", "AAMAAABk")], 200, "GET /a"),
    (&[("X-Upper", "x")], 0, ""),
    (&[("x y", "z")], 0, ""),
    (&[("x:y", "z")], 0, ""),
    (&[("x", "a\r\nb: c")], 0, ""),
    (&[("x", "a\nb")], 0, ""),
    (&[("x", "a\u{0}b")], 0, ""),
    (&[("x", " a ")], 200, "GET /a"),
    (&[("", "x")], 0, ""),
    (&[("content-length", "5")], 0, ""),
    (&[("content-length", "0"), ("content-length", "0")], 400, ""),
    (&[("content-length", "+0")], 0, ""),
    (&[(":protocol", "websocket")], 0, ""),
    (&[(":status", "200")], 0, ""),
    (&[(":x", "y")], 0, ""),
    (
        &[("content_length", "5"), ("transfer_encoding", "chunked")],
        200,
        "GET /a",
    ),
];

/// Fields that are not there, and others that are.
const WITHOUT: [(&[&str], Fields, u16, &str); 6] = [
    (&[":authority"], &[], 400, ""),
    (&[":authority"], &[("host", "HOST")], 200, "GET /a"),
    (&[":authority"], &[("host", "evil.example")], 421, ""),
    (&[":authority"], &[("host", "HOST"), ("host", "HOST")], 400, ""),
    (&[":method"], &[], 0, ""),
    (&[":path", ":authority"], &[], 400, ""),
];

/// A plain request with these changes.
async fn sent(
    gateway: &Gateway,
    tls: &Tls,
    gone: &[&str],
    replaced: (&str, &str),
    added: Fields,
) -> (u16, Vec<String>) {
    let host = gateway.origin.trim_start_matches("http://");
    let plain = [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/a"),
        (":authority", "HOST"),
    ];
    let kept = plain.into_iter().filter(|(name, _)| !gone.contains(name));
    let kept = kept.map(|(name, value)| (name, if name == replaced.0 { replaced.1 } else { value }));
    let fields: Vec<_> = kept
        .chain(added.iter().copied())
        .map(|(name, value)| (name, value.replace("HOST", host)))
        .collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let status = tls.send_fields(gateway.address, &fields).await;
    for seen in gateway.app.seen() {
        assert_eq!(seen.header_all("host"), [host], "{fields:?}");
    }
    (status, taken(gateway))
}

fn expected(status: u16, seen: &str) -> (u16, Vec<String>) {
    (status, if seen.is_empty() { vec![] } else { vec![seen.to_owned()] })
}

async fn gateway(tls: &Tls) -> Gateway {
    let (server, rest) = (tls.server(), ROUTES.to_owned());
    Gateway::start_with(Setup {
        server,
        rest,
        ..Setup::default()
    })
    .await
}

#[tokio::test]
async fn the_app_sees_what_was_judged_or_nothing() {
    let tls = Tls::new();
    let gateway = gateway(&tls).await;
    for (name, value, status, seen) in REPLACED {
        let outcome = sent(&gateway, &tls, &[], (name, value), &[]).await;
        assert_eq!(outcome, expected(status, seen), "{name}: {value:?}");
    }
    for (added, status, seen) in ADDED {
        let outcome = sent(&gateway, &tls, &[], ("", ""), added).await;
        assert_eq!(outcome, expected(status, seen), "{added:?}");
    }
    for (gone, added, status, seen) in WITHOUT {
        let outcome = sent(&gateway, &tls, gone, ("", ""), added).await;
        assert_eq!(outcome, expected(status, seen), "without {gone:?}, {added:?}");
    }
}

#[tokio::test]
async fn a_body_of_another_length_than_stated_reaches_no_app() {
    let tls = Tls::new();
    let gateway = gateway(&tls).await;
    let url = format!("{}/a", gateway.origin.replace("http:", "https:"));
    for (stated, status) in [("10", 0), ("1", 0), ("0", 0), ("3", 200)] {
        let request = Request::post(&url).header("content-length", stated).body(()).unwrap();
        assert_eq!(
            tls.send(gateway.address, request, b"abc").await.status,
            status,
            "{stated}"
        );
        // A head that states no body is whole by itself.
        let whole = |body: &[u8]| body.len().to_string() == stated;
        assert!(gateway.app.seen().iter().all(|seen| whole(&seen.body)), "{stated}");
        gateway.app.forget();
    }
}
