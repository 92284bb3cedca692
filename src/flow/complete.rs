//! A granted callback becomes a session.

use super::identity::{UnusableUser, identity};
use super::{Granted, PendingLogin};
use crate::clock::Timestamp;
use crate::config::Userinfo;
use crate::provider::{Claims, Kind, Lifetime, Metadata, Provider, ProviderError, TokenResponse};
use crate::secret::Secret;
use crate::session::{Session, Tokens};

/// Why a login did not become a session.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// RFC 9207 §2.4: the answer came from another authorization server than the one asked.
    #[error("the answer's iss is not the issuer that was asked")]
    WrongIssuer,
    /// The provider did not answer, or answered wrong.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// `openid` was asked for.
    #[error("the provider sent no id_token although openid was asked for")]
    NoIdToken,
    /// See `UnusableUser`.
    #[error(transparent)]
    User(#[from] UnusableUser),
    /// The operating system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
}

/// Checks that the answer is from the provider that was asked (RFC 9207 §2.4).
///
/// # Errors
/// [`LoginError::WrongIssuer`] where `iss` differs, or is missing although the metadata promises it.
pub fn check_issuer(iss: Option<&str>, metadata: &Metadata) -> Result<(), LoginError> {
    let right = match (iss, &metadata.issuer) {
        (Some(iss), Some(issuer)) => iss == issuer,
        (None, _) => !metadata.iss_parameter,
        // Endpoints named by hand and no issuer: nothing to compare with.
        (Some(_), None) => true,
    };
    if right { Ok(()) } else { Err(LoginError::WrongIssuer) }
}

/// Redeems the code, once, and makes the session. `now` is the time before the token request, so that lifetimes err on
/// the short side.
///
/// # Errors
/// See [`LoginError`]; the code is spent whatever it is, except for [`LoginError::WrongIssuer`].
pub async fn complete(
    provider: &Provider,
    pending: PendingLogin,
    granted: Granted,
    redirect_uri: &str,
    keep_id_token: bool,
    now: Timestamp,
) -> Result<Session, LoginError> {
    let metadata = provider.metadata().await?;
    check_issuer(granted.iss.as_deref(), &metadata)?;
    let answer = provider
        .redeem(&granted.code, pending.verifier.as_ref(), redirect_uri)
        .await?;
    let (claims, from_userinfo) = claims(provider, &metadata, &answer, pending.nonce.reveal(), now).await?;
    let identity = identity(&claims, &provider.config().claims)?;
    let mut tokens = Tokens::new(answer, now).map_err(LoginError::Random)?;
    tokens.from_userinfo = from_userinfo;
    if !keep_id_token || metadata.kind != Kind::OpenIdConnect {
        tokens.id_token = None;
    }
    Ok(Session {
        provider: provider.config().name.clone(),
        identity,
        tokens,
        signed_in_at: now,
        seen_at: now,
    })
}

/// The claims of a fresh login, and whether userinfo gave some of them.
async fn claims(
    provider: &Provider,
    metadata: &Metadata,
    answer: &TokenResponse,
    nonce: &str,
    now: Timestamp,
) -> Result<(Claims, bool), LoginError> {
    let mut claims = Claims::new();
    if metadata.kind == Kind::OpenIdConnect {
        let id_token = answer.id_token.as_ref().ok_or(LoginError::NoIdToken)?;
        claims = provider
            .verify_id_token(id_token.reveal(), Some(nonce), Some(&answer.access_token), now)
            .await?;
    }
    let ask = match provider.config().userinfo {
        Userinfo::Auto => metadata.kind == Kind::OAuth2 && metadata.userinfo_endpoint.is_some(),
        Userinfo::Always => true,
        Userinfo::Never => false,
    };
    if ask {
        let subject = claims.get("sub").and_then(serde_json::Value::as_str).map(str::to_owned);
        claims.extend(provider.userinfo(&answer.access_token, subject.as_deref()).await?);
    }
    Ok((claims, ask))
}

impl Tokens {
    /// The tokens of a token response that was asked for at `now`.
    pub(super) fn new(answer: TokenResponse, now: Timestamp) -> Result<Self, getrandom::Error> {
        let mut jitter = [0];
        getrandom::fill(&mut jitter)?;
        let expires_at = answer.lifetime.map(|lifetime| match lifetime {
            Lifetime::Seconds(seconds) => Timestamp(now.0.saturating_add(seconds)),
            Lifetime::Instant(at) => at,
        });
        Ok(Self {
            access_token: answer.access_token,
            refresh_token: answer.refresh_token.filter(|token: &Secret| !token.reveal().is_empty()),
            id_token: answer.id_token,
            obtained_at: now,
            expires_at,
            jitter: jitter[0],
            from_userinfo: false,
        })
    }
}
