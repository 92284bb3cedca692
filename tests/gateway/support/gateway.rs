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
use super::wire::Response;
use super::within;

/// A session key for tests: never one that the documentation shows.
pub const KEY: &str = "3q2-796tvu_erb7v3q2-796tvu_erb7v3q2-796tvu8";
pub const CLIENT_ID: &str = "app";
pub const CLIENT_SECRET: &str = "s3cret-of-the-client";

/// Seconds after which the provider's usual token of 120 s is due for its refresh: half of its life.
pub const DUE: u64 = 61;
/// Seconds after which it is over.
pub const OVER: u64 = 121;

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

/// What a test changes about the usual configuration, as TOML. A key that it gives takes the place of the usual one.
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

    /// `APP` stands for the app's URL, `IDP` for the issuer and `PORT` for the gateway's port, everywhere.
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
            let text = setup.toml().replace("APP", &app.url()).replace("IDP", idp.issuer());
            let text = text.replace("PORT", &port.to_string());
            let config = Config::parse(&text, Path::new(""), std::iter::empty());
            let config = config.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
            let origin = config.server.public_url.origin.clone();
            idp.register(CLIENT_ID, Some(CLIENT_SECRET), &origin);
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

    /// A browser in which Alice has signed in; neither provider nor app remember any request of it.
    pub async fn signed_in(&self) -> Browser {
        let browser = self.browser();
        assert_eq!(browser.login("/", "alice").await.status, 200);
        self.idp.forget();
        self.app.forget();
        browser
    }

    /// Another gateway for the same public URL and provider, on a port of its own; `session` as in [`Setup`].
    pub async fn replica(&self, session: &str) -> Self {
        let setup = Setup {
            server: format!("public_url = \"{}\"\nhosts = [\"127.0.0.1\"]", self.origin),
            provider: format!("issuer = \"{}\"", self.idp.issuer()),
            session: session.to_owned(),
            ..Setup::default()
        };
        Self::start_with(setup).await
    }

    /// A browser that has brought its cookies here from another replica.
    pub fn carrying(&self, browser: &Browser) -> Browser {
        // Only the first of them is known under the public URL's own port.
        let own = self.origin.ends_with(&format!(":{}", self.address.port()));
        let here = if own {
            self.browser()
        } else {
            Browser::new(&format!("http://{}", self.address))
        };
        for (name, value) in browser.cookies() {
            here.put_cookie(&name, &value);
        }
        here
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
        let text = self.ask_admin("GET", "/metrics").await.text();
        let found = text.lines().find(|own| own.starts_with(line));
        found
            .and_then(|own| own.rsplit(' ').next()?.parse().ok())
            .unwrap_or(0.0)
    }

    /// How many refreshes had this outcome.
    pub async fn refreshes(&self, outcome: &str) -> f64 {
        self.metric(&format!("sidegate_refreshes_total{{outcome=\"{outcome}\""))
            .await
    }

    /// Until that many refreshes had this outcome.
    pub async fn until_refreshes(&self, outcome: &str, count: f64) {
        within(&format!("{count} refreshes {outcome}"), async {
            while self.refreshes(outcome).await < count {}
        })
        .await;
    }

    /// The admin listener's answer.
    pub async fn ask_admin(&self, method: &str, path: &str) -> Response {
        let browser = Browser::new(&format!("http://{}", self.admin));
        browser.request(method, path).send().await
    }
}

impl Setup {
    /// The usual configuration with one thing changed.
    pub fn of_server(server: &str) -> Self {
        Self {
            server: server.to_owned(),
            ..Self::default()
        }
    }

    /// The usual configuration with one thing changed.
    pub fn of_provider(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            ..Self::default()
        }
    }

    /// The usual configuration with one thing changed.
    pub fn of_session(session: &str) -> Self {
        Self {
            session: session.to_owned(),
            ..Self::default()
        }
    }

    fn toml(&self) -> String {
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
        let server = over(
            server,
            "listen = [\"127.0.0.1:PORT\"]\npublic_url = \"http://localhost:PORT\"",
        );
        let provider = over(
            provider,
            &format!("issuer = \"IDP\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\""),
        );
        let session = over(session, &format!("keys = [\"{KEY}\"]"));
        format!(
            "[server]\n{server}\n[admin]\nlisten = \"127.0.0.1:0\"\n[providers.main]\n{provider}\n\
             [session]\n{session}\n{usual}\n{rest}\n"
        )
    }
}

/// The usual lines but for those whose key the test gives itself, then the test's.
fn over(own: &str, usual: &str) -> String {
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let given: Vec<String> = own.lines().map(key).collect();
    let kept = usual.lines().filter(|line| !given.contains(&key(line)));
    kept.chain(own.lines()).collect::<Vec<_>>().join("\n")
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
