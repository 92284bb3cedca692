//! A sign-out ends the session here and at the provider, whatever the provider says.

use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::browser::Browser;
use crate::support::gateway::{Gateway, Setup};
use crate::support::idp::Endpoint;
use crate::support::wire::Response;

/// The parameters of an answer's `Location`.
fn parameter(answer: &Response, name: &str) -> Option<String> {
    let url = url::Url::parse(answer.location()).unwrap();
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

fn without(member: &'static str) -> impl Fn(&mut Value) + Send + Sync + 'static {
    move |metadata| {
        metadata.as_object_mut().unwrap().remove(member);
    }
}

#[tokio::test]
async fn a_sign_out_deletes_the_cookie_revokes_the_refresh_token_and_goes_on_to_the_provider_and_back() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let answer = browser.visit("/oauth2/sign_out?rd=/bye%3Fa=b").send().await;
    assert_eq!((answer.status, browser.cookies().len()), (302, 0));
    assert!(answer.set_cookies()[0].starts_with("sidegate=;"), "{answer:?}");
    assert!(
        answer
            .location()
            .starts_with(&format!("{}/end_session?", gateway.idp.issuer()))
    );
    assert_eq!(parameter(&answer, "client_id").as_deref(), Some("app"));
    assert_eq!(
        parameter(&answer, "post_logout_redirect_uri"),
        Some(format!("{}/oauth2/signed_out", gateway.origin))
    );
    assert_eq!(parameter(&answer, "id_token_hint").unwrap().split('.').count(), 3);

    let revoked = gateway.idp.last(Endpoint::Revocation);
    assert_eq!(revoked.form("token_type_hint").as_deref(), Some("refresh_token"));
    assert!(revoked.form("token").is_some() && revoked.header("authorization").is_some());

    let back = browser.follow(&answer).send().await;
    let landed = browser.follow(&back).send().await;
    assert_eq!((landed.status, landed.location()), (302, "/bye?a=b"));
    let asks = browser.login_until_callback("/", "alice").await;
    assert!(
        gateway.idp.count(Endpoint::Login) == 1,
        "the provider's session is over too: {asks}"
    );
    assert_eq!(gateway.metric("sidegate_sign_outs_total{kind=\"local\"").await, 1.0);
}

#[tokio::test]
async fn without_rd_the_signed_out_page_is_shown() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let answer = browser.visit("/oauth2/sign_out").send().await;
    let back = browser.follow(&answer).send().await;
    let page = browser.follow(&back).send().await;
    assert_eq!(page.status, 200);
    assert!(
        page.text().contains("You are signed out")
            && page.text().replace("&#x2f;", "/").contains("href=\"/oauth2/start\"")
    );
    for state in ["", "?state=", "?state=made-up"] {
        assert_eq!(
            browser.visit(&format!("/oauth2/signed_out{state}")).send().await.status,
            200
        );
    }
}

#[tokio::test]
async fn without_an_end_session_endpoint_the_visitor_goes_straight_to_the_target() {
    let gateway = Gateway::start().await;
    gateway.idp.metadata(without("end_session_endpoint"));
    for (rd, to) in [
        ("?rd=/bye", "/bye"),
        ("", "/oauth2/signed_out"),
        ("?rd=https://evil.example/", "/oauth2/signed_out"),
    ] {
        let browser = gateway.signed_in().await;
        let answer = browser.visit(&format!("/oauth2/sign_out{rd}")).send().await;
        assert_eq!(
            (answer.status, answer.location(), browser.cookies().len()),
            (302, to, 0)
        );
        assert_eq!(gateway.idp.count(Endpoint::Revocation), 1);
    }
}

#[tokio::test]
async fn a_foreign_rd_is_not_carried_through_the_provider_unless_it_is_allowed() {
    let setup = Setup {
        rest: "[redirects]\nallowed = [\"https://*.example.com\"]".to_owned(),
        ..Setup::default()
    };
    let gateway = Gateway::start_with(setup).await;
    for (rd, lands) in [
        ("https://evil.example/", None),
        ("https://a.example.com/x", Some("https://a.example.com/x")),
    ] {
        let browser = gateway.signed_in().await;
        let answer = browser.visit(&format!("/oauth2/sign_out?rd={rd}")).send().await;
        let back = browser.follow(&answer).send().await;
        assert_eq!(browser.follow(&back).send().await.header("location"), lands);
    }
}

#[tokio::test]
async fn the_access_token_is_revoked_where_there_is_no_refresh_token() {
    let gateway = Gateway::start().await;
    gateway.idp.change(|settings| settings.issue_refresh_token = false);
    let browser = gateway.signed_in().await;
    let bearer = browser.fetch("GET", "/").send().await.echoed("authorization").remove(0);
    browser.visit("/oauth2/sign_out").send().await;
    let revoked = gateway.idp.last(Endpoint::Revocation);
    assert_eq!(revoked.form("token_type_hint").as_deref(), Some("access_token"));
    assert_eq!(revoked.form("token").as_deref(), bearer.strip_prefix("Bearer "));
}

#[tokio::test]
async fn whatever_the_revocation_endpoint_says_the_session_is_over() {
    let gateway = Gateway::start_with(Setup::of_provider("timeout = \"500ms\"")).await;
    for answer in [
        Answer::error(400, "unsupported_token_type"),
        Answer::status(500, "text/html", "<p>"),
        Answer::status(503, "text/plain", ""),
        Answer::Close,
        Answer::Hang,
    ] {
        let browser = gateway.signed_in().await;
        gateway.idp.script(Endpoint::Revocation, [answer]);
        let answer = browser.visit("/oauth2/sign_out").send().await;
        assert_eq!((answer.status, browser.cookies().len()), (302, 0));
    }
    let browser = gateway.signed_in().await;
    gateway.idp.down().await;
    assert_eq!(browser.visit("/oauth2/sign_out").send().await.status, 302);
    assert_eq!(browser.cookies().len(), 0);
}

#[tokio::test]
async fn a_provider_without_a_revocation_endpoint_is_not_asked() {
    let gateway = Gateway::start().await;
    gateway.idp.metadata(without("revocation_endpoint"));
    let browser = gateway.signed_in().await;
    assert_eq!(browser.visit("/oauth2/sign_out").send().await.status, 302);
    assert_eq!(
        (gateway.idp.count(Endpoint::Revocation), browser.cookies().len()),
        (0, 0)
    );
}

#[tokio::test]
async fn an_ended_session_is_signed_out_like_any_other() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    gateway.advance(200);
    let answer = browser.visit("/oauth2/sign_out").send().await;
    assert_eq!((answer.status, browser.cookies().len()), (302, 0));
    assert_eq!(
        (
            gateway.idp.count(Endpoint::Token),
            gateway.idp.count(Endpoint::Revocation)
        ),
        (0, 1)
    );
}

#[tokio::test]
async fn without_a_session_a_sign_out_asks_no_provider_and_clears_what_is_left() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    browser.put_cookie("sidegate", "junk");
    browser.put_cookie("sidegate_3", "junk");
    let answer = browser.visit("/oauth2/sign_out?rd=/x").send().await;
    assert_eq!(
        (answer.status, answer.location(), browser.cookies().len()),
        (302, "/x", 0)
    );
    assert_eq!(gateway.idp.count(Endpoint::Revocation), 0);
}

#[tokio::test]
async fn a_form_on_a_page_of_ours_signs_out_at_once() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let answer = browser.submit("/oauth2/sign_out", &[("rd", "/bye")]).send().await;
    assert_eq!((answer.status, browser.cookies().len()), (303, 0));
}

fn from_elsewhere<'b>(browser: &'b Browser, method: &str) -> crate::support::browser::Request<'b> {
    let request = browser
        .request(method, "/oauth2/sign_out?rd=/bye")
        .header("Accept", "text/html");
    request
        .header("Sec-Fetch-Mode", "navigate")
        .header("Sec-Fetch-Site", "cross-site")
}

#[tokio::test]
async fn another_sites_page_cannot_sign_anybody_out_without_being_asked() {
    let gateway = Gateway::start().await;
    for method in ["GET", "POST"] {
        let browser = gateway.signed_in().await;
        let page = from_elsewhere(&browser, method).send().await;
        assert_eq!((page.status, page.set_cookies()), (200, vec![]), "{method}");
        assert!(page.text().contains("Sign out?"));
        assert_eq!(browser.fetch("GET", "/").send().await.status, 200);
        let field = page
            .text()
            .split("name=\"confirm\" value=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned();
        let confirmed = browser
            .submit("/oauth2/sign_out", &[("confirm", &field), ("rd", "/bye")])
            .send()
            .await;
        assert_eq!((confirmed.status, browser.cookies().len()), (303, 0), "{method}");
    }
    let stranger = gateway.browser();
    assert_eq!(from_elsewhere(&stranger, "GET").send().await.location(), "/bye");
}

#[tokio::test]
async fn a_failed_sign_in_afterwards_knows_nothing_of_the_old_session() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    browser.visit("/oauth2/sign_out").send().await;
    let answer = browser.fetch("GET", "/oauth2/userinfo").send().await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &json!("unauthenticated"))
    );
}
