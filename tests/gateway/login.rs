//! A visitor without a session is signed in, and lands where they wanted to go.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use crate::support::answer::Answer;
use crate::support::gateway::Gateway;
use crate::support::idp::Endpoint;
use crate::support::wire::Response;

#[tokio::test]
async fn a_login_leads_to_the_page_first_asked_for_and_the_app_gets_the_token() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let page = browser.login("/a/b;x?q=1&r=%20+%2F", "alice").await;
    assert_eq!(page.status, 200);
    let seen = gateway.app.last();
    assert_eq!(seen.target, "/a/b;x?q=1&r=%20+%2F");
    let bearer = seen.header("authorization").unwrap();
    assert!(bearer.starts_with("Bearer "), "{bearer}");
    assert_eq!(seen.header("x-forwarded-user").as_deref(), Some("demo|alice"));
    assert_eq!(seen.header("cookie"), None);
    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
    let form = gateway.idp.last(Endpoint::Token);
    assert_eq!(form.form("grant_type").as_deref(), Some("authorization_code"));
    let info = browser.fetch("GET", "/oauth2/userinfo").send().await.json();
    assert_eq!(
        (&info["user"], &info["groups"]),
        (&json!("demo|alice"), &json!(["staff", "admins"]))
    );
    assert!(gateway.metric("sidegate_logins_total{outcome=\"success\"").await >= 1.0);
}

/// The parameters of an answer's `Location`.
fn sent_along(answer: &Response) -> HashMap<String, String> {
    let url = url::Url::parse(answer.location()).unwrap();
    url.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn every_login_has_a_state_a_nonce_and_a_verifier_of_its_own() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let mut known = HashSet::new();
    for _ in 0..3 {
        let sent = sent_along(&browser.visit("/").send().await);
        assert_eq!(sent["code_challenge_method"], "S256");
        // 22 characters of base64url are 128 bits.
        assert!(sent["nonce"].len() >= 22 && sent["state"].len() >= 22 && sent["code_challenge"].len() == 43);
        for name in ["state", "nonce", "code_challenge"] {
            assert!(known.insert(sent[name].clone()), "{name} came twice");
        }
    }
    for _ in 0..2 {
        gateway.browser().login("/", "alice").await;
        assert!(known.insert(gateway.idp.last(Endpoint::Token).form("code_verifier").unwrap()));
    }
}

#[tokio::test]
async fn the_authorization_request_says_what_it_must_and_no_more() {
    let gateway = Gateway::start().await;
    let sent = sent_along(&gateway.browser().visit("/").send().await);
    let mut names: Vec<_> = sent.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "client_id",
            "code_challenge",
            "code_challenge_method",
            "nonce",
            "redirect_uri",
            "response_type",
            "scope",
            "state"
        ]
    );
    assert_eq!(
        (sent["response_type"].as_str(), sent["scope"].as_str()),
        ("code", "openid profile email")
    );
    assert_eq!(sent["redirect_uri"], format!("{}/oauth2/callback", gateway.origin));
}

#[tokio::test]
async fn a_callback_that_comes_again_leads_to_the_page_and_its_code_is_not_redeemed_again() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let callback = browser.login_until_callback("/page?x=1", "alice").await;
    for _ in 0..3 {
        let answer = browser.visit(&callback).send().await;
        assert_eq!((answer.status, answer.location()), (302, "/page?x=1"));
    }
    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
}

#[tokio::test]
async fn a_login_without_its_cookie_begins_once_more_and_then_ends_on_a_page() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let callback = browser.login_until_callback("/page", "alice").await;
    browser.forget_home();
    let again = browser.visit(&callback).send().await;
    assert!(again.location().starts_with(gateway.idp.issuer()), "{again:?}");

    let second = browser.login_until_callback("/page", "alice").await;
    browser.forget_home();
    let restarted = browser.visit(&second).send().await;
    let callback = browser.follow(&restarted).send().await.location().to_owned();
    browser.forget_home();
    let page = browser.visit(&callback).send().await;
    assert_eq!(page.status, 400);
    assert!(page.text().contains("<code>login_loop</code>") && page.text().contains("Allow cookies"));
    assert_eq!(gateway.idp.count(Endpoint::Token), 0);
}

#[tokio::test]
async fn a_code_is_not_redeemed_again_after_a_failed_answer() {
    let gateway = Gateway::start().await;
    for (answer, status) in [
        (Answer::Lost, 502),
        (Answer::CutShort, 502),
        (Answer::Close, 502),
        (Answer::error(500, "server_error"), 502),
        (Answer::error(400, "invalid_grant"), 502),
        (Answer::error(401, "invalid_client"), 502),
    ] {
        let browser = gateway.browser();
        let callback = browser.login_until_callback("/page", "alice").await;
        let before = browser.twin();
        gateway.idp.forget();
        gateway.idp.script(Endpoint::Token, [answer]);
        assert_eq!(browser.visit(&callback).send().await.status, status);
        let again = before.visit(&callback).send().await;
        assert!(again.location().starts_with(gateway.idp.issuer()), "{again:?}");
        assert_eq!(gateway.idp.count(Endpoint::Token), 1);
    }
}

#[tokio::test]
async fn an_answer_from_another_issuer_than_the_one_asked_redeems_nothing() {
    let gateway = Gateway::start().await;
    let issuer = url::form_urlencoded::byte_serialize(gateway.idp.issuer().as_bytes()).collect::<String>();
    for iss in ["&iss=https%3A%2F%2Fevil.example", "", &format!("&iss={issuer}%2F")] {
        let browser = gateway.browser();
        let callback = browser.login_until_callback("/", "alice").await;
        let forged = callback.replace(&format!("&iss={issuer}"), iss);
        assert_ne!(forged, callback);
        let page = browser.visit(&forged).send().await;
        assert!(
            page.status == 400 && page.text().contains("<code>wrong_issuer</code>"),
            "{page:?}"
        );
    }
    assert_eq!(gateway.idp.count(Endpoint::Token), 0);
}

#[tokio::test]
async fn a_provider_that_does_not_promise_iss_need_not_send_it() {
    let gateway = Gateway::start().await;
    gateway.idp.change(|settings| settings.iss_parameter = false);
    assert_eq!(gateway.browser().login("/", "alice").await.status, 200);
}

#[tokio::test]
async fn a_callback_in_another_browser_signs_nobody_in() {
    let gateway = Gateway::start().await;
    let (attacker, victim) = (gateway.browser(), gateway.browser());
    let callback = attacker.login_until_callback("/", "bob").await;
    let answer = victim.visit(&callback).send().await;
    assert!(answer.location().starts_with(gateway.idp.issuer()), "{answer:?}");
    // The victim's own pending login beside it changes nothing.
    let answer = victim.visit(&callback).send().await;
    assert!(answer.location().starts_with(gateway.idp.issuer()), "{answer:?}");
    assert_eq!(
        (victim.cookie("sidegate"), gateway.idp.count(Endpoint::Token)),
        (None, 0)
    );
}

#[tokio::test]
async fn twenty_tabs_finish_in_any_order_and_leave_five_started_logins_at_most() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let mut tabs = Vec::new();
    for number in 0..20 {
        tabs.push((number, browser.visit(&format!("/tab/{number}")).send().await));
        let started = browser
            .cookies()
            .keys()
            .filter(|name| name.starts_with("sidegate_login_"))
            .count();
        assert!(started <= 5, "{started}");
    }
    // The newest first, then up and down.
    let newest = tabs.pop().unwrap();
    let page = browser.walk(newest.1, "alice").await;
    assert_eq!((page.status, gateway.app.last().target.as_str()), (200, "/tab/19"));
    assert_eq!(
        (
            gateway.idp.count(Endpoint::Token),
            gateway.idp.count(Endpoint::Authorize)
        ),
        (1, 1)
    );
    tabs.sort_by_key(|(number, _)| (number * 7) % 19);
    for (number, answer) in tabs {
        assert_eq!(browser.walk(answer, "alice").await.status, 200);
        assert_eq!(gateway.app.last().target, format!("/tab/{number}"));
    }
}

#[tokio::test]
async fn a_login_that_takes_too_long_is_not_known_any_more() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let callback = browser.login_until_callback("/", "alice").await;
    gateway.advance(601);
    let page = browser.visit(&callback).send().await;
    assert!(
        page.status == 400 && page.text().contains("<code>unknown_state</code>"),
        "{page:?}"
    );
    assert_eq!(gateway.idp.count(Endpoint::Token), 0);
}

#[tokio::test]
async fn a_callback_that_is_none_is_400_and_asks_nobody() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let state = sent_along(&browser.visit("/").send().await)["state"].clone();
    let flipped = format!("{}x{}", &state[..40], &state[41..]);
    for (query, cause) in [
        (String::new(), "bad_callback"),
        ("code=a".to_owned(), "bad_callback"),
        (format!("state={state}"), "bad_callback"),
        (format!("code=a&code=b&state={state}"), "bad_callback"),
        (format!("code=a&error=access_denied&state={state}"), "bad_callback"),
        (format!("error=%3Cscript%3E&state={state}"), "bad_callback"),
        ("code=a&state=made-up".to_owned(), "unknown_state"),
        ("error=access_denied&state=made-up".to_owned(), "unknown_state"),
        (format!("code=a&state={flipped}"), "unknown_state"),
        (format!("code=a&state={state}x"), "unknown_state"),
    ] {
        let page = browser.visit(&format!("/oauth2/callback?{query}")).send().await;
        assert_eq!(page.status, 400, "{query}");
        assert!(
            page.text().contains(&format!("<code>{cause}</code>")),
            "{query}: {}",
            page.text()
        );
        assert!(!page.text().contains("<script>") && page.text().contains("Try again"));
    }
    assert_eq!(gateway.idp.count(Endpoint::Token), 0);
    let posted = browser
        .submit("/oauth2/callback", &[("code", "a"), ("state", &state)])
        .send()
        .await;
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET")));
}

#[tokio::test]
async fn what_the_provider_says_instead_of_a_code_decides_between_403_and_502() {
    let gateway = Gateway::start().await;
    let issuer = url::form_urlencoded::byte_serialize(gateway.idp.issuer().as_bytes()).collect::<String>();
    for (code, status) in [
        ("access_denied", 403),
        ("login_required", 403),
        ("consent_required", 403),
        ("interaction_required", 403),
        ("account_selection_required", 403),
        ("server_error", 502),
        ("invalid_scope", 502),
        ("temporarily_unavailable", 502),
        ("something_of_its_own", 502),
    ] {
        let browser = gateway.browser();
        let state = sent_along(&browser.visit("/").send().await)["state"].clone();
        let query = format!("error={code}&error_description=%3Cb%3Ehi&state={state}&iss={issuer}");
        let page = browser.visit(&format!("/oauth2/callback?{query}")).send().await;
        assert_eq!(page.status, status, "{code}");
        let text = page.text();
        assert!(
            text.contains(&format!("<code>{code}</code>")) && !text.contains("<b>hi"),
            "{text}"
        );
        assert!(text.contains("/oauth2/start?rd="), "{text}");
        assert_eq!(browser.cookies().len(), 0, "{code}: the started login is over");
    }
    assert_eq!(gateway.metric("sidegate_logins_total{outcome=\"denied\"").await, 9.0);
}

#[tokio::test]
async fn whoever_called_the_login_off_at_the_provider_may_try_again() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let begun = browser.visit("/").send().await;
    let form = browser.follow(&begun).send().await;
    let action = format!("{}/login?{}", gateway.idp.issuer(), form.url.split_once('?').unwrap().1);
    let called_off = browser.request("POST", &action).form(&[]).send().await;
    let page = browser.follow(&called_off).send().await;
    assert_eq!(page.status, 403);
    assert!(page.text().contains("prompt=select_account"));
    assert_eq!(browser.login("/", "alice").await.status, 200);
}

#[tokio::test]
async fn who_wants_a_page_is_sent_to_the_login_and_everybody_else_gets_401() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let html = ("Accept", "text/html,*/*;q=0.8");
    let fetched = ("Sec-Fetch-Mode", "cors");
    let navigated = ("Sec-Fetch-Mode", "navigate");
    let upgrade = ("Upgrade", "websocket");
    for (method, headers, status) in [
        ("GET", vec![html, navigated], 302),
        ("HEAD", vec![html, navigated], 302),
        ("POST", vec![html, navigated], 303),
        ("GET", vec![html], 302),
        ("HEAD", vec![html], 302),
        ("POST", vec![html], 401),
        ("GET", vec![html, fetched], 401),
        ("GET", vec![("Accept", "*/*")], 401),
        ("GET", vec![], 401),
        ("PUT", vec![], 401),
        ("GET", vec![html, navigated, upgrade], 401),
    ] {
        let request = browser.request(method, "/page?x");
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value));
        let answer = request.send().await;
        assert_eq!(answer.status, status, "{method} {headers:?}");
        if status == 401 {
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            let json = answer.json();
            assert_eq!(
                (&json["error"], &json["login_url"]),
                (&json!("unauthenticated"), &json!("/oauth2/start"))
            );
        } else {
            assert!(answer.location().starts_with(gateway.idp.issuer()));
        }
    }
    assert!(gateway.app.seen().is_empty());
}

#[tokio::test]
async fn start_leads_where_rd_says_on_this_origin_and_nowhere_else() {
    let gateway = Gateway::start().await;
    for (rd, lands) in [
        ("/deep/link?a=1%262", "/deep/link?a=1%262"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/oauth2/sign_out", "/"),
        ("", "/"),
    ] {
        let rd: String = url::form_urlencoded::byte_serialize(rd.as_bytes()).collect();
        let page = gateway
            .browser()
            .login(&format!("/oauth2/start?rd={rd}"), "alice")
            .await;
        assert_eq!((page.status, gateway.app.last().target.as_str()), (200, lands), "{rd}");
    }
}
