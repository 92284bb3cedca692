//! Which route a request falls under, and what its `access` means.

use serde_json::json;

use crate::support::answer::Answer;
use crate::support::gateway::{Gateway, OVER};
use crate::support::idp::Endpoint;
use crate::support::upstream::App;

/// Public routes that say which of them was taken.
fn named(routes: &[(&str, &str, &str)]) -> String {
    let table = |(path, name, more): &(&str, &str, &str)| {
        format!(
            "[[routes]]\npath = \"{path}\"\nupstream = \"APP\"\naccess = \"public\"\n\
             response_headers = {{ X-Route = \"{name}\" }}\n{more}\n"
        )
    };
    routes.iter().map(table).collect()
}

#[tokio::test]
async fn the_longest_path_wins_by_whole_segments_then_the_host_then_the_method() {
    let routes = [
        ("/", "root", ""),
        ("/api", "api", ""),
        ("/api/v2", "v2", ""),
        ("/api", "api-host", "hosts = [\"api.test\"]"),
        ("/api", "api-put", "methods = [\"PUT\"]"),
        ("/only", "only", "methods = [\"GET\", \"POST\"]"),
    ];
    let gateway = Gateway::with_routes(&named(&routes)).await;
    let browser = gateway.browser();
    for (method, target, host, route) in [
        ("GET", "/", "", Some("root")),
        ("GET", "/apis", "", Some("root")),
        ("GET", "/ap", "", Some("root")),
        ("GET", "/API", "", Some("root")),
        ("GET", "/api", "", Some("api")),
        ("GET", "/api/", "", Some("api")),
        ("GET", "/api?x", "", Some("api")),
        ("GET", "/api/v1", "", Some("api")),
        ("GET", "/api/v2", "", Some("v2")),
        ("PUT", "/api/v2/x", "", Some("v2")),
        ("GET", "/api/v22", "", Some("api")),
        ("PUT", "/api/v1", "", Some("api-put")),
        ("GET", "/api/v1", "api.test", Some("api-host")),
        ("PUT", "/api/v1", "API.test", Some("api-host")),
        ("GET", "/x", "api.test", Some("root")),
        ("POST", "/only", "", Some("only")),
        ("DELETE", "/only", "", None),
    ] {
        let request = browser.request(method, target);
        let request = if host.is_empty() { request } else { request.host(host) };
        let answer = request.send().await;
        assert_eq!(answer.header("x-route"), route, "{method} {target} {host}: {answer:?}");
        if route.is_none() {
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, POST, HEAD")));
            assert_eq!(answer.json()["error"], json!("method_not_allowed"));
        }
    }
}

#[tokio::test]
async fn a_path_without_a_route_is_404() {
    let gateway = Gateway::with_routes(&named(&[("/app", "app", "")])).await;
    for target in ["/", "/other", "/oauth2/nothing"] {
        let answer = gateway.browser().visit(target).send().await;
        assert_eq!((answer.status, answer.header("x-route")), (404, None), "{target}");
        assert!(answer.text().contains("<code>not_found</code>"));
    }
    assert!(gateway.app.seen().is_empty());
}

const ACCESS: &str = "[[routes]]\npath = \"/\"\nupstream = \"APP\"\n\
    [[routes]]\npath = \"/optional\"\nupstream = \"APP\"\naccess = \"optional\"\n\
    [[routes]]\npath = \"/public\"\nupstream = \"APP\"\naccess = \"public\"\n\
    [[routes]]\npath = \"/deny\"\naccess = \"deny\"\n\
    [[routes]]\npath = \"/always\"\nupstream = \"APP\"\nunauthenticated = \"redirect\"\n\
    [[routes]]\npath = \"/never\"\nupstream = \"APP\"\nunauthenticated = \"401\"\n\
    [[routes]]\npath = \"/admins\"\nupstream = \"APP\"\nallow = { groups = [\"admins\"] }\n";

#[tokio::test]
async fn access_decides_who_gets_through_and_with_which_identity() {
    let gateway = Gateway::with_routes(ACCESS).await;
    let (stranger, bob) = (gateway.browser(), gateway.browser());
    bob.login("/", "bob").await;
    for (path, without, with, user) in [
        ("/", 401, 200, "demo|bob"),
        ("/optional", 200, 200, "demo|bob"),
        ("/public", 200, 200, ""),
        ("/deny", 403, 403, ""),
        ("/never", 401, 200, "demo|bob"),
        ("/always", 302, 200, "demo|bob"),
        ("/admins", 401, 403, ""),
    ] {
        let answer = stranger.fetch("GET", path).send().await;
        assert_eq!(answer.status, without, "{path}");
        if without == 200 {
            assert_eq!(
                (answer.echoed("x-forwarded-user"), answer.echoed("authorization")),
                (vec![], vec![]),
                "{path}"
            );
        }
        let answer = bob.fetch("GET", path).send().await;
        assert_eq!(answer.status, with, "{path}");
        if with == 200 {
            let expected: Vec<_> = Some(user.to_owned())
                .into_iter()
                .filter(|user| !user.is_empty())
                .collect();
            assert_eq!(
                (answer.echoed("x-forwarded-user"), answer.echoed("authorization").len()),
                (expected, usize::from(!user.is_empty())),
                "{path}"
            );
        }
    }
    assert_eq!(stranger.visit("/never").send().await.status, 401);
}

#[tokio::test]
async fn a_session_that_the_route_does_not_allow_gets_403_and_may_use_another_account() {
    let gateway = Gateway::with_routes(ACCESS).await;
    let browser = gateway.browser();
    browser.login("/", "bob").await;
    let page = browser.visit("/admins/x?y").send().await;
    assert_eq!(page.status, 403);
    let text = page.text().replace("&#x2f;", "/");
    assert!(
        text.contains("href=\"/oauth2/start?rd=%2Fadmins%2Fx%3Fy&amp;prompt=select_account\""),
        "{text}"
    );
    assert!(text.contains("Use another account"));
    let json = browser.fetch("GET", "/admins/x").send().await.json();
    assert_eq!(json["error"], json!("forbidden"));
    let page = browser
        .login("/oauth2/start?rd=%2Fadmins%2Fx%3Fy&prompt=select_account", "alice")
        .await;
    assert_eq!((page.status, gateway.app.last().target.as_str()), (200, "/admins/x?y"));
    let asked = gateway.idp.last(Endpoint::Authorize);
    assert_eq!(asked.query("prompt").as_deref(), Some("select_account"));
}

#[tokio::test]
async fn an_optional_route_is_served_without_identity_once_the_refresh_was_refused() {
    let gateway = Gateway::with_routes(ACCESS).await;
    let browser = gateway.signed_in().await;
    gateway
        .idp
        .script(Endpoint::Token, [Answer::error(400, "invalid_grant")]);
    gateway.advance(OVER);
    let answer = browser.fetch("GET", "/optional").send().await;
    assert_eq!(
        (
            answer.status,
            answer.echoed("x-forwarded-user"),
            browser.cookie("sidegate")
        ),
        (200, vec![], None)
    );
}

#[tokio::test]
async fn an_optional_route_keeps_nobodys_identity_back_while_the_provider_is_down() {
    let gateway = Gateway::with_routes(ACCESS).await;
    let browser = gateway.signed_in().await;
    gateway.idp.down().await;
    gateway.advance(OVER);
    let answer = browser.fetch("GET", "/optional").send().await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    assert!(browser.cookie("sidegate").is_some() && gateway.app.seen().is_empty());
}

#[tokio::test]
async fn a_public_route_needs_no_provider_and_refreshes_nothing() {
    let gateway = Gateway::with_routes(ACCESS).await;
    let browser = gateway.signed_in().await;
    gateway.idp.down().await;
    gateway.advance(OVER);
    let answer = browser.fetch("GET", "/public").send().await;
    assert_eq!(
        (answer.status, answer.set_cookies(), answer.echoed("cookie")),
        (200, vec![], vec![])
    );
}

#[tokio::test]
async fn each_route_has_its_own_upstream() {
    let other = App::start().await;
    let routes = format!(
        "[[routes]]\npath = \"/\"\nupstream = \"APP\"\naccess = \"public\"\n\
         [[routes]]\npath = \"/other\"\nupstream = \"{}\"\naccess = \"public\"\n",
        other.url()
    );
    let gateway = Gateway::with_routes(&routes).await;
    gateway.browser().fetch("GET", "/a").send().await;
    gateway.browser().fetch("GET", "/other/b").send().await;
    assert_eq!(
        (gateway.app.last().target.as_str(), other.last().target.as_str()),
        ("/a", "/other/b")
    );
    assert_eq!((gateway.app.seen().len(), other.seen().len()), (1, 1));
}
