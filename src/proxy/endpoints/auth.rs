//! `auth`: for proxies that ask before they forward (nginx `auth_request`, Traefik `ForwardAuth`, Caddy `forward_auth`).

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};
use pingora::http::RequestHeader;
use pingora::proxy::Session as HttpSession;

use super::Call;
use crate::config::{Access, Authorization, Route};
use crate::policy::{Found, HostStanding, Target};
use crate::proxy::cause::Cause;
use crate::proxy::context::Context;
use crate::proxy::decide::{Decision, Visitor, judge, usable, visitor};
use crate::proxy::head::header;
use crate::proxy::reply::Reply;
use crate::proxy::site::Site;
use crate::session::Session;

/// The request that another proxy asks about.
struct Asked {
    target: String,
    host: String,
    method: Method,
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
        match visitor(self.gateway, context, &site, request).await {
            Visitor::SignedIn(session) if !usable(&session, route, &site) => Err(Cause::Unauthenticated),
            Visitor::SignedIn(session) => {
                judge(&site, route, &session, context)?;
                self.allowed_groups(&session)?;
                Ok(Decision::Reply(self.granted(&session, route)))
            }
            Visitor::Stranger if route.access == Access::Optional => Ok(Decision::Reply(Reply::empty(202))),
            Visitor::Stranger => Err(Cause::Unauthenticated),
            Visitor::Unavailable(cause) => Err(cause),
        }
    }

    /// What a trusted proxy says of the original request; a stranger is judged as if for `/`.
    fn asked(&self, site: &Site, request: &RequestHeader) -> Result<Asked, Cause> {
        let own = Asked {
            target: "/".to_owned(),
            host: self.facts.host.clone(),
            method: Method::GET,
        };
        if !self.facts.trusted {
            return Ok(own);
        }
        let method = header(request, "x-original-method").or_else(|| header(request, "x-forwarded-method"));
        let method = method
            .map(|text| Method::from_bytes(text.as_bytes()))
            .transpose()
            .map_err(|_| Cause::BadTarget)?;
        let uri = header(request, "x-original-uri").or_else(|| header(request, "x-forwarded-uri"));
        let (mut target, mut host) = (uri.map(str::to_owned), None);
        if let Some(url) = header(request, "x-original-url").filter(|_| target.is_none()) {
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            let at = rest.find(['/', '?']).unwrap_or(rest.len());
            let path = &rest[at..];
            target = Some(if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("/{path}")
            });
            host = url.contains("://").then(|| rest[..at].to_owned());
        }
        let host = host
            .or_else(|| header(request, "x-forwarded-host").map(str::to_owned))
            .unwrap_or(own.host);
        if site.hosts.standing(&host) != HostStanding::Ours {
            return Err(Cause::RouteDenies);
        }
        Ok(Asked {
            target: target.unwrap_or(own.target),
            host,
            method: method.unwrap_or(own.method),
        })
    }

    /// `?allowed_groups=a,b`, as in oauth2-proxy: any of them.
    fn allowed_groups(&self, session: &Session) -> Result<(), Cause> {
        let Some(list) = self.parameter("allowed_groups") else {
            return Ok(());
        };
        let mut wanted = list.split(',').map(str::trim).filter(|group| !group.is_empty());
        if wanted.any(|group| session.identity.groups.iter().any(|own| own == group)) {
            Ok(())
        } else {
            Err(Cause::NotAllowed)
        }
    }

    fn granted(&self, session: &Session, route: &Route) -> Reply {
        let identity = &session.identity;
        let groups = (!identity.groups.is_empty()).then(|| identity.groups.join(","));
        let said = [
            ("x-auth-request-user", identity.user.clone()),
            ("x-auth-request-email", identity.email.clone()),
            ("x-auth-request-groups", groups),
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
