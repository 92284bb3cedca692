//! Trust in headers: what a stranger says of where a request came from changes nothing, and never which rule applies.
//!
//! Payloads: 34 header lines of strangers, each at 4 routes with and without a session (272), and at `/oauth2/auth` by two
//! methods with and without one (136); 22 lines of a trusted proxy's; 41 of its questions at `/oauth2/auth`, with and
//! without a session (82), 6 that are no text, 4 of another site's; 7 user agents. 529 in all.

use super::{alice, ask, taken};
use crate::support::gateway::{Gateway, Setup};

const ROUTES: &str = r#"
[[routes]]
path = "/"
upstream = "APP"
[[routes]]
path = "/public"
access = "public"
upstream = "APP"
[[routes]]
path = "/admin"
access = "deny"
upstream = "APP"
[[routes]]
path = "/written"
methods = ["GET"]
access = "public"
upstream = "APP"
[[routes]]
path = "/written"
upstream = "APP"
[[routes]]
path = "/theirs"
providers = ["other"]
upstream = "APP"
"#;

const OTHER: &str =
    "[providers.other]\nissuer = \"https://other.example.com\"\nclient_id = \"x\"\nclient_secret = \"y\"\n";

/// `LOCAL` stands for this machine's own words about itself.
const LINES: [&str; 34] = [
    "X-Original-URI: /public",
    "X-Original-URI: /admin",
    "X-Original-URL: /public",
    "X-Original-URL: http://localhost/public",
    "X-Original-Url: /admin",
    "X-Original-Method: GET",
    "X-Original-Host: evil.example",
    "X-Rewrite-URL: /public",
    "X-Rewrite-URL: /admin",
    "X_Original_URI: /public",
    "X_Rewrite_URL: /admin",
    "X-Original_URL: /public",
    "X-Forwarded-Uri: /public",
    "X-Forwarded-Uri: /admin",
    "X-Forwarded-Url: /public",
    "X-Forwarded-Path: /public",
    "X-Forwarded-Prefix: /public",
    "X-Forwarded-Method: GET",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Port: 443",
    "X-Forwarded-Server: evil.example",
    "X-Forwarded-For: 127.0.0.1",
    "X-Forwarded-Scheme: https",
    "X-Forwarded-Ssl: on",
    "X_Forwarded_For: 127.0.0.1",
    "X-Forwarded_Proto: https",
    "X.Forwarded.For: 127.0.0.1",
    "X-Real-IP: 127.0.0.1",
    "X_Real_IP: 127.0.0.1",
    "Forwarded: for=127.0.0.1;host=evil.example;proto=https",
    "X-Request-Id: forged",
    "X_Request_Id: forged",
    "X-Forwarded-: x",
];

async fn gateway(server: &str) -> Gateway {
    let (server, rest) = (server.to_owned(), format!("{OTHER}{ROUTES}"));
    let setup = Setup {
        server,
        rest: rest.replace("path = \"/\"\n", "path = \"/\"\nproviders = [\"main\"]\n"),
        ..Setup::default()
    };
    Gateway::start_with(setup).await
}

const TRUSTED: &str = "trusted_proxies = [\"127.0.0.1/32\"]";

#[tokio::test]
async fn no_strangers_header_changes_which_rule_applies_or_reaches_the_app() {
    let gateway = gateway("").await;
    let alice = alice(&gateway).await;
    for line in LINES {
        for (path, stranger, signed_in) in [
            ("/", 401, 200),
            ("/public", 200, 200),
            ("/admin", 403, 403),
            ("/theirs", 401, 401),
        ] {
            for (cookie, status) in [("Cookie: a=b", stranger), (&*alice, signed_in)] {
                let answer = ask(&gateway, &format!("GET {path}"), &[line, cookie]).await;
                assert_eq!(answer.status, status, "{path} {line}");
                let Some(seen) = gateway.app.seen().pop() else { continue };
                let (name, value) = line.split_once(": ").unwrap();
                assert!(
                    !seen
                        .header_all(name)
                        .iter()
                        .any(|own| own == value && own != "127.0.0.1"),
                    "{line}: {seen:?}"
                );
                let folded = name.replace(['_', '.'], "-");
                assert!(folded == name || seen.header(name).is_none(), "{line}: {seen:?}");
                let own = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]
                    .map(|name| seen.header_all(name).join("+"));
                assert_eq!(
                    own,
                    ["127.0.0.1", "http", gateway.origin.trim_start_matches("http://")],
                    "{line}"
                );
                assert_eq!(taken(&gateway), [format!("GET {path}")], "{line}");
            }
        }
    }
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_about_the_client_and_never_about_the_rule() {
    let gateway = gateway(TRUSTED).await;
    for (line, name, value) in [
        (
            "X-Forwarded-For: 192.0.2.7",
            "x-forwarded-for",
            Some("192.0.2.7, 127.0.0.1"),
        ),
        ("X-Forwarded-Proto: https", "x-forwarded-proto", Some("https")),
        ("X-Forwarded-Proto: gopher", "x-forwarded-proto", Some("http")),
        ("X-Forwarded-Host: a.example", "x-forwarded-host", Some("a.example")),
        ("X-Request-Id: of-the-proxy", "x-request-id", Some("of-the-proxy")),
        ("X-Real-IP: 192.0.2.7", "x-real-ip", Some("192.0.2.7")),
        ("X_Real_IP: 192.0.2.7", "x_real_ip", None),
        ("X_Forwarded_For: 192.0.2.7", "x_forwarded_for", None),
        ("X-Forwarded-User: root", "x-forwarded-user", None),
        ("X-Auth-Request-User: root", "x-auth-request-user", None),
    ] {
        assert_eq!(ask(&gateway, "GET /public", &[line]).await.status, 200);
        assert_eq!(gateway.app.last().header(name).as_deref(), value, "{line}");
    }
    gateway.app.forget();
    for line in [
        "X-Original-URI: /public",
        "X-Original-URL: /public",
        "X-Rewrite-URL: /public",
        "X-Forwarded-Uri: /public",
        "X-Forwarded-Prefix: /public",
        "X-Forwarded-Method: GET",
    ] {
        assert_eq!(ask(&gateway, "GET /admin", &[line]).await.status, 403, "{line}");
        assert_eq!(
            ask(&gateway, "POST /written", &[line, "Content-Length: 0"])
                .await
                .status,
            401,
            "{line}"
        );
    }
    assert_eq!(taken(&gateway), [""; 0]);
}

#[tokio::test]
async fn a_stranger_who_asks_for_a_judgement_is_judged_as_for_the_root() {
    let gateway = gateway("").await;
    let alice = alice(&gateway).await;
    for line in LINES {
        for method in ["GET", "POST"] {
            let asked = format!("{method} /oauth2/auth");
            assert_eq!(
                ask(&gateway, &asked, &[line, "Content-Length: 0"]).await.status,
                401,
                "{line}"
            );
            let answer = ask(&gateway, &asked, &[line, &alice, "Content-Length: 0"]).await;
            assert_eq!(
                (answer.status, answer.header("x-auth-request-access-token")),
                (202, None),
                "{line}"
            );
        }
    }
}

/// What a trusted proxy asks about, and the answer to a stranger and to Alice.
const ASKED: [(&[&str], u16, u16); 41] = [
    (&[], 401, 202),
    (&["X-Original-URI: /"], 401, 202),
    (&["X-Original-URI: /public/a?b"], 202, 202),
    (&["X-Original-URI: /admin"], 403, 403),
    (&["X-Original-URI: /theirs"], 401, 401),
    (&["X-Original-URL: http://localhost/public"], 202, 202),
    (&["X-Original-URL: http://localhost/admin"], 403, 403),
    (&["X-Original-URL: http://evil.example/public"], 403, 403),
    (&["X-Original-URL: http://localhost@evil.example/public"], 403, 403),
    (&["X-Original-URL: /public"], 202, 202),
    (&["X-Original-URL: /admin?u=http://localhost/public"], 403, 403),
    (&["X-Original-URL: ftp://localhost/public"], 400, 400),
    (&["X-Original-URL: http://localhost?/public"], 400, 400),
    (&["X-Forwarded-Uri: /public"], 202, 202),
    (&["X-Forwarded-Uri: /admin"], 403, 403),
    (
        &["X-Forwarded-Uri: /public", "X-Forwarded-Host: evil.example"],
        403,
        403,
    ),
    (&["X-Forwarded-Uri: /written", "X-Forwarded-Method: GET"], 202, 202),
    (&["X-Forwarded-Uri: /written", "X-Forwarded-Method: POST"], 401, 202),
    (&["X-Original-URI: /written", "X-Original-Method: PUT"], 401, 202),
    (&["X-Original-URI: /written", "X-Original-Method: get"], 403, 403),
    // Paths that two servers could read differently.
    (&["X-Original-URI: //admin"], 400, 400),
    (&["X-Original-URI: /public/../admin"], 400, 400),
    (&["X-Original-URI: /public/..;/admin"], 400, 400),
    (&["X-Original-URI: /public%2f..%2fadmin"], 400, 400),
    (&["X-Original-URI: /%61dmin"], 400, 400),
    (&["X-Original-URI: /public\\..\\admin"], 400, 400),
    (&["X-Original-URI: public"], 400, 400),
    (&["X-Original-URI: http://localhost/public"], 400, 400),
    (&["X-Original-URI:"], 400, 400),
    (&["X-Original-Method: G@T"], 400, 400),
    // What a client adds to what its proxy says: every proxy sets its own headers and passes the rest on.
    (&["X-Original-URI: /public", "X-Forwarded-Uri: /admin"], 400, 400),
    (&["X-Forwarded-Uri: /public", "X-Original-URI: /admin"], 400, 400),
    (
        &["X-Original-URI: /public", "X-Original-URL: http://localhost/admin"],
        400,
        400,
    ),
    (
        &["X-Original-URL: http://localhost/public", "X-Forwarded-Uri: /admin"],
        400,
        400,
    ),
    (&["X-Original-URI: /public", "X-Original-URI: /admin"], 400, 400),
    (&["X-Forwarded-Uri: /public", "X-Forwarded-Uri: /public"], 400, 400),
    (
        &["X-Original-URL: http://localhost/public", "X-Forwarded-Host: 127.0.0.1"],
        400,
        400,
    ),
    (
        &[
            "X-Forwarded-Uri: /written",
            "X-Forwarded-Method: POST",
            "X-Original-Method: GET",
        ],
        400,
        400,
    ),
    (
        &[
            "X-Forwarded-Uri: /public",
            "X-Forwarded-Host: localhost",
            "X-Forwarded-Host: localhost",
        ],
        400,
        400,
    ),
    (
        &[
            "X-Original-URI: /public",
            "X-Forwarded-Uri: /public",
            "X-Original-URL: http://localhost/public",
        ],
        202,
        202,
    ),
    (&["X-Original_URI: /public"], 401, 202),
];

#[tokio::test]
async fn a_trusted_proxy_that_asks_for_a_judgement_gets_the_one_of_the_request_it_asks_about() {
    let gateway = gateway(&format!("{TRUSTED}\nhosts = [\"localhost\", \"127.0.0.1\"]")).await;
    let alice = alice(&gateway).await;
    for (lines, stranger, signed_in) in ASKED {
        assert_eq!(
            ask(&gateway, "GET /oauth2/auth", lines).await.status,
            stranger,
            "{lines:?}"
        );
        let lines = [lines, &[&alice]].concat();
        let answer = ask(&gateway, "GET /oauth2/auth", &lines).await;
        assert_eq!(answer.status, signed_in, "{lines:?}");
    }
}

#[tokio::test]
async fn a_path_that_is_no_text_is_not_judged_as_the_root() {
    let gateway = gateway(TRUSTED).await;
    let (alice, browser) = (alice(&gateway).await, gateway.browser());
    for name in [
        "X-Original-URI",
        "X-Original-URL",
        "X-Forwarded-Uri",
        "X-Original-Method",
        "X-Forwarded-Method",
        "X-Forwarded-Host",
    ] {
        let question = browser.request("GET", "/oauth2/auth").line(&alice);
        let answer = question.line([name.as_bytes(), b": /admin/\xe9"].concat()).send().await;
        assert_eq!(answer.status, 400, "{name}");
    }
}

#[tokio::test]
async fn another_sites_unsafe_request_is_not_granted_through_a_proxy_that_asks() {
    let gateway = gateway(TRUSTED).await;
    let alice = alice(&gateway).await;
    for (method, from, status) in [
        ("POST", "Sec-Fetch-Site: cross-site", 403),
        ("POST", "Origin: https://evil.example", 403),
        ("POST", "Sec-Fetch-Site: same-origin", 202),
        ("GET", "Sec-Fetch-Site: cross-site", 202),
    ] {
        let method = format!("X-Forwarded-Method: {method}");
        let answer = ask(
            &gateway,
            "GET /oauth2/auth",
            &["X-Forwarded-Uri: /a", &method, from, &alice],
        )
        .await;
        assert_eq!(answer.status, status, "{method} {from}");
    }
}

#[tokio::test]
async fn no_user_agent_changes_an_answer() {
    let gateway = gateway("").await;
    for agent in [
        "",
        "curl/8",
        "kube-probe/1.31",
        "GoogleHC/1.0",
        "ELB-HealthChecker/2.0",
        "Mozilla/5.0",
        "\"><script>",
    ] {
        let line = format!("User-Agent: {agent}");
        assert_eq!(ask(&gateway, "GET /", &[&line]).await.status, 401, "{agent}");
    }
    assert_eq!(taken(&gateway), [""; 0]);
}
