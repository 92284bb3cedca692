//! The pure part of the decisions: where a request leads, whether anybody is asked who they are, and what the rules say
//! of whoever it is. No session is opened here, nobody is asked and nothing is logged, so that `sidegate explain` goes
//! through the very same steps as a request.

use http::Method;
use pingora::http::RequestHeader;

use super::cause::Cause;
use super::decide::{Asked, check_body, check_initiator, is_upgrade, wants_page};
use super::delivery;
use super::kept;
use super::site::Site;
use crate::config::{Access, Route, Unauthenticated};
use crate::policy::{self, Beneath, Denial, Found, ReturnTo, Target};
use crate::session::Session;

/// Where a request leads, judged by method, host and target.
pub(super) enum Destination {
    /// The gateway's own endpoints.
    Endpoint,
    /// A route, by index.
    Route(usize),
}

/// Finds the place that a request is for.
pub(super) fn locate(site: &Site, target: &Target<'_>, host: &str, method: &Method) -> Result<Destination, Cause> {
    match target.beneath(&site.config.server.prefix) {
        Beneath::Yes => return Ok(Destination::Endpoint),
        Beneath::Ambiguous => return Err(Cause::AmbiguousPath),
        Beneath::No => {}
    }
    match site.router.find(target, host, method) {
        Found::Route(index) => Ok(Destination::Route(index)),
        Found::NoRoute => Err(Cause::NoRoute),
        Found::MethodNotAllowed(allow) => Err(Cause::MethodNotAllowed(allow)),
        Found::Ambiguous => Err(Cause::AmbiguousPath),
        Found::EncodedSlash => Err(Cause::EncodedSlash),
    }
}

/// What a route does before it knows who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entrance {
    /// The session is not looked at.
    Open,
    /// The session is looked at.
    Asked,
}

/// Whether the route lets this request come as far as the question who it is.
pub(super) fn entrance(site: &Site, route: &Route, request: &RequestHeader, host: &str) -> Result<Entrance, Cause> {
    // A sealed form is larger than the form, which was measured when it was kept and is again on its way.
    if !delivery::is_delivery(request, route) {
        check_body(request, body_limit(site, route))?;
    }
    match route.access {
        Access::Deny => return Err(Cause::RouteDenies),
        Access::Public => return Ok(Entrance::Open),
        Access::Login | Access::Optional => {}
    }
    check_initiator(request, &request.method, site, route, host, is_upgrade(request))?;
    Ok(Entrance::Asked)
}

/// Largest body of a request to this route, bytes; 0: no limit.
pub(super) fn body_limit(site: &Site, route: &Route) -> u64 {
    route.max_body.unwrap_or(site.config.server.request_body_limit)
}

/// What the rules say of a visitor.
pub(super) enum Admission<'r> {
    /// To the application, with the session where there is one.
    Forward,
    /// To the login, and from there to this page.
    Login(ReturnTo),
    /// 401: no session, and this is no page load.
    Unauthenticated,
    /// 403: a session, and not for this route.
    Denied(Denial<'r>),
}

/// Judges a visitor; `session` is `None` for one who has none (any more).
pub(super) fn admission<'r>(site: &Site, asked: &Asked<'r>, session: Option<&Session>) -> Admission<'r> {
    let route = asked.route;
    match session {
        Some(session) if usable(session, route, site) => match allowed(site, route, session) {
            Ok(()) => Admission::Forward,
            Err(denial) => Admission::Denied(denial),
        },
        None if route.access == Access::Optional => Admission::Forward,
        _ => login(asked),
    }
}

/// The route's rules.
pub(super) fn allowed<'r>(site: &Site, route: &'r Route, session: &Session) -> Result<(), Denial<'r>> {
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
    policy::allows(&route.allow, &known)
}

/// Whether the route takes sessions of this provider.
pub(super) fn usable(session: &Session, route: &Route, site: &Site) -> bool {
    site.provider(&session.provider)
        .is_some_and(|(index, _)| route.providers.contains(&index))
}

/// No session, and the route wants one.
fn login(asked: &Asked<'_>) -> Admission<'static> {
    let request = asked.request;
    let redirect = match asked.route.unauthenticated {
        Unauthenticated::Auto => wants_page(request) || kept::is_form(asked),
        Unauthenticated::Redirect => true,
        Unauthenticated::Status401 => false,
    };
    if is_upgrade(request) || !redirect {
        return Admission::Unauthenticated;
    }
    Admission::Login(if matches!(request.method, Method::GET | Method::HEAD) {
        ReturnTo::of_request(asked.target)
    } else {
        ReturnTo::root()
    })
}
