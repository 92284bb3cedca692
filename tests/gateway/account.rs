//! What an application's own pages, and other proxies, may ask the gateway: `userinfo`, `refresh`, `auth`.

use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::gateway::{Gateway, OVER, Setup};
use crate::support::idp::Endpoint;

#[tokio::test]
async fn userinfo_says_who_is_signed_in_and_until_when() {
    let gateway = Gateway::start().await;
    let before = sidegate::clock::now().0;
    let browser = gateway.signed_in().await;
    let answer = browser.fetch("GET", "/oauth2/userinfo").send().await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json"))
    );
    let mut info = answer.json();
    let members = info.as_object_mut().unwrap();
    let (token, session) = (
        members.remove("expires_at").unwrap(),
        members.remove("session_expires_at").unwrap(),
    );
    let (token, session) = (token.as_u64().unwrap(), session.as_u64().unwrap());
    assert_eq!(
        (session - token, (before + 120..before + 140).contains(&token)),
        (43_200 - 120, true)
    );
    assert_eq!(
        info,
        json!({"user": "demo|alice", "email": "alice@example.com", "groups": ["staff", "admins"],
               "preferred_username": "alice", "provider": "main"})
    );
}

#[tokio::test]
async fn absent_claims_are_null_and_groups_are_a_list_all_the_same() {
    let gateway = Gateway::start_with(Setup::of_provider("scopes = [\"openid\"]")).await;
    let browser = gateway.signed_in().await;
    let info = browser.fetch("GET", "/oauth2/userinfo").send().await.json();
    assert_eq!(
        (&info["email"], &info["preferred_username"], &info["groups"]),
        (&Value::Null, &Value::Null, &json!([]))
    );
    assert_eq!(
        gateway.browser().fetch("GET", "/oauth2/userinfo").send().await.status,
        401
    );
}

#[tokio::test]
async fn userinfo_refreshes_a_token_that_is_over_and_says_503_where_it_cannot() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    gateway.advance(OVER);
    gateway
        .idp
        .script(Endpoint::Token, [Answer::error(503, "temporarily_unavailable")]);
    let answer = browser.fetch("GET", "/oauth2/userinfo").send().await;
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true));
    gateway.advance(2);
    let answer = browser.fetch("GET", "/oauth2/userinfo").send().await;
    assert!(answer.status == 200 && answer.sets_session(), "{answer:?}");
}

#[tokio::test]
async fn refresh_refreshes_now_once() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let old = browser.fetch("GET", "/").send().await.echoed("authorization");
    for wait in [0, 61, 121] {
        gateway.idp.forget();
        gateway.advance(wait);
        let answer = browser.fetch("POST", "/oauth2/refresh").send().await;
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{wait}");
        assert!(answer.sets_session(), "{answer:?}");
        assert_eq!(gateway.idp.count(Endpoint::Token), 1, "{wait}");
    }
    assert_ne!(browser.fetch("GET", "/").send().await.echoed("authorization"), old);
}

#[tokio::test]
async fn refresh_says_why_it_does_not() {
    let gateway = Gateway::start().await;
    assert_eq!(
        gateway.browser().fetch("POST", "/oauth2/refresh").send().await.status,
        401
    );
    let browser = gateway.signed_in().await;
    let answer = browser.fetch("GET", "/oauth2/refresh").send().await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    for (name, value) in [
        ("Origin", "https://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        let answer = browser
            .request("POST", "/oauth2/refresh")
            .header(name, value)
            .send()
            .await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (403, Some("cross_site")),
            "{name}: {value}"
        );
    }
    assert_eq!(gateway.idp.count(Endpoint::Token), 0);

    gateway.idp.down().await;
    let answer = browser.fetch("POST", "/oauth2/refresh").send().await;
    assert_eq!(
        (
            answer.status,
            answer.header("retry-after").is_some(),
            answer.set_cookies()
        ),
        (503, true, vec![])
    );
    gateway.idp.up().await;
    assert_eq!(browser.fetch("GET", "/").send().await.status, 200);
    gateway.advance(2);
    gateway
        .idp
        .script(Endpoint::Token, [Answer::error(400, "invalid_grant")]);
    assert_eq!(browser.fetch("POST", "/oauth2/refresh").send().await.status, 401);
    assert_eq!(browser.cookie("sidegate"), None);
}

const ROUTES: &str = "[[routes]]\npath = \"/\"\nupstream = \"APP\"\n\
    [[routes]]\npath = \"/public\"\nupstream = \"APP\"\naccess = \"public\"\n\
    [[routes]]\npath = \"/optional\"\nupstream = \"APP\"\naccess = \"optional\"\n\
    [[routes]]\npath = \"/deny\"\naccess = \"deny\"\n\
    [[routes]]\npath = \"/bare\"\nupstream = \"APP\"\nauthorization = \"none\"\n\
    [[routes]]\npath = \"/admins\"\nupstream = \"APP\"\nallow = { groups = [\"admins\"] }\n";

async fn trusting() -> Gateway {
    let server = "trusted_proxies = [\"127.0.0.0/8\"]".to_owned();
    Gateway::start_with(Setup {
        server,
        rest: ROUTES.to_owned(),
        ..Setup::default()
    })
    .await
}

#[tokio::test]
async fn auth_answers_a_trusted_proxy_for_the_request_that_it_asks_about() {
    let gateway = trusting().await;
    let (stranger, bob) = (gateway.browser(), gateway.browser());
    bob.login("/", "bob").await;
    for (name, value, without, with) in [
        ("X-Original-URI", "/x?y", 401, 202),
        ("X-Original-URI", "/public/x", 202, 202),
        ("X-Original-URI", "/optional", 202, 202),
        ("X-Original-URI", "/deny", 403, 403),
        ("X-Original-URI", "/admins", 401, 403),
        ("X-Original-URI", "/%61dmins", 400, 400),
        ("X-Original-URI", "/admins/../x", 400, 400),
        ("X-Forwarded-Uri", "/admins", 401, 403),
        ("X-Original-URL", "http://HOST/admins?x", 401, 403),
        ("X-Original-URL", "/admins", 401, 403),
        ("X-Original-URL", "http://evil.example/", 403, 403),
        ("X-Forwarded-Host", "evil.example", 403, 403),
        ("X-Other", "x", 401, 202),
    ] {
        let value = value.replace("HOST", gateway.origin.trim_start_matches("http://"));
        let answer = stranger
            .request("GET", "/oauth2/auth")
            .header(name, &value)
            .send()
            .await;
        assert_eq!(answer.status, without, "{name}: {value}: {answer:?}");
        let answer = bob.request("GET", "/oauth2/auth").header(name, &value).send().await;
        assert_eq!(answer.status, with, "{name}: {value}");
    }
}

#[tokio::test]
async fn auth_says_who_it_is_and_gives_the_token_where_the_route_does() {
    let gateway = trusting().await;
    let browser = gateway.signed_in().await;
    let bearer = browser.fetch("GET", "/").send().await.echoed("authorization").remove(0);
    for (path, token) in [("/x", bearer.strip_prefix("Bearer ")), ("/bare", None)] {
        let answer = browser
            .request("GET", "/oauth2/auth")
            .header("X-Original-URI", path)
            .send()
            .await;
        let said = ["user", "email", "groups", "preferred-username"]
            .map(|name| answer.header(&format!("x-auth-request-{name}")));
        assert_eq!(
            said,
            [
                Some("demo|alice"),
                Some("alice@example.com"),
                Some("staff,admins"),
                Some("alice")
            ]
        );
        assert_eq!(answer.header("x-auth-request-access-token"), token, "{path}");
    }
}

#[tokio::test]
async fn auth_takes_the_groups_that_it_is_asked_for() {
    let gateway = trusting().await;
    let browser = gateway.signed_in().await;
    let cases = [
        ("admins", 202),
        ("none,staff", 202),
        ("none", 403),
        ("admin", 403),
        ("", 202),
        (",", 202),
        ("none&allowed_groups=staff", 202),
    ];
    for (groups, status) in cases {
        let answer = browser
            .request("GET", &format!("/oauth2/auth?allowed_groups={groups}"))
            .send()
            .await;
        assert_eq!(answer.status, status, "{groups}");
    }
}

#[tokio::test]
async fn auth_believes_no_stranger_and_gives_it_no_token() {
    let gateway = Gateway::with_routes(ROUTES).await;
    let browser = gateway.signed_in().await;
    let asked = |browser: &crate::support::browser::Browser| {
        let request = browser
            .request("GET", "/oauth2/auth")
            .header("X-Original-URI", "/public");
        request
            .header("X-Forwarded-Uri", "/public")
            .header("X-Original-URL", "http://localhost/public")
            .bytes("close")
    };
    let answer = crate::support::wire::exchange(gateway.address, asked(&gateway.browser())).await;
    assert_eq!(answer.status, 401);
    let answer = crate::support::wire::exchange(gateway.address, asked(&browser)).await;
    assert_eq!(
        (answer.status, answer.header("x-auth-request-access-token")),
        (202, None)
    );
}

#[tokio::test]
async fn auth_refreshes_and_its_answer_carries_the_cookie() {
    let gateway = trusting().await;
    let browser = gateway.signed_in().await;
    gateway.advance(OVER);
    let answer = browser.request("GET", "/oauth2/auth").send().await;
    assert!(answer.status == 202 && answer.sets_session(), "{answer:?}");
}
