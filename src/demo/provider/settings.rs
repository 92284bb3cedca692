//! What the embedded provider is told: its clients, its people, how long things last, what it issues.

use std::time::Duration;

use serde::Serialize;

use crate::secret::Secret;

/// Everything that can be set; changed at run time through [`super::Provider::change`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// The clients that may ask.
    pub clients: Vec<Client>,
    /// Who can be chosen on the login page.
    pub people: Vec<Person>,
    /// Lifetime of an access token; whole seconds.
    pub access_token_lifetime: Duration,
    /// Lifetime of an id_token; whole seconds.
    pub id_token_lifetime: Duration,
    /// Lifetime of an authorization code (RFC 6749 §4.1.2: at most 10 minutes); whole seconds.
    pub code_lifetime: Duration,
    /// How long the provider's own browser session lasts; whole seconds.
    pub session_lifetime: Duration,
    /// Whether a refresh answers with a new refresh token and spends the old one (RFC 9700 §4.14.2). A spent one that
    /// comes again revokes the grant. Off: the refresh token stays, and a refresh answers without one.
    pub rotate: bool,
    /// Whether a redeemed code brings a refresh token.
    pub issue_refresh_token: bool,
    /// Whether token responses carry an id_token where `openid` was asked for.
    pub issue_id_token: bool,
    /// Whether the callback carries `iss` (RFC 9207), and the metadata say so.
    pub iss_parameter: bool,
}

/// One registered client (RFC 6749 §2).
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`
    pub id: String,
    /// `None` makes it a public client: authentication method `none`. Otherwise basic and post are both taken.
    pub secret: Option<Secret>,
    /// Compared as strings, character by character (RFC 9700 §2.1).
    pub redirect_uris: Vec<String>,
    /// Where the browser may be sent after sign-out; compared as strings.
    pub post_logout_redirect_uris: Vec<String>,
}

/// Someone on the login page; the fields are claims of the id_token and of userinfo.
#[derive(Clone, Debug, Serialize)]
pub struct Person {
    /// `preferred_username`, and what the login form sends as `person`.
    pub username: String,
    /// `sub`: never reassigned (OpenID Connect Core §5.7).
    pub sub: String,
    /// `name`
    pub name: String,
    /// `email`, always with `email_verified: true`.
    pub email: String,
    /// `groups`
    pub groups: Vec<String>,
}

impl Settings {
    /// The demo's: one confidential client, Alice (staff, admins) and Bob (staff), access tokens of 120 seconds so
    /// that one can watch the refresh.
    ///
    /// `origin` is the gateway's public origin and `prefix` where its endpoints live: `http://localhost:4180`, `/oauth2`.
    pub fn demo(client_id: &str, client_secret: Option<Secret>, origin: &str, prefix: &str) -> Self {
        Self {
            clients: vec![Client::of_gateway(client_id, client_secret, origin, prefix)],
            ..Self::default()
        }
    }
}

impl Default for Settings {
    /// As the demo, but without a client.
    fn default() -> Self {
        Self {
            clients: Vec::new(),
            people: vec![
                Person::new("alice", "Alice Archer", &["staff", "admins"]),
                Person::new("bob", "Bob Baker", &["staff"]),
            ],
            access_token_lifetime: Duration::from_secs(120),
            id_token_lifetime: Duration::from_secs(3600),
            code_lifetime: Duration::from_secs(60),
            session_lifetime: Duration::from_secs(8 * 3600),
            rotate: true,
            issue_refresh_token: true,
            issue_id_token: true,
            iss_parameter: true,
        }
    }
}

impl Client {
    /// A gateway at `origin` as a client: its callback and its signed-out page under `prefix`.
    pub fn of_gateway(id: &str, secret: Option<Secret>, origin: &str, prefix: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret,
            redirect_uris: vec![format!("{origin}{prefix}/callback")],
            post_logout_redirect_uris: vec![format!("{origin}{prefix}/signed_out")],
        }
    }
}

impl Person {
    /// Someone at example.com whose `sub` is `demo|<username>`.
    pub fn new(username: &str, name: &str, groups: &[&str]) -> Self {
        Self {
            username: username.to_owned(),
            sub: format!("demo|{username}"),
            name: name.to_owned(),
            email: format!("{username}@example.com"),
            groups: groups.iter().map(|&g| g.to_owned()).collect(),
        }
    }
}
