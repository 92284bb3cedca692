//! A provider that says no to a refresh ends the session; one that is in trouble does not.

use serde_json::json;

use crate::support::answer::Answer;
use crate::support::gateway::{DUE, Gateway, OVER, Setup};
use crate::support::idp::Endpoint;

type Case = (&'static str, fn() -> Answer);

const REFUSALS: &[Case] = &[
    ("invalid_grant", || Answer::error(400, "invalid_grant")),
    ("an empty 400", || Answer::status(400, "text/plain", "")),
    ("a 400 of HTML", || {
        Answer::status(400, "text/html", "<h1>Bad request</h1>")
    }),
    ("a 401", || Answer::error(401, "invalid_token")),
    ("an error with status 200", || {
        Answer::document(&json!({"error": "invalid_grant"}))
    }),
    ("unauthorized_client", || Answer::error(400, "unauthorized_client")),
];

const TROUBLES: &[Case] = &[
    ("invalid_client, 401", || Answer::error(401, "invalid_client")),
    ("invalid_client, 400", || Answer::error(400, "invalid_client")),
    ("temporarily_unavailable", || {
        Answer::error(400, "temporarily_unavailable")
    }),
    ("slow_down", || Answer::error(400, "slow_down")),
    ("server_error with status 200", || {
        Answer::document(&json!({"error": "server_error"}))
    }),
    ("408", || Answer::status(408, "text/plain", "")),
    ("425", || Answer::status(425, "text/plain", "")),
    ("429", || Answer::status(429, "text/plain", "too many")),
    ("500", || Answer::status(500, "text/html", "<h1>Oops</h1>")),
    ("a firewall's 403", || {
        Answer::status(403, "text/html", "<h1>Forbidden</h1>")
    }),
    ("HTML with status 200", || {
        Answer::status(200, "text/html", "<h1>Welcome</h1>")
    }),
    ("no access token", || Answer::document(&json!({"token_type": "Bearer"}))),
    ("a redirect", || Answer::Redirect(302, "/elsewhere".to_owned())),
    ("a closed connection", || Answer::Close),
    ("silence", || Answer::Hang),
];

#[tokio::test]
async fn a_refused_refresh_clears_the_session_and_the_login_begins_anew() {
    let gateway = Gateway::start().await;
    for (case, answer) in REFUSALS {
        let browser = gateway.signed_in().await;
        gateway.idp.script(Endpoint::Token, [answer()]);
        gateway.advance(OVER);
        let api = browser.twin();
        let page = browser.visit("/p?q").send().await;
        assert_eq!((page.status, browser.cookie("sidegate")), (302, None), "{case}");
        assert!(
            page.location()
                .starts_with(&format!("{}/authorize?", gateway.idp.issuer()))
        );
        let call = api.fetch("GET", "/p").send().await;
        assert_eq!((call.status, api.cookie("sidegate")), (401, None), "{case}");
        assert_eq!(
            gateway.idp.count(Endpoint::Token),
            1,
            "{case}: the refused token is not sent again"
        );
    }
    assert_eq!(gateway.refreshes("refused").await, 2.0 * REFUSALS.len() as f64);
}

#[tokio::test]
async fn a_provider_in_trouble_costs_a_moment_and_no_session() {
    let gateway = Gateway::start_with(Setup::of_provider("timeout = \"300ms\"")).await;
    for &(case, answer) in TROUBLES {
        let browser = gateway.signed_in().await;
        gateway.idp.always(Endpoint::Token, answer);
        gateway.advance(OVER);
        let before = browser.cookies();
        let page = browser.visit("/").send().await;
        assert_eq!(
            (page.status, page.header("retry-after")),
            (503, Some("5")),
            "{case}: {page:?}"
        );
        let call = browser.fetch("GET", "/").send().await;
        assert_eq!(
            (call.status, &call.json()["error"]),
            (503, &json!("refresh_unavailable")),
            "{case}"
        );
        assert_eq!(browser.cookies(), before, "{case}");
        gateway.idp.as_usual(Endpoint::Token);
        gateway.advance(3);
        let again = browser.fetch("GET", "/").send().await;
        assert_eq!(again.status, 200, "{case}");
        assert!(again.sets_session(), "{case}");
    }
}

#[tokio::test]
async fn while_the_access_token_is_good_a_provider_in_trouble_is_not_noticed_nor_stormed() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    gateway
        .idp
        .always(Endpoint::Token, || Answer::error(503, "temporarily_unavailable"));
    gateway.advance(DUE);
    for _ in 0..20 {
        let answer = browser.fetch("GET", "/").send().await;
        assert_eq!((answer.status, answer.set_cookies()), (200, vec![]));
    }
    gateway.until_refreshes("unavailable", 1.0).await;
    // The second that the first wait lasts may end meanwhile.
    assert!((1..=2).contains(&gateway.idp.count(Endpoint::Token)));

    gateway.idp.as_usual(Endpoint::Token);
    gateway.advance(3);
    browser.fetch("GET", "/").send().await;
    gateway.until_refreshes("refreshed", 1.0).await;
    assert!(browser.fetch("GET", "/").send().await.sets_session());
}

#[tokio::test]
async fn trouble_lasts_longer_between_attempts_each_time() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    gateway
        .idp
        .always(Endpoint::Token, || Answer::status(500, "text/plain", ""));
    gateway.advance(OVER);
    // Waits of 1, 2, 4, 8, 16, 30, 30 … seconds: at every second of two minutes one visitor tries.
    for _ in 0..120 {
        assert_eq!(browser.fetch("GET", "/").send().await.status, 503);
        gateway.advance(1);
    }
    let asked = gateway.idp.count(Endpoint::Token);
    assert!((7..=9).contains(&asked), "{asked} attempts");
}

#[tokio::test]
async fn a_busy_visitor_does_not_become_an_idle_one_while_the_provider_is_in_trouble() {
    let gateway = Gateway::start_with(Setup::of_session("idle_timeout = \"2m\"")).await;
    let browser = gateway.signed_in().await;
    gateway
        .idp
        .always(Endpoint::Token, || Answer::status(500, "text/plain", ""));
    for _ in 0..12 {
        gateway.advance(50);
        let answer = browser.fetch("GET", "/").send().await;
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
    }
    // Longer than any wait between attempts.
    gateway.idp.as_usual(Endpoint::Token);
    gateway.advance(50);
    assert_eq!(browser.fetch("GET", "/").send().await.status, 200);
}
