//! Cookie secret, cookie, lifetimes.

use std::path::Path;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};

use super::new::{New, duration, inline};
use super::old::Old;

pub(super) fn write(old: &mut Old, new: &mut New, file: &Path) {
    new.table("[session]");
    key(old, new, file);
    cookie(old, new);
    lifetime(old, new);
    if old.text("session_store_type").is_some_and(|kind| kind != "cookie") {
        new.note(
            "session_store_type: sessions are kept in the cookie here, sealed; the provider's tokens decide how large \
             it gets.",
        );
    }
}

fn key(old: &mut Old, new: &mut New, file: &Path) {
    let given = old.text("cookie_secret");
    let named = old.text("cookie_secret_file");
    let from_file = named.as_deref().and_then(|name| beside(file, name));
    // Only a file that holds the key as sidegate reads it can stay a file.
    if let (Some(name), Some(text)) = (&named, &from_file)
        && decoded(text.trim_end()).is_some()
    {
        new.line(&format!("keys = [{}]", inline("file", name.as_str())));
        return;
    }
    let text = given.or(from_file);
    let secret = text.as_deref().map(|text| text.trim_end_matches(['\r', '\n']));
    match secret.and_then(|text| decoded(text).or_else(|| raw(text))) {
        Some(bytes) => new.line(&format!("keys = [\"{}\"]", URL_SAFE_NO_PAD.encode(bytes))),
        None => {
            new.note(match (secret, named) {
                (None, Some(_)) => "cookie_secret_file: could not be read here; this is a fresh key.",
                (None, None) => "cookie_secret was not in the file; this is a fresh key.",
                _ => "cookie_secret: a key has 32 bytes, this one cannot become one; this is a fresh key.",
            });
            match super::super::keygen::fresh() {
                Ok(key) => new.line(&format!("keys = [\"{}\"]", *key)),
                Err(_) => new.line("keys = []"),
            }
        }
    }
    new.note("Better in a file of its own: keys = [{ file = \"session-key\" }]. Everybody signs in once more anyway.");
}

/// A file that the configuration names.
pub(super) fn beside(file: &Path, name: &str) -> Option<String> {
    let place = file.parent().unwrap_or(Path::new("")).join(name);
    std::fs::read_to_string(place).ok()
}

/// 32 bytes in base64, whatever alphabet and padding.
fn decoded(text: &str) -> Option<[u8; 32]> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = [URL_SAFE, STANDARD]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())?;
    good(bytes)
}

/// 32 bytes as they are.
fn raw(text: &str) -> Option<[u8; 32]> {
    good(text.as_bytes().to_vec())
}

fn good(bytes: Vec<u8>) -> Option<[u8; 32]> {
    let key: [u8; 32] = bytes.try_into().ok()?;
    key.iter().any(|byte| *byte != key[0]).then_some(key)
}

fn cookie(old: &mut Old, new: &mut New) {
    if let Some(name) = old.text("cookie_name") {
        let bare = ["__Host-", "__Secure-"]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix));
        new.key("cookie_name", bare.unwrap_or(&name));
    }
    let domains = old.list("cookie_domains");
    if let [first, rest @ ..] = &domains[..] {
        new.key("cookie_domain", first.trim_start_matches('.'));
        if !rest.is_empty() {
            new.note("cookie_domains: one domain only.");
        }
    }
    if let Some(same_site) = old.text("cookie_samesite") {
        new.key("same_site", same_site.to_lowercase());
    }
    if old.text("cookie_path").is_some_and(|path| path != "/") {
        new.note("cookie_path: always \"/\".");
    }
    if old.flag("cookie_httponly") == Some(false) {
        new.note("cookie_httponly: always on.");
    }
    if old.flag("cookie_secure") == Some(false) {
        new.note("cookie_secure: follows from public_url: with https always, with http never.");
    }
    // Every started login has a cookie of its own here.
    old.flag("cookie_csrf_per_request");
    old.text("cookie_csrf_per_request_limit");
}

fn lifetime(old: &mut Old, new: &mut New) {
    match old.seconds("cookie_expire") {
        Ok(Some(0)) => new.key("persistent", false),
        Ok(expire) => new.key("lifetime", duration(expire.unwrap_or(168 * 3600))),
        Err(()) => new.note("cookie_expire: is no duration."),
    }
    match old.seconds("cookie_csrf_expire") {
        Ok(Some(expire @ 1..)) => new.key("login_timeout", duration(expire)),
        Ok(_) => {}
        Err(()) => new.note("cookie_csrf_expire: is no duration."),
    }
    if old
        .text("cookie_refresh")
        .is_some_and(|span| span != "0" && span != "0s")
    {
        new.note("cookie_refresh: sessions are refreshed before the access token ends (refresh_before), at no fixed interval.");
    }
    if old.flag("session_cookie_minimal") == Some(true) {
        new.note("session_cookie_minimal: tokens are kept, requests to the application carry them; ask for fewer scopes if the cookie gets too large.");
    }
}
