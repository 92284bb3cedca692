//! Hostile visitors get nothing: what the best gateways were broken by must not work here.
//!
//! | file | class | payloads |
//! |---|---|---|
//! | [`open_redirect`] | the browser lands on our origin or an allowed one | 838 |
//! | [`paths`] | the path that is judged is the path that is forwarded | 707 |
//! | [`headers`] | what strangers say of where a request came from changes nothing | 529 |
//! | [`identity`] | nobody but the gateway says who somebody is | 471 |
//! | [`framing`] | the app sees exactly what was judged, or nothing: bodies | 215 |
//! | [`hosts`] | … request lines and hosts | 75 |
//! | [`http2`] | … over HTTP/2 | 67 |
//! | [`csrf`] | another site's page does nothing with our cookie | 488 |
//!
//! 3,390 in all. The tables are arrays, so the compiler counts the payloads.

mod csrf;
mod framing;
mod headers;
mod hosts;
mod http2;
mod identity;
mod open_redirect;
mod paths;

use crate::support::gateway::Gateway;
use crate::support::wire::{Response, exchange};

/// A request on the wire, to our host, with these lines; the connection ends with its answer.
fn request(gateway: &Gateway, line: &str, lines: &[&str]) -> Vec<u8> {
    let host = gateway.origin.trim_start_matches("http://");
    let mut text = format!("{line} HTTP/1.1\r\nHost: {host}\r\n");
    // A request with a Connection line of its own closes by other means.
    if !lines
        .iter()
        .any(|line| line.to_ascii_lowercase().starts_with("connection:"))
    {
        text.push_str("Connection: close\r\n");
    }
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// Sends such a request and reads the answer.
async fn ask(gateway: &Gateway, line: &str, lines: &[&str]) -> Response {
    exchange(gateway.address, request(gateway, line, lines)).await
}

/// The `Cookie` line of Alice, signed in; what the app and the provider saw of it is forgotten.
async fn alice(gateway: &Gateway) -> String {
    let browser = gateway.browser();
    let page = browser.login("/", "alice").await;
    assert!(page.status < 400 || browser.cookie("sidegate").is_some(), "{page:?}");
    let pairs: Vec<_> = browser
        .cookies()
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    gateway.app.forget();
    format!("Cookie: {}", pairs.join("; "))
}

/// Everything that the app was asked since the last look, as `METHOD target`.
fn taken(gateway: &Gateway) -> Vec<String> {
    let seen = gateway.app.seen();
    gateway.app.forget();
    seen.iter()
        .map(|seen| format!("{} {}", seen.method, seen.target))
        .collect()
}
