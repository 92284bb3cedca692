//! A provider on loopback that answers whatever the fuzzer wants, and the gateway's client of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};
use sidegate::demo::provider::SigningKey;
use sidegate::provider::Provider;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

/// One thread, one provider, one client.
pub struct Stage {
    pub runtime: Runtime,
    pub tasks: LocalSet,
    pub provider: Arc<Provider>,
    pub issuer: String,
    pub key: Rc<SigningKey>,
    /// What the token endpoint answers: status, media type, body.
    pub answer: Rc<RefCell<(u16, &'static str, Vec<u8>)>>,
}

impl Stage {
    /// Listens, and lets the client fetch metadata.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let tasks = LocalSet::new();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let key = Rc::new(SigningKey::generate());
        let answer = Rc::new(RefCell::new((200, "application/json", Vec::new())));
        let desk = (issuer.clone(), key.clone(), answer.clone());
        tasks.spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (issuer, key, answer) = desk.clone();
                tokio::task::spawn_local(async move { converse(stream, &issuer, &key, &answer).await });
            }
        });
        let config = super::config(&issuer).providers.remove(0);
        let provider = Arc::new(Provider::new(config, Arc::new(|_, _| {})).unwrap());
        Self {
            runtime,
            tasks,
            provider,
            issuer,
            key,
            answer,
        }
    }

    /// Runs the client and the provider beside it.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.tasks.block_on(&self.runtime, future)
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

async fn converse(
    mut stream: TcpStream,
    issuer: &str,
    key: &SigningKey,
    answer: &RefCell<(u16, &'static str, Vec<u8>)>,
) -> Option<()> {
    loop {
        let head = head(&mut stream).await?;
        let (status, media_type, body) = if head.contains("openid-configuration") {
            (200, "application/json", metadata(issuer).to_string().into_bytes())
        } else if head.contains(" /jwks ") {
            (
                200,
                "application/json",
                json!({"keys": [key.jwk()]}).to_string().into_bytes(),
            )
        } else {
            answer.borrow().clone()
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), &body].concat()).await.ok()?;
    }
}

/// Reads one request and returns its head.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |text| text.trim().parse().unwrap());
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

fn metadata(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "id_token_signing_alg_values_supported": ["ES256"],
    })
}
