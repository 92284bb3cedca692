//! Path confusion: the path that is judged is the path that is forwarded; what two servers could read differently is 400.
//!
//! Payloads: 96 spellings of one denied path, each with 6 endings (576); 52 paths with their exact answers; 5 with raw
//! bytes; 30 spellings of our own endpoints; 20 below a rewritten path; 12 methods; 4 headers that override them at 3
//! paths (12). 707 in all.

use super::{ask, taken};
use crate::support::gateway::Gateway;

const ROUTES: &str = r#"
[[routes]]
path = "/"
access = "public"
upstream = "APP"
[[routes]]
path = "/admin"
access = "deny"
upstream = "APP"
[[routes]]
path = "/deep/in/admin"
access = "deny"
upstream = "APP"
[[routes]]
path = "/files"
access = "public"
encoded_slash = true
upstream = "APP"
[[routes]]
path = "/files/admin"
access = "deny"
encoded_slash = true
upstream = "APP"
[[routes]]
path = "/app"
access = "public"
rewrite = "/"
upstream = "APP"
[[routes]]
path = "/app/admin"
access = "deny"
upstream = "APP"
[[routes]]
path = "/told"
methods = ["GET", "POST"]
access = "public"
upstream = "APP"
[[routes]]
path = "/told"
methods = ["DELETE"]
access = "deny"
upstream = "APP"
[[routes]]
path = "/rest"
access = "public"
upstream = "APP"
[[routes]]
path = "/rest"
methods = ["DELETE"]
access = "deny"
upstream = "APP"
"#;

/// Spellings that some server or other takes for `/admin`.
const SPELLINGS: [&str; 96] = [
    // Segments that are empty, or nothing.
    "/admin",
    "//admin",
    "///admin",
    "/./admin",
    "/././admin",
    "/.//admin",
    "//./admin",
    "/;/admin",
    "/;x/admin",
    "/;x=1;y/admin",
    // Up and down again.
    "/x/../admin",
    "/x/y/../../admin",
    "/x//../admin",
    "/files/../admin",
    "/../admin",
    "/../../admin",
    "/..//admin",
    "/x/..;/admin",
    "/x/..;a=b/admin",
    "/..;/admin",
    "/.;/admin",
    "/x/.;/../admin",
    "/x/..%3b/admin",
    "/x/..%3bjsessionid=1/admin",
    "/files/..;/admin",
    "/files/%2e%2e;/admin",
    "/x/..%00/admin",
    "/x/..%09/admin",
    "/x/..%20/../admin",
    // Dots in escapes.
    "/%2e/admin",
    "/%2E/admin",
    "/x/%2e%2e/admin",
    "/x/%2E%2E/admin",
    "/x/.%2e/admin",
    "/x/%2e./admin",
    "/x/%252e%252e/admin",
    "/x/%25252e%25252e/admin",
    "/x/%c0%ae%c0%ae/admin",
    "/x/%e0%80%ae%e0%80%ae/admin",
    "/x/%u002e%u002e/admin",
    // Slashes in escapes and disguise.
    "/%2fadmin",
    "/%2Fadmin",
    "/%2f%2fadmin",
    "/%252fadmin",
    "/x%2f..%2fadmin",
    "/x/..%2fadmin",
    "/x/..%252fadmin",
    "/x%252f..%252fadmin",
    "/files/..%2fadmin",
    "/files/..%2f..%2fadmin",
    "/files/%2e%2e%2fadmin",
    "/files/..%252fadmin",
    "/%c0%afadmin",
    "/%u002fadmin",
    "/x/..%c0%afadmin",
    "/x/..%ef%bc%8fadmin/../../admin",
    // Backslashes.
    "/\\admin",
    "\\admin",
    "/x\\..\\admin",
    "/x/..\\admin",
    "/%5cadmin",
    "/x/..%5cadmin",
    "/x%5c..%5cadmin",
    "/x/%5c../admin",
    "/%255cadmin",
    "/x/..%255cadmin",
    // Letters in escapes.
    "/%61dmin",
    "/%61%64%6d%69%6e",
    "/a%64min",
    "/admi%6e",
    "/%61%64min",
    "/%2561dmin",
    "/%252561dmin",
    "/%61dmi%6E",
    "/%6%31dmin",
    // Parameters, queries, fragments and ends of strings.
    "/admin;",
    "/admin;x",
    "/admin;x=/y",
    "/admin%3b",
    "/admin%3bx",
    "/admin%3f",
    "/admin%3fx",
    "/admin%23",
    "/admin%23x",
    "/admin%253f",
    "/admin%2523",
    "/admin%00",
    "/admin%00x",
    "/admin%0a",
    "/admin%0d%0a",
    "/admin%09",
    "/admin%7f",
    "/admin%2500",
    "/admin%",
    "/admin%2",
    "/admin%zz",
];

const ENDINGS: [&str; 6] = ["", "/", "/users", "?x=1", "/../admin/users", ";a/b"];

#[tokio::test]
async fn no_spelling_of_a_denied_path_reaches_the_app() {
    let gateway = Gateway::with_routes(ROUTES).await;
    for spelling in SPELLINGS {
        for ending in ENDINGS {
            let target = format!("{spelling}{ending}");
            let status = ask(&gateway, &format!("GET {target}"), &[]).await.status;
            assert!(
                matches!(status, 400 | 403),
                "{target}: {status}, the app saw {:?}",
                taken(&gateway)
            );
            assert_eq!(taken(&gateway), [""; 0], "{target}");
        }
    }
}

/// Path as it came, and the answer. 200: the app sees these bytes and no others.
const ANSWERS: [(&str, u16); 52] = [
    ("/", 200),
    ("/a", 200),
    ("/a/", 200),
    ("/a//b", 200),
    ("//a", 200),
    ("/a;v=1/b", 200),
    ("/a;v=1", 200),
    ("/%20", 200),
    ("/caf%C3%A9", 200),
    ("/a%25", 200),
    ("/100%25", 200),
    ("/a%3Db", 200),
    ("/~a!$&'()*+,=:@", 200),
    ("/adminx", 200),
    ("/admin.html", 200),
    ("/administrator/admin", 200),
    ("/Admin", 200),
    ("/a.", 200),
    ("/...", 200),
    ("/.a", 200),
    ("/..a", 200),
    ("/a..", 200),
    ("/a?", 200),
    ("/a??", 200),
    ("/a?/../admin", 200),
    ("/a?x=%00%2f%5c", 200),
    ("/a?//admin", 200),
    ("/a?x=\\", 200),
    ("/a?%zz", 200),
    ("/files/a%2fb", 200),
    ("/files/a%2Fb%252Fc", 200),
    ("/files", 200),
    ("/a%2fb", 400),
    ("/files/%2fadmin", 400),
    ("/files%2fadmin", 400),
    ("/files/x%2f..%2fadmin", 400),
    ("/files/%61dmin", 400),
    ("/files/admin", 403),
    ("/files/admin%2fx", 400),
    ("/files//admin", 400),
    ("/files;x/admin", 400),
    ("/deep/in/admin", 403),
    ("/deep//in/admin", 400),
    ("/deep;/in/admin", 400),
    ("/deep/%69n/admin", 400),
    ("/deep/in%2fadmin", 400),
    ("*", 400),
    ("http://localhost/", 400),
    ("localhost:80", 400),
    ("/\x01", 400),
    ("/\x7f", 400),
    ("/%80", 400),
];

#[tokio::test]
async fn what_is_forwarded_are_the_bytes_that_came() {
    let gateway = Gateway::with_routes(ROUTES).await;
    for (path, status) in ANSWERS {
        let answer = ask(&gateway, &format!("GET {path}"), &[]).await;
        let expected = if status == 200 {
            vec![format!("GET {path}")]
        } else {
            Vec::new()
        };
        assert_eq!((answer.status, taken(&gateway)), (status, expected), "{path:?}");
    }
}

#[tokio::test]
async fn raw_blanks_and_foreign_bytes_reach_the_app_escaped_or_not_at_all() {
    let gateway = Gateway::with_routes(ROUTES).await;
    for (path, expected) in [
        ("/a b", Some("/a%20b")),
        ("/a HTTP/1.1 /admin", Some("/a%20HTTP/1.1%20/admin")),
        ("/a#/../admin", Some("/a")),
        ("/caf\u{e9}", None),
        ("/a?\u{e9}", Some("/a?\u{e9}")),
    ] {
        let status = ask(&gateway, &format!("GET {path}"), &[]).await.status;
        let expected: Vec<_> = expected.map(|target| format!("GET {target}")).into_iter().collect();
        let taken = taken(&gateway);
        assert!(
            taken == expected || (taken.is_empty() && status == 400),
            "{path:?}: {status}, {taken:?}"
        );
    }
}

const OWN: [&str; 24] = [
    "//oauth2/userinfo",
    "/./oauth2/userinfo",
    "/x/../oauth2/userinfo",
    "/%6fauth2/userinfo",
    "/oauth%32/userinfo",
    "/;/oauth2/userinfo",
    "/oauth2;x/userinfo",
    "/oauth2%2fuserinfo",
    "/oauth2%5cuserinfo",
    "/oauth2\\userinfo",
    "/oauth2%3b/userinfo",
    "/oauth2%3f/userinfo",
    "/oauth2%23/userinfo",
    "/oauth2%00/userinfo",
    "/oauth2/..;/oauth2/userinfo",
    "/oauth2/../admin",
    "/oauth2/..;/admin",
    "/oauth2/%2e%2e/admin",
    "/oauth2/..%2fadmin",
    "/oauth2/static/../../admin",
    "/oauth2/static/..%2f..%2fadmin",
    "/%256fauth2/userinfo",
    "/oauth2%252fuserinfo",
    "/x/..%2foauth2/userinfo",
];

#[tokio::test]
async fn no_spelling_of_our_endpoints_reaches_the_app() {
    let gateway = Gateway::with_routes(ROUTES).await;
    for target in OWN {
        let status = ask(&gateway, &format!("GET {target}"), &[]).await.status;
        assert_eq!((status, taken(&gateway)), (400, Vec::new()), "{target}");
    }
    for target in [
        "/oauth2",
        "/oauth2/",
        "/oauth2/nothing",
        "/oauth2//userinfo/x",
        "/oauth2/static/",
        "/oauth2/static/../x",
    ] {
        let status = ask(&gateway, &format!("GET {target}"), &[]).await.status;
        assert!(matches!(status, 400 | 404), "{target}: {status}");
        assert_eq!(taken(&gateway), [""; 0], "{target}");
    }
}

/// Below `/app`, which is taken off; the app never sees what could be a host, and never its own `/admin`.
const REWRITTEN: [(&str, Result<&str, u16>); 20] = [
    ("/app", Ok("/")),
    ("/app/", Ok("/")),
    ("/app/a", Ok("/a")),
    ("/app/a/", Ok("/a/")),
    ("/app?x", Ok("/?x")),
    ("/app/a?/../x", Ok("/a?/../x")),
    ("/app//evil.example", Ok("/evil.example")),
    ("/app///a//b", Ok("/a//b")),
    ("/app/a%20b;c", Ok("/a%20b;c")),
    ("/app/Admin", Ok("/Admin")),
    ("/app/admin", Err(403)),
    ("/app//admin", Err(400)),
    ("/app/%61dmin", Err(400)),
    ("/app;x/admin", Err(400)),
    ("/app;x/a", Err(400)),
    ("/app/;/admin", Err(400)),
    ("/app/../admin", Err(400)),
    ("/app/..;/admin", Err(400)),
    ("/app/%2e%2e/admin", Err(400)),
    ("//app/a", Err(400)),
];

#[tokio::test]
async fn a_path_that_is_rewritten_is_judged_as_it_came() {
    let gateway = Gateway::with_routes(ROUTES).await;
    for (target, expected) in REWRITTEN {
        let status = ask(&gateway, &format!("GET {target}"), &[]).await.status;
        match expected {
            Ok(seen) => assert_eq!(
                (status, taken(&gateway)),
                (200, vec![format!("GET {seen}")]),
                "{target}"
            ),
            Err(expected) => assert_eq!((status, taken(&gateway)), (expected, Vec::new()), "{target}"),
        }
    }
}

#[tokio::test]
async fn no_spelling_of_a_method_slips_past_the_rule_for_it() {
    let gateway = Gateway::with_routes(ROUTES).await;
    for (line, status) in [
        ("DELETE /told", 403),
        ("delete /told", 405),
        ("Delete /told", 405),
        ("DELETE /rest", 403),
        ("delete /rest", 405),
        ("dElEtE /rest", 405),
        ("PUT /told", 405),
        ("GET /told", 200),
        ("HEAD /told", 200),
        ("PUT /rest", 200),
        ("get /told", 405),
        ("head /told", 405),
    ] {
        let answer = ask(&gateway, line, &[]).await;
        assert_eq!(
            (answer.status, taken(&gateway).len()),
            (status, usize::from(status == 200)),
            "{line}"
        );
    }
}

#[tokio::test]
async fn no_header_names_another_method_where_rules_tell_methods_apart() {
    let gateway = Gateway::with_routes(ROUTES).await;
    for header in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "x_http_method_override",
    ] {
        for path in ["/told", "/rest"] {
            let line = format!("{header}: DELETE");
            let answer = ask(&gateway, &format!("POST {path}"), &[&line, "Content-Length: 0"]).await;
            assert_eq!(
                (answer.status, gateway.app.last().header(header)),
                (200, None),
                "{path} {header}"
            );
        }
        let line = format!("{header}: PATCH");
        ask(&gateway, "POST /elsewhere", &[&line, "Content-Length: 0"]).await;
        assert_eq!(gateway.app.last().header(header).as_deref(), Some("PATCH"), "{header}");
    }
}
