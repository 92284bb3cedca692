//! Shapes that real servers send and that a login must survive (or must not), each through a whole login and refresh.

use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::gateway::{Gateway, OVER, Setup};
use crate::support::idp::Endpoint;

type Change = fn(&mut Value);

fn without(answer: &mut Value, name: &str) {
    answer.as_object_mut().unwrap().remove(name);
}

/// Name, change of the token answer, and whether the token is known to end.
const SHAPES: &[(&str, Change, bool)] = &[
    ("token_type bearer", |a| a["token_type"] = json!("bearer"), true),
    ("token_type bEARER", |a| a["token_type"] = json!("bEARER"), true),
    ("no token_type", |a| without(a, "token_type"), true),
    ("expires_in as a string", |a| a["expires_in"] = json!("120"), true),
    ("expires_in as a fraction", |a| a["expires_in"] = json!(120.5), true),
    (
        "expires in seconds",
        |a| {
            without(a, "expires_in");
            a["expires"] = json!("120");
        },
        true,
    ),
    ("neither", |a| without(a, "expires_in"), false),
    ("expires_in null", |a| a["expires_in"] = Value::Null, false),
    ("no scope", |a| without(a, "scope"), true),
    ("scope with commas", |a| a["scope"] = json!("openid,profile"), true),
    ("scope as a list", |a| a["scope"] = json!(["openid", "profile"]), true),
    (
        "extra members",
        |a| {
            a["user"] = json!({"id": 7, "list": [1, null]});
            a["ok"] = json!(true);
            a["error"] = Value::Null;
        },
        true,
    ),
];

#[tokio::test]
async fn a_login_and_a_refresh_survive_every_odd_shape() {
    let gateway = Gateway::start().await;
    for &(name, change, ends) in SHAPES {
        gateway.idp.as_usual(Endpoint::Token);
        gateway.idp.always(Endpoint::Token, move || Answer::json(change));
        let browser = gateway.signed_in().await;
        let info = browser.fetch("GET", "/oauth2/userinfo").send().await.json();
        assert_eq!(info["expires_at"].is_u64(), ends, "{name}: {info}");
        gateway.advance(OVER);
        assert_eq!(browser.fetch("GET", "/").send().await.status, 200, "{name}");
        assert_eq!(gateway.idp.count(Endpoint::Token), usize::from(ends), "{name}");
    }
}

#[tokio::test]
async fn an_answer_written_as_a_form_is_an_answer() {
    let gateway = Gateway::start().await;
    gateway.idp.always(Endpoint::Token, || Answer::Form);
    let browser = gateway.signed_in().await;
    gateway.advance(OVER);
    let answer = browser.fetch("GET", "/").send().await;
    assert_eq!(
        (answer.status, answer.echoed("x-forwarded-user")),
        (200, vec!["demo|alice".to_owned()])
    );
    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
}

#[tokio::test]
async fn an_instant_in_expires_is_an_instant() {
    let gateway = Gateway::start().await;
    let at = sidegate::clock::now().0 + 500;
    gateway.idp.always(Endpoint::Token, move || {
        Answer::json(move |answer| {
            without(answer, "expires_in");
            answer["expires"] = json!(at);
        })
    });
    let browser = gateway.signed_in().await;
    assert_eq!(
        browser.fetch("GET", "/oauth2/userinfo").send().await.json()["expires_at"],
        json!(at)
    );
}

#[tokio::test]
async fn a_login_without_a_refresh_token_lasts_as_long_as_its_access_token() {
    let gateway = Gateway::start().await;
    gateway.idp.change(|settings| settings.issue_refresh_token = false);
    let browser = gateway.signed_in().await;
    gateway.advance(115);
    assert_eq!(browser.fetch("GET", "/").send().await.status, 200);
    gateway.advance(6);
    assert_eq!(browser.fetch("GET", "/").send().await.status, 401);
    assert_eq!(
        (browser.cookie("sidegate"), gateway.idp.count(Endpoint::Token)),
        (None, 0)
    );
}

#[tokio::test]
async fn a_token_answer_that_is_none_is_a_502_page_that_shows_nothing_of_it() {
    let gateway = Gateway::start().await;
    for answer in [
        Answer::document(&json!({"error": "invalid_grant", "error_description": "leak-me"})),
        Answer::document(&json!({"access_token": "leak-me", "token_type": "mac"})),
        Answer::document(&json!({"access_token": "", "token_type": "Bearer"})),
        Answer::document(&json!({"access_token": "leak me", "token_type": "Bearer"})),
        Answer::document(&json!(["leak-me"])),
        Answer::status(200, "text/html", "<h1>leak-me</h1>"),
        Answer::status(200, "application/json", ""),
        Answer::status(500, "text/html", "leak-me"),
        Answer::status(418, "text/html", "leak-me"),
        Answer::Redirect(302, "/leak-me".to_owned()),
        Answer::Huge(2 * 1024 * 1024),
        Answer::MisSigned,
        Answer::id_token(|_, claims| claims["nonce"] = json!("leak-me")),
        Answer::id_token(|_, claims| claims["aud"] = json!("leak-me")),
        Answer::id_token(|_, claims| claims["iss"] = json!("https://leak-me.example")),
        Answer::id_token(|_, claims| claims["exp"] = json!(1)),
        Answer::id_token(|header, _| header["alg"] = json!("none")),
        Answer::id_token(|_, claims| claims["sub"] = json!("control\u{7}character")),
    ] {
        let browser = gateway.browser();
        gateway.idp.script(Endpoint::Token, [answer]);
        let page = browser.login("/", "alice").await;
        assert_eq!((page.status, browser.cookie("sidegate")), (502, None), "{page:?}");
        assert!(
            page.text().contains("<code>provider_error</code>") && !page.text().contains("leak"),
            "{page:?}"
        );
    }
    assert_eq!(gateway.metric("sidegate_logins_total{outcome=\"failed\"").await, 18.0);
}

#[tokio::test]
async fn an_id_token_for_several_audiences_is_taken_where_it_names_us_as_its_party() {
    let gateway = Gateway::start().await;
    gateway.idp.script(
        Endpoint::Token,
        [Answer::id_token(|_, claims| claims["aud"] = json!(["app"]))],
    );
    assert_eq!(gateway.browser().login("/", "alice").await.status, 200);
}

#[tokio::test]
async fn userinfo_that_was_to_be_asked_always_and_fails_is_502() {
    let gateway = Gateway::start_with(Setup::of_provider("userinfo = \"always\"")).await;
    for answer in [
        Answer::status(500, "text/plain", ""),
        Answer::status(200, "text/html", "<p>"),
        Answer::json(|claims| claims["sub"] = json!("demo|bob")),
        Answer::error(401, "invalid_token"),
    ] {
        gateway.idp.script(Endpoint::Userinfo, [answer]);
        assert_eq!(gateway.browser().login("/", "alice").await.status, 502);
    }
    assert_eq!(gateway.browser().login("/", "alice").await.status, 200);
}
