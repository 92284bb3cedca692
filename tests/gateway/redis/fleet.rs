//! Several gateways with one public address, one provider, one app and one clock: replicas.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use sidegate::clock::{Clock, Dial};
use sidegate::config::Config;
use sidegate::server::{self, Running};
use tokio::runtime::{Builder, Runtime};

use crate::support::browser::Browser;
use crate::support::gateway::{CLIENT_ID, CLIENT_SECRET, KEY};
use crate::support::idp::{Endpoint, Idp};
use crate::support::upstream::App;

/// What the browser calls all of them; nobody looks the name up.
const ORIGIN: &str = "http://app.test";

/// What the replicas share.
pub struct Fleet {
    pub idp: Idp,
    pub app: App,
    clock: Clock,
    dial: Dial,
}

/// One gateway of several.
pub struct Replica {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    /// Serves as long as this is here.
    _running: Running,
    /// Its own, where it can die.
    runtime: Option<Runtime>,
}

impl Fleet {
    pub async fn new() -> Self {
        let (idp, app) = (Idp::start().await, App::start().await);
        idp.register(CLIENT_ID, Some(CLIENT_SECRET), ORIGIN);
        let (clock, dial) = Clock::adjustable();
        Self { idp, app, clock, dial }
    }

    /// A fleet of two that keep their sessions at `url`.
    pub async fn of_two(url: &str) -> (Self, Replica, Replica) {
        let fleet = Self::new().await;
        let (a, b) = (fleet.replica(&in_redis(url)).await, fleet.replica(&in_redis(url)).await);
        (fleet, a, b)
    }

    /// One more, with these lines in `[session]`.
    pub async fn replica(&self, session: &str) -> Replica {
        let running = server::start(self.config(session), self.clock.clone()).await.unwrap();
        Replica {
            address: running.addresses[0],
            admin: running.admin.unwrap(),
            _running: running,
            runtime: None,
        }
    }

    /// One more that can die: it has threads of its own.
    pub async fn mortal(&self, session: &str) -> Replica {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let starting = runtime.spawn(server::start(self.config(session), self.clock.clone()));
        let running = starting.await.unwrap().unwrap();
        Replica {
            address: running.addresses[0],
            admin: running.admin.unwrap(),
            _running: running,
            runtime: Some(runtime),
        }
    }

    fn config(&self, session: &str) -> Config {
        let keys = match session.contains("keys =") {
            true => String::new(),
            false => format!("keys = [\"{KEY}\"]\n"),
        };
        let (issuer, app) = (self.idp.issuer(), self.app.url());
        let text = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\npublic_url = \"{ORIGIN}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [providers.main]\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\n\
             timeout = \"1s\"\n\
             [[routes]]\npath = \"/\"\nupstream = \"{app}\"\n\
             [[routes]]\npath = \"/public\"\nupstream = \"{app}\"\naccess = \"public\"\n\
             [[routes]]\npath = \"/maybe\"\nupstream = \"{app}\"\naccess = \"optional\"\n\
             [session]\n{keys}{session}"
        );
        let config = Config::parse(&text, Path::new(env!("CARGO_MANIFEST_DIR")), std::iter::empty());
        config.unwrap_or_else(|problems| panic!("{problems}\n{text}"))
    }

    /// Lets time pass for all of them.
    pub fn advance(&self, seconds: u64) {
        self.dial.advance(Duration::from_secs(seconds));
    }

    /// How often a refresh token was sent.
    pub fn refreshes(&self) -> usize {
        let seen = self.idp.seen(Endpoint::Token).into_iter();
        seen.filter(|seen| seen.form("grant_type").as_deref() == Some("refresh_token"))
            .count()
    }
}

impl Replica {
    /// A new browser that this replica answers.
    pub fn browser(&self) -> Browser {
        Browser::new(ORIGIN).at(self.address)
    }

    /// A browser with the same cookies that this replica answers.
    pub fn takes_over(&self, browser: &Browser) -> Browser {
        browser.twin().at(self.address)
    }

    /// It is gone, in the middle of whatever it did.
    pub fn dies(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }

    pub async fn metric(&self, line: &str) -> f64 {
        let browser = Browser::new(&format!("http://{}", self.admin));
        let text = browser.request("GET", "/metrics").send().await.text();
        let found = text.lines().find(|own| own.starts_with(line));
        found
            .and_then(|own| own.rsplit(' ').next()?.parse().ok())
            .unwrap_or(0.0)
    }

    pub async fn ready(&self) -> u16 {
        let browser = Browser::new(&format!("http://{}", self.admin));
        browser.request("GET", "/readyz").send().await.status
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// `[session]` for a Redis at `url`.
pub fn in_redis(url: &str) -> String {
    format!("store = \"redis\"\nredis = {{ url = \"{url}\" }}\n")
}

/// What a page's script is told.
pub async fn status(browser: &Browser, path: &str) -> u16 {
    browser.fetch("GET", path).send().await.status
}
