//! `[[routes]]`: which part of the application, who gets through, what the upstream sees.

use http::{HeaderName, HeaderValue, Method};
use toml::Value;

use super::allow::{self, Allow};
use super::headers::{self, HostHeader, Template};
use super::problems::{alternatives, nearest};
use super::providers::Provider;
use super::reader::Reader;
use super::upstreams::Upstreams;
use super::values::{Parsed, authority, bare_origin, filled, size, string, web_url};
use crate::secret::Secret;

/// One `[[routes]]`.
#[derive(Clone, Debug)]
pub struct Route {
    /// Path prefix, whole segments; starts with `/`.
    pub path: String,
    /// Hosts it applies to, lower case; empty: all.
    pub hosts: Vec<String>,
    /// Methods it applies to; empty: all.
    pub methods: Vec<Method>,
    /// Index into [`Config::upstreams`](crate::config::Config::upstreams); `None` only with [`Access::Deny`].
    pub upstream: Option<usize>,
    /// Who gets through.
    pub access: Access,
    /// What a visitor without a session gets.
    pub unauthenticated: Unauthenticated,
    /// Indexes into [`Config::providers`](crate::config::Config::providers); never empty.
    pub providers: Vec<usize>,
    /// Who of the signed-in visitors is allowed.
    pub allow: Allow,
    /// What the upstream gets as `Authorization`.
    pub authorization: Authorization,
    /// Put in place of the route's path (`rewrite`, or "/" for `strip_path = true`).
    pub rewrite: Option<String>,
    /// `Host` sent upstream.
    pub host_header: HostHeader,
    /// Added upstream.
    pub request_headers: Vec<(HeaderName, Template)>,
    /// Added to the answer.
    pub response_headers: Vec<(HeaderName, HeaderValue)>,
    /// Removed from the request.
    pub remove_request_headers: Vec<HeaderName>,
    /// Extra origins allowed for WebSocket upgrades.
    pub websocket_origins: Vec<String>,
    /// A form of at most this many bytes that meets an ended session is kept over the login; 0: not.
    pub stash_post: u64,
    /// Let `%2F` through.
    pub encoded_slash: bool,
    /// Refuse cross-site unsafe requests that carry a session.
    pub csrf: bool,
    /// Largest request body, bytes; `None`: the server's; 0: no limit.
    pub max_body: Option<u64>,
}

/// `access`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only with a session.
    Login,
    /// With identity where there is a session.
    Optional,
    /// The session is not looked at.
    Public,
    /// Nobody.
    Deny,
}

/// `unauthenticated`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    /// Pages go to the login, everything else gets 401.
    Auto,
    /// Always the login.
    Redirect,
    /// Always 401.
    Status401,
}

/// `authorization`
#[derive(Clone, Debug)]
pub enum Authorization {
    /// `Bearer` + the access token.
    AccessToken,
    /// `Bearer` + the id_token.
    IdToken,
    /// Basic: user name + this password.
    Basic(Secret),
    /// Nothing.
    None,
    /// The client's own.
    Keep,
}

/// Browsers keep about 5 MiB of text for a tab (`sessionStorage`), and sealing makes four bytes of three.
const LARGEST_STASH: u64 = 3 << 20;

/// What a route may refer to.
pub(super) struct Surroundings<'a> {
    /// `server.prefix`
    pub(super) prefix: &'a str,
    /// All of them, by their indexes.
    pub(super) providers: &'a [Provider],
    /// Collects those that are used.
    pub(super) upstreams: Upstreams,
    /// Names of the identity headers: no route may set one itself.
    pub(super) identity: &'a [HeaderName],
}

/// Reads every `[[routes]]`.
pub(super) fn read_all(root: &mut Reader<'_>, around: &mut Surroundings<'_>) -> Vec<Route> {
    let mut tables = root.tables("routes");
    let routes: Vec<Route> = tables.iter_mut().map(|r| read(r, around)).collect();
    for (at, route) in routes.iter().enumerate() {
        if let Some(twin) = routes[..at].iter().position(|earlier| is_twin(earlier, route)) {
            let write = "give it another path, host or method, or remove it";
            tables[at].problem("path", format!("is the same route as routes[{twin}]; {write}"));
        }
    }
    if routes.is_empty() && !root.failed("routes") {
        root.problem(
            "routes",
            "is missing; write [[routes]] with path = \"/\" and upstream = \"http://127.0.0.1:8080\"",
        );
    }
    routes
}

fn read(r: &mut Reader<'_>, around: &mut Surroundings<'_>) -> Route {
    let path = r.required("path", "\"/\" or for example \"/api\"", |value| {
        path(value, around.prefix)
    });
    let access = access(r);
    Route {
        path: path.unwrap_or_default(),
        hosts: r.list("hosts", authority),
        methods: r.list("methods", method),
        upstream: upstream(r, access, &mut around.upstreams),
        access,
        unauthenticated: unauthenticated(r),
        providers: providers(r, around.providers),
        allow: allow::read(r, access),
        authorization: authorization(r),
        rewrite: rewrite(r),
        host_header: r.or("host_header", HostHeader::Preserve, headers::host_header),
        request_headers: headers::request_headers(r, around.identity),
        response_headers: headers::response_headers(r),
        remove_request_headers: r.list("remove_request_headers", headers::removable),
        websocket_origins: r.list("websocket_origins", |value| {
            let url = web_url(value)?;
            bare_origin(&url)?;
            Ok(url.origin().ascii_serialization())
        }),
        stash_post: r.or("stash_post", 64 << 10, |value| match size(value)? {
            large if large > LARGEST_STASH => {
                Err("is more than a browser keeps in a tab; write at most \"3MiB\"".to_owned())
            }
            bytes => Ok(bytes),
        }),
        encoded_slash: r.flag("encoded_slash", false),
        csrf: r.flag("csrf", true),
        max_body: r.optional("max_body", size),
    }
}

/// Paths as the rules see them: decoded, without parameters, without empty segments. What can never match is refused.
fn path(value: &Value, prefix: &str) -> Parsed<String> {
    let text = string(value)?;
    if !text.starts_with('/') {
        return Err("does not begin with \"/\"; write for example \"/api\"".to_owned());
    }
    if let Some(odd) = ['%', '?', '#', ';', '\\', '*']
        .into_iter()
        .find(|odd| text.contains(*odd))
    {
        let write = match odd {
            '%' => "write the character itself, paths are compared decoded",
            '*' => "write the path before it, a route covers everything below its path",
            _ => "write the path alone",
        };
        return Err(format!("has \"{odd}\" in it; {write}"));
    }
    let mut segments = text.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => {
                return Err(format!(
                    "has the segment \"{segment}\"; write the path that it leads to"
                ));
            }
            "" if segments.peek().is_some() => return Err("has an empty segment; write single slashes".to_owned()),
            _ if segment.contains(char::is_control) => return Err("has a control character; remove it".to_owned()),
            _ => {}
        }
    }
    if text
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    {
        return Err("lies under server.prefix, which is the gateway's own; write another path".to_owned());
    }
    Ok(text)
}

/// Whether a request could meet both with nothing to choose by: the same path, a host and a method in common.
fn is_twin(one: &Route, other: &Route) -> bool {
    fn meet<T: PartialEq>(one: &[T], other: &[T]) -> bool {
        one.is_empty() && other.is_empty() || one.iter().any(|member| other.contains(member))
    }
    !one.path.is_empty()
        && one.path.trim_end_matches('/') == other.path.trim_end_matches('/')
        && meet(&one.hosts, &other.hosts)
        && meet(&one.methods, &other.methods)
}

fn method(value: &Value) -> Parsed<Method> {
    let text = string(value)?;
    if text == "TRACE" || text == "CONNECT" {
        return Err("is never forwarded; remove it".to_owned());
    }
    let upper = !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-' || b == b'_');
    let method = text.parse().ok().filter(|_| upper);
    method.ok_or_else(|| "is not a method; write it in capitals, for example \"GET\"".to_owned())
}

fn access(r: &mut Reader<'_>) -> Access {
    let choices = [
        ("login", Access::Login),
        ("optional", Access::Optional),
        ("public", Access::Public),
        ("deny", Access::Deny),
    ];
    // Where the word is unknown nothing starts, so the default makes no route public.
    r.choice("access", &choices).unwrap_or(Access::Login)
}

fn unauthenticated(r: &mut Reader<'_>) -> Unauthenticated {
    let choices = [
        ("auto", Unauthenticated::Auto),
        ("redirect", Unauthenticated::Redirect),
        ("401", Unauthenticated::Status401),
    ];
    r.choice("unauthenticated", &choices).unwrap_or(Unauthenticated::Auto)
}

fn upstream(r: &mut Reader<'_>, access: Access, upstreams: &mut Upstreams) -> Option<usize> {
    let text = r.optional("upstream", filled);
    if text.is_none() && access != Access::Deny && !r.failed("upstream") && !r.failed("access") {
        r.problem(
            "upstream",
            "is missing; write for example \"http://127.0.0.1:8080\", or access = \"deny\"",
        );
    }
    match upstreams.index(&text?, r.source) {
        Ok(index) => Some(index),
        Err(text) => {
            r.problem("upstream", text);
            None
        }
    }
}

/// Which providers; all of them where none is named.
fn providers(r: &mut Reader<'_>, all: &[Provider]) -> Vec<usize> {
    let mut chosen = r.list("providers", |value| {
        let name = string(value)?;
        all.iter().position(|provider| provider.name == name).ok_or_else(|| {
            match nearest(&name, all.iter().map(|provider| provider.name.as_str())) {
                Some(near) => format!("names no provider; write {}", alternatives([near])),
                None => "names no provider; add [providers.NAME]".to_owned(),
            }
        })
    });
    if chosen.is_empty() {
        chosen = (0..all.len()).collect();
    }
    let mut seen = std::collections::BTreeSet::new();
    chosen.retain(|index| seen.insert(*index));
    chosen
}

fn authorization(r: &mut Reader<'_>) -> Authorization {
    #[derive(Clone, PartialEq)]
    enum Word {
        AccessToken,
        IdToken,
        Basic,
        None,
        Keep,
    }
    let choices = [
        ("access_token", Word::AccessToken),
        ("id_token", Word::IdToken),
        ("basic", Word::Basic),
        ("none", Word::None),
        ("keep", Word::Keep),
    ];
    let word = r.choice("authorization", &choices).unwrap_or(Word::None);
    let password = r.secret("basic_password");
    if password.is_some() && word != Word::Basic && !r.failed("authorization") {
        r.problem(
            "basic_password",
            "is not used; write authorization = \"basic\" or remove it",
        );
    }
    match (word, password) {
        (Word::AccessToken, _) => Authorization::AccessToken,
        (Word::IdToken, _) => Authorization::IdToken,
        (Word::Keep, _) => Authorization::Keep,
        (Word::Basic, Some(password)) => Authorization::Basic(password),
        (Word::Basic, None) => {
            if !r.failed("basic_password") {
                let write = "write the password that the upstream expects, { file = \"path\" }";
                r.problem("basic_password", format!("is missing; {write}"));
            }
            Authorization::None
        }
        (Word::None, _) => Authorization::None,
    }
}

/// `rewrite`, or `strip_path`, which is the same as `rewrite = "/"`.
fn rewrite(r: &mut Reader<'_>) -> Option<String> {
    let rewrite = r.optional("rewrite", |value| {
        let text = string(value)?;
        let plain = |b: u8| b.is_ascii_graphic() && !b"\"#<>?\\^`{|}".contains(&b);
        let dots = text.split('/').any(|segment| matches!(segment, "." | ".."));
        if !text.starts_with('/') || text.starts_with("//") || dots || !text.bytes().all(plain) {
            return Err("is not a path; write for example \"/\" or \"/app\"".to_owned());
        }
        Ok(text)
    });
    let strip = r.flag("strip_path", false);
    if strip && rewrite.as_deref().is_some_and(|path| path != "/") {
        r.problem(
            "strip_path",
            "means rewrite = \"/\", but rewrite says something else; remove one of the two",
        );
    }
    rewrite.or_else(|| strip.then(|| "/".to_owned()))
}
