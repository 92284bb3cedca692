//! Headers that the operator sets: on requests, on answers, and those that say who a visitor is.

use http::{HeaderName, HeaderValue};
use toml::Value;

use super::problems::{alternatives, nearest, resembles};
use super::providers::{Provider, claim_path};
use super::reader::Reader;
use super::values::{Parsed, authority, header_name, header_value, string};

/// `host_header`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// The client's.
    Preserve,
    /// The server's.
    Upstream,
    /// This.
    Literal(HeaderValue),
}

/// A header value with `{claim.NAME}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub Vec<TemplatePart>);

/// One piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    /// As written.
    Text(String),
    /// Filled from the session: a key of [`Provider::claims`](crate::config::Provider::claims).
    Claim(String),
}

impl Template {
    /// The claims in it.
    pub(super) fn claims(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            TemplatePart::Claim(name) => Some(name.as_str()),
            TemplatePart::Text(_) => None,
        })
    }
}

/// RFC 9110 §7.6.1 and the framing of RFC 9112: set by the connection, never by an operator.
const CONNECTION: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What the gateway sends upstream itself.
const OWN: &[&str] = &[
    "authorization",
    "cookie",
    "traceparent",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

/// `[identity_headers]` where the file has none; sorted, as tables are.
const IDENTITY: &[(&str, &str)] = &[
    ("X-Forwarded-Email", "email"),
    ("X-Forwarded-Groups", "groups"),
    ("X-Forwarded-Preferred-Username", "name"),
    ("X-Forwarded-User", "user"),
];

/// Reads `[identity_headers]`: a table that is there replaces the default whole.
pub(super) fn identity_headers(root: &mut Reader<'_>, providers: &[Provider]) -> Vec<(HeaderName, String)> {
    const KEY: &str = "identity_headers";
    if !root.has(KEY) {
        root.take(KEY);
        let default = |(name, claim): &(&str, &str)| Some((name.parse().ok()?, (*claim).to_owned()));
        return IDENTITY.iter().filter_map(default).collect();
    }
    let claims = || {
        providers
            .iter()
            .flat_map(|provider| provider.claims.iter().map(|(name, _)| name.as_str()))
    };
    let pairs = root.pairs(KEY, |name, value| {
        let header = settable(name)?;
        let claim = string(value)?;
        if claims().any(|known| known == claim) || providers.is_empty() {
            return Ok((header, claim));
        }
        let near = nearest(&claim, claims())
            .map(|near| alternatives([near]))
            .unwrap_or_default();
        Err(format!(
            "is a claim that no provider sets; write {near}, or name the claim in the provider's claims"
        ))
    });
    refuse_twins(root, KEY, &pairs);
    pairs.into_iter().map(|(_, pair)| pair).collect()
}

/// Reads `request_headers` of a route.
pub(super) fn request_headers(r: &mut Reader<'_>, identity: &[HeaderName]) -> Vec<(HeaderName, Template)> {
    let pairs = r.pairs("request_headers", |name, value| {
        let header = settable(name)?;
        if identity.iter().any(|known| fold(known) == fold(&header)) {
            return Err("is an identity header; remove it here or there".to_owned());
        }
        Ok((header, template(&string(value)?)?))
    });
    refuse_twins(r, "request_headers", &pairs);
    pairs.into_iter().map(|(_, pair)| pair).collect()
}

/// Reads `response_headers` of a route.
pub(super) fn response_headers(r: &mut Reader<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let pairs = r.pairs("response_headers", |name, value| {
        let header = header_name(name)?;
        if CONNECTION.contains(&header.as_str()) || header == "set-cookie" {
            return Err("is not for a route to set; remove it".to_owned());
        }
        Ok((header, header_value(&string(value)?)?))
    });
    refuse_twins(r, "response_headers", &pairs);
    pairs.into_iter().map(|(_, pair)| pair).collect()
}

/// A member of `remove_request_headers`.
pub(super) fn removable(value: &Value) -> Parsed<HeaderName> {
    let header = header_name(&string(value)?)?;
    match CONNECTION.contains(&header.as_str()) {
        true => Err("is needed by the connection; remove it from the list".to_owned()),
        false => Ok(header),
    }
}

/// `preserve`, `upstream` or a host.
pub(super) fn host_header(value: &Value) -> Parsed<HostHeader> {
    let text = string(value)?;
    let slip = ["preserve", "upstream"].into_iter().find(|word| resembles(&text, word));
    match (text.as_str(), slip) {
        ("preserve", _) => Ok(HostHeader::Preserve),
        ("upstream", _) => Ok(HostHeader::Upstream),
        (_, Some(word)) if !text.contains('.') => Err(format!("unknown value; write \"{word}\" or a host")),
        _ => Ok(HostHeader::Literal(header_value(&authority(value)?)?)),
    }
}

/// A header that may be sent upstream beside our own.
fn settable(name: &str) -> Parsed<HeaderName> {
    let header = header_name(name)?;
    // An upstream may read `_` as `-`: what is forbidden under one name is forbidden under the other.
    let folded = fold(&header);
    let write = match folded.as_str() {
        "authorization" => "use `authorization` of the route instead",
        "host" => "use `host_header` of the route instead",
        _ => "choose another name",
    };
    if CONNECTION.contains(&folded.as_str()) || OWN.contains(&folded.as_str()) {
        return Err(format!("is set by the gateway itself; {write}"));
    }
    Ok(header)
}

fn fold(header: &HeaderName) -> String {
    header.as_str().replace('_', "-")
}

/// Two names that an upstream may take for one.
fn refuse_twins<T>(r: &Reader<'_>, key: &str, pairs: &[(String, (HeaderName, T))]) {
    for (at, (name, (header, _))) in pairs.iter().enumerate() {
        if pairs[..at]
            .iter()
            .any(|(_, (earlier, _))| fold(earlier) == fold(header))
        {
            r.problem(
                &format!("{key}.{name}"),
                "is the same header as one before it; remove one of the two",
            );
        }
    }
}

/// Text with `{claim.NAME}` in it.
fn template(text: &str) -> Parsed<Template> {
    const OPEN: &str = "{claim.";
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(OPEN) {
        let (before, claim) = (&rest[..start], &rest[start + OPEN.len()..]);
        let end = claim
            .find('}')
            .ok_or("has \"{claim.\" without an end; write \"{claim.NAME}\"")?;
        push_text(&mut parts, before)?;
        claim_path(&claim[..end])?;
        parts.push(TemplatePart::Claim(claim[..end].to_owned()));
        rest = &claim[end + 1..];
    }
    push_text(&mut parts, rest)?;
    Ok(Template(parts))
}

fn push_text(parts: &mut Vec<TemplatePart>, text: &str) -> Parsed<()> {
    // `{user}` is far more often a slip than a text; JSON in a header is not touched by this.
    let word =
        |inner: &str| !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b));
    if text
        .split('{')
        .skip(1)
        .any(|rest| rest.split_once('}').is_some_and(|(inner, _)| word(inner)))
    {
        return Err("has braces that are filled from nothing; write \"{claim.NAME}\"".to_owned());
    }
    if !text.is_empty() {
        header_value(text)?;
        parts.push(TemplatePart::Text(text.to_owned()));
    }
    Ok(())
}
