//! The end-session endpoint (OpenID Connect RP-Initiated Logout 1.0).

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::Provider;
use super::login::message;
use super::params::{COOKIE, Params, is_foreign, session_cookie, with_query};
use crate::clock::{self, Timestamp};
use crate::demo::page::render;

/// `GET /end_session`
pub(super) async fn end_session(
    State(provider): State<Provider>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(params) = Params::parse(query.unwrap_or_default().as_bytes()) else {
        return message(
            StatusCode::BAD_REQUEST,
            "Bad request",
            "A parameter of this request stands twice.",
        );
    };
    provider.end_session(&headers, &params, false, clock::now())
}

/// `POST /end_session`: from the client, or from the page that asks (`confirmed`).
pub(super) async fn end_session_form(State(provider): State<Provider>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(params) = Params::of_form(&headers, &body) else {
        return message(StatusCode::BAD_REQUEST, "Bad request", "This form cannot be read.");
    };
    let confirmed = params.one("confirmed").is_some() && !is_foreign(&headers, provider.issuer());
    provider.end_session(&headers, &params, confirmed, clock::now())
}

impl Provider {
    fn end_session(&self, headers: &HeaderMap, params: &Params, confirmed: bool, now: Timestamp) -> Response {
        // An id_token of ours, expired or not (§2): it says which client asks and whose session it means.
        let hint = params.one("id_token_hint").and_then(|token| self.key().verify(token));
        let text = |name: &str| {
            hint.as_ref()
                .and_then(|claims| claims.get(name))
                .and_then(Value::as_str)
        };
        let client_id = text("aud").or(params.one("client_id"));
        if hint.is_some() && params.one("client_id").is_some_and(|named| Some(named) != client_id) {
            return message(
                StatusCode::BAD_REQUEST,
                "Bad request",
                "client_id is not that of the id_token_hint.",
            );
        }
        let Ok(back) = self.way_back(params, client_id) else {
            let text = "This post_logout_redirect_uri is not registered for the client.";
            return message(StatusCode::BAD_REQUEST, "Bad request", text);
        };
        let here = session_cookie(headers).and_then(|cookie| self.0.ledger.lock().browser(&cookie, now).cloned());
        // Signing out cannot be forced on someone: without a hint that fits this browser they are asked (§6).
        let fits = text("sid").is_some() && here.as_ref().is_none_or(|b| Some(b.sid.as_str()) == text("sid"));
        if !confirmed && !fits && here.is_some() {
            return confirmation(params);
        }
        if let Some(sid) = here.as_ref().map(|b| b.sid.as_str()).or(text("sid")) {
            self.0.ledger.lock().close_browser(sid);
        }
        let gone = [(
            header::SET_COOKIE,
            format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
        )];
        match back {
            Some(uri) => (gone, Redirect::to(&uri)).into_response(),
            None => (
                gone,
                message(StatusCode::OK, "Signed out", "You are signed out of the demo provider."),
            )
                .into_response(),
        }
    }

    /// `post_logout_redirect_uri` with `state`; none was asked for: `Ok(None)`; not the client's: an error.
    fn way_back(&self, params: &Params, client_id: Option<&str>) -> Result<Option<String>, ()> {
        let Some(uri) = params.one("post_logout_redirect_uri") else {
            return Ok(None);
        };
        let settings = self.0.settings.read();
        let client = settings
            .clients
            .iter()
            .find(|client| Some(client.id.as_str()) == client_id);
        if !client.is_some_and(|client| {
            client
                .post_logout_redirect_uris
                .iter()
                .any(|registered| registered == uri)
        }) {
            return Err(());
        }
        let state: Vec<(&str, &str)> = params.one("state").map(|state| ("state", state)).into_iter().collect();
        Ok(Some(with_query(uri, &state)))
    }
}

fn confirmation(params: &Params) -> Response {
    let names = ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"];
    let fields: Vec<(&str, &str)> = names
        .iter()
        .filter_map(|name| params.one(name).map(|value| (*name, value)))
        .collect();
    render(
        StatusCode::OK,
        include_str!("confirm.html"),
        json!({"title": "Sign out?", "fields": fields}),
    )
}
