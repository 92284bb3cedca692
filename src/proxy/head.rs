//! The head of a request, judged before anything else: what is refused here reaches no route and no endpoint.

use http::header::{HOST, HeaderName, UPGRADE};
use http::{Method, Version};
use pingora::http::RequestHeader;
use pingora::protocols::l4::socket::SocketAddr as PeerAddr;
use pingora::proxy::Session as HttpSession;

use super::cause::Cause;
use crate::config::Config;
use crate::policy::{HostStanding, Hosts};

/// The one `Host` of a request (RFC 9110 §7.2), or the `:authority` of an HTTP/2 one.
pub(super) fn host<'a>(request: &'a RequestHeader, hosts: &Hosts) -> Result<&'a str, Cause> {
    let mut named = request.headers.get_all(HOST).iter();
    let host = match (named.next(), named.next()) {
        (Some(one), None) => one.to_str().map_err(|_| Cause::BadHost)?,
        (None, _) if request.version == Version::HTTP_2 => request
            .uri
            .authority()
            .map(http::uri::Authority::as_str)
            .ok_or(Cause::BadHost)?,
        _ => return Err(Cause::BadHost),
    };
    match hosts.standing(host) {
        HostStanding::Ours => Ok(host),
        HostStanding::Foreign => Err(Cause::ForeignHost),
        HostStanding::Invalid => Err(Cause::BadHost),
    }
}

/// Refuses what is never forwarded, whatever the route: versions, methods and upgrades that have no business here, and
/// headers past the limit.
pub(super) fn check(request: &RequestHeader, config: &Config) -> Result<(), Cause> {
    let size = |(name, value): (&HeaderName, &http::HeaderValue)| name.as_str().len() + value.len() + 4;
    let total = request.raw_path().len() + request.headers.iter().map(size).sum::<usize>();
    if total > config.server.request_header_limit {
        return Err(Cause::HeaderTooLarge);
    }
    // Methods are case-sensitive (RFC 9110 §9.1), but there are applications that do not know.
    let is = |method: Method| request.method.as_str().eq_ignore_ascii_case(method.as_str());
    if is(Method::TRACE) || is(Method::CONNECT) {
        return Err(Cause::MethodNeverAllowed);
    }
    if !matches!(request.version, Version::HTTP_10 | Version::HTTP_11 | Version::HTTP_2) {
        return Err(Cause::BadVersion);
    }
    if upgrades_to_h2c(request) {
        return Err(Cause::UpgradeToH2c);
    }
    if request.headers.get_all(http::header::CONTENT_LENGTH).iter().count() > 1 {
        return Err(Cause::BadFraming);
    }
    Ok(())
}

/// In any of the lines, with or without a version (RFC 9110 §7.8).
fn upgrades_to_h2c(request: &RequestHeader) -> bool {
    let lines = request.headers.get_all(UPGRADE).iter();
    let mut protocols = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    protocols.any(|protocol| {
        let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"h2c")
    })
}

/// The first value of a header, where it is text.
pub(super) fn header<'a>(request: &'a RequestHeader, name: &str) -> Option<&'a str> {
    request.headers.get(name).and_then(|value| value.to_str().ok())
}

/// Who sent the request, as the application is told.
#[derive(Clone, Debug)]
pub(super) struct ClientFacts {
    /// The peer is in `trusted_proxies`: what it says of the client is believed.
    pub(super) trusted: bool,
    /// The peer's address; `None` for Unix sockets.
    pub(super) ip: Option<std::net::IpAddr>,
    /// `Host` as it came.
    pub(super) host: String,
}

impl ClientFacts {
    /// Reads the peer of the connection.
    pub(super) fn new(session: &HttpSession, host: &str, config: &Config) -> Self {
        let ip = session
            .client_addr()
            .and_then(PeerAddr::as_inet)
            .map(|address| address.ip().to_canonical());
        // The client's end of a Unix socket has no name: which kind it is says ours.
        let unix = session.server_addr().is_some_and(|own| own.as_unix().is_some());
        let trusted = config.server.trust_unix && ip.is_none() && unix;
        let facts = Self::of(ip, host, config);
        Self {
            trusted: trusted || facts.trusted,
            ..facts
        }
    }

    /// For a peer of this address; `None` is nobody who is trusted.
    pub(super) fn of(ip: Option<std::net::IpAddr>, host: &str, config: &Config) -> Self {
        let trusted = &config.server.trusted_proxies;
        Self {
            trusted: ip.is_some_and(|ip| trusted.iter().any(|net| net.contains(&ip))),
            ip,
            host: host.to_owned(),
        }
    }
}

/// A request id of a trusted peer that is fit for logs and headers.
pub(super) fn given_request_id(request: &RequestHeader) -> Option<&str> {
    let fit = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.=+/".contains(&b))
    };
    header(request, "x-request-id").filter(fit)
}

/// A fresh request id: 128 random bits in hexadecimal, so that it may stand as a trace id too. Not a secret.
pub(super) fn fresh_request_id() -> String {
    format!("{:032x}", fastrand::u128(1..))
}
