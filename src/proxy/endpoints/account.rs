//! `userinfo` and `refresh`: what the application's own pages may ask the gateway.

use std::sync::Arc;

use pingora::http::RequestHeader;
use pingora::proxy::Session as HttpSession;
use serde_json::json;

use super::Call;
use crate::policy::{self, Initiator};
use crate::proxy::cause::Cause;
use crate::proxy::context::Context;
use crate::proxy::decide::{Decision, Visitor, refreshed, sent, visitor};
use crate::proxy::reply::Reply;
use crate::proxy::site::Site;
use crate::session::Session;
use crate::telemetry::Auth;

impl Call<'_> {
    /// `GET userinfo`: who is signed in, and until when. Times in seconds since the epoch.
    pub(super) async fn userinfo(&self, http: &HttpSession, context: &mut Context) -> Result<Decision, Cause> {
        let site = Arc::clone(&context.site);
        match visitor(self.gateway, context, &site, http.req_header()).await {
            Visitor::SignedIn(session) => Ok(Decision::Reply(Reply::json(200, &described(&site, &session)))),
            Visitor::Stranger => Err(Cause::Unauthenticated),
            Visitor::Unavailable(cause) => Err(cause),
        }
    }

    /// `POST refresh`: refreshes now. Same-origin only.
    pub(super) async fn refresh(&self, http: &HttpSession, context: &mut Context) -> Result<Decision, Cause> {
        let site = Arc::clone(&context.site);
        let request = http.req_header();
        self.same_origin(&site, request)?;
        let session = match visitor(self.gateway, context, &site, request).await {
            Visitor::SignedIn(session) => session,
            Visitor::Stranger => return Err(Cause::Unauthenticated),
            Visitor::Unavailable(cause) => return Err(cause),
        };
        // Refreshed on the way in, or not refreshable at all: nothing is left to do but to say which.
        if matches!(context.auth, Auth::Refreshed) {
            return Ok(Decision::Reply(Reply::empty(204)));
        }
        if session.tokens.refresh_token.is_none() {
            return Err(Cause::Unauthenticated);
        }
        context.cookies.renewal = None;
        match refreshed(self.gateway, context, &site, &session).await {
            Visitor::SignedIn(_) => Ok(Decision::Reply(Reply::empty(204))),
            Visitor::Stranger => Err(Cause::Unauthenticated),
            Visitor::Unavailable(cause) => Err(cause),
        }
    }

    /// Refuses what another origin's page sent.
    pub(super) fn same_origin(&self, site: &Site, request: &RequestHeader) -> Result<(), Cause> {
        match policy::initiator(&sent(request, &self.facts.host), &site.config.server.public_url, &[]) {
            Initiator::SameOrigin | Initiator::Allowed => Ok(()),
            Initiator::CrossSite => Err(Cause::NotSameOrigin),
        }
    }
}

fn described(site: &Site, session: &Session) -> serde_json::Value {
    let identity = &session.identity;
    json!({
        "user": identity.user,
        "email": identity.email,
        "groups": identity.groups,
        "preferred_username": identity.name,
        "provider": session.provider,
        "expires_at": session.tokens.expires_at.map(|at| at.0),
        "session_expires_at": site.lifetimes.ends_at(session).0,
    })
}
