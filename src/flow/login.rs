//! A login that was begun: [`PendingLogin`] in a cookie of its own, [`State`] in the authorization request.

use oauth2::{PkceCodeChallenge, PkceCodeVerifier};
use serde::{Deserialize, Serialize};
use url::Url;

use super::random_text;
use crate::clock::Timestamp;
use crate::config;
use crate::policy::ReturnTo;
use crate::provider::{Kind, Metadata};
use crate::seal::{CookieNames, OpenError, Purpose, Sealer};
use crate::secret::Secret;

/// The name that `state` is sealed under: it is no cookie.
const STATE: &str = "state";

/// What only the browser that began a login has: it stays in a sealed cookie until the callback. Not `Clone`: it is
/// completed by value, once.
pub struct PendingLogin {
    /// The same as in its [`State`].
    pub id: String,
    /// OpenID Connect Core §3.1.2.1; sent with OpenID Connect only.
    pub nonce: Secret,
    /// RFC 7636 §4.1
    pub verifier: Option<PkceCodeVerifier>,
}

/// What travels through the provider in `state` (RFC 6749 §4.1.1), sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// Names the pending login's cookie; 96 random bits.
    pub id: String,
    /// The `[providers.NAME]` the login was begun at: mix-up defence (RFC 9700 §4.4).
    pub provider: String,
    /// Where the visitor wanted to go, as text: parsed again before use.
    pub return_to: String,
    /// When the login was begun.
    pub begun_at: Timestamp,
    /// When it ends, as it was sealed: a reload that shortens `login_timeout` changes nothing about logins on their way.
    #[serde(skip)]
    pub ends_at: Option<Timestamp>,
    /// How often this login was begun again by itself.
    pub restarts: u8,
}

/// What a login is begun with.
pub struct Beginning<'a> {
    /// The provider's configuration.
    pub provider: &'a config::Provider,
    /// Its index among the sealer's parties.
    pub party: usize,
    /// What discovery or the operator says of it.
    pub metadata: &'a Metadata,
    /// Our callback.
    pub redirect_uri: &'a str,
    /// Where to go after the login.
    pub return_to: &'a ReturnTo,
    /// A `prompt` of our own (OpenID Connect Core §3.1.2.1); goes before the operator's.
    pub prompt: Option<&'a str>,
    /// How often this login was begun again by itself.
    pub restarts: u8,
    /// When both cookie and `state` end.
    pub expires_at: Timestamp,
}

/// A login that was begun: send the browser to `location` with the cookie.
pub struct Begun {
    /// The authorization request (RFC 6749 §4.1.1).
    pub location: Url,
    /// Name of the pending login's cookie.
    pub cookie_name: String,
    /// Its sealed value.
    pub cookie_value: String,
}

#[derive(Serialize, Deserialize)]
struct PendingWire<'a> {
    id: &'a str,
    nonce: &'a str,
    verifier: Option<&'a str>,
}

/// Begins a login: new `state`, `nonce` and `code_verifier`, each of at least 128 random bits.
///
/// # Errors
/// Only where the operating system gives no random bytes.
pub fn begin(
    with: &Beginning<'_>,
    sealer: &Sealer,
    names: &CookieNames,
    now: Timestamp,
) -> Result<Begun, getrandom::Error> {
    let id = random_text::<12>()?;
    let nonce = random_text::<32>()?;
    let pkce = with.provider.pkce.then(PkceCodeChallenge::new_random_sha256);
    let state = State {
        id: id.clone(),
        provider: with.provider.name.clone(),
        return_to: with.return_to.as_str().to_owned(),
        begun_at: now,
        ends_at: None,
        restarts: with.restarts,
    };
    let seal = |purpose, name: &str, payload: &[u8]| sealer.seal(purpose, name, with.party, with.expires_at, payload);
    let state = seal(Purpose::State, STATE, &postcard::to_stdvec(&state).unwrap_or_default())?;
    let verifier = pkce.as_ref().map(|(_, verifier)| verifier.secret().as_str());
    let wire = PendingWire {
        id: &id,
        nonce: &nonce,
        verifier,
    };
    let cookie_name = names.login(&id);
    let cookie_value = seal(
        Purpose::PendingLogin,
        &cookie_name,
        &postcard::to_stdvec(&wire).unwrap_or_default(),
    )?;
    let challenge = pkce.as_ref().map(|(challenge, _)| challenge);
    Ok(Begun {
        location: authorization_request(with, &state, &nonce, challenge),
        cookie_name,
        cookie_value,
    })
}

/// RFC 6749 §4.1.1 with RFC 7636 §4.3, RFC 8707 §2 and OpenID Connect Core §3.1.2.1.
fn authorization_request(with: &Beginning<'_>, state: &str, nonce: &str, challenge: Option<&PkceCodeChallenge>) -> Url {
    let provider = with.provider;
    let mut url = with.metadata.authorization_endpoint.clone();
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.client_id)
        .append_pair("redirect_uri", with.redirect_uri)
        .append_pair("state", state);
    if !provider.scopes.is_empty() {
        query.append_pair("scope", &provider.scopes.join(&provider.scope_separator));
    }
    if with.metadata.kind == Kind::OpenIdConnect {
        query.append_pair("nonce", nonce);
    }
    if let Some(challenge) = challenge {
        query.append_pair("code_challenge", challenge.as_str());
        query.append_pair("code_challenge_method", challenge.method().as_str());
    }
    for resource in &provider.resource {
        query.append_pair("resource", resource);
    }
    if let Some(prompt) = with.prompt {
        query.append_pair("prompt", prompt);
    }
    for (name, value) in &provider.authorization_params {
        if with.prompt.is_none() || name != "prompt" {
            query.append_pair(name, value);
        }
    }
    drop(query);
    url
}

impl State {
    /// Opens a `state` that came back.
    ///
    /// # Errors
    /// [`OpenError`]: it is not ours, or its time is over.
    pub fn open(sealer: &Sealer, sealed: &str, now: Timestamp) -> Result<Self, OpenError> {
        let opened = sealer.open(Purpose::State, STATE, sealed.as_bytes(), now)?;
        let state: Self = postcard::from_bytes(opened.payload()).map_err(|_| OpenError::Malformed)?;
        Ok(Self {
            ends_at: Some(opened.expires_at),
            ..state
        })
    }
}

impl PendingLogin {
    /// Opens the cookie of a started login.
    ///
    /// # Errors
    /// [`OpenError`]: it is not ours, or its time is over.
    pub fn open(sealer: &Sealer, cookie: &str, sealed: &[u8], now: Timestamp) -> Result<Self, OpenError> {
        let opened = sealer.open(Purpose::PendingLogin, cookie, sealed, now)?;
        let wire: PendingWire<'_> = postcard::from_bytes(opened.payload()).map_err(|_| OpenError::Malformed)?;
        Ok(Self {
            id: wire.id.to_owned(),
            nonce: Secret::new(wire.nonce.to_owned()),
            verifier: wire.verifier.map(|text| PkceCodeVerifier::new(text.to_owned())),
        })
    }

    /// When the cookie of a started login ends; `None` where it is not one of ours. The one that ends first began first.
    pub fn ends_at(sealer: &Sealer, cookie: &str, sealed: &[u8], now: Timestamp) -> Option<Timestamp> {
        sealer
            .open(Purpose::PendingLogin, cookie, sealed, now)
            .ok()
            .map(|opened| opened.expires_at)
    }
}
