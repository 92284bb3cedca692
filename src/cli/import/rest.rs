//! Options without a counterpart, and what to do instead.

use super::new::New;
use super::old::Old;

/// Beginning of the option's name, and what to say. The first that fits counts.
const ADVICE: &[(&str, &str)] = &[
    (
        "trusted_ips",
        "nobody is let in for an address alone; write a route with access = \"public\" on a listener of its own",
    ),
    (
        "skip_jwt_bearer_tokens",
        "this version takes no access tokens of clients yet (bearer)",
    ),
    (
        "extra_jwt_issuers",
        "this version takes no access tokens of clients yet (bearer)",
    ),
    (
        "bearer_token_login_fallback",
        "this version takes no access tokens of clients yet (bearer)",
    ),
    (
        "htpasswd",
        "there are no passwords here; put these people into the provider",
    ),
    ("display_htpasswd_form", "there are no passwords here"),
    ("redis_", "sessions are kept in the cookie"),
    (
        "set_authorization_header",
        "/oauth2/auth answers with X-Auth-Request-*, the token among them for trusted proxies",
    ),
    ("set_basic_auth", "/oauth2/auth answers with X-Auth-Request-*"),
    ("pass_", "see identity_headers and authorization of the routes"),
    ("skip_provider_button", "with one provider there is no such page"),
    (
        "skip_auth_strip_headers",
        "identity headers of the client's are always removed",
    ),
    ("force_https", "leave the redirect from http to another server"),
    ("force_json_errors", "programs get JSON, people get pages"),
    ("custom_", "see [pages]: the templates are others"),
    ("banner", "see [pages]"),
    ("footer", "see [pages]"),
    ("ping_", "the admin listener answers /livez and /readyz"),
    ("ready_path", "the admin listener answers /readyz"),
    ("gcp_healthchecks", "the admin listener answers /livez and /readyz"),
    ("metrics_", "the admin listener speaks plain HTTP"),
    ("tls_", "TLS 1.2 and 1.3 with the library's own choice of ciphers"),
    ("request_logging", "see log.access"),
    ("request_id_header", "always X-Request-Id"),
    ("logging_", "one JSON line a request on stdout"),
    ("standard_logging", "see log.level"),
    ("auth_logging", "events have lines of their own"),
    ("exclude_logging_path", "see log.access"),
    ("silence_ping_logging", "the admin listener writes no access lines"),
    ("signature_key", "requests to the application are not signed"),
    (
        "insecure_oidc_skip_issuer_verification",
        "the issuer is always checked; write it as the provider does",
    ),
    ("insecure_oidc_skip_nonce", "the nonce is always checked"),
    (
        "ssl_insecure_skip_verify",
        "the provider's certificate is always checked; name its CA in ca_file",
    ),
    ("oidc_extra_audiences", "an id_token must be for client_id"),
    ("oidc_audience_claims", "the audience is always aud"),
    ("oidc_public_key_files", "keys come from jwks_uri"),
    ("jwt_key", "this version has no private_key_jwt yet"),
    ("client_assertion", "this version has no private_key_jwt yet"),
    (
        "validate_url",
        "sessions are not validated by a call; see refresh_before",
    ),
    (
        "backend_logout_url",
        "see end_session_endpoint and revocation_endpoint: sign-out uses both",
    ),
    ("encode_state", "state is always sealed"),
    ("relative_redirect_url", "public_url decides the redirect URI"),
    ("proxy_websockets", "WebSockets are always passed on"),
    ("flush_interval", "answers are passed on as they come"),
    (
        "show_debug_on_error",
        "pages show a cause and a request id, the log has the rest",
    ),
    ("google_", "rules ask the claims only"),
    ("github_token", "rules ask the claims only"),
    ("alpha_config", "import reads the --config file only"),
];

pub(super) fn write(old: &mut Old, new: &mut New) {
    if old.flag("request_logging") == Some(false) {
        new.table("[log]");
        new.key("access", false);
    }
    // What these are by default is what the gateway always does.
    for always in [
        "proxy_websockets",
        "skip_provider_button",
        "skip_auth_strip_headers",
        "encode_state",
    ] {
        let off = old.flag(always) == Some(false);
        if off {
            new.note(&format!("{always}: always on."));
        }
    }
    let left: Vec<String> = old.untouched().into_iter().map(str::to_owned).collect();
    if left.is_empty() {
        return;
    }
    new.line("");
    new.note("Options without a counterpart:");
    for option in left {
        let advice = ADVICE.iter().find(|(name, _)| option.starts_with(name));
        new.note(&match advice {
            Some((_, advice)) => format!("{option}: {advice}."),
            None => format!("{option}: nothing here is like it."),
        });
    }
}
