//! Userinfo (OpenID Connect Core §5.3) and revocation (RFC 7009).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

use super::Provider;
use super::params::{OAuthError, Params, authenticate, bearer};
use super::token::person_claims;
use crate::clock;

/// `GET|POST /userinfo`
pub(super) async fn userinfo(State(provider): State<Provider>, headers: HeaderMap) -> Response {
    let Some(token) = bearer(&headers) else {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
    };
    let grant = provider.0.ledger.lock().grant_of(token, clock::now()).cloned();
    match grant {
        Some(grant) => {
            let claims = person_claims(&provider.0.settings.read(), &grant);
            ([(header::CACHE_CONTROL, "no-store")], Json(claims)).into_response()
        }
        None => (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")],
        )
            .into_response(),
    }
}

/// `POST /revoke`: 200 also for a token that nobody knows (RFC 7009 §2.2).
pub(super) async fn revoke(State(provider): State<Provider>, headers: HeaderMap, body: Bytes) -> Response {
    match provider.revoke(&headers, &body) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => error.into_response(),
    }
}

impl Provider {
    fn revoke(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), OAuthError> {
        let params = Params::of_form(headers, body).ok_or(OAuthError::new(
            "invalid_request",
            "a form is expected, each parameter once",
        ))?;
        let client = authenticate(&self.0.settings.read(), headers, &params)?;
        let token = params
            .one("token")
            .ok_or(OAuthError::new("invalid_request", "token is missing"))?;
        self.0.ledger.lock().revoke(token, &client.id);
        Ok(())
    }
}
