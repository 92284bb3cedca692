//! Where a browser may be sent after a login or a sign-out: `rd`, and the page that was asked for first.
//!
//! A [`ReturnTo`] can only be parsed. It is either a path on this origin, which no browser can take for another host, or
//! an absolute URL of an allowed origin, serialised from its parsed form so that there is only one way to read it.
//! A path must be one that this gateway would take as a request target ([`Target`]), so what attackers hide from URL
//! parsers (backslashes, control characters, dot segments) has no place in it.

use url::Url;

use super::hosts::Authority;
use super::origin::Origin;
use super::target::{Beneath, Target};
use crate::config::{OriginPattern, PublicUrl};

/// A safe target of a redirect: printable ASCII, at most [`ReturnTo::LONGEST`] bytes; good as a `Location` as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// Bytes. A target travels sealed in `state`, thus twice in URLs, and servers take 8 KiB of those; longer ones
    /// become `/`.
    pub const LONGEST: usize = 4096;

    /// Parses `rd`, or what [`as_str`](Self::as_str) gave before it was sealed; `None` where it leads elsewhere.
    ///
    /// A path on this origin is kept byte for byte; blanks and characters outside ASCII, which are there when `rd` was
    /// not escaped by whoever made the link, are escaped. A fragment may follow.
    #[must_use]
    pub fn parse(rd: &str, public: &PublicUrl, allowed: &[OriginPattern]) -> Option<Self> {
        if rd.len() > Self::LONGEST || rd.chars().any(char::is_control) {
            return None;
        }
        if rd.starts_with('/') {
            Self::own(rd)
        } else {
            Self::absolute(rd, public, allowed)
        }
    }

    /// The page that was asked for, to come back to: path and query as they came. Slashes at its very beginning become
    /// one (a browser takes `//evil` for a host); where no safe spelling exists, `/`.
    #[must_use]
    pub fn of_request(target: &Target<'_>) -> Self {
        let path = target.raw_path.trim_start_matches('/');
        let text = match target.query {
            Some(query) => format!("/{path}?{query}"),
            None => format!("/{path}"),
        };
        Self::own(&text).unwrap_or_else(Self::root)
    }

    /// `/`
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// For `Location`, for sealing; [`parse`](Self::parse) takes it again.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this leads to the gateway's own endpoints under `prefix`: a login that ends at `/oauth2/start` or
    /// `/oauth2/sign_out` would go round for ever. Doubtful spellings count as yes.
    #[must_use]
    pub fn is_beneath(&self, prefix: &str, public: &PublicUrl) -> bool {
        let own = self.0.strip_prefix(&public.origin).unwrap_or(&self.0);
        let without_fragment = own.split('#').next().unwrap_or_default();
        own.starts_with('/')
            && Target::parse(without_fragment).is_ok_and(|target| target.beneath(prefix) != Beneath::No)
    }

    fn own(text: &str) -> Option<Self> {
        let text = in_ascii(text);
        let without_fragment = text.split('#').next().unwrap_or_default();
        let target = Target::parse(without_fragment).ok()?;
        let leaves = target.raw_path.starts_with("//") || hides_slash_in_front(&target);
        (!leaves && text.len() <= Self::LONGEST).then_some(Self(text))
    }

    fn absolute(text: &str, public: &PublicUrl, allowed: &[OriginPattern]) -> Option<Self> {
        let (_, rest) = text.split_once("://")?;
        // `url` reads as browsers do: it skips slashes in front of the host, takes `\` for one, drops an empty userinfo,
        // maps characters and escapes in a host to others. None of that is needed here (scripts see hosts in ASCII).
        Authority::parse(rest.split(['/', '?', '#']).next()?)?;
        let url = Url::parse(text).ok()?;
        let origin = Origin::of_url(&url)?;
        let ours = origin.is_public(public) || allowed.iter().any(|pattern| origin.matches(pattern));
        let plain = url.username().is_empty() && url.password().is_none() && url.as_str().len() <= Self::LONGEST;
        (ours && plain).then(|| Self(url.into()))
    }
}

/// `/%2fevil`: browsers stay here, but a server between that decodes the `Location` would make it `//evil`. Any escape
/// at the beginning of a path with an encoded slash counts.
fn hides_slash_in_front(target: &Target<'_>) -> bool {
    target.has_encoded_slash() && target.raw_path.starts_with("/%")
}

/// Printable ASCII kept, everything else percent-encoded UTF-8: what a browser makes of it in a `Location` anyway.
fn in_ascii(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_ascii_graphic() {
            spelled.push(char);
        } else {
            spelled.extend(char.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
    spelled
}

#[cfg(test)]
mod tests;
