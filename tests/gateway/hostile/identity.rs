//! Identity spoofing: nobody but the gateway says who somebody is.
//!
//! Payloads: 34 header lines, sent twice each, at 6 places with and without a session, plain and named in `Connection`
//! (404); 7 under names that the operator set; 9 headers named in `Connection`; 27 claims; 11 lines over HTTP/2; 13 cookies
//! of the app's. 471 in all.

use http::Request;
use serde_json::{Value, json};

use super::{alice, ask};
use crate::support::answer::Answer;
use crate::support::gateway::{Gateway, Setup};
use crate::support::http2::Tls;
use crate::support::idp::Endpoint;
use crate::support::seen::Seen;
use crate::support::upstream::Reply;

const ROUTES: &str = r#"
[identity_headers]
X-Forwarded-User = "user"
X-Forwarded-Email = "email"
X-Forwarded-Groups = "groups"
X-Department = "department"
X-Roles = "roles"
[[routes]]
path = "/"
upstream = "APP"
request_headers = { X-Team = "{claim.department}", X-Fixed = "gateway" }
remove_request_headers = ["X-Debug"]
[[routes]]
path = "/public"
access = "public"
upstream = "APP"
[[routes]]
path = "/keep"
access = "public"
authorization = "keep"
upstream = "APP"
[[routes]]
path = "/optional"
access = "optional"
upstream = "APP"
"#;

const CLAIMS: &str = "claims = { department = \"department\", roles = \"roles\" }";

/// Every value has `root` in it.
const LINES: [&str; 34] = [
    "X-Forwarded-User: root",
    "x-forwarded-user: root",
    "X-FORWARDED-USER: root",
    "X_Forwarded_User: root",
    "X-Forwarded_User: root",
    "x_forwarded-user: root",
    "X.Forwarded.User: root",
    "X-Forwarded!User: root",
    "X~Forwarded~User: root",
    "X-Forwarded-Email: root@a",
    "X_FORWARDED_EMAIL: root@a",
    "X-Forwarded-Groups: root,wheel",
    "X_Forwarded_Groups: root",
    "X-Department: root",
    "X_Department: root",
    "X-Roles: root",
    "x_roles: root",
    "X-Forwarded-Preferred-Username: root",
    "X_Forwarded_Preferred_Username: root",
    "X-Forwarded-Access-Token: root",
    "X_Forwarded_Access_Token: root",
    "X-Auth-Request-User: root",
    "X-Auth-Request-Email: root@a",
    "X-Auth-Request-Anything: root",
    "X_Auth_Request_User: root",
    "x-auth-request-access-token: root",
    "Remote-User: root",
    "REMOTE_USER: root",
    "Remote.User: root",
    "remote_user: root",
    "Authorization: Bearer root",
    "Authorization: Basic cm9vdDpyb290, root",
    "Proxy-Authorization: Basic root",
    "X-Forwarded-User:\troot",
];

async fn gateway() -> Gateway {
    Gateway::start_with(Setup {
        provider: CLAIMS.to_owned(),
        rest: ROUTES.to_owned(),
        ..Setup::default()
    })
    .await
}

fn forged(seen: &Seen) -> bool {
    seen.headers
        .iter()
        .any(|(_, value)| String::from_utf8_lossy(value.as_bytes()).contains("root"))
}

#[tokio::test]
async fn no_identity_of_a_clients_making_reaches_the_app() {
    let gateway = gateway().await;
    let alice = alice(&gateway).await;
    for line in LINES {
        for (path, cookie) in [
            ("/", &*alice),
            ("/public", &alice),
            ("/public", "A: b"),
            ("/optional", &alice),
            ("/optional", "A: b"),
            ("/keep", "A: b"),
        ] {
            if path == "/keep" && line.starts_with("Authorization") {
                continue;
            }
            let named = format!("Connection: close, {}", line.split(':').next().unwrap());
            for connection in ["Connection: close", &named] {
                // Twice: an application may look at the last line of a name.
                let answer = ask(&gateway, &format!("GET {path}"), &[line, cookie, connection, line]).await;
                let Some(seen) = gateway.app.seen().pop() else {
                    assert_eq!((answer.status, connection), (400, &*named), "{path} {line}");
                    continue;
                };
                let (signed_in, user) = (
                    cookie == alice && path != "/public",
                    seen.header_all("x-forwarded-user"),
                );
                assert!(!forged(&seen), "{path} {line}, {connection}: {seen:?}");
                assert_eq!(
                    user,
                    if signed_in { vec!["demo|alice"] } else { vec![] },
                    "{path} {line}, {connection}"
                );
                assert_eq!(seen.header("x-department"), None);
                gateway.app.forget();
            }
        }
    }
}

#[tokio::test]
async fn headers_that_the_operator_sets_or_removes_are_never_the_clients() {
    let gateway = gateway().await;
    let alice = alice(&gateway).await;
    for line in [
        "X-Team: root",
        "X_Team: root",
        "X-Fixed: root",
        "x_fixed: root",
        "X.Fixed: root",
        "X-Debug: root",
        "X_DEBUG: root",
    ] {
        assert_eq!(ask(&gateway, "GET /", &[line, &alice, line]).await.status, 200);
        let seen = gateway.app.last();
        assert!(!forged(&seen), "{line}: {seen:?}");
        assert_eq!(
            (seen.header_all("x-fixed"), seen.header("x-team")),
            (vec!["gateway".to_owned()], None),
            "{line}"
        );
    }
}

#[tokio::test]
async fn connection_names_none_of_the_headers_that_we_set() {
    let gateway = gateway().await;
    let alice = alice(&gateway).await;
    for named in [
        "authorization",
        "x-forwarded-user",
        "X-Forwarded-Email",
        "x-request-id",
        "traceparent",
        "x-fixed",
        "x-forwarded-for",
        "host",
        "content-length",
    ] {
        let line = format!("Connection: close, {named}");
        let status = ask(&gateway, "GET /", &[&alice, &line]).await.status;
        let Some(seen) = gateway.app.seen().pop() else {
            assert_eq!(status, 400, "{named}");
            continue;
        };
        for name in [
            "authorization",
            "x-forwarded-user",
            "x-forwarded-email",
            "x-request-id",
            "traceparent",
            "x-fixed",
            "x-forwarded-for",
            "host",
        ] {
            assert_eq!(seen.header_all(name).len(), 1, "{named} took away {name}: {seen:?}");
        }
        gateway.app.forget();
    }
}

/// A claim, what the provider says, and the header's lines.
fn claims() -> [(&'static str, Value, &'static [&'static str]); 22] {
    let (long, many) = ("x".repeat(20_000), vec!["a-group-of-many"; 600]);
    let (plain, cut): (&'static [&'static str], &'static [&'static str]) = (&["staff"], &[]);
    [
        ("department", json!("ops"), &["ops"]),
        ("department", json!("Doe, John"), &["Doe, John"]),
        (
            "department",
            json!("Caf\u{e9} \u{65e5}\u{672c}"),
            &["Caf\u{e9} \u{65e5}\u{672c}"],
        ),
        ("department", json!("ops\r\nX-Forwarded-User: root"), cut),
        ("department", json!("ops\nroot"), cut),
        ("department", json!("ops\rroot"), cut),
        ("department", json!("ops\0root"), cut),
        ("department", json!("ops\u{7f}"), cut),
        ("department", json!("ops\u{85}root"), cut),
        ("department", json!(" ops"), cut),
        ("department", json!("ops\t"), cut),
        ("department", json!(""), cut),
        ("department", json!(long), cut),
        ("department", json!({"name": "root"}), cut),
        ("department", json!(null), cut),
        ("roles", json!(["a", "b"]), &["a,b"]),
        ("roles", json!(["staff", "x,root"]), plain),
        ("roles", json!(["x,root"]), cut),
        (
            "roles",
            json!(["staff", "a\r\nroot", " root", ["root"], {"a": "root"}, null, ""]),
            plain,
        ),
        ("groups", json!(["staff", "x,root"]), plain),
        ("groups", json!(["staff", "a\nroot"]), plain),
        ("groups", json!(many), cut),
    ]
}

#[tokio::test]
async fn a_claim_that_no_header_can_carry_reaches_no_app() {
    for (claim, value, expected) in claims() {
        let gateway = gateway().await;
        let said = value.clone();
        gateway.idp.script(
            Endpoint::Token,
            [Answer::id_token(move |_, claims| claims[claim] = said)],
        );
        let page = gateway.browser().login("/", "alice").await;
        assert_eq!(page.status, 200, "{claim} {value}");
        let (seen, header) = (
            gateway.app.last(),
            if claim == "groups" {
                "x-forwarded-groups".to_owned()
            } else {
                format!("x-{claim}")
            },
        );
        assert_eq!(seen.header_all(&header), expected, "{claim} {value}");
        assert!(!forged(&seen), "{claim} {value}: {seen:?}");
        assert_eq!(seen.header("x-team"), seen.header("x-department"), "{claim} {value}");
    }
}

#[tokio::test]
async fn a_user_name_that_no_header_can_carry_ends_the_login() {
    let long = "x".repeat(20_000);
    for sub in [
        "root\r\nX-Forwarded-Groups: root",
        "root\0",
        " root",
        "root\u{85}",
        &long,
    ] {
        let (gateway, said) = (gateway().await, sub.to_owned());
        gateway.idp.script(
            Endpoint::Token,
            [Answer::id_token(move |_, claims| claims["sub"] = said.into())],
        );
        let browser = gateway.browser();
        assert_eq!(browser.login("/", "alice").await.status, 502, "{sub:?}");
        assert_eq!(
            (browser.cookie("sidegate"), gateway.app.seen().len()),
            (None, 0),
            "{sub:?}"
        );
    }
}

#[tokio::test]
async fn no_identity_of_a_clients_making_reaches_the_app_over_http2() {
    let tls = Tls::new();
    let gateway = Gateway::start_with(Setup {
        server: tls.server(),
        rest: ROUTES.to_owned(),
        provider: CLAIMS.to_owned(),
        ..Setup::default()
    })
    .await;
    let uri = format!("{}/public", gateway.origin.replace("http:", "https:"));
    for line in LINES.iter().filter(|line| !line.contains('\t')).step_by(3) {
        let (name, value) = line.split_once(": ").unwrap();
        let request = Request::get(&uri)
            .header(name, value)
            .header(name, value)
            .body(())
            .unwrap();
        assert_eq!(tls.send(gateway.address, request, b"").await.status, 200, "{line}");
        assert!(!forged(&gateway.app.last()), "{line}: {:?}", gateway.app.last());
    }
}

#[tokio::test]
async fn no_app_sets_a_cookie_under_our_name() {
    let gateway = gateway().await;
    for line in [
        "sidegate=x",
        "sidegate_0=x",
        " sidegate=x",
        "sidegate =x",
        "\tsidegate\t=x",
        "sidegate",
        "sidegate; Path=/",
        "=sidegate=x",
        "==sidegate=x",
        " = sidegate=x",
        "sidegate_login_abc=x",
        "sidegate=; Max-Age=0",
        "=sidegate",
    ] {
        gateway.app.script(
            "/public",
            [Reply::with(200, &[("Set-Cookie", line), ("Set-Cookie", "own=1")])],
        );
        assert_eq!(
            ask(&gateway, "GET /public", &[]).await.set_cookies(),
            ["own=1"],
            "{line:?}"
        );
    }
}
