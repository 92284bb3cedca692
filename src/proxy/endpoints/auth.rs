//! `auth`: for proxies that ask before they forward (nginx `auth_request`, Traefik `ForwardAuth`, Caddy `forward_auth`).

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};
use pingora::http::RequestHeader;
use pingora::proxy::Session as HttpSession;

use super::Call;
use crate::config::{Access, Authorization, Route};
use crate::policy::{Authority, Found, HostStanding, Target};
use crate::proxy::admission::usable;
use crate::proxy::cause::Cause;
use crate::proxy::context::Context;
use crate::proxy::decide::{Decision, Visitor, check_initiator, judge, visitor};
use crate::proxy::reply::Reply;
use crate::proxy::site::Site;
use crate::session::Session;
use crate::telemetry::Event;

/// Headers that say which request another proxy asks about.
const SAYS_WHICH: [&str; 3] = ["x-original-uri", "x-original-url", "x-forwarded-uri"];

/// The request that another proxy asks about.
struct Asked {
    target: String,
    host: String,
    method: Method,
}

/// The value of a header that may stand once, and must be text.
fn one<'a>(request: &'a RequestHeader, name: &str) -> Result<Option<&'a str>, Cause> {
    let mut lines = request.headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().map(Some).map_err(|_| Cause::BadTarget),
        (None, _) => Ok(None),
        _ => Err(Cause::BadTarget),
    }
}

/// What those who say something say alike.
fn agreed(said: [Option<&str>; 3]) -> Result<Option<&str>, Cause> {
    let mut said = said.into_iter().flatten();
    let first = said.next();
    if said.all(|other| Some(other) == first) {
        Ok(first)
    } else {
        Err(Cause::BadTarget)
    }
}

/// Path and host of `http://host/path`, or a path alone.
fn of_url(url: &str) -> Result<(&str, Option<&str>), Cause> {
    if url.starts_with('/') {
        return Ok((url, None));
    }
    let (scheme, rest) = url.split_once("://").ok_or(Cause::BadTarget)?;
    if !matches!(scheme, "http" | "https") {
        return Err(Cause::BadTarget);
    }
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    match path {
        "" => Ok(("/", Some(host))),
        _ if path.starts_with('/') => Ok((path, Some(host))),
        _ => Err(Cause::BadTarget),
    }
}

/// Whether two `Host` values name the same host; a proxy may leave the port out of one.
fn same_name(one: &str, other: &str) -> bool {
    let name = |host| Authority::parse(host).map(|authority| authority.host);
    matches!((name(one), name(other)), (Some(one), Some(other)) if one.eq_ignore_ascii_case(other))
}

impl Call<'_> {
    /// 202 with who it is, 401 or 403, as the route of the original request says.
    pub(super) async fn auth(&self, http: &HttpSession, context: &mut Context) -> Result<Decision, Cause> {
        let site = Arc::clone(&context.site);
        let request = http.req_header();
        let asked = self.asked(&site, request)?;
        let target = Target::parse(&asked.target).map_err(|_| Cause::BadTarget)?;
        let route = match site.router.find(&target, &asked.host, &asked.method) {
            Found::Route(index) => &site.config.routes[index],
            Found::NoRoute | Found::MethodNotAllowed(_) => return Err(Cause::RouteDenies),
            Found::Ambiguous => return Err(Cause::AmbiguousPath),
            Found::EncodedSlash => return Err(Cause::EncodedSlash),
        };
        match route.access {
            Access::Deny => return Err(Cause::RouteDenies),
            Access::Public => return Ok(Decision::Reply(Reply::empty(202))),
            Access::Login | Access::Optional => {}
        }
        // The question of a trusted proxy carries the headers of the request that it asks about.
        let upgrade = self.facts.trusted && request.headers.contains_key("sec-websocket-key");
        check_initiator(request, &asked.method, &site, route, &asked.host, upgrade)?;
        match visitor(self.gateway, context, &site, request).await {
            Visitor::SignedIn(session) if !usable(&session, route, &site) => Err(Cause::Unauthenticated),
            Visitor::SignedIn(session) => {
                judge(&site, route, &session, context)?;
                self.allowed_groups(&session).inspect_err(|_| {
                    let user = session.identity.user.as_deref().unwrap_or_default();
                    let event = Event::denial("not_allowed").user(user).request_id(&context.request_id);
                    event.cause("no group is in allowed_groups").write();
                })?;
                Ok(Decision::Reply(self.granted(&session, route)))
            }
            Visitor::Stranger if route.access == Access::Optional => Ok(Decision::Reply(Reply::empty(202))),
            Visitor::Stranger => Err(Cause::Unauthenticated),
            Visitor::Unavailable(cause) => Err(cause),
        }
    }

    /// What a trusted proxy says of the original request; a stranger is judged as if for `/`.
    ///
    /// A proxy sets the headers of its own kind and passes the client's others on. So what two of them say differently,
    /// one says twice, or nobody can read, is refused: one of the two is the client's.
    fn asked(&self, site: &Site, request: &RequestHeader) -> Result<Asked, Cause> {
        let own = Asked {
            target: "/".to_owned(),
            host: self.facts.host.clone(),
            method: Method::GET,
        };
        if !self.facts.trusted {
            if SAYS_WHICH.iter().any(|name| request.headers.contains_key(*name)) {
                // Once: any stranger can send these.
                static TOLD: std::sync::Once = std::sync::Once::new();
                TOLD.call_once(|| {
                    tracing::warn!(
                        "somebody who is not in server.trusted_proxies asked about another address; it was judged \
                        as one for `/`. If this was your proxy, name its address there"
                    );
                });
            }
            return Ok(own);
        }
        let (path, host) = match one(request, "x-original-url")? {
            Some(url) => of_url(url).map(|(path, host)| (Some(path), host))?,
            None => (None, None),
        };
        let target = agreed([path, one(request, "x-original-uri")?, one(request, "x-forwarded-uri")?])?;
        let method = agreed([
            one(request, "x-original-method")?,
            one(request, "x-forwarded-method")?,
            None,
        ])?;
        let forwarded_host = one(request, "x-forwarded-host")?;
        if let (Some(host), Some(forwarded)) = (host, forwarded_host)
            && !same_name(host, forwarded)
        {
            return Err(Cause::BadTarget);
        }
        let asked = Asked {
            target: target.map_or(own.target, str::to_owned),
            host: host.or(forwarded_host).map_or(own.host, str::to_owned),
            method: match method {
                Some(name) => Method::from_bytes(name.as_bytes()).map_err(|_| Cause::BadTarget)?,
                None => own.method,
            },
        };
        if site.hosts.standing(&asked.host) == HostStanding::Ours {
            Ok(asked)
        } else {
            Err(Cause::RouteDenies)
        }
    }

    /// `?allowed_groups=a,b`, as in oauth2-proxy: any of them, of every such parameter; without a name it asks for nothing.
    fn allowed_groups(&self, session: &Session) -> Result<(), Cause> {
        let query = self.target.query.unwrap_or_default();
        let lists = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "allowed_groups");
        let lists: Vec<_> = lists.map(|(_, list)| list).collect();
        let names = lists.iter().flat_map(|list| list.split(',')).map(str::trim);
        let wanted: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        if wanted.is_empty() || session.identity.groups.iter().any(|own| wanted.contains(&own.as_str())) {
            Ok(())
        } else {
            Err(Cause::NotAllowed)
        }
    }

    fn granted(&self, session: &Session, route: &Route) -> Reply {
        let identity = &session.identity;
        let said = [
            ("x-auth-request-user", identity.user.clone()),
            ("x-auth-request-email", identity.email.clone()),
            ("x-auth-request-groups", identity.in_header("groups")),
            ("x-auth-request-preferred-username", identity.name.clone()),
        ];
        let mut reply = Reply::empty(202);
        for (name, value) in said {
            if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok()) {
                reply = reply.with(HeaderName::from_static(name), value);
            }
        }
        let token = session.tokens.access_token.reveal();
        if self.facts.trusted
            && matches!(route.authorization, Authorization::AccessToken)
            && let Ok(mut value) = HeaderValue::from_str(token)
        {
            value.set_sensitive(true);
            reply = reply.with(HeaderName::from_static("x-auth-request-access-token"), value);
        }
        reply
    }
}
