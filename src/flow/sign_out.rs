//! Revocation and the way to the end-session endpoint.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::clock::Timestamp;
use crate::policy::ReturnTo;
use crate::provider::{Metadata, Provider, TokenTypeHint};
use crate::seal::{OpenError, Purpose, Sealer};
use crate::session::Session;

/// Longest wait for the revocation endpoint before the visitor goes on; the call itself is not cut short.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the visitor may take at the provider's sign-out page.
const GOODBYE: Duration = Duration::from_secs(600);
const STATE: &str = "state";

/// What travels through the provider's end-session endpoint in `state`, sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Goodbye {
    /// Where the visitor goes afterwards, as text: parsed again before use. `None`: the signed-out page.
    pub return_to: Option<String>,
}

/// Revokes the refresh token, or the access token where there is none (RFC 7009 §2.1). Whatever the provider says, the
/// session here is over; so nothing is returned, and a slow provider is not waited for.
pub async fn revoke(provider: &Arc<Provider>, session: &Session) {
    let (provider, tokens) = (Arc::clone(provider), session.tokens.clone());
    let call = tokio::spawn(async move {
        let (token, hint) = match &tokens.refresh_token {
            Some(token) => (token, TokenTypeHint::RefreshToken),
            None => (&tokens.access_token, TokenTypeHint::AccessToken),
        };
        if let Err(error) = provider.revoke(token, hint).await {
            tracing::warn!(provider = %provider.config().name, cause = %error, "a token could not be revoked at sign-out");
        }
    });
    // Out of patience the task runs on by itself.
    drop(tokio::time::timeout(PATIENCE, call).await);
}

/// The way to the provider's own sign-out (RP-Initiated Logout 1.0 §2); `None` where it has none.
///
/// # Errors
/// Only where the operating system gives no random bytes.
pub fn sign_out_url(
    metadata: &Metadata,
    client_id: &str,
    session: &Session,
    signed_out_uri: &str,
    return_to: Option<&ReturnTo>,
    sealer: (&Sealer, usize),
    now: Timestamp,
) -> Result<Option<Url>, getrandom::Error> {
    let Some(endpoint) = &metadata.end_session_endpoint else {
        return Ok(None);
    };
    let goodbye = Goodbye {
        return_to: return_to.map(|to| to.as_str().to_owned()),
    };
    let payload = postcard::to_stdvec(&goodbye).unwrap_or_default();
    let state = sealer
        .0
        .seal(Purpose::SignOut, STATE, sealer.1, now.plus(GOODBYE), &payload)?;
    let mut url = endpoint.clone();
    if let Some(id_token) = &session.tokens.id_token {
        url.query_pairs_mut().append_pair("id_token_hint", id_token.reveal());
    }
    url.query_pairs_mut()
        .append_pair("client_id", client_id)
        .append_pair("post_logout_redirect_uri", signed_out_uri)
        .append_pair("state", &state);
    Ok(Some(url))
}

impl Goodbye {
    /// Opens the `state` that came back from the end-session endpoint.
    ///
    /// # Errors
    /// [`OpenError`]: it is not ours, or its time is over.
    pub fn open(sealer: &Sealer, sealed: &str, now: Timestamp) -> Result<Self, OpenError> {
        let opened = sealer.open(Purpose::SignOut, STATE, sealed.as_bytes(), now)?;
        postcard::from_bytes(opened.payload()).map_err(|_| OpenError::Malformed)
    }
}
