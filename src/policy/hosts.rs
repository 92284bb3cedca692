//! The `Host` of a request (RFC 9110 §7.2): valid or not, ours or not.
//!
//! Decisions: an empty port (`host:`) is invalid; a trailing dot is another host (browsers keep its cookies apart, and
//! `redirect_uri` would leave it); a configured host without a port is ours with any port, because port mappings are
//! nobody's business here; one with a port is ours with that port, or without where it is 80 or 443.

use std::cmp::Ordering;
use std::net::Ipv6Addr;

use crate::config::{Config, PublicUrl};

/// The longest host name, RFC 1035 §2.3.4, and its trailing dot.
const LONGEST_HOST: usize = 254;

/// A syntactically valid host with or without a port (RFC 3986 §3.2.2–3; no userinfo, no escapes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// As it came, in any case; IPv6 in brackets.
    pub host: &'a str,
    /// `None` where there is no `:port`.
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Parses a `Host` value; `None`: not a valid one (400).
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = match text.rfind(':') {
            Some(at) if !text.ends_with(']') => (&text[..at], Some(port_number(&text[at + 1..])?)),
            _ => (text, None),
        };
        (is_name(host) || is_ipv6(host)).then_some(Self { host, port })
    }
}

fn port_number(digits: &str) -> Option<u16> {
    let valid = (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().ok())?
}

/// Letters, digits, `-`, `_` in labels that are not empty; covers IPv4.
fn is_name(host: &str) -> bool {
    let labels = host.strip_suffix('.').unwrap_or(host);
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    host.len() <= LONGEST_HOST
        && labels
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(letter))
}

fn is_ipv6(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// A host that the operator named.
#[derive(Clone, Debug)]
pub(super) struct HostEntry {
    host: Box<str>,
    port: Option<u16>,
}

impl HostEntry {
    /// `None` where the operator's text is no host; configuration has refused such before.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Authority { host, port } = Authority::parse(text)?;
        Some(Self {
            host: host.to_ascii_lowercase().into(),
            port,
        })
    }

    /// By host, ports before none: the more specific entry is met first.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.host.cmp(&other.host).then_with(|| other.port.cmp(&self.port))
    }

    /// How this entry's host sorts against a host in any case.
    pub(super) fn compare_host(&self, host: &str) -> Ordering {
        self.host
            .bytes()
            .cmp(host.bytes().map(|byte| byte.to_ascii_lowercase()))
    }

    /// Whether the entry's port lets this one pass. See the file's decisions.
    pub(super) fn takes_port(&self, port: Option<u16>) -> bool {
        match (self.port, port) {
            (None, _) => true,
            (Some(own), Some(port)) => own == port,
            (Some(own), None) => own == 80 || own == 443,
        }
    }
}

/// What a `Host` value is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostStanding {
    /// Ours.
    Ours,
    /// Valid, but not ours: 421.
    Foreign,
    /// Not a host: 400.
    Invalid,
}

/// The hosts that this gateway answers for.
#[derive(Clone, Debug)]
pub struct Hosts {
    public_host: Box<str>,
    public_port: u16,
    public_default_port: bool,
    /// Sorted by [`HostEntry::order`].
    others: Vec<HostEntry>,
    any: bool,
}

impl Hosts {
    /// `public_url`'s host, `[server] hosts` and the routes' own.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let server = &config.server;
        let named = server
            .hosts
            .iter()
            .chain(config.routes.iter().flat_map(|route| &route.hosts));
        Self::of(&server.public_url, named, server.any_host)
    }

    fn of<'c>(public: &PublicUrl, named: impl Iterator<Item = &'c String>, any: bool) -> Self {
        let mut others: Vec<_> = named.filter_map(|text| HostEntry::parse(text)).collect();
        others.sort_by(HostEntry::order);
        Self {
            public_host: public.host.as_str().into(),
            public_port: public.port,
            public_default_port: public.port == if public.https { 443 } else { 80 },
            others,
            any,
        }
    }

    /// Whether a `Host` value is valid and ours.
    #[must_use]
    pub fn accepts(&self, host: &str) -> bool {
        self.standing(host) == HostStanding::Ours
    }

    /// What a `Host` value is to us. Allocates nothing.
    #[must_use]
    pub fn standing(&self, host: &str) -> HostStanding {
        match Authority::parse(host) {
            None => HostStanding::Invalid,
            Some(authority) if self.any || self.is_public(authority) || self.is_named(authority) => HostStanding::Ours,
            Some(_) => HostStanding::Foreign,
        }
    }

    fn is_public(&self, authority: Authority<'_>) -> bool {
        let port = authority
            .port
            .map_or(self.public_default_port, |port| port == self.public_port);
        port && self.public_host.eq_ignore_ascii_case(authority.host)
    }

    fn is_named(&self, authority: Authority<'_>) -> bool {
        let first = self
            .others
            .partition_point(|entry| entry.compare_host(authority.host).is_lt());
        let mut same = self.others[first..]
            .iter()
            .take_while(|entry| entry.compare_host(authority.host).is_eq());
        same.any(|entry| entry.takes_port(authority.port))
    }
}

#[cfg(test)]
mod tests;
