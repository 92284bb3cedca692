//! The admin listener: `/livez`, `/readyz`, `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;

use crate::telemetry::Metrics;

/// Answers probes and scrapes. Needs no login: it listens on loopback unless the operator says otherwise.
pub(super) struct Admin {
    metrics: Arc<Metrics>,
    ready: Arc<AtomicBool>,
}

impl Admin {
    pub(super) fn new(metrics: Arc<Metrics>, ready: Arc<AtomicBool>) -> Self {
        Self { metrics, ready }
    }

    fn answer(&self, method: &Method, path: &str) -> (StatusCode, &'static str, String) {
        const TEXT: &str = "text/plain; charset=utf-8";
        let known = matches!(path, "/livez" | "/readyz" | "/metrics");
        match path {
            _ if known && !matches!(*method, Method::GET | Method::HEAD) => {
                (StatusCode::METHOD_NOT_ALLOWED, TEXT, "method not allowed\n".to_owned())
            }
            "/livez" => (StatusCode::OK, TEXT, "alive\n".to_owned()),
            // Configuration and listeners stand, or this would not answer; provider and upstreams do not count.
            "/readyz" if self.ready.load(Ordering::Acquire) => (StatusCode::OK, TEXT, "ready\n".to_owned()),
            "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n".to_owned()),
            "/metrics" => (
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                self.metrics.render(),
            ),
            _ => (
                StatusCode::NOT_FOUND,
                TEXT,
                "nothing here; try /livez, /readyz or /metrics\n".to_owned(),
            ),
        }
    }
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, http: &mut ServerSession) -> Response<Vec<u8>> {
        let request = http.req_header();
        let (status, content_type, body) = self.answer(&request.method, request.uri.path());
        let length = HeaderValue::from(body.len());
        let sent = if request.method == Method::HEAD {
            Vec::new()
        } else {
            body.into_bytes()
        };
        let mut response = Response::new(sent);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_LENGTH, length);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}
