//! Userinfo (OpenID Connect Core §5.3), and the `/api/me` of plain OAuth2 servers.

use serde_json::Value;

use super::answer::hidden_refusal;
use super::error::{Endpoint, Fault, ProviderError};
use super::id_token::audience;
use super::metadata::Metadata;
use super::{Claims, Provider};
use crate::secret::Secret;

impl Provider {
    /// Asks who the access token is for. With `expected_sub`, the id_token's, the answer's must be equal (Core §5.3.2).
    ///
    /// # Errors
    /// `Misconfigured` without a userinfo endpoint; `Refused` where the token is; `Untrusted` where the answer is about
    /// somebody else or badly signed; any other [`Fault`] as it is.
    pub async fn userinfo(&self, access_token: &Secret, expected_sub: Option<&str>) -> Result<Claims, ProviderError> {
        let error = |fault| self.http.error(Endpoint::Userinfo, fault);
        let metadata = self.metadata().await?;
        let Some(url) = &metadata.userinfo_endpoint else {
            return Err(error(Fault::Misconfigured(
                "no userinfo_endpoint; name it, or set userinfo = \"never\"".into(),
            )));
        };
        let answer = self.http.get(Endpoint::Userinfo, url, Some(access_token)).await?;
        let sent = [access_token.reveal()];
        if !answer.is_success() {
            return Err(error(answer.refusal(&sent)));
        }
        let claims = if answer.media_type == "application/jwt" {
            let raw = answer
                .text()
                .ok_or_else(|| error(Fault::Malformed("not UTF-8".into())))?;
            self.signed_userinfo(raw, &metadata).await?
        } else {
            answer.json().map_err(error)?
        };
        if let Some(fault) = hidden_refusal(answer.status, &claims, &sent) {
            return Err(error(fault));
        }
        match (expected_sub, claims.get("sub")) {
            (None, _) => Ok(claims),
            (Some(expected), Some(Value::String(sub))) if sub == expected => Ok(claims),
            // Plain OAuth2 servers have numbers there.
            (Some(expected), Some(Value::Number(sub))) if sub.to_string() == expected => Ok(claims),
            (Some(_), None) => Err(self.untrusted(Endpoint::Userinfo, "has no sub".into())),
            (Some(_), Some(_)) => Err(self.untrusted(Endpoint::Userinfo, "sub is not the id_token's".into())),
        }
    }

    /// Core §5.3.2: a signed answer should have `iss` and `aud`. It comes over TLS in answer to this very request, so
    /// that no times are demanded of it.
    async fn signed_userinfo(&self, raw: &str, metadata: &Metadata) -> Result<Claims, ProviderError> {
        let (_, claims) = self.signed_claims(Endpoint::Userinfo, raw, metadata).await?;
        let untrusted = |what: String| self.untrusted(Endpoint::Userinfo, what);
        let issuer = claims.get("iss");
        if issuer.is_some() && issuer.and_then(Value::as_str) != metadata.issuer.as_deref() {
            return Err(untrusted("iss is not the issuer".into()));
        }
        if claims.contains_key("aud") {
            audience(&claims, &self.config.client_id).map_err(untrusted)?;
        }
        Ok(claims)
    }
}
