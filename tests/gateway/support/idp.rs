//! The embedded provider under a script: it fails, waits, lies and goes down when told, and remembers what it was asked.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use futures_util::FutureExt;
use http::{Request, Response};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use serde_json::Value;
use sidegate::demo::provider::{Client, Provider, Settings};
use sidegate::secret::Secret;

use super::answer::{Answer, rewritten};
use super::front::{Dropped, Front};
use super::seen::{Log, Seen};

/// Where a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    Discovery,
    Jwks,
    Authorize,
    Login,
    Token,
    Userinfo,
    Revocation,
    EndSession,
    /// Anything else.
    Other,
}

impl Endpoint {
    fn of(path: &str) -> Self {
        match path {
            "/.well-known/openid-configuration" => Self::Discovery,
            "/jwks" => Self::Jwks,
            "/authorize" => Self::Authorize,
            "/login" => Self::Login,
            "/token" => Self::Token,
            "/userinfo" => Self::Userinfo,
            "/revoke" => Self::Revocation,
            "/end_session" => Self::EndSession,
            _ => Self::Other,
        }
    }
}

/// The authorization server of a test; ends with the value.
pub struct Idp {
    desk: Arc<Desk>,
    front: Front,
}

type Always = Box<dyn Fn() -> Answer + Send + Sync>;
type Change = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// What both the test and the server's tasks hold.
struct Desk {
    provider: Provider,
    log: Log,
    next: Mutex<HashMap<Endpoint, VecDeque<Answer>>>,
    always: Mutex<HashMap<Endpoint, Always>>,
    metadata: Mutex<Option<Change>>,
}

impl Idp {
    /// With Alice and Bob, and no client yet: see [`Idp::register`].
    pub async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    pub async fn start_with(settings: Settings) -> Self {
        let (listener, addr) = Front::listen().await;
        let desk = Arc::new(Desk {
            provider: Provider::new(format!("http://{addr}"), settings),
            log: Log::default(),
            next: Mutex::default(),
            always: Mutex::default(),
            metadata: Mutex::default(),
        });
        let at_the_desk = desk.clone();
        let front = Front::serve(listener, move |request| at_the_desk.clone().answer(request).boxed());
        Self { desk, front }
    }

    /// `http://127.0.0.1:<port>`
    pub fn issuer(&self) -> &str {
        self.desk.provider.issuer()
    }

    pub fn addr(&self) -> SocketAddr {
        self.front.addr()
    }

    /// The provider itself: sign with it, replace its key.
    pub fn provider(&self) -> &Provider {
        &self.desk.provider
    }

    /// Changes lifetimes, people, rotation … from the next request on.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        self.desk.provider.change(change);
    }

    /// Registers the gateway at `origin`, once for each client_id; without a secret it is a public client.
    pub fn register(&self, client_id: &str, secret: Option<&str>, origin: &str) {
        let secret = secret.map(|text| Secret::new(text.to_owned()));
        let client = Client::of_gateway(client_id, secret, origin, "/oauth2");
        self.change(|settings| {
            settings.clients.retain(|known| known.id != client_id);
            settings.clients.push(client);
        });
    }

    /// The next answers of an endpoint, one each; after them it is as before.
    pub fn script(&self, endpoint: Endpoint, answers: impl IntoIterator<Item = Answer>) {
        self.desk.next.lock().entry(endpoint).or_default().extend(answers);
    }

    /// Every answer of an endpoint from now on, unless the script has one.
    pub fn always(&self, endpoint: Endpoint, answer: impl Fn() -> Answer + Send + Sync + 'static) {
        self.desk.always.lock().insert(endpoint, Box::new(answer));
    }

    /// Ends the script of an endpoint.
    pub fn as_usual(&self, endpoint: Endpoint) {
        self.desk.next.lock().remove(&endpoint);
        self.desk.always.lock().remove(&endpoint);
    }

    /// Changes the metadata that discovery answers, from now on.
    pub fn metadata(&self, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        *self.desk.metadata.lock() = Some(Arc::new(change));
    }

    /// What an endpoint was asked, in order.
    pub fn seen(&self, endpoint: Endpoint) -> Vec<Seen> {
        self.desk
            .log
            .all()
            .into_iter()
            .filter(|seen| Endpoint::of(seen.path()) == endpoint)
            .collect()
    }

    /// The last request of an endpoint.
    pub fn last(&self, endpoint: Endpoint) -> Seen {
        self.seen(endpoint)
            .pop()
            .unwrap_or_else(|| panic!("{endpoint:?} was never asked"))
    }

    /// How often an endpoint was asked.
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.seen(endpoint).len()
    }

    /// Until an endpoint was asked `count` times.
    pub async fn reached(&self, endpoint: Endpoint, count: usize) {
        let enough = |all: &[Seen]| all.iter().filter(|seen| Endpoint::of(seen.path()) == endpoint).count() >= count;
        self.desk
            .log
            .until(&format!("request {count} to {endpoint:?}"), enough)
            .await;
    }

    /// Forgets what was asked so far.
    pub fn forget(&self) {
        self.desk.log.forget();
    }

    /// Nobody listens any more, every connection is cut. What was issued stays known.
    pub async fn down(&self) {
        self.front.down().await;
    }

    /// Listens again on the same port.
    pub async fn up(&self) {
        self.front.up().await;
    }
}

impl Desk {
    async fn answer(self: Arc<Self>, request: Request<Body>) -> Result<Response<Body>, Dropped> {
        let (parts, body) = request.into_parts();
        let seen = Seen::read(&parts, body).await.ok_or(Dropped)?;
        let endpoint = Endpoint::of(seen.path());
        let body = seen.body.clone();
        // The answer is taken before the request can be waited for: a test that adds to the script then adds to the next.
        let mut answer = self.next_answer(endpoint);
        self.log.add(seen);
        while let Answer::Held(gate, then) = answer {
            gate.pass().await;
            answer = *then;
        }
        if !answer.wants_the_provider() {
            return answer.alone().await;
        }
        let router = TowerToHyperService::new(self.provider.router());
        let Ok(usual) = router.call(Request::from_parts(parts, Body::from(body))).await;
        let change = self.metadata.lock().clone();
        let usual = match change {
            Some(change) if endpoint == Endpoint::Discovery => rewritten(usual, |metadata| change(metadata)).await,
            _ => usual,
        };
        answer.upon(usual, &self.provider).await
    }

    fn next_answer(&self, endpoint: Endpoint) -> Answer {
        let scripted = self.next.lock().get_mut(&endpoint).and_then(VecDeque::pop_front);
        scripted.unwrap_or_else(|| {
            self.always
                .lock()
                .get(&endpoint)
                .map_or(Answer::Usual, |answer| answer())
        })
    }
}
