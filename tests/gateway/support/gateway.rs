//! The gateway itself, in this process, between an [`Idp`] and an [`App`].

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use sidegate::clock::{Clock, Dial};
use sidegate::config::Config;
use sidegate::server::{self, Running, StartError};

use super::browser::Browser;
use super::idp::Idp;
use super::upstream::App;

/// A session key for tests: never one that the documentation shows.
pub const KEY: &str = "3q2-796tvu_erb7v3q2-796tvu_erb7v3q2-796tvu8";
pub const CLIENT_ID: &str = "app";
pub const CLIENT_SECRET: &str = "s3cret-of-the-client";

/// A running gateway with its provider and its app.
pub struct Gateway {
    pub idp: Idp,
    pub app: App,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub origin: String,
    running: Option<Running>,
    dial: Dial,
}

/// What a test changes about the usual configuration, as TOML.
#[derive(Default)]
pub struct Setup {
    pub server: String,
    pub provider: String,
    pub session: String,
    /// Everything else; with a `[[routes]]` in it, it replaces the usual route (`/` to the app).
    pub rest: String,
}

impl Gateway {
    /// With the usual configuration: one OpenID provider, one route `/` that needs a login.
    pub async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    /// With a `[[routes]]` table of the test's own; `APP` in it is the app's URL.
    pub async fn with_routes(routes: &str) -> Self {
        Self::start_with(Setup {
            rest: routes.to_owned(),
            ..Setup::default()
        })
        .await
    }

    /// `APP` stands for the app's URL and `IDP` for the issuer, everywhere.
    pub async fn start_with(setup: Setup) -> Self {
        let (idp, app) = (Idp::start().await, App::start().await);
        Self::between(idp, app, setup).await
    }

    /// Between a provider and an app that are there already.
    pub async fn between(idp: Idp, app: App, setup: Setup) -> Self {
        // The public URL has to be known before the gateway listens, so a port is taken and given back; should another
        // test be faster, the next one is tried.
        let (mut tries, clock) = (0, Clock::adjustable());
        let (origin, running) = loop {
            let port = free_port();
            let origin = format!("http://localhost:{port}");
            idp.register(CLIENT_ID, Some(CLIENT_SECRET), &origin);
            let text = setup.toml(port).replace("APP", &app.url()).replace("IDP", idp.issuer());
            let config = Config::parse(&text, Path::new(""), std::iter::empty());
            let config = config.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
            match server::start(config, clock.0.clone()).await {
                Ok(running) => break (origin, running),
                Err(StartError::Bind { .. }) if tries < 5 => tries += 1,
                Err(error) => panic!("{error}"),
            }
        };
        let dial = clock.1;
        let (address, admin) = (running.addresses[0], running.admin.unwrap());
        Self {
            idp,
            app,
            address,
            admin,
            origin,
            running: Some(running),
            dial,
        }
    }

    /// A new browser, with no cookies, at the gateway's origin.
    pub fn browser(&self) -> Browser {
        Browser::new(&self.origin)
    }

    /// Lets time pass for the gateway.
    pub fn advance(&self, seconds: u64) {
        self.dial.advance(Duration::from_secs(seconds));
    }

    /// Stops it as SIGTERM would; how many requests were cut off.
    pub async fn drain(&mut self) -> usize {
        match self.running.take() {
            Some(running) => running.drain().await,
            None => 0,
        }
    }

    /// The value of a metric's line, by its beginning: `sidegate_logins_total{outcome="success"`.
    pub async fn metric(&self, line: &str) -> f64 {
        let browser = Browser::new(&format!("http://{}", self.admin));
        let text = browser.request("GET", "/metrics").send().await.text();
        let found = text.lines().find(|own| own.starts_with(line));
        found
            .and_then(|own| own.rsplit(' ').next()?.parse().ok())
            .unwrap_or(0.0)
    }
}

impl Setup {
    fn toml(&self, port: u16) -> String {
        let Self {
            server,
            provider,
            session,
            rest,
        } = self;
        let usual = if rest.contains("[[routes]]") {
            ""
        } else {
            "[[routes]]\npath = \"/\"\nupstream = \"APP\"\n"
        };
        format!(
            "[server]\nlisten = [\"127.0.0.1:{port}\"]\npublic_url = \"http://localhost:{port}\"\n{server}\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n\
             [providers.main]\nissuer = \"IDP\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\n{provider}\n\
             [session]\nkeys = [\"{KEY}\"]\n{session}\n{usual}\n{rest}\n"
        )
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
