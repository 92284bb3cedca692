//! The provider as a client sees it, without a socket.

use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;
use url::Url;

use super::request::AuthorizationRequest;
use super::*;
use crate::clock::Timestamp;
use crate::secret::Secret;

const NOW: Timestamp = Timestamp(1_000_000);
const REQUEST: &str = "client_id=app&redirect_uri=http%3A%2F%2Fapp%2Foauth2%2Fcallback&response_type=code&state=s&nonce=n\
                       &scope=openid+profile+email&code_challenge_method=S256\
                       &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn provider(secret: Option<&str>) -> Provider {
    let secret = secret.map(|s| Secret::new(s.to_owned()));
    Provider::new(
        "http://idp".into(),
        Settings::demo("app", secret, "http://app", "/oauth2"),
    )
}

fn callback(response: &axum::response::Response) -> impl Fn(&str) -> Option<String> + use<> {
    let url = Url::parse(response.headers()[header::LOCATION].to_str().unwrap()).unwrap();
    move |name| {
        url.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }
}

fn code(provider: &Provider) -> String {
    let request = AuthorizationRequest::parse(REQUEST.as_bytes(), &provider.0.settings.read());
    let response = provider.sign_in(request.unwrap_or_else(|r| panic!("{r:?}")), "alice", NOW);
    callback(&response)("code").unwrap()
}

fn ask(provider: &Provider, form: &str) -> Result<Value, String> {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    provider
        .token(&headers, form.as_bytes(), NOW)
        .map_err(|error| format!("{error:?}"))
}

fn code_form(code: &str) -> String {
    format!(
        "grant_type=authorization_code&client_id=app&code={code}&code_verifier={VERIFIER}\
         &redirect_uri=http%3A%2F%2Fapp%2Foauth2%2Fcallback"
    )
}

fn refresh_form(answer: &Value) -> String {
    format!(
        "grant_type=refresh_token&client_id=app&refresh_token={}",
        answer["refresh_token"].as_str().unwrap()
    )
}

#[test]
fn the_callback_carries_code_state_and_iss_and_the_browser_stays_known() {
    let provider = provider(None);
    let request = AuthorizationRequest::parse(REQUEST.as_bytes(), &provider.0.settings.read());
    let response = provider.sign_in(request.unwrap_or_else(|r| panic!("{r:?}")), "alice", NOW);
    let field = callback(&response);
    assert_eq!(
        (field("state").as_deref(), field("iss").as_deref()),
        (Some("s"), Some("http://idp"))
    );

    let mut headers = HeaderMap::new();
    let cookie = response.headers()[header::SET_COOKIE]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap();
    headers.insert(header::COOKIE, cookie.parse().unwrap());
    assert_eq!(provider.authorize(&headers, REQUEST, NOW).status(), 303);
    for prompt in ["login", "select_account"] {
        assert_eq!(
            provider
                .authorize(&headers, &format!("{REQUEST}&prompt={prompt}"), NOW)
                .status(),
            200,
            "{prompt}"
        );
    }
    let silent = provider.authorize(&HeaderMap::new(), &format!("{REQUEST}&prompt=none"), NOW);
    assert_eq!(callback(&silent)("error").as_deref(), Some("login_required"));
}

#[test]
fn the_id_token_says_who_and_for_whom() {
    let provider = provider(None);
    let answer = ask(&provider, &code_form(&code(&provider))).unwrap();
    let claims = provider.key().verify(answer["id_token"].as_str().unwrap()).unwrap();
    for (name, value) in [
        ("iss", "http://idp"),
        ("aud", "app"),
        ("nonce", "n"),
        ("sub", "demo|alice"),
        ("email", "alice@example.com"),
        ("preferred_username", "alice"),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    assert_eq!(claims["groups"], serde_json::json!(["staff", "admins"]));
    let refreshed = ask(&provider, &refresh_form(&answer)).unwrap();
    assert!(
        !provider
            .key()
            .verify(refreshed["id_token"].as_str().unwrap())
            .unwrap()
            .contains_key("nonce")
    );
}

#[test]
fn a_refresh_token_used_twice_ends_the_grant() {
    let provider = provider(None);
    let first = ask(&provider, &code_form(&code(&provider))).unwrap();
    let second = ask(&provider, &refresh_form(&first)).unwrap();
    assert!(
        ask(&provider, &refresh_form(&first))
            .unwrap_err()
            .contains("invalid_grant")
    );
    assert!(
        ask(&provider, &refresh_form(&second))
            .unwrap_err()
            .contains("invalid_grant")
    );
}

#[test]
fn a_client_authenticates_as_it_is_registered() {
    for (secret, sent, good) in [
        (None, "", true),
        (None, "&client_secret=x", false),
        (Some("x"), "&client_secret=x", true),
        (Some("x"), "&client_secret=y", false),
        (Some("x"), "", false),
    ] {
        let provider = provider(secret);
        let answer = ask(&provider, &format!("{}{sent}", code_form(&code(&provider))));
        assert_eq!(answer.is_ok(), good, "{secret:?} {sent}");
        if let Err(error) = answer {
            assert!(error.contains("invalid_client"), "{error}");
        }
    }
}

#[test]
fn the_switches_leave_tokens_out() {
    let provider = provider(None);
    provider.change(|settings| {
        settings.issue_refresh_token = false;
        settings.issue_id_token = false;
    });
    let answer = ask(&provider, &code_form(&code(&provider))).unwrap();
    assert!(
        answer.get("refresh_token").is_none() && answer.get("id_token").is_none(),
        "{answer}"
    );
}
