//! `backchannel_logout` and `frontchannel_logout`: the provider ends sessions.

use std::sync::Arc;

use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use pingora::proxy::Session as HttpSession;
use serde_json::Value;

use super::{Call, first};
use crate::provider::{Claims, Fault, Provider};
use crate::proxy::cause::Cause;
use crate::proxy::context::Context;
use crate::proxy::decide::Decision;
use crate::proxy::form::{FormError, read_form};
use crate::proxy::reply::Reply;
use crate::proxy::site::Site;
use crate::session::{Ended, Witness};
use crate::telemetry::{Event, SignOutKind};

impl Call<'_> {
    /// `POST backchannel_logout` with a `logout_token` (Back-Channel Logout 1.0 §2.5): 200, or 400 where the token is not
    /// one that counts, a replayed one among them.
    pub(super) async fn backchannel(&self, http: &mut HttpSession, context: &mut Context) -> Result<Decision, Cause> {
        let site = Arc::clone(&context.site);
        let form = read_form(http).await.map_err(|error| match error {
            FormError::TooLarge => Cause::BodyTooLarge,
            FormError::Unreadable => Cause::BadFraming,
        })?;
        let token = first(&form, "logout_token").ok_or(Cause::BadLogoutToken)?;
        let (provider, claims) = self.verified(context, &site, &token).await?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let keep = site.config.session.lifetime;
        let issuer = site.issuer(provider.config());
        let jti = text("jti").filter(|jti| !jti.is_empty()).ok_or(Cause::BadLogoutToken)?;
        if !self
            .gateway
            .revocations
            .take(format!("{issuer} {jti}"), keep, context.now)
        {
            tracing::warn!(request_id = %context.request_id, "a logout token was replayed");
            return Err(Cause::BadLogoutToken);
        }
        // A `sid` names one session; a `sub` alone all sessions of somebody.
        let ended = match (text("sid"), text("sub")) {
            (Some(sid), _) => Ended::Session { issuer, sid },
            (None, Some(sub)) => Ended::Subject { issuer, sub },
            (None, None) => return Err(Cause::BadLogoutToken),
        };
        self.end(context, provider, ended, Witness::Provider, keep);
        Ok(Decision::Reply(Reply::empty(200)))
    }

    /// The claims of a logout token, and the provider whose it is.
    async fn verified<'s>(
        &self,
        context: &Context,
        site: &'s Site,
        token: &str,
    ) -> Result<(&'s Arc<Provider>, Claims), Cause> {
        let mut cause = Cause::BadLogoutToken;
        for provider in site
            .providers
            .iter()
            .filter(|provider| provider.config().issuer.is_some())
        {
            match provider.verify_logout_token(token, context.now).await {
                Ok(claims) => return Ok((provider, claims)),
                Err(error) => {
                    tracing::warn!(request_id = %context.request_id, cause = %error, "a logout token was refused");
                    if !matches!(error.fault, Fault::Untrusted(_)) {
                        cause = Cause::from(&error);
                    }
                }
            }
        }
        Err(cause)
    }

    /// `GET frontchannel_logout?iss=…&sid=…` in a frame of the provider's (Front-Channel Logout 1.0 §2). Works without a
    /// cookie, which browsers keep from frames of other sites.
    pub(super) fn frontchannel(&self, context: &Context) -> Result<Decision, Cause> {
        let site = &context.site;
        let (iss, sid) = (self.parameter("iss"), self.parameter("sid"));
        let (Some(issuer), Some(sid)) = (iss, sid.filter(|sid| !sid.is_empty())) else {
            return Err(Cause::BadLogoutToken);
        };
        let provider = site
            .providers
            .iter()
            .find(|provider| provider.config().issuer.as_deref() == Some(issuer.as_str()))
            .ok_or(Cause::BadLogoutToken)?;
        let keep = site.config.session.lifetime;
        self.end(
            context,
            provider,
            Ended::Session {
                issuer: issuer.clone(),
                sid,
            },
            Witness::Browser,
            keep,
        );
        let origin = url::Url::parse(&issuer)
            .map(|url| url.origin().ascii_serialization())
            .unwrap_or_default();
        let policy = format!("default-src 'none'; frame-ancestors {origin}");
        let page = "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Signed out</title><p>Signed out.</p></html>\n";
        let reply = Reply::page_with(
            page.to_owned(),
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_str(&policy).ok(),
        );
        Ok(Decision::Reply(reply))
    }

    fn end(&self, context: &Context, provider: &Provider, ended: Ended, witness: Witness, keep: std::time::Duration) {
        let kind = match witness {
            Witness::Provider => SignOutKind::Backchannel,
            Witness::Browser => SignOutKind::Frontchannel,
        };
        let (gateway, now) = (self.gateway, context.now);
        gateway.revocations.end(ended.clone(), witness, keep, now);
        gateway.leashes.end_those(&ended);
        self.gateway.metrics.sign_out(kind);
        Event::sign_out(kind)
            .provider(&provider.config().name)
            .request_id(&context.request_id)
            .write();
    }
}
