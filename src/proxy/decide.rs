//! What happens to a request: taken here, once, with one `now`.

use std::sync::Arc;

use http::header::COOKIE;
use pingora::http::RequestHeader;
use pingora::proxy::Session as HttpSession;

use super::Gateway;
use super::admission::{Admission, Destination, Entrance, admission, allowed, body_limit, entrance, locate};
use super::cause::Cause;
use super::context::{Context, Forward, Place};
use super::delivery;
use super::endpoints;
use super::head::{self, ClientFacts, header};
use super::kept;
use super::reply::Reply;
use super::site::Site;
use crate::config::Route;
use crate::flow::{Outcome, Renewal};
use crate::policy::{self, Denial, Initiator, ReturnTo, Sent, Target};
use crate::seal::Jar;
use crate::session::{Session, SessionChange, Standing};
use crate::telemetry::{Auth, Event};

/// The outcome of all decisions about a request.
pub(super) enum Decision {
    /// To the application, as `Context::forward` says.
    Forward(Forward),
    /// An answer of our own.
    Reply(Reply),
    /// An answer of our own to something that is wrong.
    Refuse(Cause),
}

impl From<Cause> for Decision {
    fn from(cause: Cause) -> Self {
        Self::Refuse(cause)
    }
}

/// A visitor's session as a request finds it, refreshed where it had to be.
pub(super) enum Visitor {
    /// Signed in.
    SignedIn(Box<Session>),
    /// No session, or none any more.
    Stranger,
    /// There is a session, or may be, and it cannot be used before the provider or Redis answers.
    Unavailable(Cause),
}

/// Decides.
pub(super) async fn decide(gateway: &Gateway, http: &mut HttpSession, context: &mut Context) -> Decision {
    let site = Arc::clone(&context.site);
    // A copy of the head's own words, so that endpoints may read the body while they hold them.
    let request = http.req_header().clone();
    match checked(gateway, http, context, &site, &request).await {
        Ok(decision) => decision,
        Err(cause) => Decision::Refuse(cause),
    }
}

async fn checked(
    gateway: &Gateway,
    http: &mut HttpSession,
    context: &mut Context,
    site: &Site,
    request: &RequestHeader,
) -> Result<Decision, Cause> {
    head::check(request, &site.config)?;
    let host = head::host(request, &site.hosts)?;
    let facts = ClientFacts::new(http, host, &site.config);
    if facts.trusted
        && let Some(given) = head::given_request_id(request)
    {
        given.clone_into(&mut context.request_id);
    }
    let raw = std::str::from_utf8(request.raw_path()).map_err(|_| Cause::BadTarget)?;
    let target = Target::parse(raw).map_err(|error| {
        tracing::info!(request_id = %context.request_id, cause = %error, "a request target was refused");
        Cause::BadTarget
    })?;
    let index = match locate(site, &target, host, &request.method)? {
        Destination::Endpoint => {
            context.place = Place::Gateway;
            return endpoints::answer(gateway, http, context, &target, &facts).await;
        }
        Destination::Route(index) => index,
    };
    context.place = Place::Route(index);
    let asked = Asked {
        request,
        target: &target,
        host,
        route: &site.config.routes[index],
    };
    admit(gateway, http, context, site, &asked, index, facts).await
}

/// A request on its route.
pub(super) struct Asked<'a> {
    pub(super) request: &'a RequestHeader,
    pub(super) target: &'a Target<'a>,
    pub(super) host: &'a str,
    pub(super) route: &'a Route,
}

impl Asked<'_> {
    /// Path and query as they came.
    pub(super) fn raw_target(&self) -> Result<&str, Cause> {
        std::str::from_utf8(self.request.raw_path()).map_err(|_| Cause::BadTarget)
    }
}

/// Route, session, rules.
async fn admit(
    gateway: &Gateway,
    http: &mut HttpSession,
    context: &mut Context,
    site: &Site,
    asked: &Asked<'_>,
    index: usize,
    facts: ClientFacts,
) -> Result<Decision, Cause> {
    let route = asked.route;
    context.body_limit = body_limit(site, route);
    let entrance = entrance(site, route, asked.request, &facts.host)?;
    let events = header(asked.request, "accept").is_some_and(|accept| accept.contains("text/event-stream"));
    let patient = is_upgrade(asked.request) || events;
    let forward = |session| Forward {
        route: index,
        session,
        choice: None,
        patient,
        carried: delivery::Carried::Nothing,
        origin: facts,
    };
    if entrance == Entrance::Open {
        context.auth = Auth::Public;
        return Ok(Decision::Forward(forward(None)));
    }
    let session = match visitor(gateway, context, site, asked.request).await {
        Visitor::SignedIn(session) => Some(session),
        Visitor::Stranger => None,
        Visitor::Unavailable(cause) => return Err(cause),
    };
    match admission(site, asked, session.as_deref()) {
        Admission::Forward if session.is_some() && delivery::is_delivery(asked.request, route) => {
            delivery::deliver(gateway, http, context, asked, forward(session)).await
        }
        Admission::Forward => Ok(Decision::Forward(forward(session))),
        Admission::Login(to) => login(gateway, http, context, site, asked, &to).await,
        Admission::Unauthenticated => Err(Cause::Unauthenticated),
        Admission::Denied(denial) => Err(denied(&denial, route, session.as_deref(), context)),
    }
}

/// A body that says it is past the limit is not even begun; one that does not is counted on its way.
pub(super) fn check_body(request: &RequestHeader, limit: u64) -> Result<(), Cause> {
    let stated = header(request, "content-length").and_then(|text| text.parse::<u64>().ok());
    match stated {
        Some(stated) if limit > 0 && stated > limit => Err(Cause::BodyTooLarge),
        _ => Ok(()),
    }
}

/// RFC 9110 §7.8; HTTP/2 has none.
pub(super) fn is_upgrade(request: &RequestHeader) -> bool {
    request.version == http::Version::HTTP_11 && request.headers.contains_key(http::header::UPGRADE)
}

/// Cross-site request forgery and WebSocket hijacking: what another site's page sends along with our cookie.
pub(super) fn check_initiator(
    request: &RequestHeader,
    method: &http::Method,
    site: &Site,
    route: &Route,
    host: &str,
    upgrade: bool,
) -> Result<(), Cause> {
    let guarded = upgrade || (route.csrf && policy::is_unsafe(method) && has_session_cookie(request, site));
    if !guarded {
        return Ok(());
    }
    match policy::initiator(
        &sent(request, host),
        &site.config.server.public_url,
        &route.websocket_origins,
    ) {
        Initiator::SameOrigin => Ok(()),
        Initiator::Allowed if upgrade => Ok(()),
        // websocket_origins are for upgrades; of others only our own public origin is allowed.
        Initiator::Allowed => match policy::initiator(&sent(request, host), &site.config.server.public_url, &[]) {
            Initiator::CrossSite => Err(Cause::CrossSite),
            Initiator::SameOrigin | Initiator::Allowed => Ok(()),
        },
        Initiator::CrossSite => Err(Cause::CrossSite),
    }
}

/// Whether there is a cookie under a session's name, good or not.
fn has_session_cookie(request: &RequestHeader, site: &Site) -> bool {
    let cookies = request.headers.get_all(COOKIE).iter();
    let jar = Jar::new(&site.names, cookies.map(http::HeaderValue::as_bytes));
    !jar.session_names().is_empty()
}

/// What a request says of the page that sent it.
pub(super) fn sent<'a>(request: &'a RequestHeader, host: &'a str) -> Sent<'a> {
    // An Origin that is no text is somebody else's.
    let origin = request
        .headers
        .get("origin")
        .map(|value| value.to_str().unwrap_or("null"));
    Sent {
        site: header(request, "sec-fetch-site"),
        origin,
        host: Some(host),
    }
}

/// Opens the session cookie and refreshes the session where it is due.
pub(super) async fn visitor(gateway: &Gateway, context: &mut Context, site: &Site, request: &RequestHeader) -> Visitor {
    let jar = Jar::new(
        &site.names,
        request.headers.get_all(COOKIE).iter().map(http::HeaderValue::as_bytes),
    );
    let loaded = match site.store.load(&site.sealer, &jar, context.now).await {
        Ok(Some(loaded)) => loaded,
        Ok(None) => return Visitor::Stranger,
        Err(_) => return Visitor::Unavailable(Cause::SessionsUnavailable),
    };
    context.cookies.note_session_names(&jar);
    context.cookies.record = loaded.record;
    let session = loaded.session;
    if site.provider(&session.provider).is_some_and(|(_, provider)| {
        let issuer = provider.config().issuer.as_deref();
        issuer.is_some_and(|issuer| gateway.revocations.covers(&session, issuer))
    }) {
        return ended(context, session);
    }
    let write_back = loaded.stale_key || site.lifetimes.activity_due(&session, context.now);
    match site.lifetimes.standing(&session, context.now) {
        Standing::Ended => ended(context, session),
        Standing::Fresh => signed_in(context, session, write_back, Auth::Session),
        Standing::RefreshDue => {
            let Some(renewal) = renewal(gateway, context, site, &session) else {
                return Visitor::Stranger;
            };
            match renewal.ready() {
                Some(Outcome::Renewed(renewed)) => signed_in(context, *renewed, true, Auth::Refreshed),
                Some(Outcome::Refused) => refused(gateway, context, &session),
                Some(Outcome::Unavailable) => signed_in(context, session, write_back, Auth::Session),
                // Not written back while a refresh runs: an answer that is slow would put the old session over the new one.
                None => {
                    context.cookies.renewal = Some(renewal);
                    signed_in(context, session, false, Auth::Session)
                }
            }
        }
        Standing::Expired => {
            let visitor = refreshed(gateway, context, site, &session).await;
            if write_back && matches!(visitor, Visitor::Unavailable(_)) {
                // A visitor who keeps trying is not idle.
                signed_in(context, session, true, Auth::None);
            }
            visitor
        }
    }
}

/// Refreshes a session whose access token is over, and waits for it.
pub(super) async fn refreshed(gateway: &Gateway, context: &mut Context, site: &Site, session: &Session) -> Visitor {
    let Some(renewal) = renewal(gateway, context, site, session) else {
        return Visitor::Stranger;
    };
    let mut outcome = renewal.outcome().await;
    // A refresh that was under way for long may bring tokens that are over by now.
    if let Outcome::Renewed(renewed) = &outcome
        && renewed.tokens.obtained_at < context.now
        && site.lifetimes.standing(renewed, context.now) == Standing::Expired
        && let Some(renewal) = self::renewal(gateway, context, site, renewed)
    {
        outcome = renewal.outcome().await;
    }
    match outcome {
        Outcome::Renewed(renewed) => signed_in(context, *renewed, true, Auth::Refreshed),
        Outcome::Refused => refused(gateway, context, session),
        Outcome::Unavailable => Visitor::Unavailable(Cause::RefreshUnavailable),
    }
}

/// The session's refresh; `None` where its provider is gone.
fn renewal(gateway: &Gateway, context: &Context, site: &Site, session: &Session) -> Option<Renewal> {
    let (_, provider) = site.provider(&session.provider)?;
    let (record, grace) = (context.cookies.record.as_ref(), site.config.session.refresh_grace);
    Some(gateway.refresher.refresh(provider, session, record, grace, context.now))
}

/// The provider ended the session: what still runs under it ends too.
fn refused(gateway: &Gateway, context: &mut Context, session: &Session) -> Visitor {
    gateway.leashes.end_session(session);
    ended(context, session.clone())
}

fn ended(context: &mut Context, session: Session) -> Visitor {
    context.cookies.change = SessionChange::Clear;
    context.cookies.former = Some(Box::new(session));
    if let Some(record) = context.cookies.record.take() {
        // What is left of it ends by itself; nobody waits for that.
        tokio::spawn(async move { record.delete().await });
    }
    Visitor::Stranger
}

fn signed_in(context: &mut Context, mut session: Session, write_back: bool, auth: Auth) -> Visitor {
    context.auth = auth;
    context.user.clone_from(&session.identity.user);
    if write_back {
        session.seen_at = context.now;
        context.cookies.change = kept(context, &session);
    }
    Visitor::SignedIn(Box::new(session))
}

/// Keeps the session as it is now. In Redis that is done beside the request, and a refresh has done it already.
fn kept(context: &Context, session: &Session) -> SessionChange {
    let Some(record) = context.cookies.record.clone() else {
        return SessionChange::Store(Box::new(session.clone()));
    };
    let change = record.stale_ticket().map_or(SessionChange::Keep, SessionChange::Issue);
    if context.auth != Auth::Refreshed {
        let (session, now) = (session.clone(), context.now);
        tokio::spawn(async move { record.write_back(&session, now).await });
    }
    change
}

/// The route's rules.
pub(super) fn judge(site: &Site, route: &Route, session: &Session, context: &Context) -> Result<(), Cause> {
    allowed(site, route, session).map_err(|denial| denied(&denial, route, Some(session), context))
}

/// The log gets the rule that was not met, the visitor none of it.
fn denied(denial: &Denial<'_>, route: &Route, session: Option<&Session>, context: &Context) -> Cause {
    let cause = format!("{denial} (route {})", route.path);
    let user = session.and_then(|session| session.identity.user.as_deref());
    Event::denial("not_allowed")
        .user(user.unwrap_or_default())
        .request_id(&context.request_id)
        .cause(&cause)
        .write();
    Cause::NotAllowed
}

/// No session, and the route wants one: what the browser would lose on the way is kept.
async fn login(
    gateway: &Gateway,
    http: &mut HttpSession,
    context: &mut Context,
    site: &Site,
    asked: &Asked<'_>,
    return_to: &ReturnTo,
) -> Result<Decision, Cause> {
    let request = asked.request;
    if kept::is_form(asked) {
        return kept::keep(http, context, site, asked).await;
    }
    let page = wants_page(request) && request.method == http::Method::GET;
    if site.config.server.keep_fragment
        && page
        && let Some(decision) = kept::keep_fragment(site, asked)?
    {
        return Ok(decision);
    }
    endpoints::send_to_login(gateway, context, site, request, &asked.route.providers, return_to, None).await
}

/// Whether the request loads a page.
pub(super) fn wants_page(request: &RequestHeader) -> bool {
    policy::wants_page(
        header(request, "sec-fetch-mode"),
        header(request, "accept"),
        &request.method,
    )
}
