//! A small OpenID provider that is correct where a client can tell: code flow with PKCE (RFC 6749, RFC 7636, RFC 9207),
//! rotation with reuse detection (RFC 9700), ES256 id_tokens, userinfo, revocation (RFC 7009), RP-initiated logout.
//!
//! | file | what it is |
//! |---|---|
//! | [`settings`] | what it is told: clients, people, lifetimes, switches |
//! | [`key`] | the signing key |
//! | `ledger`, `shelf` | what was issued, bounded, in memory |
//! | `params` | form and query parameters, client authentication, error answers |
//! | `metadata` | discovery and JWKS |
//! | `request` | an authorization request, parsed and checked |
//! | `login` | the authorization endpoint and the login page |
//! | `token` | the token endpoint |
//! | `account` | userinfo and revocation |
//! | `leave` | the end-session endpoint |
//!
//! There are no passwords: whoever reaches the login page is whom they choose to be.

mod account;
pub mod key;
mod leave;
mod ledger;
mod login;
mod metadata;
mod params;
mod request;
pub mod settings;
mod shelf;
mod token;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tokio::net::TcpListener;

pub use key::SigningKey;
use ledger::Ledger;
pub use settings::{Client, Person, Settings};

/// The provider; clones share one state.
#[derive(Clone)]
pub struct Provider(Arc<State>);

struct State {
    issuer: String,
    key: RwLock<Arc<SigningKey>>,
    settings: RwLock<Settings>,
    ledger: Mutex<Ledger>,
}

/// A provider with its listener: requests wait from now on, [`Bound::serve`] answers them.
pub struct Bound {
    provider: Provider,
    listener: TcpListener,
}

impl Provider {
    /// A provider that calls itself `issuer`: scheme, host and port, no slash at the end. The caller serves
    /// [`Provider::router`] there.
    pub fn new(issuer: String, settings: Settings) -> Self {
        Self(Arc::new(State {
            issuer,
            key: RwLock::new(Arc::new(SigningKey::generate())),
            settings: RwLock::new(settings),
            ledger: Mutex::new(Ledger::new()),
        }))
    }

    /// Listens on `addr` (port 0: an ephemeral one) and takes `http://<address>` as issuer.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn bind(addr: SocketAddr, settings: Settings) -> io::Result<Bound> {
        let listener = TcpListener::bind(addr).await?;
        let issuer = format!("http://{}", listener.local_addr()?);
        Ok(Bound {
            provider: Self::new(issuer, settings),
            listener,
        })
    }

    /// The issuer identifier (RFC 8414 §2).
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Changes the settings; holds from the next request on.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.0.settings.write());
    }

    /// The current signing key.
    pub fn key(&self) -> Arc<SigningKey> {
        self.0.key.read().clone()
    }

    /// Signs with a fresh key from now on; the JWKS lists only that one.
    pub fn replace_key(&self) -> Arc<SigningKey> {
        let key = Arc::new(SigningKey::generate());
        *self.0.key.write() = key.clone();
        key
    }

    /// A compact JWS under the current key: an id_token, a logout_token, or something wrong on purpose.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.key().sign(header, claims)
    }

    /// Every endpoint, as `metadata` lists them.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(login::front_page))
            .route("/.well-known/openid-configuration", get(metadata::metadata))
            .route("/jwks", get(metadata::jwks))
            .route("/authorize", get(login::authorize).post(login::authorize_form))
            .route("/login", post(login::choose))
            .route("/token", post(token::token))
            .route("/userinfo", get(account::userinfo).post(account::userinfo))
            .route("/revoke", post(account::revoke))
            .route("/end_session", get(leave::end_session).post(leave::end_session_form))
            .with_state(self.clone())
    }
}

impl Bound {
    /// The provider, to change its settings or to sign.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// The issuer identifier: where discovery begins.
    pub fn issuer(&self) -> &str {
        self.provider.issuer()
    }

    /// Answers requests until `shutdown` is done.
    ///
    /// # Errors
    /// As [`axum::serve()`].
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        axum::serve(self.listener, self.provider.router())
            .with_graceful_shutdown(shutdown)
            .await
    }
}

#[cfg(test)]
mod tests;
