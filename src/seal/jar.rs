//! Our cookies in a request: found, joined, taken out.

use std::borrow::Cow;

use super::CookieNames;
use super::chunks::{self, Part};

/// More cookies of ours than this in one request are not looked at. Browsers keep some 180 for a site, so that nobody who
/// can set cookies for it (another host of the domain, a page over http) pushes the real one out of sight.
const MAX_LOOKED_AT: usize = 512;
/// At most this many values are joined from parts for one session: more than fit among a site's cookies.
const MAX_JOINED: usize = 128;

/// The cookies of ours that came with a request, in order, from any number of `Cookie` lines (HTTP/2 sends crumbs,
/// RFC 9113 §8.2.3).
pub struct Jar<'a> {
    names: &'a CookieNames,
    ours: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Jar<'a> {
    /// Reads the values of all `Cookie` headers.
    pub fn new(names: &'a CookieNames, headers: impl Iterator<Item = &'a [u8]>) -> Self {
        let ours = headers
            .flat_map(pairs)
            .filter(|(name, _)| names.is_ours(name))
            .filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value)))
            .take(MAX_LOOKED_AT)
            .collect();
        Self { names, ours }
    }

    /// Sealed values that may be the session: whole cookies first, then joined parts, in the order they came.
    pub fn session_candidates(&self) -> impl Iterator<Item = Cow<'a, [u8]>> + '_ {
        let whole = self.ours.iter().filter(|(name, _)| *name == self.names.session());
        let parts: Vec<Part<'a>> = self
            .ours
            .iter()
            .filter_map(|(name, value)| Part::parse(self.names.part(name.as_bytes())?, value))
            .collect();
        let mut joined = 0;
        let next = move || {
            let firsts = parts.iter().filter(|part| part.number == 0).take(MAX_JOINED);
            let value = firsts.skip(joined).find_map(|first| {
                joined += 1;
                chunks::join(first, &parts)
            });
            value.map(Cow::Owned)
        };
        whole
            .map(|(_, value)| Cow::Borrowed(*value))
            .chain(std::iter::from_fn(next))
    }

    /// Names of all session cookies and parts that came, each once.
    pub fn session_names(&self) -> Vec<&'a str> {
        self.distinct(|name| self.names.is_session(name))
    }

    /// Names of the started logins' cookies that came, each once.
    pub fn login_names(&self) -> Vec<&'a str> {
        self.distinct(|name| self.names.is_login(name))
    }

    /// All values that came under one name.
    pub fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.ours
            .iter()
            .filter(move |(own, _)| *own == name)
            .map(|(_, value)| *value)
    }

    fn distinct(&self, wanted: impl Fn(&[u8]) -> bool) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in &self.ours {
            if wanted(name.as_bytes()) && !names.contains(name) {
                names.push(name);
            }
        }
        names
    }
}

/// What is left for the upstream of all `Cookie` headers once ours are out: one header's value, or nothing.
pub(crate) fn without_ours<'a>(names: &CookieNames, headers: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut kept = Vec::new();
    for header in headers {
        for crumb in header.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
            let name = crumb
                .split(|byte| *byte == b'=')
                .next()
                .unwrap_or_default()
                .trim_ascii();
            if !crumb.is_empty() && !names.is_ours(name) {
                if !kept.is_empty() {
                    kept.extend_from_slice(b"; ");
                }
                kept.extend_from_slice(crumb);
            }
        }
    }
    kept
}

fn pairs(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    header.split(|byte| *byte == b';').filter_map(|crumb| {
        let at = crumb.iter().position(|byte| *byte == b'=')?;
        Some((crumb[..at].trim_ascii(), crumb[at + 1..].trim_ascii()))
    })
}

#[cfg(test)]
mod tests;
