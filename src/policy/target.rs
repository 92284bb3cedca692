//! The request target (RFC 9112 §3.2): accepted only where every server behind us reads the same path in it.
//!
//! The bytes that came are what is forwarded; rules see the *judged* path: percent-decoded once, `;parameters` cut, empty
//! segments merged. Servers that decode again, or split at a decoded `?` or `#`, read a third path; those readings are
//! kept too, and [`Router`](super::Router) refuses a target whose readings fall under different routes.
//!
//! Decisions that the contract leaves open:
//! - Raw bytes outside ASCII in the path are refused: no browser sends them (WHATWG URL escapes them), RFC 3986 §2 has no
//!   place for them, and servers disagree on their charset. In the query they pass.
//! - Escapes that are not UTF-8 after decoding (`%c0%ae`, Latin-1 `%e9`) are refused: which characters they stand for
//!   depends on the server, and overlong forms of `.` and `/` are among them.
//! - Double encoding passes where it is harmless (`/job/a%252fb` needs the route's `encoded_slash`): what remains after
//!   decoding until nothing is left must be free of dot segments, backslashes and control characters as well.
//! - The query is nobody's rule: only raw control characters and spaces are refused in it.
//! - Paths are case-sensitive. An upstream that ignores case, or dots and blanks at the end of a name (Windows), needs
//!   rules that say so; the gateway cannot know.

use std::borrow::Cow;

/// A request target that is safe to judge and to forward. Can only be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The path as it came, byte for byte: ASCII, starts with `/`, has no `?`, `#`, blank or control character.
    pub raw_path: &'a str,
    /// The query as it came, without its `?`; `None` where there is no `?`.
    pub query: Option<&'a str>,
    judged: Cow<'a, str>,
    others: Vec<String>,
    encoded_slash: bool,
}

/// Why a target is refused. The visitor is at fault; every one of them is a 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Absolute form, authority form, `*`, or nothing (RFC 9112 §3.2.2–4).
    #[error("the target is not a path")]
    NotAPath,
    /// `#`: a fragment is never sent (RFC 9110 §7.1).
    #[error("the target has a fragment")]
    Fragment,
    /// `.` or `..`, in any spelling and with any parameters.
    #[error("the path has a dot segment")]
    DotSegment,
    /// `\` or `%5c`: a separator for some.
    #[error("the path has a backslash")]
    Backslash,
    /// A control character, raw or encoded; in the raw target a space too.
    #[error("the target has a control character")]
    Control,
    /// A raw byte outside ASCII in the path.
    #[error("the path has a byte outside ASCII")]
    NotAscii,
    /// `%` without two hexadecimal digits (RFC 3986 §2.1).
    #[error("the path has a bad percent escape")]
    BadEscape,
    /// Decodes to something that is not UTF-8.
    #[error("the path is not UTF-8 when decoded")]
    NotUtf8,
}

/// Whether a target lies under a path. See [`Target::beneath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beneath {
    /// In every reading.
    Yes,
    /// In no reading.
    No,
    /// In some readings only: 400.
    Ambiguous,
}

impl<'a> Target<'a> {
    /// Parses a request target as it came, query included. A path without escapes, parameters, empty or dot segments
    /// allocates nothing.
    ///
    /// # Errors
    /// See [`TargetError`]; each is a 400. An encoded slash is none: whether it passes is the route's decision
    /// ([`Found::EncodedSlash`](super::Found::EncodedSlash)).
    pub fn parse(raw: &'a str) -> Result<Self, TargetError> {
        if !raw.starts_with('/') {
            return Err(TargetError::NotAPath);
        }
        if raw.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(TargetError::Control);
        }
        if raw.contains('#') {
            return Err(TargetError::Fragment);
        }
        let (raw_path, query) = match raw.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (raw, None),
        };
        if is_plain(raw_path) {
            let judged = Cow::Borrowed(raw_path);
            return Ok(Self {
                raw_path,
                query,
                judged,
                others: Vec::new(),
                encoded_slash: false,
            });
        }
        if !raw_path.is_ascii() {
            return Err(TargetError::NotAscii);
        }
        let once = decode_once(raw_path)?;
        let fully = decode_fully(&once)?;
        let innermost = fully.as_deref().unwrap_or(&once);
        refuse_traps(&once)?;
        refuse_traps(innermost)?;
        let judged = reading(&once);
        let texts = [innermost, before_query(&once), before_query(innermost)];
        let mut others: Vec<_> = texts.into_iter().filter(|text| *text != once).map(reading).collect();
        others.retain(|other| *other != judged);
        others.dedup();
        let encoded_slash = slashes(&once) > slashes(raw_path) || slashes(innermost) > slashes(raw_path);
        Ok(Self {
            raw_path,
            query,
            judged: Cow::Owned(judged),
            others,
            encoded_slash,
        })
    }

    /// The path that rules see: decoded once, parameters cut, empty segments merged. Starts with `/`; has no dot
    /// segment, `//`, backslash or control character.
    #[must_use]
    pub fn judged(&self) -> &str {
        &self.judged
    }

    /// Whether the path has a slash in an escape (`%2f`, or `%252f` for a server that decodes twice).
    #[must_use]
    pub fn has_encoded_slash(&self) -> bool {
        self.encoded_slash
    }

    /// Whether the target lies under `prefix` (whole segments; no trailing slash): for the gateway's own endpoints.
    /// `/%6fauth2/auth` is [`Beneath::Ambiguous`] for `/oauth2`.
    #[must_use]
    pub fn beneath(&self, prefix: &str) -> Beneath {
        let under = |path: &str| {
            path.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let judged = under(&self.judged);
        if under(self.raw_path) != judged || self.others.iter().any(|other| under(other) != judged) {
            return Beneath::Ambiguous;
        }
        if judged { Beneath::Yes } else { Beneath::No }
    }

    /// What follows a matched route's path in the bytes that came: empty or starting with `/`, without the query. For
    /// `rewrite`; means something only for the path of the route that [`Router::find`](super::Router::find) returned.
    #[must_use]
    pub fn below(&self, route_path: &str) -> &'a str {
        let mut rest = self.raw_path;
        for _ in route_path.split('/').filter(|segment| !segment.is_empty()) {
            let from = rest.get(1..).unwrap_or_default();
            rest = from.find('/').map_or("", |at| &from[at..]);
        }
        rest
    }

    /// Whether the judged path is the path as it came, and there is no other reading.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.judged, Cow::Borrowed(_))
    }

    /// Readings that differ from the judged path: of servers that decode again, or split at a decoded `?` or `#`.
    pub(super) fn other_readings(&self) -> &[String] {
        &self.others
    }
}

/// Bytes that stand for themselves in every server: unreserved and sub-delims (RFC 3986 §2.2–3) but `;`, and `:` `@` `/`.
const fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b'@') || is_sub_delim(byte)
}

const fn is_sub_delim(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'='
    )
}

fn is_plain(path: &str) -> bool {
    let mut segments = path[1..].split('/');
    let last = segments.next_back();
    path.bytes().all(is_plain_byte)
        && segments.all(|segment| !matches!(segment, "" | "." | ".."))
        && !matches!(last, Some("." | ".."))
}

/// The value of two hexadecimal digits.
fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// The byte that an escape at the start of `text` stands for (RFC 3986 §2.1).
pub(super) fn escaped_byte(text: &[u8]) -> Option<u8> {
    match *text {
        [b'%', high, low, ..] => hex_pair(high, low),
        _ => None,
    }
}

fn decode_once(path: &str) -> Result<String, TargetError> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            decoded.push(escaped_byte(rest).ok_or(TargetError::BadEscape)?);
            rest = &rest[3..];
        } else {
            decoded.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(decoded).map_err(|_| TargetError::NotUtf8)
}

/// Decodes until no escape is left, in one pass (linear, however deep an attacker nests); `None` where none was left.
fn decode_fully(once: &str) -> Result<Option<String>, TargetError> {
    if !once.contains('%') {
        return Ok(None);
    }
    let mut decoded = Vec::with_capacity(once.len());
    for byte in once.bytes() {
        decoded.push(byte);
        while let [.., b'%', high, low] = *decoded.as_slice()
            && let Some(inner) = hex_pair(high, low)
        {
            decoded.truncate(decoded.len() - 3);
            decoded.push(inner);
        }
    }
    String::from_utf8(decoded).map(Some).map_err(|_| TargetError::NotUtf8)
}

/// Refuses what servers act upon in different ways, in a decoded path.
fn refuse_traps(decoded: &str) -> Result<(), TargetError> {
    for char in decoded.chars() {
        match char {
            '\\' => return Err(TargetError::Backslash),
            _ if char.is_control() => return Err(TargetError::Control),
            _ => {}
        }
    }
    // `..;x` is `..` for Java servers; `..%3fx` for a server that decodes and then looks for the query.
    let name = |segment: &str| segment.find([';', '?', '#']).map_or(segment.len(), |at| at);
    if decoded
        .split('/')
        .any(|segment| matches!(&segment[..name(segment)], "." | ".."))
    {
        return Err(TargetError::DotSegment);
    }
    Ok(())
}

/// The path in front of a decoded `?` or `#`.
fn before_query(decoded: &str) -> &str {
    decoded.find(['?', '#']).map_or(decoded, |at| &decoded[..at])
}

/// Parameters cut, empty segments merged. A trailing slash stays.
fn reading(decoded: &str) -> String {
    let mut path = String::with_capacity(decoded.len());
    for segment in decoded.split('/') {
        let name = segment.split(';').next().unwrap_or_default();
        if !name.is_empty() {
            path.push('/');
            path.push_str(name);
        }
    }
    if path.is_empty() || decoded.ends_with('/') {
        path.push('/');
    }
    path
}

fn slashes(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'/').count()
}

#[cfg(test)]
mod tests;
