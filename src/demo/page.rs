//! HTML from a template, escaped throughout, with the headers that every page of the demo carries.

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderName, StatusCode, header};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value};
use serde::Serialize;

/// Nothing from elsewhere, nothing framed. `form-action` is left open: browsers hold it against the redirect that
/// answers a form too, and a login's form ends at the client's redirect URI.
const CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                   img-src data:; frame-ancestors 'none'; base-uri 'none'";

/// Headers of every page. `same-origin` and not `no-referrer`: under the latter a form's `Origin` is `null`.
pub(super) const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, CSP),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// Fills `template` with `values`; every value is HTML-escaped. A template that fails is a 500 without a body.
pub(super) fn render(status: StatusCode, template: &str, values: impl Serialize) -> Response {
    let mut environment = Environment::new();
    environment.add_global("style", Value::from_safe_string(include_str!("style.css").to_owned()));
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    match environment.render_str(template, Value::from(Serde(values))) {
        Ok(html) => (status, HEADERS, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page of the demo failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
