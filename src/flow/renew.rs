//! One refresh: token request (RFC 6749 §6), claims, the new session.

use super::identity::{at, identity};
use super::refresh::Outcome;
use crate::clock::Timestamp;
use crate::provider::{Claims, Endpoint, Fault, Kind, Provider, ProviderError};
use crate::secret::Secret;
use crate::session::{Identity, Session, Tokens};

/// Refreshes `session`, with exactly one token request.
pub(super) async fn renew(provider: &Provider, session: &Session, now: Timestamp) -> Outcome {
    let Some(refresh_token) = &session.tokens.refresh_token else {
        return Outcome::Refused;
    };
    let answer = match provider.refresh(refresh_token).await {
        Ok(answer) => answer,
        Err(error) if error.ends_session() => {
            tracing::info!(provider = %session.provider, cause = %error, "the provider refused a refresh");
            return Outcome::Refused;
        }
        Err(error) => {
            tracing::warn!(provider = %session.provider, cause = %error, "a refresh was not answered; the session is kept");
            return Outcome::Unavailable;
        }
    };
    let id_token = answer.id_token.clone();
    let Ok(mut tokens) = Tokens::new(answer, now) else {
        return Outcome::Unavailable;
    };
    let identity = match renewed_identity(provider, session, id_token.as_ref(), &tokens, now).await {
        Ok(identity) => identity,
        Err(error) => {
            tracing::warn!(provider = %session.provider, cause = %error, "a refresh brought somebody else's claims; the session ends");
            return Outcome::Refused;
        }
    };
    // RFC 6749 §6: without a new refresh token the old one stays good.
    tokens.refresh_token = tokens.refresh_token.or_else(|| Some(refresh_token.clone()));
    tokens.from_userinfo = session.tokens.from_userinfo;
    if session.tokens.id_token.is_none() {
        tokens.id_token = None;
    } else if tokens.id_token.is_none() {
        tokens.id_token.clone_from(&session.tokens.id_token);
    }
    Outcome::Renewed(Box::new(Session {
        identity,
        tokens,
        seen_at: now,
        ..session.clone()
    }))
}

/// Claims after a refresh. The token request has already spent the old refresh token, so a provider that is silent now
/// costs nobody the session: the old claims stay. Claims about another subject do (OpenID Connect Core §12.2).
async fn renewed_identity(
    provider: &Provider,
    session: &Session,
    id_token: Option<&Secret>,
    tokens: &Tokens,
    now: Timestamp,
) -> Result<Identity, ProviderError> {
    let subject = session.identity.subject.as_deref();
    let openid = provider
        .metadata()
        .await
        .is_ok_and(|metadata| metadata.kind == Kind::OpenIdConnect);
    let mut claims = Claims::new();
    if let Some(id_token) = id_token.filter(|_| openid) {
        let verified = provider
            .verify_id_token(id_token.reveal(), None, Some(&tokens.access_token), now)
            .await;
        match unless_untrusted(verified)? {
            Some(verified) if verified.get("sub").and_then(|sub| sub.as_str()) == subject => claims = verified,
            Some(_) => {
                return Err(provider.untrusted(
                    Endpoint::Token,
                    "the refreshed id_token is about another subject".to_owned(),
                ));
            }
            None => {}
        }
    }
    if session.tokens.from_userinfo {
        claims.extend(unless_untrusted(provider.userinfo(&tokens.access_token, subject).await)?.unwrap_or_default());
    }
    if claims.is_empty() {
        return Ok(session.identity.clone());
    }
    let mapping = &provider.config().claims;
    let mut renewed = identity(&claims, mapping).unwrap_or_else(|_| session.identity.clone());
    let says = |name: &str| {
        mapping
            .iter()
            .any(|(own, path)| own == name && at(&claims, path).is_some())
    };
    keep_unsaid(&mut renewed, &session.identity, says);
    // Without a `sub` the user's name is all there is to tell one from another.
    if subject.is_none() && session.identity.user.is_some() && renewed.user != session.identity.user {
        return Err(provider.untrusted(
            Endpoint::Userinfo,
            "the refreshed claims are about another user".to_owned(),
        ));
    }
    Ok(renewed)
}

/// Claims that failed verification are an error; claims that could not be had are none.
fn unless_untrusted(answer: Result<Claims, ProviderError>) -> Result<Option<Claims>, ProviderError> {
    match answer {
        Ok(claims) => Ok(Some(claims)),
        Err(error) if matches!(error.fault, Fault::Untrusted(_)) => Err(error),
        Err(error) => {
            tracing::warn!(cause = %error, "the claims could not be renewed; the old ones stay");
            Ok(None)
        }
    }
}

/// A refreshed id_token may carry less than the first one did (OpenID Connect Core §12.2): what it does not speak of stays
/// as it was. What it says is empty is empty: nobody keeps a group that was taken away.
fn keep_unsaid(renewed: &mut Identity, old: &Identity, says: impl Fn(&str) -> bool) {
    let Identity {
        subject,
        sid,
        user,
        email,
        groups,
        name,
        claims,
        ..
    } = renewed;
    subject.clone_from(&old.subject);
    if sid.is_none() {
        sid.clone_from(&old.sid);
    }
    for (claim, slot, old) in [("user", user, &old.user), ("name", name, &old.name)] {
        if !says(claim) {
            slot.clone_from(old);
        }
    }
    if !says("email") {
        email.clone_from(&old.email);
        renewed.email_verified = old.email_verified;
    }
    if !says("groups") {
        groups.clone_from(&old.groups);
    }
    let unsaid = old.claims.iter().filter(|(own, _)| !says(own));
    claims.extend(unsaid.cloned());
}
