//! The application's answer as the browser gets it: without cookies under our names, with the ones we set.

use http::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE};
use pingora::Result;
use pingora::http::ResponseHeader;

use super::site::Site;
use crate::config::Route;
use crate::seal::CookieNames;

/// Finishes the head of an application's answer.
pub(super) fn finish(
    response: &mut ResponseHeader,
    site: &Site,
    route: Option<&Route>,
    cookies: Vec<String>,
) -> Result<()> {
    keep_our_names(response, &site.names)?;
    for (name, value) in route.into_iter().flat_map(|route| &route.response_headers) {
        response.insert_header(name.clone(), value.clone())?;
    }
    if cookies.is_empty() {
        return Ok(());
    }
    for cookie in cookies {
        response.append_header(SET_COOKIE, cookie)?;
    }
    make_private(response)
}

/// An application cannot set, replace or delete a cookie of ours.
fn keep_our_names(response: &mut ResponseHeader, names: &CookieNames) -> Result<()> {
    let ours = |value: &HeaderValue| names.is_ours(cookie_name(value.as_bytes()));
    if !response.headers.get_all(SET_COOKIE).iter().any(ours) {
        return Ok(());
    }
    let kept: Vec<_> = response
        .headers
        .get_all(SET_COOKIE)
        .iter()
        .filter(|value| !ours(value))
        .cloned()
        .collect();
    response.remove_header(&SET_COOKIE);
    for value in kept {
        response.append_header(SET_COOKIE, value)?;
    }
    Ok(())
}

/// What the browser will send before the first `=`: a cookie without a name (`=sidegate=x`) comes back as its value.
fn cookie_name(line: &[u8]) -> &[u8] {
    let named = line.iter().position(|byte| !matches!(byte, b'=' | b' ' | b'\t'));
    line[named.unwrap_or(line.len())..]
        .split(|byte| matches!(byte, b'=' | b';'))
        .next()
        .unwrap_or_default()
        .trim_ascii()
}

/// A shared cache must not keep an answer with a session in it (RFC 9111 §5.2.2.7); what is stricter stays.
fn make_private(response: &mut ResponseHeader) -> Result<()> {
    let strict = |value: &HeaderValue| {
        let directives = value.to_str().unwrap_or_default().split(',').map(str::trim);
        directives
            .into_iter()
            .any(|directive| directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("private"))
    };
    if response.headers.get_all(CACHE_CONTROL).iter().any(strict) {
        return Ok(());
    }
    response.insert_header(CACHE_CONTROL, "private")
}
