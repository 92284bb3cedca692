//! Provider, app and gateway of one test, and a visitor in front of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::program::{Log, Program, free_address};
use crate::provider::Provider;
use crate::support::browser::Browser;
use crate::support::gateway::KEY;
use crate::support::seen::Seen;
use crate::support::upstream::App;
use crate::visitor::Visitor;

/// What tells one journey from another.
#[derive(Clone, Copy, Default)]
pub struct Setup<'a> {
    /// `panva`, `django` or `authlib`.
    pub provider: &'a str,
    /// `basic`, `post` or `public`.
    pub client: &'a str,
    /// Of the provider, blank-separated.
    pub options: &'a str,
    /// Added to `[providers.main]`.
    pub settings: &'a str,
    /// Added to `[session]`.
    pub session: &'a str,
}

/// Everything that runs for one test; ends with the value.
pub struct Stage {
    pub provider: Provider,
    pub app: App,
    pub gateway: Program,
    pub visitor: Visitor,
    client_secret: String,
}

impl Stage {
    pub async fn start(setup: Setup<'_>) -> Self {
        let (listen, admin) = (free_address(), free_address());
        let home = format!("http://localhost:{}", listen.port());
        let (provider, app) = (setup.provider(&home).await, App::start().await);
        let client = &provider.ready["clients"][setup.client];
        let toml = format!(
            "[server]\nlisten = [\"{listen}\"]\npublic_url = \"{home}\"\n[admin]\nlisten = \"{admin}\"\n\
             [log]\nlevel = \"trace\"\n[session]\nkeys = [\"{KEY}\"]\n{}\n[providers.main]\n{}\n{}\n\
             [[routes]]\npath = \"/\"\nupstream = \"{app}\"\n\
             [[routes]]\npath = \"/public\"\nupstream = \"{app}\"\naccess = \"public\"\n",
            setup.session,
            setup.settings,
            describe(&provider, setup.client),
            app = app.url(),
        );
        let client_secret = client["client_secret"].as_str().unwrap_or_default().to_owned();
        Self {
            gateway: Program::start(&toml, admin).await,
            visitor: Visitor::new(&home),
            provider,
            app,
            client_secret,
        }
    }

    /// The access token of a request that reached the app.
    pub fn bearer(&self, seen: &Seen) -> String {
        let values = seen.header_all("authorization");
        let [value] = values.as_slice() else {
            panic!("not one Authorization: {values:?}")
        };
        let token = value.strip_prefix("Bearer ").expect(value).to_owned();
        self.visitor.secrets.lock().insert(token.clone());
        token
    }

    /// What `userinfo` says of this browser.
    pub async fn userinfo(&self, browser: &Browser) -> serde_json::Value {
        let answer = browser.fetch("GET", "/oauth2/userinfo").send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Lets this browser's access token come to its end. The one place where real time passes: a real server's tokens
    /// end by its own clock.
    pub async fn until_over(&self, browser: &Browser) {
        let end = self.userinfo(browser).await["expires_at"].as_u64().unwrap();
        self.until(end).await;
    }

    /// Waits for an instant, in seconds since the epoch, that is near.
    pub async fn until(&self, instant: u64) {
        let left = (UNIX_EPOCH + Duration::from_secs(instant))
            .duration_since(SystemTime::now())
            .unwrap_or_default();
        assert!(left <= Duration::from_secs(5), "too far away: {left:?}");
        tokio::time::sleep(left).await;
    }

    /// Stops the gateway, which must keep every secret of this journey to itself.
    pub async fn stop(self) -> Log {
        let mut secrets = std::mem::take(&mut *self.visitor.secrets.lock());
        secrets.extend(
            [self.client_secret, KEY.to_owned()]
                .into_iter()
                .filter(|text| !text.is_empty()),
        );
        // What no visitor sees: the verifier, refresh tokens, and id_tokens by the way every JWT begins.
        secrets.extend(["code_verifier=", "refresh_token=", "eyJ"].map(str::to_owned));
        self.gateway.stop(&secrets).await
    }
}

impl Setup<'_> {
    async fn provider(&self, home: &str) -> Provider {
        let mut options = vec!["--redirect-uri".to_owned(), format!("{home}/oauth2/callback")];
        if self.provider == "panva" {
            options.extend([
                "--post-logout-redirect-uri".to_owned(),
                format!("{home}/oauth2/signed_out"),
            ]);
        }
        options.extend(self.options.split_whitespace().map(str::to_owned));
        Provider::start(self.provider, &options).await
    }
}

/// The provider as an operator writes it down: by its issuer where it has discovery, else by its endpoints.
fn describe(provider: &Provider, client: &str) -> String {
    let client = &provider.ready["clients"][client];
    let names: &[&str] = if provider.text("provider") == "panva" {
        &["issuer"]
    } else {
        &[
            "authorization_endpoint",
            "token_endpoint",
            "userinfo_endpoint",
            "revocation_endpoint",
        ]
    };
    let mut lines: Vec<String> = names
        .iter()
        .map(|name| format!("{name} = \"{}\"", provider.text(name)))
        .collect();
    // JSON strings and arrays of strings are TOML too.
    for name in ["client_id", "client_secret"] {
        lines.extend(client.get(name).map(|value| format!("{name} = {value}")));
    }
    lines.push(format!("scopes = {}", provider.ready["scopes"]));
    lines.join("\n")
}
