//! Answers on a connection whose request could not be read: there is no Pingora session yet that could send them.

use std::time::{Duration, Instant};

use http::Method;

use super::cause::Cause;
use super::head;
use super::reply::{Reader, Reply};
use super::site::Site;

/// Why a request's head was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It did not come within `header_timeout`.
    Slow,
    /// It went past `request_header`.
    TooLarge,
}

/// The answer as bytes for an HTTP/1.1 connection that is closed after it; logged and counted.
pub fn answer_unread(site: &Site, why: Unread, since: Instant) -> Vec<u8> {
    let cause = match why {
        Unread::Slow => Cause::RequestSlow,
        Unread::TooLarge => Cause::HeaderTooLarge,
    };
    let request_id = head::fresh_request_id();
    let reply = Reply::refusal(site, &cause, Reader::Program, &request_id, "/");
    let status = reply.status;
    tracing::info!(%request_id, status, "the head of a request could not be read");
    let took: Duration = since.elapsed();
    // No method was read: it counts as `other`.
    site.nowhere_metrics
        .request(&Method::from_bytes(b"NONE").unwrap_or_default(), status, took);
    let Ok((head, body)) = reply.into_parts(site, Vec::new()) else {
        return Vec::new();
    };
    let reason = head.status.canonical_reason().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {status} {reason}\r\nconnection: close\r\n").into_bytes();
    for (name, value) in &head.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes
}
