//! `[session]`: how long a login lasts and how its cookie is made.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use toml::Value;
use zeroize::Zeroizing;

use super::files::secret;
use super::reader::Reader;
use super::redis::{self, Redis};
use super::server::PublicUrl;
use super::values::{Parsed, duration, host_name, seconds, string};
use crate::secret::Secret;

/// `[session]`
#[derive(Clone, Debug)]
pub struct Session {
    /// 32-byte keys; the first seals, all open; never empty.
    pub keys: Vec<SessionKey>,
    /// Name as configured, without `__Host-`.
    pub cookie_name: String,
    /// `Domain`; `None`: host-only.
    pub cookie_domain: Option<String>,
    /// `SameSite`
    pub same_site: SameSite,
    /// `Partitioned`
    pub partitioned: bool,
    /// `Max-Age` on the session cookie.
    pub persistent: bool,
    /// Absolute, counted from login.
    pub lifetime: Duration,
    /// Ends a session without requests for this long; zero: never.
    pub idle_timeout: Duration,
    /// Refresh this long before expiry, at most half of the token's lifetime.
    pub refresh_before: Duration,
    /// Late requests with the old cookie get the same result this long.
    pub refresh_grace: Duration,
    /// How long a started login stays good.
    pub login_timeout: Duration,
    /// Where sessions are kept; `None`: in cookies.
    pub redis: Option<Redis>,
}

/// A session key: 32 bytes, wiped when dropped.
#[derive(Clone)]
pub struct SessionKey(pub zeroize::Zeroizing<[u8; 32]>);

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[key]")
    }
}

/// `same_site`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Sent on cross-site top-level navigations too.
    Lax,
    /// Same-site requests only.
    Strict,
    /// Everywhere; needs https.
    None,
}

/// The key that the documentation shows; everybody has it.
pub(super) const EXAMPLE_KEY: &[u8; 32] = b"sidegate-example-key-do-not-use!";

/// Reads `[session]`.
pub(super) fn read(r: &mut Reader<'_>, public_url: &PublicUrl) -> Session {
    let sites = [
        ("lax", SameSite::Lax),
        ("strict", SameSite::Strict),
        ("none", SameSite::None),
    ];
    let mut session = Session {
        keys: keys(r),
        cookie_name: r.or("cookie_name", "sidegate".to_owned(), cookie_name),
        cookie_domain: r.optional("cookie_domain", |value| cookie_domain(value, public_url)),
        same_site: r.choice("same_site", &sites).unwrap_or(SameSite::Lax),
        partitioned: r.flag("partitioned", false),
        persistent: r.flag("persistent", true),
        lifetime: r.or("lifetime", Duration::from_secs(12 * 3600), seconds),
        idle_timeout: r.or("idle_timeout", Duration::ZERO, duration),
        refresh_before: r.or("refresh_before", Duration::from_secs(60), duration),
        refresh_grace: r.or("refresh_grace", Duration::from_secs(60), duration),
        login_timeout: r.or("login_timeout", Duration::from_secs(600), seconds),
        redis: None,
    };
    let in_redis = r.choice("store", &[("cookie", false), ("redis", true)]);
    // Read in any case: what is wrong there is better known before it is needed.
    let redis = redis::read(&mut r.section("redis"));
    session.redis = redis.filter(|_| in_redis == Some(true));
    if session.same_site == SameSite::None && !public_url.https {
        r.problem(
            "same_site",
            "needs https, browsers drop the cookie; write \"lax\" or an https public_url",
        );
    }
    if session.partitioned && !public_url.https {
        r.problem(
            "partitioned",
            "needs https, browsers drop the cookie; write false or an https public_url",
        );
    }
    session
}

fn keys(r: &mut Reader<'_>) -> Vec<SessionKey> {
    const WRITE: &str = "write [{ file = \"session-key\" }] and make the file with `sidegate keygen`";
    if !r.has("keys") {
        r.take("keys");
        r.problem("keys", format!("is missing; {WRITE}"));
        return Vec::new();
    }
    let source = r.source;
    let keys = r.members("keys", |value| key(&secret(source, value)?));
    for (at, (index, key)) in keys.iter().enumerate() {
        if keys[..at].iter().any(|(_, earlier)| same(earlier, key)) {
            r.problem(&format!("keys[{index}]"), "is the same key as one before it; remove it");
        }
    }
    if keys.is_empty() && !r.failed("keys") {
        r.problem("keys", format!("is empty; {WRITE}"));
    }
    keys.into_iter().map(|(_, key)| key).collect()
}

/// 32 bytes in base64url; padding and the standard alphabet are read too, since other tools write them.
fn key(text: &Secret) -> Parsed<SessionKey> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let url = GeneralPurpose::new(&base64::alphabet::URL_SAFE, CONFIG);
    let standard: GeneralPurpose = general_purpose::GeneralPurpose::new(&base64::alphabet::STANDARD, CONFIG);
    let bytes = url
        .decode(text.reveal())
        .or_else(|_| standard.decode(text.reveal()))
        .map(Zeroizing::new);
    let key = bytes
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok())
        .map(Zeroizing::new);
    let key = key.ok_or("is not a key of 32 bytes in base64url; make one with `sidegate keygen`")?;
    if key.iter().all(|byte| *byte == key[0]) {
        return Err("is one byte over and over; make a key with `sidegate keygen`".to_owned());
    }
    if *key == *EXAMPLE_KEY {
        return Err("is the example from the documentation; make a key with `sidegate keygen`".to_owned());
    }
    Ok(SessionKey(key))
}

fn same(one: &SessionKey, other: &SessionKey) -> bool {
    subtle::ConstantTimeEq::ct_eq(one.0.as_slice(), other.0.as_slice()).into()
}

/// RFC 6265 §4.1.1: a token.
fn cookie_name(value: &Value) -> Parsed<String> {
    let text = string(value)?;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.is_empty() || !text.bytes().all(token) {
        return Err("cannot name a cookie; write letters, digits, \"-\" and \"_\" only".to_owned());
    }
    let lower = text.to_lowercase();
    if lower.starts_with("__host-") || lower.starts_with("__secure-") {
        return Err("has a prefix that is added by itself; write the name without it".to_owned());
    }
    Ok(text)
}

/// RFC 6265 §5.1.3: the host itself or a domain that it is in.
fn cookie_domain(value: &Value, public_url: &PublicUrl) -> Parsed<String> {
    let text = string(value)?;
    let host = &public_url.host;
    if text.starts_with('.') {
        return Err("begins with a dot; write it without".to_owned());
    }
    let domain = host_name(&text).ok_or("is not a domain; write for example \"example.com\"")?;
    let address = domain.starts_with('[') || domain.parse::<std::net::Ipv4Addr>().is_ok();
    if address || !domain.contains('.') {
        return Err("is not a domain that browsers share cookies under; remove it".to_owned());
    }
    let parent = host == &domain || host.ends_with(&format!(".{domain}"));
    if !parent && !host.is_empty() {
        return Err(format!(
            "is not a parent of {host} in server.public_url; write a domain that {host} is in"
        ));
    }
    Ok(domain)
}
