//! `sign_out` and `signed_out`.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::{COOKIE, HeaderValue};
use pingora::http::RequestHeader;
use pingora::proxy::Session as HttpSession;

use super::{Call, first};
use crate::clock::Timestamp;
use crate::flow::{Goodbye, revoke, sign_out_url};
use crate::pages::{ConfirmSignOutPage, Field, SignedOutPage};
use crate::policy::{self, Initiator, ReturnTo};
use crate::proxy::cause::Cause;
use crate::proxy::context::Context;
use crate::proxy::decide::{Decision, sent};
use crate::proxy::form::{FormError, read_form};
use crate::proxy::head::header;
use crate::proxy::reply::Reply;
use crate::proxy::site::Site;
use crate::seal::{Jar, Purpose};
use crate::session::{Session, SessionChange};
use crate::telemetry::{Event, SignOutKind};

/// A provider whose metadata is not at hand is not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(2);
/// Name of the confirmation's field, and of the seal on it.
const CONFIRM: &str = "confirm";
/// How long a visitor may think about it.
const CONFIRM_FOR: Duration = Duration::from_secs(600);

impl Call<'_> {
    /// `sign_out?rd=…`: ends the session here and goes on to the provider's own sign-out. What another site's page
    /// sends is asked to be confirmed, and what loads as part of a page: an `<img>` signs nobody out.
    pub(super) async fn sign_out(&self, http: &mut HttpSession, context: &mut Context) -> Result<Decision, Cause> {
        let site = Arc::clone(&context.site);
        let form = self.form(http).await?;
        let rd = self.parameter("rd").or_else(|| first(&form, "rd"));
        let return_to = self.return_to(context, rd.as_deref());
        let request = http.req_header();
        let sender = policy::initiator(&sent(request, &self.facts.host), &site.config.server.public_url, &[]);
        let jar = Jar::new(
            &site.names,
            request.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes),
        );
        let loaded = site.store.load(&site.sealer, &jar, context.now).await;
        let loaded = loaded.map_err(|_| Cause::SessionsUnavailable)?;
        let doubtful = sender == Initiator::CrossSite || (self.method != Method::POST && is_embedded(request));
        if let (true, Some(loaded)) = (doubtful, &loaded)
            && !confirmed(&site, &form, &loaded.session, context.now)
        {
            return confirmation(&site, &loaded.session, return_to.as_ref(), context.now);
        }
        if let Some(record) = loaded.as_ref().and_then(|loaded| loaded.record.as_ref()) {
            // First of all: nobody is told that a session is over while somebody else could still use it.
            record.delete().await.map_err(|_| Cause::SessionsUnavailable)?;
        }
        context.cookies.note_session_names(&jar);
        context.cookies.change = SessionChange::Clear;
        let onward = match loaded {
            Some(loaded) => self.leave(context, &site, &loaded.session, return_to.as_ref()).await,
            None => None,
        };
        Ok(Decision::Reply(match (onward, return_to) {
            (Some(url), _) => Reply::redirect(&self.method, &url),
            (None, Some(to)) => Reply::redirect(&self.method, to.as_str()),
            (None, None) => Reply::redirect(&self.method, &site.endpoint("signed_out")),
        }))
    }

    async fn form(&self, http: &mut HttpSession) -> Result<String, Cause> {
        if self.method != Method::POST {
            return Ok(String::new());
        }
        read_form(http).await.map_err(|error| match error {
            FormError::TooLarge => Cause::BodyTooLarge,
            FormError::Unreadable => Cause::BadFraming,
        })
    }

    /// Ends the session at the provider; the way to its own sign-out, where it has one.
    async fn leave(
        &self,
        context: &mut Context,
        site: &Site,
        session: &Session,
        return_to: Option<&ReturnTo>,
    ) -> Option<String> {
        context.user.clone_from(&session.identity.user);
        self.gateway.leashes.end_session(session);
        let (party, provider) = site.provider(&session.provider)?;
        revoke(provider, session).await;
        self.gateway.metrics.sign_out(SignOutKind::Local);
        let event = Event::sign_out(SignOutKind::Local).provider(&session.provider);
        event
            .user(session.identity.user.as_deref().unwrap_or_default())
            .request_id(&context.request_id)
            .write();
        let metadata = tokio::time::timeout(PATIENCE, provider.metadata()).await.ok()?.ok()?;
        let client_id = &provider.config().client_id;
        let sealer = (&*site.sealer, party);
        let url = sign_out_url(
            &metadata,
            client_id,
            session,
            &site.signed_out_uri,
            return_to,
            sealer,
            context.now,
        );
        url.ok().flatten().map(String::from)
    }

    /// `GET signed_out?state=…`: where the provider sends the browser back.
    pub(super) fn signed_out(&self, context: &Context) -> Result<Decision, Cause> {
        let site = &context.site;
        let goodbye = self
            .parameter("state")
            .and_then(|state| Goodbye::open(&site.sealer, &state, context.now).ok())
            .and_then(|goodbye| self.return_to(context, goodbye.return_to.as_deref()));
        Ok(Decision::Reply(match goodbye {
            Some(to) => Reply::redirect(&self.method, to.as_str()),
            None => {
                let page = SignedOutPage {
                    sign_in_href: &site.endpoint("start"),
                };
                Reply::page(200, site.pages.signed_out(&page))
            }
        }))
    }
}

/// Asks whether the visitor means it. The answer carries a token for this session, so that it counts also from a browser
/// that sends neither Fetch Metadata nor, after our `Referrer-Policy`, an origin.
fn confirmation(
    site: &Site,
    session: &Session,
    return_to: Option<&ReturnTo>,
    now: Timestamp,
) -> Result<Decision, Cause> {
    let (party, _) = site.provider(&session.provider).ok_or(Cause::Internal)?;
    let token = site
        .sealer
        .seal(Purpose::SignOut, CONFIRM, party, now.plus(CONFIRM_FOR), &marks(session))
        .map_err(|_| Cause::Internal)?;
    let mut fields = vec![Field {
        name: CONFIRM,
        value: &token,
    }];
    fields.extend(return_to.iter().map(|to| Field {
        name: "rd",
        value: to.as_str(),
    }));
    let page = ConfirmSignOutPage {
        action: &site.endpoint("sign_out"),
        fields: &fields,
        stay_href: "/",
    };
    Ok(Decision::Reply(Reply::page_onward(site.pages.confirm_sign_out(&page))))
}

/// Whether the form is the answer to [`confirmation`].
fn confirmed(site: &Site, form: &str, session: &Session, now: Timestamp) -> bool {
    first(form, CONFIRM)
        .and_then(|token| site.sealer.open(Purpose::SignOut, CONFIRM, token.as_bytes(), now).ok())
        .is_some_and(|opened| opened.payload() == marks(session))
}

/// What tells one session from another.
fn marks(session: &Session) -> Vec<u8> {
    format!(
        "{} {}",
        session.signed_in_at.0,
        session.identity.user.as_deref().unwrap_or_default()
    )
    .into_bytes()
}

/// Whether the request loads a part of a page, such as an image that a visitor put there: nobody asked to leave.
/// Where the browser sends no Fetch Metadata (over http), an image is told by what it accepts.
fn is_embedded(request: &RequestHeader) -> bool {
    match header(request, "sec-fetch-dest") {
        Some(dest) => !matches!(dest, "document" | "iframe" | "frame" | "empty"),
        None => {
            header(request, "accept").is_some_and(|accept| accept.contains("image/") && !accept.contains("text/html"))
        }
    }
}
