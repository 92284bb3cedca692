//! The token endpoint: `authorization_code` (RFC 6749 §4.1.3) and `refresh_token` (§6).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::{Map, Value, json};

use super::Provider;
use super::key::access_token_hash;
use super::ledger::{Grant, Granted, InvalidGrant};
use super::params::{OAuthError, Params, authenticate};
use super::settings::{Person, Settings};
use crate::clock::{self, Timestamp};

/// `POST /token`
pub(super) async fn token(State(provider): State<Provider>, headers: HeaderMap, body: Bytes) -> Response {
    let no_store = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    match provider.token(&headers, &body, clock::now()) {
        Ok(answer) => (no_store, Json(answer)).into_response(),
        Err(error) => error.into_response(),
    }
}

impl Provider {
    pub(super) fn token(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Value, OAuthError> {
        let params = Params::of_form(headers, body).ok_or(OAuthError::new(
            "invalid_request",
            "a form is expected, each parameter once",
        ))?;
        let settings = self.0.settings.read().clone();
        let client = authenticate(&settings, headers, &params)?;
        let missing = || OAuthError::new("invalid_request", "a parameter is missing");
        let mut ledger = self.0.ledger.lock();
        let (granted, new_refresh_token) = match params.one("grant_type").ok_or_else(missing)? {
            "authorization_code" => {
                let (uri, verifier) = (params.one("redirect_uri"), params.one("code_verifier"));
                let code = params.one("code").ok_or_else(missing)?;
                (
                    ledger.redeem(code, &client.id, uri, verifier, now)?,
                    settings.issue_refresh_token,
                )
            }
            "refresh_token" => {
                let token = params.one("refresh_token").ok_or_else(missing)?;
                (ledger.refresh(token, &client.id, settings.rotate)?, settings.rotate)
            }
            _ => {
                return Err(OAuthError::new(
                    "unsupported_grant_type",
                    "authorization_code or refresh_token",
                ));
            }
        };
        let access_token = ledger.issue_access_token(&granted, now.plus(settings.access_token_lifetime));
        let refresh_token = new_refresh_token.then(|| ledger.issue_refresh_token(&granted));
        drop(ledger);
        Ok(self.token_response(&settings, &granted, &access_token, refresh_token, now))
    }

    fn token_response(
        &self,
        settings: &Settings,
        granted: &Granted,
        access_token: &str,
        refresh_token: Option<String>,
        now: Timestamp,
    ) -> Value {
        let scope = &granted.grant.scope;
        let mut answer = json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": settings.access_token_lifetime.as_secs(),
            "scope": scope,
        });
        if let Some(token) = refresh_token {
            answer["refresh_token"] = token.into();
        }
        if settings.issue_id_token && has_scope(scope, "openid") {
            answer["id_token"] = self.id_token(settings, granted, access_token, now).into();
        }
        answer
    }

    /// OpenID Connect Core §2 and §3.1.3.6; `nonce` only where the authorization request had one.
    fn id_token(&self, settings: &Settings, granted: &Granted, access_token: &str, now: Timestamp) -> String {
        let grant = &granted.grant;
        let mut claims = person_claims(settings, grant);
        claims.extend(members(json!({
            "iss": self.issuer(),
            "aud": grant.client_id,
            "iat": now.0,
            "exp": now.plus(settings.id_token_lifetime).0,
            "auth_time": grant.auth_time.0,
            "sid": grant.sid,
            "at_hash": access_token_hash(access_token),
        })));
        if let Some(nonce) = &granted.nonce {
            claims.insert("nonce".into(), nonce.clone().into());
        }
        let key = self.key();
        key.sign(&key.header("JWT"), &claims.into())
    }
}

impl From<InvalidGrant> for OAuthError {
    fn from(InvalidGrant(why): InvalidGrant) -> Self {
        Self::new("invalid_grant", why)
    }
}

/// The claims that the grant's scope asks for (OpenID Connect Core §5.4), `sub` always. `groups` come with `profile`,
/// so that a client's usual scopes are enough. A person who left the list is known by name only.
pub(super) fn person_claims(settings: &Settings, grant: &Grant) -> Map<String, Value> {
    let listed = settings.people.iter().find(|p| p.username == grant.username);
    let gone = Person::new(&grant.username, &grant.username, &[]);
    let person = listed.unwrap_or(&gone);
    let mut claims = members(json!({"sub": person.sub}));
    if has_scope(&grant.scope, "profile") {
        claims.extend(members(
            json!({"name": person.name, "preferred_username": person.username}),
        ));
    }
    if has_scope(&grant.scope, "profile") || has_scope(&grant.scope, "groups") {
        claims.insert("groups".into(), json!(person.groups));
    }
    if has_scope(&grant.scope, "email") {
        claims.extend(members(json!({"email": person.email, "email_verified": true})));
    }
    claims
}

fn has_scope(scope: &str, wanted: &str) -> bool {
    scope.split(' ').any(|s| s == wanted)
}

fn members(value: Value) -> Map<String, Value> {
    if let Value::Object(members) = value {
        members
    } else {
        Map::new()
    }
}
