//! `callback`: where the provider sends the browser back.

use std::sync::Arc;

use http::header::COOKIE;
use pingora::proxy::Session as HttpSession;

use super::Call;
use super::login::{Login, begin_login};
use crate::flow::{Callback, Granted, LoginError, PendingLogin, State, check_issuer, complete};
use crate::pages::OnwardPage;
use crate::policy::ReturnTo;
use crate::provider::Provider;
use crate::proxy::cause::Cause;
use crate::proxy::context::Context;
use crate::proxy::cookies;
use crate::proxy::decide::{Decision, Visitor, visitor};
use crate::proxy::reply::Reply;
use crate::proxy::site::Site;
use crate::seal::{Jar, OpenError};
use crate::session::{Session, StoreError};
use crate::telemetry::{Event, LoginOutcome};

/// A login that nobody finishes is begun again by itself this often.
const MOST_RESTARTS: u8 = 1;

impl Call<'_> {
    /// `GET callback?code=…&state=…`: completes a login. Nothing goes to the token endpoint before the state is known to
    /// be ours, of this browser, of this provider and not used before.
    pub(super) async fn callback(&self, http: &HttpSession, context: &mut Context) -> Result<Decision, Cause> {
        let site = Arc::clone(&context.site);
        let callback = Callback::parse(self.target.query.unwrap_or_default()).map_err(|error| {
            tracing::info!(request_id = %context.request_id, cause = %error, "a callback was refused");
            Cause::BadCallback
        })?;
        let state = State::open(&site.sealer, callback.state(), context.now).map_err(|error| {
            let hint = if error == OpenError::Expired {
                "the login took longer than login_timeout"
            } else {
                "not our state"
            };
            tracing::info!(request_id = %context.request_id, cause = hint, "a callback was refused");
            Cause::UnknownState
        })?;
        let (index, provider) = site.provider(&state.provider).ok_or(Cause::UnknownState)?;
        let return_to = self
            .return_to(context, Some(&state.return_to))
            .unwrap_or_else(ReturnTo::root);
        context.retry = Some(return_to.as_str().to_owned());
        let pending = self.pending(http, context, &site, &state);
        let Some(pending) = pending else {
            return self.restart(http, context, &site, index, &state, &return_to).await;
        };
        let metadata = provider
            .metadata()
            .await
            .map_err(|error| self.failed(context, &state, &LoginError::Provider(error)))?;
        if !self.take(context, &site, &state).await? {
            return self.restart(http, context, &site, index, &state, &return_to).await;
        }
        context
            .cookies
            .logins
            .push(cookies::login_cookie(&site, site.names.login(&state.id), String::new()));
        check_issuer(callback.iss(), &metadata).map_err(|error| self.failed(context, &state, &error))?;
        match callback {
            Callback::Denied { code, .. } => Err(self.denied(context, &state, code)),
            Callback::Granted(granted) => {
                let session = self.redeem(context, &site, provider, pending, granted, &state).await?;
                let welcomed = welcome(&site, context, session, &return_to).await;
                let outcome = welcomed
                    .as_ref()
                    .map_or(LoginOutcome::Failed, |_| LoginOutcome::Success);
                self.gateway.metrics.login(&state.provider, outcome);
                Ok(Decision::Reply(welcomed?))
            }
        }
    }

    /// Whether this is the one time that the login is completed.
    async fn take(&self, context: &Context, site: &Site, state: &State) -> Result<bool, Cause> {
        // Before anything is spent: once Redis is back, the same callback goes through.
        site.store.ready().await.map_err(|_| Cause::SessionsUnavailable)?;
        let ends_at = state.ends_at.unwrap_or(context.now);
        Ok(self.gateway.spent.take(&state.id, ends_at, context.now))
    }

    /// The pending login of this browser that the state belongs to. Notes which session cookies it has: a new session
    /// leaves nothing of an older one behind.
    fn pending(&self, http: &HttpSession, context: &mut Context, site: &Site, state: &State) -> Option<PendingLogin> {
        let request = http.req_header();
        let jar = Jar::new(
            &site.names,
            request.headers.get_all(COOKIE).iter().map(http::HeaderValue::as_bytes),
        );
        context.cookies.note_session_names(&jar);
        let name = site.names.login(&state.id);
        jar.values(&name)
            .find_map(|value| PendingLogin::open(&site.sealer, &name, value, context.now).ok())
            .filter(|pending| pending.id == state.id)
    }

    async fn redeem(
        &self,
        context: &mut Context,
        site: &Site,
        provider: &Arc<Provider>,
        pending: PendingLogin,
        granted: Granted,
        state: &State,
    ) -> Result<Session, Cause> {
        let metadata = provider.metadata().await.ok();
        let hint = metadata.is_some_and(|metadata| metadata.end_session_endpoint.is_some());
        let keep_id_token = hint || site.id_token_upstream;
        let (now, redirect_uri) = (context.now, site.redirect_uri.clone());
        // In a task of its own: the code is spent even where the browser goes away, and so the result is logged.
        let call = {
            let provider = Arc::clone(provider);
            tokio::spawn(async move { complete(&provider, pending, granted, &redirect_uri, keep_id_token, now).await })
        };
        match call.await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => Err(self.failed(context, state, &error)),
            Err(_) => Err(Cause::Internal),
        }
    }

    /// A state of ours without its cookie: with a live session to its target, else the login begins once more. The code
    /// is never redeemed.
    async fn restart(
        &self,
        http: &HttpSession,
        context: &mut Context,
        site: &Site,
        provider: usize,
        state: &State,
        return_to: &ReturnTo,
    ) -> Result<Decision, Cause> {
        match visitor(self.gateway, context, site, http.req_header()).await {
            Visitor::SignedIn(_) => return Ok(Decision::Reply(Reply::redirect(&self.method, return_to.as_str()))),
            Visitor::Unavailable(Cause::SessionsUnavailable) => return Err(Cause::SessionsUnavailable),
            Visitor::Stranger | Visitor::Unavailable(_) => {}
        }
        if state.restarts >= MOST_RESTARTS {
            tracing::warn!(request_id = %context.request_id, provider = %state.provider,
                "a login goes round: the browser does not bring the login cookie back (cookies blocked, https cookie over http, another host than public_url, or a clock that is off)");
            self.gateway.metrics.login(&state.provider, LoginOutcome::Failed);
            return Err(Cause::LoginLoop);
        }
        let login = Login {
            provider,
            return_to,
            prompt: None,
            restarts: state.restarts + 1,
        };
        begin_login(self.gateway, context, site, http.req_header(), &login).await
    }

    fn denied(&self, context: &Context, state: &State, code: String) -> Cause {
        self.gateway.metrics.login(&state.provider, LoginOutcome::Denied);
        let event = Event::login(LoginOutcome::Denied).provider(&state.provider);
        event.request_id(&context.request_id).cause(&code).write();
        // RFC 6749 §4.1.2.1 and OpenID Connect Core §3.1.2.6: what the visitor, not the provider, has to mend.
        let visitors = [
            "access_denied",
            "login_required",
            "consent_required",
            "interaction_required",
            "account_selection_required",
            "unmet_authentication_requirements",
        ];
        if visitors.contains(&code.as_str()) {
            Cause::ProviderDenied(code)
        } else {
            Cause::ProviderError(code)
        }
    }

    fn failed(&self, context: &Context, state: &State, error: &LoginError) -> Cause {
        self.gateway.metrics.login(&state.provider, LoginOutcome::Failed);
        let cause = error.to_string();
        let event = Event::login(LoginOutcome::Failed).provider(&state.provider);
        event.request_id(&context.request_id).cause(&cause).write();
        Cause::from(error)
    }
}

/// The end of a login: the session's cookies and the way to where the visitor wanted to go.
async fn welcome(site: &Site, context: &mut Context, session: Session, return_to: &ReturnTo) -> Result<Reply, Cause> {
    let (user, provider) = (session.identity.user.clone(), session.provider.clone());
    let change = match site.store.begin(&site.sealer, session, context.now).await {
        Ok(change) => change,
        Err(StoreError::TooLarge(error)) => {
            tracing::error!(request_id = %context.request_id, %provider, cause = %error,
                "a session does not fit into cookies; ask the provider for fewer claims or scopes or shorter tokens, or write store = \"redis\"");
            return Err(Cause::SessionTooLarge);
        }
        Err(StoreError::Unreachable) => return Err(Cause::SessionsUnavailable),
        Err(_) => return Err(Cause::Internal),
    };
    let event = Event::login(LoginOutcome::Success).provider(&provider);
    event
        .user(user.as_deref().unwrap_or_default())
        .request_id(&context.request_id)
        .write();
    context.user = user;
    context.cookies.change = change;
    Ok(if site.strict() {
        Reply::page(
            200,
            site.pages.onward(&OnwardPage {
                href: return_to.as_str(),
            }),
        )
    } else {
        Reply::redirect(&http::Method::GET, return_to.as_str())
    })
}
