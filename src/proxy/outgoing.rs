//! The request as the application gets it: what the client may not say is taken out, what the gateway knows is put in.
//! Applies what was decided; decides nothing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, HeaderValue};
use pingora::Result;
use pingora::http::RequestHeader;

use super::context::Forward;
use super::head::header;
use super::site::Site;
use crate::config::{Authorization, Config, HostHeader, Route, TemplatePart};
use crate::seal::without_ours;
use crate::session::{Identity, Session};

/// Removed whoever sent them: other gateways' ways of telling an identity, which an application may believe.
const ALWAYS: [&str; 2] = ["x-forwarded-access-token", "remote-user"];
/// Prefixes of the same.
const ALWAYS_PREFIX: [&str; 1] = ["x-auth-request-"];
/// Removed from strangers: where a request came from is for the gateway to say.
const STRANGERS: [&str; 3] = ["forwarded", "x-real-ip", "x-rewrite-url"];
/// Prefixes of the same.
const STRANGERS_PREFIX: [&str; 2] = ["x-forwarded-", "x-original-"];
/// Removed where they are written with `_` or another sign that servers read as `-`.
const TWINS: [&str; 5] = [
    "content-length",
    "transfer-encoding",
    "x-request-id",
    "content-type",
    "proxy-authorization",
];

/// Removed where rules tell methods apart: many frameworks take the method from these.
const METHODS: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Which headers of the client's a route takes out, by lower-case name with `-`.
pub(super) struct Stripped(Vec<String>);

impl Stripped {
    pub(super) fn new(config: &Config, route: &Route) -> Self {
        let identity = config.identity_headers.iter().map(|(name, _)| name);
        let added = route.request_headers.iter().map(|(name, _)| name);
        let names = identity.chain(added).chain(&route.remove_request_headers);
        let mut names: Vec<String> = names
            .map(|name| folded(name).unwrap_or_else(|| name.as_str().to_owned()))
            .collect();
        let path = |route: &Route| route.path.trim_end_matches('/').to_owned();
        let mut rivals = config.routes.iter().filter(|other| path(other) == path(route));
        if rivals.any(|other| !other.methods.is_empty()) {
            names.extend(METHODS.map(str::to_owned));
        }
        Self(names)
    }

    fn takes(&self, name: &HeaderName, trusted: bool, keeps_authorization: bool) -> bool {
        let twin = folded(name);
        let folded = twin.as_deref().unwrap_or(name.as_str());
        let twin = twin.is_some();
        let among = |names: &[&str], prefixes: &[&str]| {
            names.contains(&folded) || prefixes.iter().any(|prefix| folded.starts_with(prefix))
        };
        among(&ALWAYS, &ALWAYS_PREFIX)
            || (folded == "authorization" && !keeps_authorization)
            || ((twin || !trusted) && among(&STRANGERS, &STRANGERS_PREFIX))
            || (twin && TWINS.contains(&folded))
            || self.0.iter().any(|own| own == folded)
    }
}

/// A name with `-` for everything that is no letter or digit, where it has such: CGI and its heirs make one variable of
/// `X-User`, `X_User` and `X.User` (RFC 3875 §4.1.18).
fn folded(name: &HeaderName) -> Option<String> {
    let odd = |char: char| !char.is_ascii_alphanumeric() && char != '-';
    name.as_str().contains(odd).then(|| name.as_str().replace(odd, "-"))
}

/// Makes the application's request of the client's.
pub(super) fn prepare(request: &mut RequestHeader, site: &Site, request_id: &str, forward: &Forward) -> Result<()> {
    let route = &site.config.routes[forward.route];
    strip(request, site, route, forward)?;
    say_where_from(request, site, request_id, forward)?;
    if let Some(session) = &forward.session {
        say_who(request, site, route, session)?;
    }
    for (name, template) in &route.request_headers {
        let identity = forward.session.as_ref().map(|session| &session.identity);
        if let Some(value) = fill(&template.0, identity) {
            request.insert_header(name.clone(), value)?;
        }
    }
    forward.carried.head(request)?;
    say_host(request, site, route, forward)?;
    rewrite(request, route)
}

fn strip(request: &mut RequestHeader, site: &Site, route: &Route, forward: &Forward) -> Result<()> {
    let keeps = matches!(route.authorization, Authorization::Keep);
    let stripped = &site.stripped[forward.route];
    let gone: Vec<HeaderName> = request
        .headers
        .keys()
        .filter(|name| stripped.takes(name, forward.origin.trusted, keeps))
        .cloned()
        .collect();
    for name in &gone {
        request.remove_header(name);
    }
    let mut cookies = request.headers.get_all(COOKIE).iter();
    if cookies.next().is_some() {
        let several = cookies.next().is_some();
        let kept = without_ours(
            &site.names,
            request.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes),
        );
        let unchanged = !several
            && request
                .headers
                .get(COOKIE)
                .is_some_and(|value| value.as_bytes() == kept);
        if !unchanged {
            request.remove_header(&COOKIE);
            if !kept.is_empty() {
                let value =
                    HeaderValue::from_bytes(&kept).map_err(|_| super::internal("cookies do not make a header"))?;
                request.insert_header(COOKIE, value)?;
            }
        }
    }
    Ok(())
}

/// `X-Forwarded-For`, `-Proto`, `-Host`, `X-Request-Id` and `traceparent`.
fn say_where_from(request: &mut RequestHeader, site: &Site, request_id: &str, forward: &Forward) -> Result<()> {
    let origin = &forward.origin;
    // Whatever is left of these came from a trusted peer: strangers' were taken out.
    if let Some(ip) = origin.ip {
        let came: Vec<&str> = request
            .headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let whole = if came.is_empty() {
            ip.to_string()
        } else {
            format!("{}, {ip}", came.join(", "))
        };
        request.insert_header("X-Forwarded-For", whole)?;
    }
    if !header(request, "x-forwarded-proto").is_some_and(|proto| matches!(proto, "http" | "https")) {
        let https = site.config.server.public_url.https;
        request.insert_header("X-Forwarded-Proto", if https { "https" } else { "http" })?;
    }
    if header(request, "x-forwarded-host").is_none() {
        request.insert_header("X-Forwarded-Host", origin.host.as_str())?;
    }
    request.insert_header("X-Request-Id", request_id)?;
    if header(request, "traceparent").is_none() {
        request.remove_header("tracestate");
        request.insert_header("traceparent", traceparent(request_id))?;
    }
    Ok(())
}

/// W3C Trace Context §3.2, not sampled: the request id is the trace id where it can be.
fn traceparent(request_id: &str) -> String {
    let fit = request_id.len() == 32 && request_id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let span = fastrand::u64(1..);
    if fit {
        format!("00-{request_id}-{span:016x}-00")
    } else {
        format!("00-{:032x}-{span:016x}-00", fastrand::u128(1..))
    }
}

/// `Authorization` and the identity headers.
fn say_who(request: &mut RequestHeader, site: &Site, route: &Route, session: &Session) -> Result<()> {
    let authorization = match &route.authorization {
        Authorization::AccessToken => Some(format!("Bearer {}", session.tokens.access_token.reveal())),
        Authorization::IdToken => session
            .tokens
            .id_token
            .as_ref()
            .map(|token| format!("Bearer {}", token.reveal())),
        Authorization::Basic(password) => session
            .identity
            .user
            .as_ref()
            .map(|user| format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.reveal())))),
        Authorization::None | Authorization::Keep => None,
    };
    if let Some(text) = authorization {
        let mut value =
            HeaderValue::from_str(&text).map_err(|_| super::internal("the token does not make a header"))?;
        value.set_sensitive(true);
        request.insert_header(AUTHORIZATION, value)?;
    }
    for (name, claim) in &site.config.identity_headers {
        if let Some(text) = session.identity.in_header(claim) {
            let value = HeaderValue::from_bytes(text.as_bytes());
            request.insert_header(
                name.clone(),
                value.map_err(|_| super::internal("a claim does not make a header"))?,
            )?;
        }
    }
    Ok(())
}

/// A template filled from the session; `None` where a claim that it names is absent.
fn fill(parts: &[TemplatePart], identity: Option<&Identity>) -> Option<HeaderValue> {
    let mut filled = String::new();
    for part in parts {
        match part {
            TemplatePart::Text(text) => filled.push_str(text),
            TemplatePart::Claim(name) => filled.push_str(&identity?.in_header(name)?),
        }
    }
    HeaderValue::from_bytes(filled.as_bytes()).ok()
}

fn say_host(request: &mut RequestHeader, site: &Site, route: &Route, forward: &Forward) -> Result<()> {
    let value = match &route.host_header {
        // From HTTP/2 there is no Host yet: Pingora writes it from the authority.
        HostHeader::Preserve => return Ok(()),
        HostHeader::Literal(value) => value.clone(),
        HostHeader::Upstream => {
            let Some(choice) = forward.choice else { return Ok(()) };
            HeaderValue::from_str(site.upstreams.authority(choice))
                .map_err(|_| super::internal("a bad upstream name"))?
        }
    };
    request.insert_header(HOST, value)
}

/// Puts `rewrite` in place of the route's path; rest and query stay as they came.
fn rewrite(request: &mut RequestHeader, route: &Route) -> Result<()> {
    let Some(put) = &route.rewrite else { return Ok(()) };
    let raw = std::str::from_utf8(request.raw_path()).map_err(|_| super::internal("a path that is no text"))?;
    let target =
        crate::policy::Target::parse(raw).map_err(|_| super::internal("a path that was judged does not parse"))?;
    let rest = target.below(&route.path);
    // One slash at the beginning, so that the application never sees what could be read as a host.
    let mut path = format!("{}/{}", put.trim_end_matches('/'), rest.trim_start_matches('/'));
    if rest.is_empty() && path.len() > 1 {
        path.pop();
    }
    if let Some(query) = target.query {
        path.push('?');
        path.push_str(query);
    }
    request.set_raw_path(path.as_bytes())
}
