//! "What a visitor gets", as a table: what is asked, status, cause, and the headers that each answer of our own has.

use serde_json::Value;

use crate::support::browser::{Browser, Request};
use crate::support::gateway::{Gateway, Setup};
use crate::support::wire::{Response, exchange};

const CSP: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const ROUTES: &str = "[[routes]]\npath = \"/\"\nupstream = \"APP\"\n\
    [[routes]]\npath = \"/get\"\nupstream = \"APP\"\nmethods = [\"GET\"]\naccess = \"public\"\n\
    [[routes]]\npath = \"/small\"\nupstream = \"APP\"\naccess = \"public\"\nmax_body = \"3\"\n\
    [[routes]]\npath = \"/unkept\"\nupstream = \"APP\"\nstash_post = \"0\"\n\
    [[routes]]\npath = \"/never\"\nupstream = \"APP\"\nunauthenticated = \"401\"\n\
    [[routes]]\npath = \"/deny\"\naccess = \"deny\"\n\
    [[routes]]\npath = \"/down\"\nupstream = \"http://127.0.0.1:1\"\naccess = \"public\"\n\
    [[routes]]\npath = \"/admins\"\nupstream = \"APP\"\nallow = { groups = [\"admins\"] }\n";

/// Method, target, header lines, status, cause.
type Case = (&'static str, &'static str, &'static [&'static str], u16, &'static str);

/// What Bob, who is signed in, gets as a page and as JSON.
const CASES: &[Case] = &[
    ("GET", "/admins", &[], 403, "forbidden"),
    ("GET", "/deny", &[], 403, "forbidden"),
    ("GET", "/down", &[], 502, "upstream_unavailable"),
    ("PUT", "/get", &[], 405, "method_not_allowed"),
    ("TRACE", "/", &[], 405, "method_not_allowed"),
    ("GET", "/oauth2/none", &[], 404, "not_found"),
    ("GET", "/oauth2/static/none.css", &[], 404, "not_found"),
    ("GET", "/oauth2/callback", &[], 400, "bad_callback"),
    ("GET", "/oauth2/callback?code=a&state=b", &[], 400, "unknown_state"),
    ("POST", "/oauth2/callback", &[], 405, "method_not_allowed"),
    ("GET", "/oauth2/start?provider=none", &[], 400, "unknown_provider"),
    ("POST", "/oauth2/start", &[], 405, "method_not_allowed"),
    ("DELETE", "/oauth2/sign_out", &[], 405, "method_not_allowed"),
    ("GET", "/a/../b", &[], 400, "bad_path"),
    ("GET", "/a\\b", &[], 400, "bad_path"),
    ("GET", "/%61dmins", &[], 400, "ambiguous_path"),
    ("GET", "//admins", &[], 400, "ambiguous_path"),
    ("GET", "/admins;x", &[], 400, "ambiguous_path"),
    ("GET", "/a%2Fb", &[], 400, "encoded_slash"),
    ("GET", "/", &["Upgrade: h2c"], 400, "bad_upgrade"),
    ("POST", "/small", &["Content-Length: 4"], 413, "body_too_large"),
    ("POST", "/", &["Origin: https://evil.example"], 403, "cross_site"),
    (
        "GET",
        "/",
        &["Upgrade: websocket", "Origin: https://evil.example"],
        403,
        "cross_site",
    ),
];

/// The headers that every answer of our own has.
fn check_own(answer: &Response, what: &str) {
    for (name, value) in [
        ("cache-control", Some("no-store")),
        ("x-content-type-options", Some("nosniff")),
        ("referrer-policy", Some("no-referrer")),
        ("strict-transport-security", None),
    ] {
        assert_eq!(
            answer.headers(name),
            value.into_iter().collect::<Vec<_>>(),
            "{what}: {name}"
        );
    }
}

fn check_page(page: &Response, cause: &str, what: &str) {
    check_own(page, what);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{what}");
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(
        policy.starts_with("default-src 'none';")
            && policy.contains("frame-ancestors 'none'")
            && !policy.contains("unsafe"),
        "{what}: {policy}"
    );
    assert_eq!(policy, CSP, "{what}");
    let text = page.text();
    assert!(
        text.contains(&format!("<code>{cause}</code>")) && text.contains("Request ID"),
        "{what}: {text}"
    );
    assert!(text.contains("class=\"button\""), "{what}: a way on");
    assert!(!text.contains("<script") && !text.contains(" style="), "{what}");
}

fn check_json(answer: &Response, cause: &str, what: &str) {
    check_own(answer, what);
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
    let json = answer.json();
    let id = json["request_id"].as_str().unwrap_or_default();
    assert_eq!((json["error"].as_str(), id.len()), (Some(cause), 32), "{what}");
    assert_eq!(
        answer.header("content-length"),
        Some(answer.body.len().to_string().as_str()),
        "{what}"
    );
}

fn ask<'b>(browser: &'b Browser, case: &Case, page: bool) -> Request<'b> {
    let request = browser.request(case.0, case.1);
    let request = case.2.iter().fold(request, |request, line| request.line(line));
    if page {
        request
            .header("Accept", "text/html")
            .header("Sec-Fetch-Mode", "navigate")
    } else {
        request
    }
}

async fn with_bob(setup: Setup) -> (Gateway, Browser) {
    let gateway = Gateway::start_with(Setup {
        rest: ROUTES.to_owned(),
        ..setup
    })
    .await;
    let bob = gateway.browser();
    assert_eq!(bob.login("/", "bob").await.status, 200);
    gateway.app.forget();
    (gateway, bob)
}

#[tokio::test]
async fn every_refusal_is_a_page_for_people_and_json_for_programs() {
    let (gateway, bob) = with_bob(Setup::default()).await;
    for case in CASES {
        let (method, target, headers, status, cause) = *case;
        let what = format!("{method} {target} {headers:?}");
        let page = ask(&bob, case, true).send().await;
        assert_eq!(page.status, status, "{what}: {page:?}");
        // A page of ours cannot be shown where a socket was asked for.
        if headers.iter().any(|line| line.starts_with("Upgrade:")) {
            check_json(&page, cause, &what);
        } else {
            check_page(&page, cause, &what);
        }
        let answer = ask(&bob, case, false).send().await;
        assert_eq!(answer.status, status, "{what}");
        check_json(&answer, cause, &what);
    }
    assert!(gateway.app.seen().is_empty());
    assert_eq!(
        bob.fetch("GET", "/").send().await.status,
        200,
        "none of it cost the session"
    );
}

#[tokio::test]
async fn a_405_names_the_methods_that_are_allowed() {
    let (_gateway, bob) = with_bob(Setup::default()).await;
    for (method, target, allow) in [
        ("PUT", "/get", "GET, HEAD"),
        ("DELETE", "/oauth2/sign_out", "GET, HEAD, POST"),
        ("GET", "/oauth2/refresh", "POST"),
        ("POST", "/oauth2/userinfo", "GET, HEAD"),
        ("POST", "/oauth2/static/x", ""),
    ] {
        let answer = bob.request(method, target).send().await;
        assert_eq!(
            answer.header("allow").unwrap_or_default(),
            allow,
            "{method} {target}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn hosts_that_are_not_ours_are_421_and_none_or_two_400() {
    let (gateway, _) = with_bob(Setup::default()).await;
    let own = gateway.origin.trim_start_matches("http://");
    for (hosts, version, status, cause) in [
        (vec!["evil.example"], "1.1", 421, "misdirected_request"),
        (vec!["localhost.evil.example"], "1.1", 421, "misdirected_request"),
        (vec![own, own], "1.1", 400, "bad_host"),
        (vec![own, "evil.example"], "1.1", 400, "bad_host"),
        (vec!["a b"], "1.1", 400, "bad_host"),
        (vec![], "1.1", 400, "bad_host"),
        (vec![], "1.0", 400, "bad_host"),
    ] {
        let lines: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        let answer = exchange(
            gateway.address,
            format!("GET /get HTTP/{version}\r\n{lines}Connection: close\r\n\r\n"),
        )
        .await;
        assert_eq!(answer.status, status, "{hosts:?}");
        // Without any Host the parser may refuse before us.
        if !answer.body.is_empty() {
            check_json(&answer, cause, &format!("{hosts:?}"));
        }
    }
    assert!(gateway.app.seen().is_empty());
}

#[tokio::test]
async fn a_header_past_the_limit_is_431() {
    let (gateway, bob) = with_bob(Setup::of_server("")).await;
    let answer = bob
        .fetch("GET", "/")
        .header("X-Large", &"x".repeat(70 * 1024))
        .send()
        .await;
    assert_eq!(answer.status, 431);
    check_json(&answer, "header_too_large", "431");
    assert_eq!(
        bob.fetch("GET", "/")
            .header("X-Large", &"x".repeat(40 * 1024))
            .send()
            .await
            .status,
        200
    );
    drop(gateway);
}

#[tokio::test]
async fn answers_without_a_refusal_have_the_same_headers() {
    let (gateway, bob) = with_bob(Setup::default()).await;
    let stranger = gateway.browser();
    for (answer, status) in [
        (stranger.visit("/").send().await, 302),
        (stranger.submit("/", &[]).send().await, 200),
        (stranger.submit("/unkept", &[]).send().await, 303),
        (stranger.fetch("GET", "/").send().await, 401),
        (stranger.fetch("HEAD", "/").send().await, 401),
        (stranger.visit("/never").send().await, 401),
        (stranger.visit("/oauth2/signed_out").send().await, 200),
        (bob.fetch("GET", "/oauth2/userinfo").send().await, 200),
        (bob.fetch("POST", "/oauth2/refresh").send().await, 204),
        (bob.fetch("GET", "/oauth2/auth").send().await, 202),
        (bob.visit("/oauth2/sign_out").send().await, 302),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        check_own(&answer, &answer.url);
        let length = answer.header("content-length");
        assert_eq!(length.is_none(), status == 204, "{answer:?}");
    }
}

#[tokio::test]
async fn the_pages_own_assets_may_be_kept_and_nothing_else() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let page = browser
        .visit("/oauth2/signed_out")
        .send()
        .await
        .text()
        .replace("&#x2f;", "/");
    let style = page
        .split("href=\"/oauth2/static/")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let answer = browser.fetch("GET", &format!("/oauth2/static/{style}")).send().await;
    assert_eq!(
        (answer.status, answer.header("x-content-type-options")),
        (200, Some("nosniff"))
    );
    assert!(answer.header("cache-control").unwrap().contains("max-age=31536000") && !answer.body.is_empty());
}

#[tokio::test]
async fn with_https_every_answer_of_ours_demands_it_for_a_year_unless_the_operator_says_otherwise() {
    for (hsts, expected) in [("", Some("max-age=31536000")), ("\nhsts = false", None)] {
        let server = format!("public_url = \"https://app.example.test:PORT\"{hsts}");
        let gateway = Gateway::start_with(Setup::of_server(&server)).await;
        let browser = gateway.browser();
        for target in ["/", "/oauth2/none", "/oauth2/signed_out"] {
            assert_eq!(
                browser.visit(target).send().await.header("strict-transport-security"),
                expected,
                "{target}"
            );
        }
    }
}

#[tokio::test]
async fn a_page_shows_nothing_of_the_request_as_markup() {
    let (_gateway, bob) = with_bob(Setup::default()).await;
    for target in [
        "/admins?%3Cb%3Ex",
        "/oauth2/none%3Cb%3Ex",
        "/oauth2/start?provider=%3Cb%3Ex",
        "/deny/%22%3E%3Cb%3Ex",
    ] {
        let text = bob.visit(target).send().await.text();
        assert!(!text.contains("<b>x") && !text.is_empty(), "{target}: {text}");
    }
}

#[tokio::test]
async fn the_request_id_of_an_answer_is_the_one_that_the_app_would_see() {
    let setup = Setup {
        rest: ROUTES.to_owned(),
        ..Setup::of_server("trusted_proxies = [\"127.0.0.1\"]")
    };
    let gateway = Gateway::start_with(setup).await;
    let answer = gateway
        .browser()
        .request("GET", "/deny")
        .header("X-Request-Id", "abc-123")
        .send()
        .await;
    assert_eq!(answer.json()["request_id"], Value::from("abc-123"));
    let unfit = gateway
        .browser()
        .request("GET", "/deny")
        .header("X-Request-Id", "a b<c>")
        .send()
        .await;
    assert_eq!(unfit.json()["request_id"].as_str().unwrap().len(), 32);
}
