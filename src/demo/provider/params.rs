//! Parameters as RFC 6749 has them, client authentication (§2.3) and the error answers of token endpoints (§5.2).

use axum::Json;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cookie::Cookie;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use url::form_urlencoded;

use super::settings::{Client, Settings};
use crate::secret::Secret;

/// The provider's own session cookie.
pub(super) const COOKIE: &str = "demo_provider";

/// The parameters of a query or a form. One without a value counts as absent (RFC 6749 §3.1).
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// `None` where one stands twice (RFC 6749 §3.1) that may not; `resource` may (RFC 8707 §2).
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(text)
            .filter(|(_, value)| !value.is_empty())
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        let repeated = |i: usize| {
            pairs[..i]
                .iter()
                .any(|(name, _)| *name == pairs[i].0 && name != "resource")
        };
        (!(0..pairs.len()).any(repeated)).then_some(Self(pairs))
    }

    /// The form of a request, if its `Content-Type` says that it is one.
    pub(super) fn of_form(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::parse(body)
        } else {
            None
        }
    }

    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// An error answer of the token and revocation endpoints (RFC 6749 §5.2).
#[derive(Debug)]
pub(super) struct OAuthError {
    error: &'static str,
    description: &'static str,
}

impl OAuthError {
    pub(super) fn new(error: &'static str, description: &'static str) -> Self {
        Self { error, description }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = Json(json!({"error": self.error, "error_description": self.description}));
        let no_store = [(header::CACHE_CONTROL, "no-store")];
        if self.error == "invalid_client" {
            return (
                StatusCode::UNAUTHORIZED,
                no_store,
                [(header::WWW_AUTHENTICATE, "Basic")],
                body,
            )
                .into_response();
        }
        (StatusCode::BAD_REQUEST, no_store, body).into_response()
    }
}

/// The client that sends this request: `client_secret_basic`, `client_secret_post` or `none`, never two of them.
pub(super) fn authenticate(settings: &Settings, headers: &HeaderMap, params: &Params) -> Result<Client, OAuthError> {
    let invalid = || OAuthError::new("invalid_client", "unknown client, or its authentication is wrong");
    let basic = match headers.get(header::AUTHORIZATION) {
        Some(value) => Some(value.to_str().ok().and_then(basic_credentials).ok_or_else(invalid)?),
        None => None,
    };
    let (id, secret) = match (basic, params.one("client_id"), params.one("client_secret")) {
        (Some(_), _, Some(_)) => return Err(OAuthError::new("invalid_request", "two ways of client authentication")),
        (Some((id, _)), Some(named), None) if id != named => return Err(invalid()),
        (Some((id, secret)), _, None) => (id, Some(Secret::new(secret))),
        (None, Some(id), secret) => (id.to_owned(), secret.map(|s| Secret::new(s.to_owned()))),
        (None, None, _) => return Err(invalid()),
    };
    let client = settings
        .clients
        .iter()
        .find(|client| client.id == id)
        .ok_or_else(invalid)?;
    match (&client.secret, &secret) {
        (Some(ours), Some(theirs)) if ours.same_as(theirs) => Ok(client.clone()),
        (None, None) => Ok(client.clone()),
        _ => Err(invalid()),
    }
}

/// User and password, each form-encoded (RFC 6749 §2.3.1).
fn basic_credentials(value: &str) -> Option<(String, String)> {
    let (scheme, rest) = value.split_once(' ')?;
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (id, secret) = decoded
        .split_once(':')
        .filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    Some((form_decoded(id), form_decoded(secret)))
}

fn form_decoded(text: &str) -> String {
    // Only the text matters here: `&` and `=` cannot stand in it bare, so it parses as one name.
    form_urlencoded::parse(text.as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

/// A Bearer token (RFC 6750 §2.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The value of the provider's own session cookie.
pub(super) fn session_cookie(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| Cookie::split_parse(line.to_owned()))
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == COOKIE)
        .map(|cookie| cookie.value().to_owned())
}

/// Whether a form was sent by a page of another origin. Without `Origin` it was no browser, or an old one.
pub(super) fn is_foreign(headers: &HeaderMap, issuer: &str) -> bool {
    headers
        .get(header::ORIGIN)
        .is_some_and(|origin| origin.as_bytes() != issuer.as_bytes())
}

/// `uri` with `fields` added to its query, the rest byte for byte.
pub(super) fn with_query(uri: &str, fields: &[(&str, &str)]) -> String {
    if fields.is_empty() {
        return uri.to_owned();
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    format!("{uri}{}{query}", if uri.contains('?') { '&' } else { '?' })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_decoded() {
        for (plain, id, secret) in [
            ("app:s%20e", "app", "s e"),
            ("a%3Ab:p+q%25", "a:b", "p q%"),
            ("app:", "app", ""),
        ] {
            let value = format!("Basic {}", STANDARD.encode(plain));
            assert_eq!(basic_credentials(&value), Some((id.into(), secret.into())));
        }
    }

    #[test]
    fn a_parameter_stands_once_but_for_resource() {
        assert!(Params::parse(b"a=1&a=2").is_none());
        assert!(Params::parse(b"a=1&a=").is_some());
        assert!(Params::parse(b"resource=1&resource=2").is_some());
    }
}
