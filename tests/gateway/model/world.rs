//! One or two replicas of a gateway behind a balancer, with a clock that they share, and a provider whose access tokens
//! are known: whose they are and when they end.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde_json::Value;
use sidegate::clock::{Clock, Dial};
use sidegate::config::Config;
use sidegate::server::{self, Running};
use tokio::net::{TcpListener, TcpStream};

use crate::support::answer::Answer;
use crate::support::browser::Browser;
use crate::support::gateway::{CLIENT_ID, CLIENT_SECRET};
use crate::support::idp::{Endpoint, Idp};
use crate::support::seen::Seen;
use crate::support::upstream::App;
use crate::support::within;

/// Whose an access token is, and when it ends.
type Issued = Arc<Mutex<HashMap<String, (String, u64)>>>;

/// What a case is played on.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// With one replica the provider rotates refresh tokens and ends the grant when one is used twice. Two replicas that
    /// share nothing but the key cannot promise anything to such a provider.
    pub replicas: usize,
}

pub struct World {
    pub idp: Idp,
    pub app: App,
    pub clock: Clock,
    issued: Issued,
    origin: String,
    dial: Dial,
    stage: Stage,
    replicas: Vec<Running>,
    targets: Arc<Mutex<Vec<SocketAddr>>>,
    keys: Vec<String>,
}

impl World {
    pub async fn new(stage: Stage) -> Self {
        let (idp, app) = (Idp::start().await, App::start().await);
        idp.change(|settings| {
            settings.rotate = stage.replicas == 1;
            settings.id_token_lifetime = Duration::from_secs(10_000_000);
        });
        let (clock, dial) = Clock::adjustable();
        let issued = Issued::default();
        let noting = (clock.clone(), Arc::clone(&issued));
        idp.always(Endpoint::Token, move || {
            let (clock, issued) = noting.clone();
            Answer::json(move |answer| note(answer, &clock, &issued))
        });
        let targets = Arc::default();
        let origin = balance(Arc::clone(&targets)).await;
        idp.register(CLIENT_ID, Some(CLIENT_SECRET), &origin);
        let keys = vec![key()];
        let mut world = Self {
            idp,
            app,
            clock,
            issued,
            origin,
            dial,
            stage,
            replicas: Vec::new(),
            targets,
            keys,
        };
        for _ in 0..stage.replicas {
            world.add_replica().await;
        }
        world
    }

    /// Whose token a request carried, and when it ends.
    pub fn bearer(&self, seen: &Seen) -> (String, u64) {
        let header = seen.header("authorization").expect("a request without a token");
        let token = header.strip_prefix("Bearer ").expect("no bearer token");
        self.issued
            .lock()
            .get(token)
            .cloned()
            .expect("a token that nobody issued")
    }

    pub fn browser(&self) -> Browser {
        Browser::new(&self.origin)
    }

    pub fn advance(&self, seconds: u64) {
        self.dial.advance(Duration::from_secs(seconds));
    }

    /// Every replica is replaced by a new one that remembers nothing.
    pub async fn restart(&mut self) {
        for old in std::mem::take(&mut self.replicas) {
            self.targets.lock().clear();
            old.drain().await;
        }
        for _ in 0..self.stage.replicas {
            self.add_replica().await;
        }
    }

    /// A new key goes first, the old ones stay behind it.
    pub async fn rotate_keys(&mut self) {
        self.keys.insert(0, key());
        self.restart().await;
    }

    /// Until no refresh is under way.
    pub async fn idle(&self) {
        within("the replicas come to rest", async {
            while self.replicas.iter().any(|replica| replica.busy() > 0) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    async fn add_replica(&mut self) {
        let text = self.configuration();
        let config = Config::parse(&text, Path::new(""), std::iter::empty());
        let config = config.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        let running = server::start(config, self.clock.clone())
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let address = running.addresses[0];
        self.targets.lock().push(address);
        // From here on it knows where the provider's endpoints are.
        let host = self.origin.strip_prefix("http://").unwrap();
        let began = Browser::new(&format!("http://{address}"))
            .visit("/")
            .host(host)
            .send()
            .await;
        assert_eq!(began.status, 302);
        self.replicas.push(running);
    }

    fn configuration(&self) -> String {
        let Self { origin, keys, .. } = self;
        let (issuer, app) = (self.idp.issuer(), self.app.url());
        format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\npublic_url = \"{origin}\"\n[admin]\nlisten = \"\"\n\
             [providers.main]\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\n\
             [session]\nkeys = {keys:?}\nlifetime = \"1h\"\n[[routes]]\npath = \"/\"\nupstream = \"{app}\"\n"
        )
    }

    /// The lifetime of every session, seconds.
    pub const LIFETIME: u64 = 3_600;
}

fn key() -> String {
    let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(32).collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Notes whose the access token is, and when it ends.
fn note(answer: &Value, clock: &Clock, issued: &Issued) {
    let (Some(id_token), Some(token)) = (answer["id_token"].as_str(), answer["access_token"].as_str()) else {
        return;
    };
    let payload = URL_SAFE_NO_PAD.decode(id_token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    let end = clock.now().0 + answer["expires_in"].as_u64().unwrap();
    issued
        .lock()
        .insert(token.to_owned(), (claims["sub"].as_str().unwrap().to_owned(), end));
}

/// Connections to the origin that this returns go to one of the targets, by turns.
async fn balance(targets: Arc<Mutex<Vec<SocketAddr>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut turn = 0;
        while let Ok((mut client, _)) = listener.accept().await {
            turn += 1;
            let target = {
                let targets = targets.lock();
                targets.get(turn % targets.len().max(1)).copied()
            };
            tokio::spawn(async move {
                let Some(target) = target else { return };
                if let Ok(mut replica) = TcpStream::connect(target).await {
                    drop(tokio::io::copy_bidirectional(&mut client, &mut replica).await);
                }
            });
        }
    });
    format!("http://localhost:{port}")
}
