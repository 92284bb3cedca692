//! A provider that is down or talks nonsense: what the visitor gets, and how often it is asked.

use serde_json::json;

use crate::support::answer::Answer;
use crate::support::gateway::{Gateway, Setup};
use crate::support::idp::{Endpoint, Idp};
use crate::support::upstream::App;
use crate::support::within;

#[tokio::test]
async fn a_gateway_starts_while_its_provider_is_down_and_signs_in_once_it_is_up() {
    let (idp, app) = (Idp::start().await, App::start().await);
    idp.down().await;
    let gateway = Gateway::between(idp, app, Setup::default()).await;
    let page = gateway.browser().visit("/").send().await;
    assert_eq!((page.status, page.header("retry-after")), (503, Some("5")));
    assert!(page.text().contains("<code>provider_unavailable</code>") && page.text().contains("Try again"));
    assert_eq!(gateway.ask_admin("GET", "/readyz").await.status, 200);

    gateway.idp.up().await;
    let browser = gateway.browser();
    within("the end of the back-off", async {
        while browser.visit("/").send().await.status == 503 {}
    })
    .await;
    assert_eq!(browser.login("/", "alice").await.status, 200);
}

#[tokio::test]
async fn existing_sessions_are_served_by_a_gateway_that_never_reached_the_provider() {
    let first = Gateway::start().await;
    let browser = first.signed_in().await;
    first.idp.down().await;
    let second = first.replica("").await;
    let other = second.carrying(&browser);
    let answer = other.fetch("GET", "/").send().await;
    assert_eq!(
        (answer.status, answer.echoed("x-forwarded-user")),
        (200, vec!["demo|alice".to_owned()])
    );
}

#[tokio::test]
async fn a_provider_that_falls_silent_before_the_callback_fails_this_login_and_not_the_next() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let callback = browser.login_until_callback("/", "alice").await;
    gateway.idp.down().await;
    let page = browser.visit(&callback).send().await;
    // Not 503: the code may be spent, so that waiting does not help; a new login does.
    assert_eq!((page.status, browser.cookie("sidegate")), (502, None));
    assert!(page.text().contains("/oauth2/start?rd=") && page.text().contains("Try again"));
    gateway.idp.up().await;
    assert_eq!(browser.login("/", "alice").await.status, 200);
}

#[tokio::test]
async fn discovery_that_answers_wrong_is_502_and_one_that_is_silent_503() {
    type Case = (&'static str, fn() -> Answer, u16);
    let cases: [Case; 7] = [
        ("HTML", || Answer::status(200, "text/html", "<h1>Hi</h1>"), 502),
        ("not found", || Answer::status(404, "text/plain", ""), 502),
        (
            "another issuer",
            || Answer::json(|m| m["issuer"] = json!("https://else.example")),
            502,
        ),
        (
            "no token endpoint",
            || Answer::json(|m| m["token_endpoint"] = json!(null)),
            502,
        ),
        (
            "plain http elsewhere",
            || Answer::json(|m| m["token_endpoint"] = json!("http://else.example/token")),
            502,
        ),
        ("a closed connection", || Answer::Close, 503),
        ("silence", || Answer::Hang, 503),
    ];
    for (case, answer, status) in cases {
        let gateway = Gateway::start_with(Setup::of_provider("timeout = \"300ms\"")).await;
        gateway.idp.always(Endpoint::Discovery, answer);
        let page = gateway.browser().visit("/").send().await;
        assert_eq!(page.status, status, "{case}");
        assert_eq!(page.header("retry-after").is_some(), status == 503, "{case}");
    }
}

#[tokio::test]
async fn keys_that_do_not_come_fail_the_login_and_not_the_next_one() {
    for (answer, status) in [
        (Answer::status(200, "text/html", "<h1>Hi</h1>"), 502),
        (Answer::Close, 503),
    ] {
        let gateway = Gateway::start().await;
        gateway.idp.script(Endpoint::Jwks, [answer]);
        assert_eq!(gateway.browser().login("/", "alice").await.status, status);
        let signed_in = async { while gateway.browser().login("/", "alice").await.status != 200 {} };
        within("a login after the back-off", signed_in).await;
    }
}

#[tokio::test]
async fn a_provider_in_trouble_is_not_stormed_by_those_who_want_to_sign_in() {
    let gateway = Gateway::start().await;
    gateway.idp.always(Endpoint::Discovery, || Answer::Close);
    for _ in 0..50 {
        assert_eq!(gateway.browser().visit("/").send().await.status, 503);
    }
    let asked = gateway.idp.count(Endpoint::Discovery);
    assert!((1..=3).contains(&asked), "{asked} times");
}

#[tokio::test]
async fn metadata_and_keys_are_asked_for_once_for_all_logins() {
    let gateway = Gateway::start().await;
    for _ in 0..5 {
        assert_eq!(gateway.browser().login("/", "alice").await.status, 200);
    }
    assert_eq!(
        (
            gateway.idp.count(Endpoint::Discovery),
            gateway.idp.count(Endpoint::Jwks)
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn a_new_signing_key_is_fetched_when_it_is_met() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.browser().login("/", "alice").await.status, 200);
    gateway.idp.provider().replace_key();
    assert_eq!(gateway.browser().login("/", "alice").await.status, 200);
    assert_eq!(gateway.idp.count(Endpoint::Jwks), 2);
}
