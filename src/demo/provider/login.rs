//! The authorization endpoint (RFC 6749 §3.1) and the page where one chooses whom to be.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use cookie::{Cookie, SameSite};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use super::Provider;
use super::ledger::{Agreed, Browser, Grant};
use super::params::{COOKIE, Params, is_foreign, session_cookie, with_query};
use super::request::{AuthorizationRequest, Back, Prompt, Refusal};
use crate::clock::{self, Timestamp};
use crate::demo::page::render;

/// `GET /`: where a person lands who looks for the provider itself.
pub(super) async fn front_page(State(provider): State<Provider>) -> Response {
    let text = format!(
        "This is the embedded provider at {}. It signs people in for the demo.",
        provider.issuer()
    );
    message(StatusCode::OK, "Demo provider", &text)
}

/// `GET /authorize`
pub(super) async fn authorize(
    State(provider): State<Provider>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    provider.authorize(&headers, &query.unwrap_or_default(), clock::now())
}

/// `POST /authorize` (OpenID Connect Core §3.1.2.1: both methods).
pub(super) async fn authorize_form(State(provider): State<Provider>, headers: HeaderMap, body: String) -> Response {
    provider.authorize(&headers, &body, clock::now())
}

/// `POST /login?<the authorization request>` with `person=<username>`; without `person` the login is called off.
pub(super) async fn choose(
    State(provider): State<Provider>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    if is_foreign(&headers, provider.issuer()) {
        return message(
            StatusCode::FORBIDDEN,
            "Refused",
            "This form was sent by a page of another origin.",
        );
    }
    let Some(form) = Params::of_form(&headers, &body) else {
        return message(StatusCode::BAD_REQUEST, "Bad request", "This form cannot be read.");
    };
    // The request went through the browser: it is parsed and checked as if it had never been seen.
    let parsed = AuthorizationRequest::parse(query.unwrap_or_default().as_bytes(), &provider.0.settings.read());
    match (parsed, form.one("person")) {
        (Err(refusal), _) => provider.refuse(refusal),
        (Ok(request), None) => provider.refuse(Refusal::Redirect(
            request.back,
            "access_denied",
            "the login was called off",
        )),
        (Ok(request), Some(person)) => provider.sign_in(request, person, clock::now()),
    }
}

impl Provider {
    pub(super) fn authorize(&self, headers: &HeaderMap, query: &str, now: Timestamp) -> Response {
        let parsed = AuthorizationRequest::parse(query.as_bytes(), &self.0.settings.read());
        let request = match parsed {
            Ok(request) => request,
            Err(refusal) => return self.refuse(refusal),
        };
        let browser = session_cookie(headers).and_then(|cookie| self.0.ledger.lock().browser(&cookie, now).cloned());
        let known = browser.filter(|b| {
            request
                .max_age
                .is_none_or(|max| now.since(b.auth_time).as_secs() <= max)
                && self.0.settings.read().people.iter().any(|p| p.username == b.username)
        });
        match (request.prompt, known) {
            (Prompt::IfNeeded | Prompt::Never, Some(browser)) => self.grant(request, &browser, now),
            (Prompt::Never, None) => self.refuse(Refusal::Redirect(
                request.back,
                "login_required",
                "nobody is signed in here",
            )),
            (Prompt::Always | Prompt::IfNeeded, _) => self.login_page(&request, query),
        }
    }

    fn login_page(&self, request: &AuthorizationRequest, query: &str) -> Response {
        let values = json!({
            "title": "Choose who you are",
            "client": request.client_id,
            "scope": request.scope,
            "action": format!("/login?{query}"),
            "people": self.0.settings.read().people,
        });
        render(StatusCode::OK, include_str!("login.html"), values)
    }

    pub(super) fn sign_in(&self, request: AuthorizationRequest, username: &str, now: Timestamp) -> Response {
        let (known, lifetime) = {
            let settings = self.0.settings.read();
            (
                settings.people.iter().any(|p| p.username == username),
                settings.session_lifetime,
            )
        };
        if !known {
            return message(
                StatusCode::BAD_REQUEST,
                "Nobody of that name",
                "This person is not on the list.",
            );
        }
        let (value, browser) = self.0.ledger.lock().open_browser(username, lifetime, now);
        let cookie = Cookie::build((COOKIE, value))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .build();
        let mut response = self.grant(request, &browser, now);
        if let Ok(line) = cookie.to_string().parse() {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
        response
    }

    fn grant(&self, request: AuthorizationRequest, browser: &Browser, now: Timestamp) -> Response {
        let grant = Grant {
            client_id: request.client_id,
            username: browser.username.clone(),
            scope: request.scope,
            auth_time: browser.auth_time,
            sid: browser.sid.clone(),
        };
        let expires = now.plus(self.0.settings.read().code_lifetime);
        let agreed = Agreed {
            grant,
            redirect_uri: request.back.redirect_uri.clone(),
            code_challenge: request.code_challenge,
            nonce: request.nonce,
        };
        let code = self.0.ledger.lock().issue_code(agreed, expires);
        self.send_back(&request.back, &[("code", &code)])
    }

    fn refuse(&self, refusal: Refusal) -> Response {
        match refusal {
            Refusal::Page(text) => message(StatusCode::BAD_REQUEST, "This login cannot go on", text),
            Refusal::Redirect(back, error, description) => {
                self.send_back(&back, &[("error", error), ("error_description", description)])
            }
        }
    }

    /// The authorization response, with `state` (RFC 6749 §4.1.2) and `iss` (RFC 9207 §2).
    fn send_back(&self, back: &Back, fields: &[(&str, &str)]) -> Response {
        let mut fields = fields.to_vec();
        fields.extend(back.state.as_deref().map(|state| ("state", state)));
        if self.0.settings.read().iss_parameter {
            fields.push(("iss", self.issuer()));
        }
        if back.form_post {
            let values = json!({"title": "One moment", "action": back.redirect_uri, "fields": fields});
            return render(StatusCode::OK, include_str!("form_post.html"), values);
        }
        // 303: the answer to the login form must become a GET (RFC 9700 §4.12).
        (no_store(), Redirect::to(&with_query(&back.redirect_uri, &fields))).into_response()
    }
}

fn no_store() -> [(header::HeaderName, &'static str); 1] {
    [(header::CACHE_CONTROL, "no-store")]
}

/// A page with a few words.
pub(super) fn message(status: StatusCode, title: &str, text: &str) -> Response {
    render(
        status,
        include_str!("message.html"),
        json!({"title": title, "text": text}),
    )
}
