//! An app behind the gateway: it echoes what it gets as JSON, and does what it is told.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{FutureExt, stream};
use http::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use ring::digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::front::{Dropped, Front};
use super::gate::Gate;
use super::seen::{Log, Seen};

/// One answer of the app.
pub enum Reply {
    /// The request as JSON: [`Seen::as_json`].
    Echo,
    /// This, with these header lines.
    Fixed {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// The request is recorded and waits at the gate.
    Held(Gate, Box<Reply>),
    /// A body that goes on until the test drops its sender.
    Stream(&'static str, mpsc::UnboundedReceiver<Bytes>),
    /// Head and half of the body, then the connection is cut.
    CutShort,
    /// No answer, and the connection stays.
    Hang,
    /// The connection is closed without an answer.
    Close,
}

impl Reply {
    /// A status with a short text.
    pub fn status(status: u16) -> Self {
        Self::with(status, &[])
    }

    /// A status with header lines: `Set-Cookie` several times, if need be.
    pub fn with(status: u16, headers: &[(&str, &str)]) -> Self {
        let headers = headers
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self::Fixed {
            status,
            headers,
            body: b"the app's own answer".to_vec(),
        }
    }

    /// Server-sent events: what the test sends goes out at once; dropping the sender ends the stream.
    pub fn events() -> (Self, mpsc::UnboundedSender<Bytes>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self::Stream("text/event-stream", receiver), sender)
    }

    /// This reply, after the gate has opened.
    pub fn behind(self, gate: &Gate) -> Self {
        Self::Held(gate.clone(), Box::new(self))
    }
}

/// The app of a test; ends with the value. A WebSocket upgrade on any path is taken: every byte comes back as it is.
pub struct App {
    stage: Arc<Stage>,
    front: Front,
}

#[derive(Default)]
struct Stage {
    log: Log,
    next: Mutex<HashMap<String, VecDeque<Reply>>>,
}

impl App {
    pub async fn start() -> Self {
        let (listener, _) = Front::listen().await;
        let stage = Arc::new(Stage::default());
        let on_stage = stage.clone();
        let front = Front::serve(listener, move |request| on_stage.clone().reply(request).boxed());
        Self { stage, front }
    }

    /// `http://127.0.0.1:<port>`
    pub fn url(&self) -> String {
        format!("http://{}", self.front.addr())
    }

    pub fn addr(&self) -> SocketAddr {
        self.front.addr()
    }

    /// The next replies on a path (without query), one each; after them it echoes again.
    pub fn script(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        self.stage
            .next
            .lock()
            .entry(path.to_owned())
            .or_default()
            .extend(replies);
    }

    /// Everything that reached the app, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.stage.log.all()
    }

    /// The last request that reached the app.
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the app was never asked")
    }

    /// Until the app was asked `count` times.
    pub async fn reached(&self, count: usize) {
        self.stage
            .log
            .until(&format!("request {count} to the app"), |all| all.len() >= count)
            .await;
    }

    /// Forgets what was asked so far.
    pub fn forget(&self) {
        self.stage.log.forget();
    }

    /// Nobody listens any more, every connection is cut.
    pub async fn down(&self) {
        self.front.down().await;
    }

    /// Listens again on the same port.
    pub async fn up(&self) {
        self.front.up().await;
    }
}

impl Stage {
    async fn reply(self: Arc<Self>, request: Request<Body>) -> Result<Response<Body>, Dropped> {
        let (mut parts, body) = request.into_parts();
        let upgrading = parts.headers.contains_key(header::UPGRADE);
        // The body of an upgrade is the other protocol: it is not read.
        let body = if upgrading { Body::empty() } else { body };
        let seen = Seen::read(&parts, body).await.ok_or(Dropped)?;
        let scripted = self.next.lock().get_mut(seen.path()).and_then(VecDeque::pop_front);
        self.log.add(seen.clone());
        let mut reply = match scripted {
            Some(reply) => reply,
            None if upgrading => return Ok(upgrade(&mut parts)),
            None => Reply::Echo,
        };
        while let Reply::Held(gate, then) = reply {
            gate.pass().await;
            reply = *then;
        }
        reply.play(&seen).await
    }
}

impl Reply {
    async fn play(self, seen: &Seen) -> Result<Response<Body>, Dropped> {
        let json = Response::builder().header(header::CONTENT_TYPE, "application/json");
        let echoed = Bytes::from(seen.as_json().to_string());
        match self {
            Self::Echo | Self::Held(..) => Ok(json.body(echoed.into()).unwrap()),
            Self::Fixed { status, headers, body } => {
                let head = Response::builder().status(status);
                let head = headers
                    .into_iter()
                    .fold(head, |head, (name, value)| head.header(name, value));
                Ok(head.body(body.into()).unwrap())
            }
            Self::Stream(content_type, receiver) => {
                let chunks = stream::unfold(receiver, async |mut receiver| {
                    let chunk: Bytes = receiver.recv().await?;
                    Some((Ok::<_, Dropped>(chunk), receiver))
                });
                let head = Response::builder().header(header::CONTENT_TYPE, content_type);
                Ok(head.body(Body::from_stream(chunks)).unwrap())
            }
            Self::CutShort => {
                let half: Result<Bytes, Dropped> = Ok(echoed.slice(..echoed.len() / 2));
                let body = Body::from_stream(stream::iter([half, Err(Dropped)]));
                Ok(json.header(header::CONTENT_LENGTH, echoed.len()).body(body).unwrap())
            }
            Self::Hang => std::future::pending().await,
            Self::Close => Err(Dropped),
        }
    }
}

/// 101 (RFC 6455 §4.2.2), then every byte comes back: frames are not looked into.
fn upgrade(parts: &mut http::request::Parts) -> Response<Body> {
    let key = parts
        .headers
        .get(header::SEC_WEBSOCKET_KEY)
        .map_or(&b""[..], |key| key.as_bytes());
    let salted = [key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    let accept = STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &salted));
    let mut request = Request::from_parts(parts.clone(), ());
    *request.extensions_mut() = std::mem::take(&mut parts.extensions);
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgraded.await else { return };
        let mut stream = TokioIo::new(upgraded);
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut bytes).await {
            if stream.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Body::empty())
        .unwrap()
}
