//! The logout token (OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6): how a provider says that a session ended.

use serde_json::Value;

use super::error::{Endpoint, ProviderError};
use super::id_token::subject;
use super::{Claims, Provider};
use crate::clock::Timestamp;

/// The member of `events` that makes a JWT a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

impl Provider {
    /// Verifies a logout token and returns its claims: `sub`, `sid` or both say whose sessions ended. Whether its `jti`
    /// was seen before is for the caller to know.
    ///
    /// # Errors
    /// `Untrusted` names the rule that failed; any other [`super::Fault`] comes from fetching metadata or keys.
    pub async fn verify_logout_token(&self, raw: &str, now: Timestamp) -> Result<Claims, ProviderError> {
        let metadata = self.metadata().await?;
        let (_, claims) = self.signed_claims(Endpoint::Token, raw, &metadata).await?;
        let rules = self.rules(&metadata, now);
        rules
            .issuer(&claims)
            .and_then(|()| rules.audience(&claims))
            .and_then(|()| rules.times(&claims))
            .and_then(|()| is_logout(&claims))
            .map_err(|what| self.untrusted(Endpoint::Token, what))?;
        Ok(claims)
    }
}

/// §2.6, 4 to 8. A nonce is forbidden, so that no id_token passes for a logout token.
fn is_logout(claims: &Claims) -> Result<(), String> {
    let session = match claims.get("sid") {
        None => false,
        Some(Value::String(sid)) if !sid.is_empty() => true,
        Some(_) => return Err("sid is not a string".into()),
    };
    if claims.contains_key("sub") {
        subject(claims)?;
    } else if !session {
        return Err("names neither sub nor sid".into());
    }
    if !claims
        .get("events")
        .and_then(|events| events.get(EVENT))
        .is_some_and(Value::is_object)
    {
        return Err("is not a logout token (events)".into());
    }
    if claims.contains_key("nonce") {
        return Err("has a nonce, which no logout token has".into());
    }
    Ok(())
}
