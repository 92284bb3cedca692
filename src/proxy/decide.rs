//! What happens to a request: taken here, once, with one `now`.

use std::sync::Arc;

use http::Method;
use http::header::COOKIE;
use pingora::http::RequestHeader;
use pingora::proxy::Session as HttpSession;

use super::Gateway;
use super::cause::Cause;
use super::context::{Context, Forward, Place};
use super::endpoints;
use super::head::{self, ClientFacts, header};
use super::reply::Reply;
use super::site::Site;
use crate::config::{Access, Route, Unauthenticated};
use crate::flow::{Outcome, Renewal};
use crate::policy::{self, Beneath, Found, Initiator, ReturnTo, Sent, Target};
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
    match target.beneath(&site.config.server.prefix) {
        Beneath::Yes => {
            context.place = Place::Gateway;
            return endpoints::answer(gateway, http, context, &target, &facts).await;
        }
        Beneath::Ambiguous => return Err(Cause::AmbiguousPath),
        Beneath::No => {}
    }
    let index = match site.router.find(&target, host, &request.method) {
        Found::Route(index) => index,
        Found::NoRoute => return Err(Cause::NoRoute),
        Found::MethodNotAllowed(allow) => return Err(Cause::MethodNotAllowed(allow)),
        Found::Ambiguous => return Err(Cause::AmbiguousPath),
        Found::EncodedSlash => return Err(Cause::EncodedSlash),
    };
    context.place = Place::Route(index);
    admit(gateway, context, site, request, &target, index, facts).await
}

/// Route, session, rules.
async fn admit(
    gateway: &Gateway,
    context: &mut Context,
    site: &Site,
    request: &RequestHeader,
    target: &Target<'_>,
    index: usize,
    facts: ClientFacts,
) -> Result<Decision, Cause> {
    let route = &site.config.routes[index];
    context.body_limit = route.max_body.unwrap_or(site.config.server.request_body_limit);
    check_body(request, context.body_limit)?;
    let upgrade = is_upgrade(request);
    let patient = upgrade || header(request, "accept").is_some_and(|accept| accept.contains("text/event-stream"));
    let forward = |session| Forward {
        route: index,
        session,
        choice: None,
        patient,
        origin: facts.clone(),
    };
    match route.access {
        Access::Deny => return Err(Cause::RouteDenies),
        Access::Public => {
            context.auth = Auth::Public;
            return Ok(Decision::Forward(forward(None)));
        }
        Access::Login | Access::Optional => {}
    }
    let has_cookie = request.headers.contains_key(COOKIE);
    if has_cookie || upgrade {
        check_initiator(request, site, route, &facts.host, upgrade)?;
    }
    let visitor = visitor(gateway, context, site, request).await;
    match visitor {
        Visitor::SignedIn(session) if usable(&session, route, site) => {
            judge(site, route, &session, context)?;
            Ok(Decision::Forward(forward(Some(session))))
        }
        Visitor::SignedIn(_) => login_or_refuse(gateway, context, site, request, target, route).await,
        Visitor::Stranger if route.access == Access::Optional => Ok(Decision::Forward(forward(None))),
        Visitor::Stranger => login_or_refuse(gateway, context, site, request, target, route).await,
        Visitor::Unavailable(cause) => Err(cause),
    }
}

/// A body that says it is past the limit is not even begun; one that does not is counted on its way.
fn check_body(request: &RequestHeader, limit: u64) -> Result<(), Cause> {
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
fn check_initiator(
    request: &RequestHeader,
    site: &Site,
    route: &Route,
    host: &str,
    upgrade: bool,
) -> Result<(), Cause> {
    let guarded = upgrade || (route.csrf && policy::is_unsafe(&request.method));
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
    context.cookies.session_names = jar.session_names().into_iter().map(str::to_owned).collect();
    context.cookies.record = loaded.record;
    let session = loaded.session;
    match site.lifetimes.standing(&session, context.now) {
        Standing::Ended => ended(context),
        Standing::Fresh => {
            let write_back = loaded.stale_key || site.lifetimes.activity_due(&session, context.now);
            signed_in(context, session, write_back, Auth::Session)
        }
        Standing::RefreshDue => {
            let Some(renewal) = renewal(gateway, context, site, &session) else {
                return Visitor::Stranger;
            };
            match renewal.ready() {
                Some(Outcome::Renewed(renewed)) => signed_in(context, *renewed, true, Auth::Refreshed),
                Some(Outcome::Refused) => ended(context),
                Some(Outcome::Unavailable) => signed_in(context, session, false, Auth::Session),
                None => {
                    context.cookies.renewal = Some(renewal);
                    signed_in(context, session, false, Auth::Session)
                }
            }
        }
        Standing::Expired => refreshed(gateway, context, site, &session).await,
    }
}

/// Refreshes a session whose access token is over, and waits for it.
pub(super) async fn refreshed(gateway: &Gateway, context: &mut Context, site: &Site, session: &Session) -> Visitor {
    let Some(renewal) = renewal(gateway, context, site, session) else {
        return Visitor::Stranger;
    };
    match renewal.outcome().await {
        Outcome::Renewed(renewed) => signed_in(context, *renewed, true, Auth::Refreshed),
        Outcome::Refused => ended(context),
        Outcome::Unavailable => Visitor::Unavailable(Cause::RefreshUnavailable),
    }
}

/// The session's refresh; `None` where its provider is gone.
fn renewal(gateway: &Gateway, context: &Context, site: &Site, session: &Session) -> Option<Renewal> {
    let (_, provider) = site.provider(&session.provider)?;
    let (record, grace) = (context.cookies.record.as_ref(), site.config.session.refresh_grace);
    Some(gateway.refresher.refresh(provider, session, record, grace, context.now))
}

fn ended(context: &mut Context) -> Visitor {
    context.cookies.change = SessionChange::Clear;
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

/// Whether the route takes sessions of this provider.
pub(super) fn usable(session: &Session, route: &Route, site: &Site) -> bool {
    site.provider(&session.provider)
        .is_some_and(|(index, _)| route.providers.contains(&index))
}

/// The route's rules.
pub(super) fn judge(site: &Site, route: &Route, session: &Session, context: &Context) -> Result<(), Cause> {
    let identity = &session.identity;
    let unverified_too = site
        .provider(&session.provider)
        .is_some_and(|(_, provider)| provider.config().insecure_allow_unverified_email);
    let known = policy::Identity {
        user: identity.user.as_deref(),
        email: identity.email.as_deref(),
        email_verified: identity.email_verified || unverified_too,
        groups: &identity.groups,
        claims: &identity.claims,
    };
    policy::allows(&route.allow, &known).map_err(|denial| {
        let cause = format!("{denial} (route {})", route.path);
        let user = identity.user.as_deref().unwrap_or_default();
        Event::denial("not_allowed")
            .user(user)
            .request_id(&context.request_id)
            .cause(&cause)
            .write();
        Cause::NotAllowed
    })
}

/// No session, and the route wants one.
async fn login_or_refuse(
    gateway: &Gateway,
    context: &mut Context,
    site: &Site,
    request: &RequestHeader,
    target: &Target<'_>,
    route: &Route,
) -> Result<Decision, Cause> {
    let page = wants_page(request);
    let redirect = match route.unauthenticated {
        Unauthenticated::Auto => page,
        Unauthenticated::Redirect => true,
        Unauthenticated::Status401 => false,
    };
    if is_upgrade(request) || !redirect {
        return Err(Cause::Unauthenticated);
    }
    let return_to = if matches!(request.method, Method::GET | Method::HEAD) {
        ReturnTo::of_request(target)
    } else {
        ReturnTo::root()
    };
    endpoints::send_to_login(gateway, context, site, request, &route.providers, &return_to, None).await
}

/// Whether the request loads a page.
pub(super) fn wants_page(request: &RequestHeader) -> bool {
    policy::wants_page(
        header(request, "sec-fetch-mode"),
        header(request, "accept"),
        &request.method,
    )
}
