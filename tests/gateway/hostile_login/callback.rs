//! A code is redeemed only where the state is ours, of this browser, unused, in time, and the answer from who was asked.

use super::nobody_came_in;
use crate::support::answer::Answer;
use crate::support::gateway::{Gateway, Setup};
use crate::support::idp::Endpoint;

/// The parts of a genuine callback that a table changes.
struct Callback {
    code: String,
    state: String,
    iss: String,
}

impl Callback {
    fn of(url: &str) -> Self {
        let url = url::Url::parse(url).unwrap();
        let field = |name: &str| {
            let value = url.query_pairs().find(|(own, _)| own == name).unwrap().1.into_owned();
            url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
        };
        Self {
            code: field("code"),
            state: field("state"),
            iss: field("iss"),
        }
    }

    /// `{code}`, `{state}` and `{iss}` filled in.
    fn fill(&self, query: &str) -> String {
        let query = query.replace("{code}", &self.code).replace("{state}", &self.state);
        format!("/oauth2/callback?{}", query.replace("{iss}", &self.iss))
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn what_is_no_answer_to_this_login_never_reaches_the_token_endpoint() {
    let gateway = Gateway::start().await;
    let markup = "%3Cscript%3Ealert(1)%3C/script%3E";
    let long = "x".repeat(9_000);
    let too_long = [
        format!("code={long}&state={{state}}&iss={{iss}}"),
        format!("code={{code}}&state={long}"),
    ];
    let cases = [
        ("", 400),
        ("code={code}", 400),
        ("code={code}&iss={iss}", 400),
        ("code={code}&state=&iss={iss}", 400),
        ("code=&state={state}&iss={iss}", 400),
        ("state={state}&iss={iss}", 400),
        ("code={code}&code={code}&state={state}&iss={iss}", 400),
        ("code={code}&state={state}&state={state}&iss={iss}", 400),
        ("code={code}&state={state}&state=x&iss={iss}", 400),
        ("code={code}&state={state}&iss={iss}&iss={iss}", 400),
        ("code={code}&state={state}&iss={iss}&error=access_denied", 400),
        ("code={code}&state={state}", 400),
        ("code={code}&state={state}&iss=", 400),
        ("code={code}&state={state}&iss={iss}/", 400),
        ("code={code}&state={state}&iss=https://evil.example", 400),
        ("code={code}&state={state}A&iss={iss}", 400),
        ("code={code}&state=x&iss={iss}", 400),
        ("code={code}&state={code}&iss={iss}", 400),
        ("error=access_denied&state={state}&iss={iss}", 403),
        ("error=login_required&state={state}&iss={iss}", 403),
        ("error=consent_required&state={state}&iss={iss}", 403),
        ("error=server_error&state={state}&iss={iss}", 502),
        ("error=temporarily_unavailable&state={state}&iss={iss}", 502),
        ("error=something_new&state={state}&iss={iss}", 502),
        ("error=access_denied&state={state}&iss=https://evil.example", 400),
        ("error=access_denied&state=x&iss={iss}", 400),
        ("error=access_denied&iss={iss}", 400),
        ("error=MARKUP&state={state}&iss={iss}", 400),
        (
            "error=access_denied&error_description=MARKUP&error_uri=javascript:alert(1)&state={state}&iss={iss}",
            403,
        ),
        ("error=a%0d%0aSet-Cookie:%20x=y&state={state}&iss={iss}", 400),
        ("error=access_denied%00&state={state}&iss={iss}", 400),
        ("code={code};state={state};iss={iss}", 400),
        ("%63ode={code}&code=x&state={state}&iss={iss}", 400),
        (&too_long[0], 400),
        (&too_long[1], 400),
    ];
    for (query, status) in cases {
        let browser = gateway.browser();
        let callback = Callback::of(&browser.login_until_callback("/", "alice").await);
        gateway.idp.forget();
        let answer = browser
            .visit(&callback.fill(&query.replace("MARKUP", markup)))
            .send()
            .await;
        assert_eq!(answer.status, status, "{query}");
        nobody_came_in(&gateway, &answer, 0, query);
        let page = answer.text();
        for text in ["<script", "alert(1)", &callback.code, &callback.state] {
            assert!(!page.contains(text), "{query}: {text}");
        }
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{query}");
    }
}

#[tokio::test]
async fn only_a_get_completes_a_login() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let url = browser.login_until_callback("/", "alice").await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
        let answer = browser
            .request(method, &url)
            .body("application/x-www-form-urlencoded", "")
            .send()
            .await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")), "{method}");
        nobody_came_in(&gateway, &answer, 0, method);
    }
    let answer = browser.request("HEAD", &url).send().await;
    assert_eq!(answer.status, 405);
    let query = url.split_once('?').unwrap().1.to_owned();
    let answer = browser
        .request("POST", "/oauth2/callback")
        .body("application/x-www-form-urlencoded", query);
    nobody_came_in(&gateway, &answer.send().await, 0, "the same as a form");
    assert_eq!(browser.visit(&url).send().await.status, 302);
    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
}

#[tokio::test]
async fn a_state_without_the_cookie_of_its_own_login_begins_the_login_again_and_redeems_nothing() {
    let gateway = Gateway::start().await;
    let (browser, other) = (gateway.browser(), gateway.browser());
    let url = browser.login_until_callback("/", "alice").await;
    other.login_until_callback("/", "bob").await;
    let (name, _) = browser.cookies().pop_first().unwrap();
    let (other_name, other_value) = other.cookies().pop_first().unwrap();
    for (what, cookies) in [
        ("no cookie", vec![]),
        ("another login's cookie", vec![(&other_name, other_value.as_str())]),
        (
            "another login's value under this name",
            vec![(&name, other_value.as_str())],
        ),
        ("rubbish", vec![(&name, "x")]),
        ("nothing under the name", vec![(&name, "")]),
    ] {
        let visitor = gateway.browser();
        for (name, value) in cookies {
            visitor.put_cookie(name, value);
        }
        gateway.idp.forget();
        let answer = visitor.visit(&url).send().await;
        assert_eq!(answer.status, 302, "{what}");
        assert!(answer.location().starts_with(gateway.idp.issuer()), "{what}");
        nobody_came_in(&gateway, &answer, 0, what);
    }
}

#[tokio::test]
async fn a_browser_that_never_keeps_the_cookie_ends_on_a_page_and_not_in_a_loop() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    for expected in [302, 400] {
        let url = browser.login_until_callback("/", "alice").await;
        browser.forget_home();
        let mut answer = browser.visit(&url).send().await;
        if expected == 400 {
            let again = browser.login_until_callback(answer.location(), "alice").await;
            browser.forget_home();
            answer = browser.visit(&again).send().await;
            assert!(answer.text().contains("login_loop"));
        }
        assert_eq!(answer.status, expected);
        nobody_came_in(&gateway, &answer, 0, "no cookies");
    }
}

#[tokio::test]
async fn an_old_state_is_no_state() {
    let gateway = Gateway::start_with(Setup {
        session: "login_timeout = \"5m\"".into(),
        ..Setup::default()
    })
    .await;
    let browser = gateway.browser();
    let url = browser.login_until_callback("/", "alice").await;
    gateway.advance(300);
    let answer = browser.visit(&url).send().await;
    assert_eq!(answer.status, 400);
    nobody_came_in(&gateway, &answer, 0, "after login_timeout");
}

#[tokio::test]
async fn a_callback_is_redeemed_once_also_when_that_failed_and_when_the_cookie_was_kept() {
    let gateway = Gateway::start().await;
    for failing in [false, true] {
        let (browser, thief) = (gateway.browser(), gateway.browser());
        let url = browser.login_until_callback("/", "alice").await;
        for (name, value) in browser.cookies() {
            thief.put_cookie(&name, &value);
        }
        gateway.idp.forget();
        if failing {
            gateway
                .idp
                .script(Endpoint::Token, [Answer::error(500, "server_error")]);
        }
        let first = browser.visit(&url).send().await.status;
        assert_eq!(first, if failing { 502 } else { 302 });
        for replay in [&browser, &thief, &thief] {
            let answer = replay.visit(&url).send().await;
            assert_eq!(answer.status, 302);
            nobody_came_in(&gateway, &answer, 1, "a replay");
        }
    }
}

#[tokio::test]
async fn two_callbacks_at_once_redeem_the_code_once() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let url = browser.login_until_callback("/", "alice").await;
    let (one, two, three) = (browser.twin(), browser.twin(), browser.twin());
    let both = tokio::join!(one.visit(&url).send(), two.visit(&url).send(), three.visit(&url).send());
    let signed_in = [&both.0, &both.1, &both.2]
        .into_iter()
        .filter(|answer| answer.set_cookies().iter().any(|line| line.starts_with("sidegate=")));
    assert_eq!(signed_in.count(), 1);
    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
}

#[tokio::test]
async fn iss_may_be_absent_only_where_the_provider_never_promised_it() {
    for (promised, sent, status) in [
        (true, true, 302),
        (true, false, 400),
        (false, true, 302),
        (false, false, 302),
    ] {
        let gateway = Gateway::start().await;
        gateway.idp.metadata(move |metadata| {
            metadata["authorization_response_iss_parameter_supported"] = promised.into();
        });
        let browser = gateway.browser();
        let callback = Callback::of(&browser.login_until_callback("/", "alice").await);
        let query = if sent {
            "code={code}&state={state}&iss={iss}"
        } else {
            "code={code}&state={state}"
        };
        let answer = browser.visit(&callback.fill(query)).send().await;
        assert_eq!(answer.status, status, "promised: {promised}, sent: {sent}");
        assert_eq!(gateway.idp.count(Endpoint::Token), usize::from(status == 302));
    }
}
