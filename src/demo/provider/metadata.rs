//! Discovery (OpenID Connect Discovery §3, RFC 8414) and the JWKS (RFC 7517 §5).

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Provider;

/// `GET /.well-known/openid-configuration`
pub(super) async fn metadata(State(provider): State<Provider>) -> Json<Value> {
    let issuer = provider.issuer();
    let at = |path: &str| format!("{issuer}{path}");
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/jwks"),
        "revocation_endpoint": at("/revoke"),
        "end_session_endpoint": at("/end_session"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "scopes_supported": ["openid", "profile", "email", "groups", "offline_access"],
        "claims_supported": ["sub", "name", "preferred_username", "email", "email_verified", "groups"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "authorization_response_iss_parameter_supported": provider.0.settings.read().iss_parameter,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    }))
}

/// `GET /jwks`
pub(super) async fn jwks(State(provider): State<Provider>) -> Json<Value> {
    Json(json!({"keys": [provider.key().jwk()]}))
}
