//! What a request would get, without sending anything: the steps of a request, taken without a connection.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, COOKIE, HOST};
use http::{HeaderName, HeaderValue, Method};
use pingora::http::RequestHeader;

use super::admission::{Admission, Destination, Entrance, admission, entrance, locate};
use super::cause::Cause;
use super::context::Forward;
use super::decide::Asked;
use super::delivery::Carried;
use super::head::{self, ClientFacts};
use super::outgoing;
use super::reply::Reply;
use super::site::Site;
use crate::clock::Timestamp;
use crate::config::{Access, Authorization, Route, Unauthenticated};
use crate::flow::{UnusableUser, identity};
use crate::policy::Target;
use crate::provider::Claims;
use crate::secret::Secret;
use crate::session::{Session, Tokens};

/// A request that nobody sends.
#[derive(Clone, Debug)]
pub struct Question {
    /// As on the request line.
    pub method: Method,
    /// Path and query, byte for byte.
    pub target: String,
    /// `Host`
    pub host: String,
    /// Further headers of the client's.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The peer's address: decides whether it is a trusted proxy.
    pub from: IpAddr,
    /// What the provider says of the visitor; `None`: no session.
    pub claims: Option<Claims>,
    /// The provider that says it, by name; `None`: the first that the route takes.
    pub provider: Option<String>,
}

/// What it would get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The route: its place in the configuration and its path; `gateway` and `none` as in the metrics.
    pub route: String,
    /// What the visitor gets.
    pub answer: String,
    /// Why.
    pub because: Vec<String>,
    /// The upstream's request, line by line; empty where nothing is forwarded.
    pub upstream: Vec<String>,
}

/// Explains a request. Asks nobody and changes nothing.
///
/// # Errors
/// Where the question makes no sense: an unknown provider, or a target that no request line can hold.
pub fn explain(site: &Site, question: &Question) -> Result<Explanation, String> {
    let request = request(site, question)?;
    let mut told = Explanation {
        route: "none".to_owned(),
        ..Explanation::default()
    };
    match steps(site, question, &request, &mut told) {
        Ok(()) => {}
        Err(Stop::Refused(cause)) => told.refused(&cause),
        Err(Stop::Nonsense(what)) => return Err(what),
    }
    Ok(told)
}

/// Why the steps end early.
enum Stop {
    Refused(Cause),
    Nonsense(String),
}

impl From<Cause> for Stop {
    fn from(cause: Cause) -> Self {
        Self::Refused(cause)
    }
}

fn request(site: &Site, question: &Question) -> Result<RequestHeader, String> {
    let bad = |_| "this cannot stand in a request".to_owned();
    let mut request = RequestHeader::build(question.method.clone(), question.target.as_bytes(), None).map_err(bad)?;
    if !question.headers.iter().any(|(name, _)| name == HOST) {
        request.insert_header(HOST, question.host.as_str()).map_err(bad)?;
    }
    for (name, value) in &question.headers {
        request.append_header(name.clone(), value.clone()).map_err(bad)?;
    }
    if question.claims.is_some() {
        // What the visitor's browser would send; the session itself is made up below.
        let cookie = format!("{}=…", site.names.session());
        let cookie = HeaderValue::from_bytes(cookie.as_bytes()).map_err(|_| "no cookie of this name".to_owned())?;
        request.append_header(COOKIE, cookie).map_err(bad)?;
    }
    Ok(request)
}

fn steps(site: &Site, question: &Question, request: &RequestHeader, told: &mut Explanation) -> Result<(), Stop> {
    head::check(request, &site.config)?;
    let host = head::host(request, &site.hosts)?;
    let facts = ClientFacts::of(Some(question.from), host, &site.config);
    let target = Target::parse(&question.target).map_err(|error| {
        told.because.push(error.to_string());
        Cause::BadTarget
    })?;
    let index = match locate(site, &target, host, &request.method)? {
        Destination::Endpoint => {
            "gateway".clone_into(&mut told.route);
            "the gateway's own endpoint".clone_into(&mut told.answer);
            let prefix = &site.config.server.prefix;
            told.because
                .push(format!("everything under server.prefix ({prefix}) is the gateway's"));
            return Ok(());
        }
        Destination::Route(index) => index,
    };
    told.route = named(&site.config.routes[index], index);
    judge(site, question, request, (&target, index, facts), told)
}

/// From the route on: who it is, and what the rules say.
fn judge(
    site: &Site,
    question: &Question,
    request: &RequestHeader,
    (target, index, facts): (&Target<'_>, usize, ClientFacts),
    told: &mut Explanation,
) -> Result<(), Stop> {
    let route = &site.config.routes[index];
    let session = match entrance(site, route, request, &facts.host)? {
        Entrance::Open => {
            told.because
                .push("access = \"public\": the session is not looked at".to_owned());
            None
        }
        Entrance::Asked => match session(site, route, question)? {
            Ok(session) => session,
            Err(unusable) => {
                told.because.push(unusable.to_string());
                return Err(Cause::ProviderWrong.into());
            }
        },
    };
    if route.access != Access::Public {
        let asked = Asked {
            request,
            target,
            host: &facts.host,
            route,
        };
        match admission(site, &asked, session.as_ref()) {
            Admission::Forward => told.because.push(admitted(route, session.as_ref())),
            Admission::Login(_) => {
                told.login(site, route, request);
                return Ok(());
            }
            Admission::Unauthenticated => {
                told.because.push(unauthenticated(route, request));
                return Err(Cause::Unauthenticated.into());
            }
            Admission::Denied(denial) => {
                told.because.push(denial.to_string());
                return Err(Cause::NotAllowed.into());
            }
        }
    }
    told.forward(site, request, index, session, facts)
}

/// `routes[2], path /admin, hosts a.example.com, methods GET`
fn named(route: &Route, index: usize) -> String {
    let mut name = format!("routes[{index}], path {}", route.path);
    if !route.hosts.is_empty() {
        name.push_str(&format!(", hosts {}", route.hosts.join(" ")));
    }
    if !route.methods.is_empty() {
        let methods: Vec<_> = route.methods.iter().map(Method::as_str).collect();
        name.push_str(&format!(", methods {}", methods.join(" ")));
    }
    name
}

/// A session as the login would make it of these claims, with words in place of tokens.
fn session(site: &Site, route: &Route, question: &Question) -> Result<Result<Option<Session>, UnusableUser>, Stop> {
    let index = match &question.provider {
        Some(name) => site.provider(name).map(|(index, _)| index),
        None => route.providers.first().copied(),
    };
    let nobody = || Stop::Nonsense("there is no provider of this name".to_owned());
    let provider = site
        .providers
        .get(index.ok_or_else(nobody)?)
        .ok_or_else(nobody)?
        .config();
    let Some(claims) = &question.claims else {
        return Ok(Ok(None));
    };
    let now = Timestamp(0);
    let word = |text: &str| Secret::new(text.to_owned());
    Ok(identity(claims, &provider.claims).map(|identity| {
        Some(Session {
            provider: provider.name.clone(),
            identity,
            tokens: Tokens {
                access_token: word("<access token>"),
                refresh_token: None,
                id_token: Some(word("<id token>")),
                obtained_at: now,
                expires_at: None,
                jitter: 0,
                from_userinfo: false,
            },
            signed_in_at: now,
            seen_at: now,
        })
    }))
}

fn admitted(route: &Route, session: Option<&Session>) -> String {
    match session {
        Some(session) if route.allow == crate::config::Allow::default() => {
            format!(
                "signed in with {}, and the route lets in everybody who is",
                session.provider
            )
        }
        Some(session) => format!(
            "signed in with {}, and meets every rule of the route's allow",
            session.provider
        ),
        None => "access = \"optional\": without a session it is forwarded without identity".to_owned(),
    }
}

fn unauthenticated(route: &Route, request: &RequestHeader) -> String {
    match route.unauthenticated {
        _ if super::decide::is_upgrade(request) => "no session, and a WebSocket cannot be led to a login".to_owned(),
        Unauthenticated::Auto => {
            "no session, and this is no page load; a browser's page load is led to the login, try \
             --header 'Accept: text/html'"
                .to_owned()
        }
        _ => "no session, and unauthenticated = \"401\"".to_owned(),
    }
}

impl Explanation {
    fn refused(&mut self, cause: &Cause) {
        let words = cause.words();
        self.answer = format!("{} {}", words.status, words.code);
        if self.because.is_empty() {
            self.because
                .push(particular(cause).unwrap_or(words.explanation).to_owned());
        }
    }

    fn login(&mut self, site: &Site, route: &Route, request: &RequestHeader) {
        let status = Reply::redirect(&request.method, "/").status;
        let names: Vec<_> = route
            .providers
            .iter()
            .map(|index| site.config.providers[*index].name.as_str())
            .collect();
        self.answer = match names[..] {
            [only] => format!("{status} to the login with provider {only}"),
            _ => format!(
                "{status} to {}, to choose among {}",
                site.endpoint("sign_in"),
                names.join(", ")
            ),
        };
        self.because.push(match route.unauthenticated {
            Unauthenticated::Redirect => "no session, and unauthenticated = \"redirect\"".to_owned(),
            _ => "no session that the route takes, and this is a page load".to_owned(),
        });
    }

    /// What the upstream would see.
    fn forward(
        &mut self,
        site: &Site,
        request: &RequestHeader,
        index: usize,
        session: Option<Session>,
        origin: ClientFacts,
    ) -> Result<(), Stop> {
        let route = &site.config.routes[index];
        let nowhere = || Stop::Refused(Cause::Internal);
        let upstream = route.upstream.ok_or_else(nowhere)?;
        let id = head::given_request_id(request).filter(|_| origin.trusted);
        let id = id.map_or_else(head::fresh_request_id, str::to_owned);
        let forward = Forward {
            route: index,
            session: session.map(Box::new),
            choice: Some(site.upstreams.choose(upstream)),
            patient: false,
            carried: Carried::Nothing,
            origin,
        };
        let mut sent = request.clone();
        outgoing::prepare(&mut sent, site, &id, &forward).map_err(|_| nowhere())?;
        let config = &site.config.upstreams[upstream];
        let servers: Vec<_> = site.upstreams.named(upstream).collect();
        self.answer = format!("forwarded to {}", config.name);
        if servers != [config.name.as_str()] {
            self.answer.push_str(&format!(" ({})", servers.join(", ")));
        }
        self.upstream
            .push(format!("{} {}", sent.method, String::from_utf8_lossy(sent.raw_path())));
        let mut wire = Vec::new();
        sent.header_to_h1_wire(&mut wire);
        let wire = String::from_utf8_lossy(&wire);
        let hidden = matches!(route.authorization, Authorization::Basic(_)) && forward.session.is_some();
        for line in wire.lines() {
            let name = line.split(':').next().unwrap_or_default();
            if hidden && name.eq_ignore_ascii_case(AUTHORIZATION.as_str()) {
                self.upstream
                    .push(format!("{name}: Basic <user name and basic_password>"));
            } else {
                self.upstream.push(line.to_owned());
            }
        }
        Ok(())
    }
}

/// For the operator, what the visitor is not told.
fn particular(cause: &Cause) -> Option<&'static str> {
    Some(match cause {
        Cause::NoRoute => "no route has this path on this host",
        Cause::MethodNotAllowed(_) => "a route has this path, but not for this method",
        Cause::RouteDenies => "access = \"deny\"",
        Cause::ForeignHost => "the host is neither public_url's nor in server.hosts nor in a route's hosts",
        Cause::AmbiguousPath => "the path falls under different routes, depending on who decodes it",
        Cause::EncodedSlash => "the path has an encoded slash, and the route has encoded_slash = false",
        Cause::CrossSite => "another site's page sent it along with the visitor's session",
        Cause::BodyTooLarge => "Content-Length is past max_body",
        Cause::HeaderTooLarge => "the headers are past server.limits.request_header",
        _ => return None,
    })
}
