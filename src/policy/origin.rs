//! Which page sent a request (RFC 6454 `Origin`, W3C Fetch Metadata), and whether it loads a page.
//!
//! Against cross-site request forgery and WebSocket hijacking: the browser says where a request began, in headers that
//! no page can forge. A request that says nothing comes from no browser that keeps our cookies (or from one so old that
//! `SameSite` is all there is) and passes.

use http::Method;
use url::Url;

use super::hosts::Authority;
use crate::config::{OriginPattern, PublicUrl};

/// An http(s) origin: scheme, host, port.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    https: bool,
    host: &'a str,
    port: u16,
}

impl<'a> Origin<'a> {
    /// Parses an `Origin` value; `None` for `null`, other schemes, and anything after the port but one `/`.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let https = scheme.eq_ignore_ascii_case("https");
        if !https && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        Self::of_host(https, rest.strip_suffix('/').unwrap_or(rest))
    }

    /// The origin of a `Host` value under a scheme.
    #[must_use]
    pub fn of_host(https: bool, host: &'a str) -> Option<Self> {
        let Authority { host, port } = Authority::parse(host)?;
        Some(Self {
            https,
            host,
            port: port.unwrap_or(if https { 443 } else { 80 }),
        })
    }

    /// The origin of a URL; `None` unless it is http or https.
    pub(super) fn of_url(url: &'a Url) -> Option<Self> {
        let https = url.scheme() == "https";
        let known = https || url.scheme() == "http";
        known.then_some(Self {
            https,
            host: url.host_str()?,
            port: url.port_or_known_default()?,
        })
    }

    /// Whether it is the origin of `public_url`.
    #[must_use]
    pub fn is_public(&self, public: &PublicUrl) -> bool {
        self.same(&Origin {
            https: public.https,
            host: &public.host,
            port: public.port,
        })
    }

    /// Whether it is the same origin (RFC 6454 §5).
    #[must_use]
    pub fn same(&self, other: &Origin<'_>) -> bool {
        self.https == other.https && self.port == other.port && self.host.eq_ignore_ascii_case(other.host)
    }

    /// Whether it falls under a pattern of `[redirects] allowed`.
    #[must_use]
    pub fn matches(&self, pattern: &OriginPattern) -> bool {
        let host = if pattern.subdomains {
            let domain = self.host.len().checked_sub(pattern.host.len());
            let parts = domain.and_then(|at| self.host.split_at_checked(at));
            parts.is_some_and(|(front, domain)| {
                front.len() > 1 && front.ends_with('.') && domain.eq_ignore_ascii_case(&pattern.host)
            })
        } else {
            self.host.eq_ignore_ascii_case(&pattern.host)
        };
        host && self.https == pattern.https && self.port == pattern.port
    }
}

/// What a request says about its sender.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent<'a> {
    /// `Sec-Fetch-Site`
    pub site: Option<&'a str>,
    /// `Origin`
    pub origin: Option<&'a str>,
    /// `Host`, where it is known to be ours: a page of that host is no stranger to it.
    pub host: Option<&'a str>,
}

/// Where a request began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// On our own origin, in the address bar, or outside of any browser.
    SameOrigin,
    /// On another origin that is allowed.
    Allowed,
    /// Elsewhere, a sibling domain included: 403 for unsafe requests and upgrades.
    CrossSite,
}

/// Judges where a request began. `allowed` are further origins that the operator named.
///
/// Fetch Metadata decides where it is sent, `Origin` where it is not; where both are and disagree, the worse counts.
/// `Origin: null` is foreign, except where Fetch Metadata says `same-origin` or `none`: a form on a page with
/// `Referrer-Policy: no-referrer`, such as our own, sends exactly that.
#[must_use]
pub fn initiator(sent: &Sent<'_>, public: &PublicUrl, allowed: &[String]) -> Initiator {
    let origin = sent.origin.and_then(Origin::parse);
    let host = sent.host.and_then(|host| Origin::of_host(public.https, host));
    let is = |other: Option<Origin<'_>>| origin.zip(other).is_some_and(|(origin, other)| origin.same(&other));
    let is_public = origin.is_some_and(|origin| origin.is_public(public));
    let is_own = is(host) || (is_public && host.is_none());
    // A page of public_url may always use a route that has a host of its own.
    let is_allowed = is_public && !is_own || allowed.iter().any(|text| is(Origin::parse(text)));
    let is_foreign = sent.origin.is_some() && !is_own && !is_allowed;
    match sent.site {
        Some("same-origin" | "none") if is_foreign && sent.origin != Some("null") => Initiator::CrossSite,
        Some("same-origin" | "none") => Initiator::SameOrigin,
        _ if is_allowed => Initiator::Allowed,
        Some(_) => Initiator::CrossSite,
        None if is_foreign => Initiator::CrossSite,
        None => Initiator::SameOrigin,
    }
}

/// Whether a method may change something (RFC 9110 §9.2.1); unknown ones may.
#[must_use]
pub fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// Whether a request loads a page: `Sec-Fetch-Mode: navigate`, or GET/HEAD that accepts `text/html` by name where the
/// browser sends no Fetch Metadata. `*/*` alone is curl or a script.
#[must_use]
pub fn wants_page(fetch_mode: Option<&str>, accept: Option<&str>, method: &Method) -> bool {
    if let Some(mode) = fetch_mode {
        return mode == "navigate";
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    reads && accept.is_some_and(|accept| accept.split(',').any(is_html))
}

/// Whether a POST is a form that a browser sends by going to another page. As [`wants_page`]; where the browser sends no
/// Fetch Metadata (plain http, old ones) its `Origin` and the `Accept` that browsers send with page loads only say so.
#[must_use]
pub fn submits_form(sent: &Sent<'_>, fetch_mode: Option<&str>, accept: Option<&str>) -> bool {
    if let Some(mode) = fetch_mode {
        return mode == "navigate";
    }
    let page_load = accept.is_some_and(|accept| accept.contains("application/xhtml+xml"));
    sent.origin.is_some() && page_load && wants_page(None, accept, &Method::GET)
}

/// Whether a member of `Accept` is `text/html` with a weight above zero (RFC 9110 §12.4.2).
fn is_html(member: &str) -> bool {
    let mut parts = member.split(';').map(str::trim);
    let html = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("text/html"));
    let refused = |part: &str| {
        let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
        weight.is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0))
    };
    html && !parts.any(refused)
}

#[cfg(test)]
mod tests;
