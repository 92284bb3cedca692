//! What a server was asked, and waiting until it was.

use axum::body::{Body, Bytes};
use http::request::Parts;
use http::{HeaderMap, Method};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;
use url::form_urlencoded;

use super::within;

/// One request as a server received it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    /// Path and query, byte for byte.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    /// Reads the whole body.
    pub async fn read(parts: &Parts, body: Body) -> Option<Self> {
        let body = axum::body::to_bytes(body, usize::MAX).await.ok()?;
        let target = parts.uri.to_string();
        Some(Self {
            method: parts.method.clone(),
            target,
            headers: parts.headers.clone(),
            body,
        })
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A parameter of the query.
    pub fn query(&self, name: &str) -> Option<String> {
        self.query_all(name).into_iter().next()
    }

    /// Every value of a query parameter that may stand several times.
    pub fn query_all(&self, name: &str) -> Vec<String> {
        values(
            self.target.split_once('?').map_or("", |(_, query)| query).as_bytes(),
            name,
        )
    }

    /// A parameter of the form in the body.
    pub fn form(&self, name: &str) -> Option<String> {
        self.form_all(name).into_iter().next()
    }

    /// Every value of a form parameter that may stand several times.
    pub fn form_all(&self, name: &str) -> Vec<String> {
        values(&self.body, name)
    }

    /// The first line of this name.
    pub fn header(&self, name: &str) -> Option<String> {
        self.header_all(name).into_iter().next()
    }

    /// Every line of this name.
    pub fn header_all(&self, name: &str) -> Vec<String> {
        self.headers
            .get_all(name)
            .iter()
            .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
            .collect()
    }

    /// As the upstream echoes it: `method`, `target`, `headers` (list of name and value), `body`.
    pub fn as_json(&self) -> Value {
        let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])
        };
        json!({
            "method": self.method.as_str(),
            "target": self.target,
            "headers": self.headers.iter().map(line).collect::<Vec<_>>(),
            "body": String::from_utf8_lossy(&self.body),
        })
    }
}

fn values(encoded: &[u8], name: &str) -> Vec<String> {
    form_urlencoded::parse(encoded)
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .collect()
}

/// Everything a server was asked, in order of arrival.
#[derive(Default)]
pub struct Log {
    list: Mutex<Vec<Seen>>,
    changed: watch::Sender<()>,
}

impl Log {
    pub fn add(&self, seen: Seen) {
        self.list.lock().push(seen);
        self.changed.send_replace(());
    }

    pub fn all(&self) -> Vec<Seen> {
        self.list.lock().clone()
    }

    pub fn forget(&self) {
        self.list.lock().clear();
    }

    /// Until the list is as `enough` wants it.
    pub async fn until(&self, what: &str, enough: impl Fn(&[Seen]) -> bool) {
        let mut changed = self.changed.subscribe();
        within(what, async {
            while !enough(&self.list.lock()) {
                changed.changed().await.unwrap();
            }
        })
        .await;
    }
}
