//! What the provider room promises, against a server on the loopback interface that answers what a test tells it.

mod discovery;
mod id_token;
mod keys;
mod logout;
mod refusals;
mod signatures;
mod tokens;
mod userinfo;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Provider, ProviderError};
use crate::config::{self, ClientAuth, Userinfo};
use crate::secret::Secret;

/// One request as the server saw it.
#[derive(Clone, Default)]
struct Seen {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// The bytes of an answer; `None`: never answers.
type Reply = Option<Vec<u8>>;
type Answers = dyn Fn(&Seen) -> Reply + Send + Sync;

/// A scripted HTTP server on a port of its own.
struct Server {
    origin: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    async fn start(answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answers): (_, Arc<Answers>) = (Arc::clone(&seen), Arc::new(answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log), Arc::clone(&answers)));
            }
        });
        Self { origin, seen }
    }

    /// A server without discovery: one answer to everything.
    async fn always(reply: Reply) -> Self {
        Self::start(move |_| reply.clone()).await
    }

    /// A provider whose endpoints are all named; `change` alters its configuration.
    fn provider(&self, change: impl FnOnce(&mut config::Provider)) -> Provider {
        let at = |path: &str| Some(format!("{}{path}", self.origin).parse().unwrap());
        let mut config = bare();
        config.authorization_endpoint = at("/authorize");
        config.token_endpoint = at("/token");
        config.userinfo_endpoint = at("/me");
        config.revocation_endpoint = at("/revoke");
        change(&mut config);
        provider(config)
    }

    /// A provider that is asked for its metadata.
    fn discovered(&self, change: impl FnOnce(&mut config::Provider)) -> Provider {
        let mut config = bare();
        config.issuer = Some(self.origin.clone());
        change(&mut config);
        provider(config)
    }

    fn requests(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    fn count(&self, path: &str) -> usize {
        self.seen.lock().iter().filter(|seen| seen.path == path).count()
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Seen>>>, answers: Arc<Answers>) {
    let Some(seen) = read(&mut stream).await else { return };
    log.lock().push(seen.clone());
    match answers(&seen) {
        Some(bytes) => drop(stream.write_all(&bytes).await),
        None => std::future::pending().await,
    }
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    loop {
        if let Some(seen) = parsed(&bytes) {
            return Some(seen);
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn parsed(bytes: &[u8]) -> Option<Seen> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(n, v)| (n.to_owned(), v.to_owned()));
    let seen = Seen {
        method: first.next()?,
        path: first.next()?,
        headers: headers.collect(),
        body: body.to_owned(),
    };
    let length = seen
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    (seen.body.len() == length).then_some(seen)
}

fn reply(status: u16, media_type: &str, body: &str) -> Reply {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    Some([head.as_bytes(), body.as_bytes()].concat())
}

fn json(body: &str) -> Reply {
    reply(200, "application/json", body)
}

fn not_found() -> Reply {
    reply(404, "text/html", "<h1>Not Found</h1>")
}

fn provider(config: config::Provider) -> Provider {
    Provider::new(config, Arc::new(|_, _| {})).unwrap()
}

/// A confidential client of a server that has no endpoints yet.
fn bare() -> config::Provider {
    config::Provider {
        name: "main".into(),
        display_name: "main".into(),
        issuer: None,
        authorization_endpoint: None,
        token_endpoint: None,
        userinfo_endpoint: None,
        jwks_uri: None,
        revocation_endpoint: None,
        end_session_endpoint: None,
        client_id: "app".into(),
        client_secret: Some(Secret::new("client-secret-of-app".into())),
        client_auth: ClientAuth::Auto,
        scopes: vec!["openid".into()],
        scope_separator: " ".into(),
        resource: Vec::new(),
        authorization_params: Vec::new(),
        token_params: Vec::new(),
        pkce: true,
        signing_algs: Vec::new(),
        userinfo: Userinfo::Auto,
        claims: Vec::new(),
        ca_file: None,
        timeout: Duration::from_secs(10),
        clock_leeway: Duration::from_secs(60),
        insecure_allow_http: false,
        insecure_allow_unverified_email: false,
    }
}

/// What an error says, in the words of the log.
fn said(error: &ProviderError) -> String {
    error.fault.to_string()
}
