//! The sample app behind the demo's gateway: it has no login and shows what the gateway tells it.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cookie::Cookie;
use futures_util::{Stream, stream};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::page::render;

/// How much of a token is shown.
const SHOWN: usize = 6;

/// The app; `prefix` is where the gateway's own endpoints live, for the buttons: `/oauth2`.
pub fn router(prefix: &str) -> Router {
    Router::new()
        .route("/events", get(events))
        .route("/ws", get(echo))
        .route("/headers.json", get(headers_json))
        .fallback(page)
        .with_state(prefix.to_owned())
}

/// Answers requests on `listener` until `shutdown` is done.
///
/// # Errors
/// As [`axum::serve()`].
pub async fn serve(
    listener: TcpListener,
    prefix: &str,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(prefix))
        .with_graceful_shutdown(shutdown)
        .await
}

/// Every path is a page: one sees that the gateway led back to the very address that was asked for.
async fn page(State(prefix): State<String>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let user = text("x-forwarded-user");
    let name = text("x-forwarded-preferred-username").or_else(|| user.clone());
    let groups = text("x-forwarded-groups").unwrap_or_default();
    let groups: Vec<&str> = groups
        .split(',')
        .map(str::trim)
        .filter(|group| !group.is_empty())
        .collect();
    let values = json!({
        "title": "Sample app",
        "prefix": prefix,
        "target": format!("{method} {uri}"),
        "area": area(&uri),
        "user": user,
        "name": name,
        "email": text("x-forwarded-email"),
        "groups": groups,
        "headers": shown_headers(&headers),
        "cookies": shown_cookies(&headers),
    });
    render(StatusCode::OK, include_str!("sample.html"), values)
}

/// Which part of the demo a path belongs to, as its configuration has it.
fn area(uri: &Uri) -> &'static str {
    match uri.path().split('/').nth(1) {
        Some("admin") => "admin",
        Some("public") => "public",
        _ => "home",
    }
}

/// `GET /headers.json`: method, target and every header line, in order, as they came.
async fn headers_json(method: Method, uri: Uri, headers: HeaderMap) -> Json<Value> {
    let lines: Vec<(&str, String)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), text_of(value.as_bytes())))
        .collect();
    Json(json!({"method": method.as_str(), "target": uri.to_string(), "headers": lines}))
}

/// `GET /events`: a tick a second for as long as someone listens.
async fn events() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let ticker = tokio::time::interval(Duration::from_secs(1));
    let ticks = stream::unfold((ticker, 0_u64), async |(mut ticker, count)| {
        ticker.tick().await;
        Some((Ok(Event::default().data(count.to_string())), (ticker, count + 1)))
    });
    Sse::new(ticks).keep_alive(KeepAlive::default())
}

/// `GET /ws`: a WebSocket that answers each message with itself.
async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .max_message_size(64 * 1024)
        .on_upgrade(answer_each)
        .into_response()
}

async fn answer_each(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let sent = match message {
            Message::Text(_) | Message::Binary(_) => socket.send(message).await,
            // axum answers pings and the close by itself.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(()),
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Every header but `Cookie`; tokens cut.
fn shown_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let others = headers.iter().filter(|(name, _)| **name != header::COOKIE);
    others
        .map(|(name, value)| (name.to_string(), shown_value(name.as_str(), &text_of(value.as_bytes()))))
        .collect()
}

fn shown_value(name: &str, value: &str) -> String {
    match value.split_once(' ') {
        Some((scheme, credentials)) if name == "authorization" => format!("{scheme} {}", shortened(credentials)),
        _ if name == "authorization" || name.contains("token") => shortened(value),
        _ => value.to_owned(),
    }
}

fn shown_cookies(headers: &HeaderMap) -> Vec<(String, String)> {
    let lines = headers
        .get_all(header::COOKIE)
        .iter()
        .map(|line| text_of(line.as_bytes()));
    let cookies = lines.flat_map(Cookie::split_parse).filter_map(Result::ok);
    cookies
        .map(|cookie| (cookie.name().to_owned(), shortened(cookie.value())))
        .collect()
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        text.to_owned()
    } else {
        text.chars().take(SHOWN).chain(['…']).collect()
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shown(lines: &[(&'static str, &str)]) -> String {
        let headers = lines
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let uri = Uri::from_static("/a?b=c");
        let response = page(State("/oauth2".into()), Method::GET, uri, headers).await;
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_page_shows_tokens_and_cookies_cut() {
        let html = shown(&[
            ("authorization", "Bearer abcdefghijkl"),
            ("x-forwarded-access-token", "mnopqrstuvwx"),
            ("cookie", "theirs=ghijklmnop; other=1"),
        ])
        .await;
        for cut in ["Bearer abcdef…", "mnopqr…", "ghijkl…"] {
            assert!(html.contains(cut), "{cut}");
        }
        for whole in ["abcdefg", "mnopqrs", "ghijklm"] {
            assert!(!html.contains(whole), "{whole}");
        }
    }

    #[tokio::test]
    async fn the_page_escapes_what_it_received() {
        let html = shown(&[
            ("x-forwarded-user", "<i>u</i>"),
            ("x-forwarded-groups", "\"><i>"),
            ("x-evil", "<script>1</script>"),
            ("cookie", "<i>=<i>"),
        ])
        .await;
        assert!(!html.contains("<i>") && !html.contains("<script>1"), "{html}");
    }
}
