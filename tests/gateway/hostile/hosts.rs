//! Host and request line: what is no plain request to our host reaches no app.
//!
//! Payloads: 36 hosts and targets; 27 request lines (versions, methods); 12 upgrades. 75 in all.

use super::framing::{ROUTES, outcome};
use crate::support::gateway::Gateway;

/// Targets and hosts: the answer, and what the app sees.
const HOSTS: [(&str, u16, &str); 36] = [
    ("GET /a HTTP/1.1\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost:\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: HOST\r\nHost: evil.example\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: evil.example\r\nHost: HOST\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: evil.example\r\n", 421, ""),
    ("GET /a HTTP/1.1\r\nHost: HOST.evil.example\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: localhost\r\n", 421, ""),
    ("GET /a HTTP/1.1\r\nHost: localhost:1\r\n", 421, ""),
    ("GET /a HTTP/1.1\r\nHost: localhost.:1\r\n", 421, ""),
    ("GET /a HTTP/1.1\r\nHost: HOST, evil.example\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: x@HOST\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: HOST@evil.example\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: HOST/x\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: HOST?x\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: HOST#x\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: HOST\\x\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: http://HOST\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: localhost:\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: localhost:0x10\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: localhost:99999\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: %6cocalhost\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: [::1\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: local host\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: HOST\u{ff}\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost : HOST\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\n Host: HOST\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: HOST\r\n evil.example\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost:\tHOST\t\r\n", 200, "GET /a"),
    ("GET http://HOST/a HTTP/1.1\r\nHost: HOST\r\n", 400, ""),
    ("GET http://evil.example/a HTTP/1.1\r\nHost: HOST\r\n", 400, ""),
    ("GET http://HOST/a HTTP/1.1\r\nHost: evil.example\r\n", 400, ""),
    ("GET http://HOST/a HTTP/1.1\r\n", 400, ""),
    ("GET //HOST/a HTTP/1.1\r\nHost: HOST\r\n", 200, "GET //HOST/a"),
    ("GET https:/a HTTP/1.1\r\nHost: HOST\r\n", 400, ""),
    ("GET HOST HTTP/1.1\r\nHost: HOST\r\n", 400, ""),
];

/// Versions, methods and request lines.
const LINES: [(&str, u16, &str); 27] = [
    ("GET /a HTTP/1.0\r\n", 400, ""),
    ("GET /a HTTP/1.0\r\nHost: HOST\r\n", 200, "GET /a"),
    ("GET /a HTTP/1.0\r\nHost: evil.example\r\n", 421, ""),
    (
        "POST /a HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n",
        400,
        "",
    ),
    ("GET /a HTTP/0.9\r\nHost: HOST\r\n", 400, ""),
    ("GET /a HTTP/1.2\r\nHost: HOST\r\n", 400, ""),
    ("GET /a HTTP/2.0\r\nHost: HOST\r\n", 400, ""),
    ("GET /a HTTP/3.0\r\nHost: HOST\r\n", 400, ""),
    ("GET /a http/1.1\r\nHost: HOST\r\n", 400, ""),
    ("GET /a HTTP/1.1 x\r\nHost: HOST\r\n", 400, ""),
    ("GET /a\r\nHost: HOST\r\n", 400, ""),
    ("GET  /a HTTP/1.1\r\nHost: HOST\r\n", 400, ""),
    ("GET\t/a HTTP/1.1\r\nHost: HOST\r\n", 400, ""),
    ("GET /a  HTTP/1.1\r\nHost: HOST\r\n", 200, "GET /a%20"),
    (" GET /a HTTP/1.1\r\nHost: HOST\r\n", 400, ""),
    ("\r\nGET /a HTTP/1.1\r\nHost: HOST\r\n", 200, "GET /a"),
    ("PRI * HTTP/2.0\r\n", 400, ""),
    ("\u{16}\u{3}\u{1}\r\n", 400, ""),
    ("TRACE /a HTTP/1.1\r\nHost: HOST\r\n", 405, ""),
    ("trace /a HTTP/1.1\r\nHost: HOST\r\n", 405, ""),
    ("TRACE /a HTTP/1.1\r\nHost: HOST\r\nMax-Forwards: 0\r\n", 405, ""),
    ("CONNECT HOST HTTP/1.1\r\nHost: HOST\r\n", 405, ""),
    ("CONNECT /a HTTP/1.1\r\nHost: HOST\r\n", 405, ""),
    ("connect /a HTTP/1.1\r\nHost: HOST\r\n", 405, ""),
    ("OPTIONS * HTTP/1.1\r\nHost: HOST\r\n", 400, ""),
    ("G@T /a HTTP/1.1\r\nHost: HOST\r\n", 400, ""),
    ("G(T /a HTTP/1.1\r\nHost: HOST\r\n", 400, ""),
];

/// Upgrades: what is not `websocket` is not passed on, and `h2c` is refused.
const UPGRADES: [(&str, u16, &str); 12] = [
    ("GET /a HTTP/1.1\r\nHost: HOST\r\nUpgrade: h2c\r\n", 400, ""),
    (
        "GET /a HTTP/1.1\r\nHost: HOST\r\nUpgrade: H2C\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        400,
        "",
    ),
    ("GET /a HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket, h2c\r\n", 400, ""),
    (
        "GET /a HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
        400,
        "",
    ),
    ("GET /a HTTP/1.1\r\nHost: HOST\r\nUpgrade: h2c/1.0\r\n", 400, ""),
    ("GET /a HTTP/1.0\r\nHost: HOST\r\nUpgrade: h2c\r\n", 400, ""),
    ("GET /a HTTP/1.1\r\nHost: HOST\r\nUpgrade: h2c,\u{ff}\r\n", 400, ""),
    (
        "GET /a HTTP/1.1\r\nHost: HOST\r\nUpgrade: \u{ff}\r\nUpgrade: h2c\r\n",
        400,
        "",
    ),
    ("GET /a HTTP/1.1\r\nHost: HOST\r\nUpgrade: h2\r\n", 200, "GET /a"),
    ("GET /a HTTP/1.1\r\nHost: HOST\r\nUpgrade: TLS/1.0\r\n", 200, "GET /a"),
    ("GET /a HTTP/1.1\r\nHost: HOST\r\nUpgrade: HTTP/2.0\r\n", 200, "GET /a"),
    ("GET /a HTTP/1.1\r\nHost: HOST\r\nUpgrade:\r\n", 200, "GET /a"),
];

#[tokio::test]
async fn what_is_no_plain_request_to_our_host_reaches_no_app() {
    let gateway = Gateway::with_routes(ROUTES).await;
    for (head, status, seen) in [&HOSTS[..], &LINES, &UPGRADES].concat() {
        let outcome = outcome(&gateway, &format!("{head}Connection: close\r\n\r\n")).await;
        let seen = seen.replace("HOST", gateway.origin.trim_start_matches("http://"));
        let seen = if seen.is_empty() { vec![] } else { vec![seen] };
        assert_eq!(outcome, (vec![status], seen), "{head:?}");
    }
}
