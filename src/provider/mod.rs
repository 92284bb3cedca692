//! One authorization server: metadata, keys, client authentication, token requests, id_token, userinfo, revocation.
//!
//! | file | what |
//! |---|---|
//! | `http` | the client: TLS roots, limits, one request at a time; the only user of `reqwest` |
//! | `answer` | an answer, and what one that is not a success means |
//! | `error` | [`ProviderError`] and [`Fault`]: who is at fault |
//! | `kept` | fetched once, kept, renewed: single flight and back-off |
//! | `metadata` | discovery |
//! | `client_auth` | how the client shows who it is |
//! | `token` | redeem, refresh, revoke |
//! | `signatures` | JWS verification on `ring`; with `jwks` the only user of `jsonwebtoken` |
//! | `jwks` | the provider's keys |
//! | `id_token` | OpenID Connect Core §3.1.3.7 |
//! | `logout_token` | OpenID Connect Back-Channel Logout 1.0 §2.6 |
//! | `probe` | for `sidegate check --live` |
//! | `userinfo` | OpenID Connect Core §5.3 |

mod answer;
mod client_auth;
mod error;
mod http;
mod id_token;
mod jwks;
mod kept;
mod logout_token;
mod metadata;
mod probe;
mod signatures;
#[cfg(test)]
mod tests;
mod token;
mod userinfo;

use std::sync::Arc;
use std::time::Instant;

pub use error::{Endpoint, Fault, Printable, ProviderError};
pub use http::Observer;
pub use metadata::{Kind, Metadata};
pub use probe::Probe;
pub use token::{Lifetime, TokenResponse, TokenTypeHint};

use crate::config;
use http::Http;
use jwks::Jwks;
use kept::Kept;

/// Claims of an id_token or of userinfo, as the provider sent them.
pub type Claims = serde_json::Map<String, serde_json::Value>;

/// One of `[providers.*]`. Shared through an `Arc`; it asks nothing before it is asked.
pub struct Provider {
    config: Arc<config::Provider>,
    http: Http,
    source: Source,
    keys: Kept<Jwks>,
}

/// Where the metadata come from.
#[derive(Clone)]
enum Source {
    Named(Arc<Metadata>),
    Issuer(Kept<Metadata>),
}

impl Source {
    async fn metadata(&self) -> Result<Arc<Metadata>, ProviderError> {
        match self {
            Self::Named(metadata) => Ok(Arc::clone(metadata)),
            Self::Issuer(kept) => kept.current(Instant::now()).await,
        }
    }
}

impl Provider {
    /// Reads the CA file and sends nothing. `observer` is told how long each request took.
    ///
    /// # Errors
    /// A text for the operator: `key: what is wrong; what to write instead`.
    pub fn new(config: config::Provider, observer: Observer) -> Result<Self, String> {
        let config = Arc::new(config);
        let http = Http::new(&config, observer)?;
        let source = match config.issuer.clone() {
            None => Source::Named(Arc::new(
                metadata::named(&config, &http).map_err(|fault| format!("providers.{}: {fault}", config.name))?,
            )),
            Some(issuer) => Source::Issuer(discovered(Arc::clone(&config), issuer, http.clone())),
        };
        let keys = jwks::kept(source.clone(), http.clone());
        Ok(Self {
            config,
            http,
            source,
            keys,
        })
    }

    /// As the operator wrote it.
    pub fn config(&self) -> &config::Provider {
        &self.config
    }

    /// The provider's endpoints: asked for once, by one request for all who wait, and kept; renewed every hour in the
    /// background. A failure is remembered for 1 s, then twice as long each time, up to a minute.
    ///
    /// # Errors
    /// [`Endpoint::Discovery`] with any [`Fault`] but `Untrusted`.
    pub async fn metadata(&self) -> Result<Arc<Metadata>, ProviderError> {
        self.source.metadata().await
    }
}

fn discovered(config: Arc<config::Provider>, issuer: String, http: Http) -> Kept<Metadata> {
    let interrupted = http.error(
        Endpoint::Discovery,
        Fault::Unreachable("the request was cut short".into()),
    );
    let fetch = move || -> futures_util::future::BoxFuture<'static, Result<Metadata, ProviderError>> {
        let (config, issuer, http) = (Arc::clone(&config), issuer.clone(), http.clone());
        Box::pin(async move { metadata::discover(&config, &issuer, &http).await })
    };
    Kept::new(interrupted, Box::new(fetch))
}
