//! The headers that an app sees: what the gateway says, and nothing that the client made up.

use std::collections::HashMap;

use crate::support::gateway::{Gateway, OVER, Setup};
use crate::support::seen::Seen;
use crate::support::wire::exchange;

fn route(more: &str) -> String {
    format!("[[routes]]\npath = \"/\"\nupstream = \"APP\"\n{more}\n")
}

#[tokio::test]
async fn a_visitors_identity_arrives_in_the_configured_headers() {
    let rest = format!(
        "[identity_headers]\nX-User = \"user\"\nX-Mail = \"email\"\nX-Dept = \"department\"\n{}",
        route("")
    );
    let provider = "claims = { user = \"preferred_username\", department = \"name\" }".to_owned();
    let gateway = Gateway::start_with(Setup {
        rest,
        provider,
        ..Setup::default()
    })
    .await;
    let answer = gateway.signed_in().await.fetch("GET", "/").send().await;
    let said = ["x-user", "x-mail", "x-dept", "x-forwarded-user"].map(|name| answer.echoed(name).join("|"));
    assert_eq!(said, ["alice", "alice@example.com", "Alice Archer", ""]);
}

/// Header lines that a client may use to pass for somebody else, whoever it is and whatever the route.
const FORGED: [&str; 14] = [
    "X-Forwarded-User: mallory",
    "x-forwarded-user: mallory",
    "X_Forwarded_User: mallory",
    "X-FORWARDED_USER: mallory",
    "X-Forwarded-Groups: mallory",
    "X_Forwarded-Groups: mallory",
    "X-Forwarded-Email: mallory",
    "X-Forwarded-Preferred-Username: mallory",
    "X-Auth-Request-User: mallory",
    "X_Auth_Request_Email: mallory",
    "X-Forwarded-Access-Token: mallory",
    "Remote-User: mallory",
    "Remote_User: mallory",
    "Authorization: Bearer mallory",
];

fn mentions(seen: &Seen, word: &str) -> Vec<String> {
    let lines = seen
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    lines.filter(|line| line.contains(word)).collect()
}

#[tokio::test]
async fn what_a_client_says_of_its_identity_never_reaches_the_app() {
    let routes = [
        route(""),
        route("").replace("\"/\"", "\"/public\"") + "access = \"public\"\n",
        route("").replace("\"/\"", "\"/optional\"") + "access = \"optional\"\n",
    ];
    let trusted = "trusted_proxies = [\"127.0.0.1\"]";
    for server in ["", trusted] {
        let setup = Setup {
            rest: routes.concat(),
            ..Setup::of_server(server)
        };
        let gateway = Gateway::start_with(setup).await;
        let browser = gateway.signed_in().await;
        for path in ["/", "/public", "/optional"] {
            for forged in FORGED {
                let answer = browser.fetch("GET", path).line(forged).send().await;
                assert_eq!(answer.status, 200, "{forged}");
                assert_eq!(
                    mentions(&gateway.app.last(), "mallory"),
                    Vec::<String>::new(),
                    "{server} {path} {forged}"
                );
            }
        }
        let answer = browser.fetch("GET", "/").send().await;
        assert_eq!(answer.echoed("x-forwarded-user"), ["demo|alice"]);
    }
}

#[tokio::test]
async fn connection_names_none_of_our_headers_away() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let named = |names: &str| browser.fetch("GET", "/").bytes(&format!("close, {names}"));
    let answer = exchange(gateway.address, named("x-forwarded-user, x-request-id, traceparent")).await;
    assert_eq!(answer.echoed("x-forwarded-user"), ["demo|alice"]);
    assert_eq!(
        (answer.echoed("x-request-id").len(), answer.echoed("traceparent").len()),
        (1, 1)
    );
    for name in ["x-forwarded-for", "authorization", "host", "cookie"] {
        let answer = exchange(gateway.address, named(name)).await;
        if answer.status == 200 {
            assert_eq!(answer.echoed("authorization").len(), 1, "{name}");
            assert_eq!(answer.echoed("x-forwarded-for"), ["127.0.0.1"], "{name}");
        } else {
            assert_eq!(
                (answer.status, answer.json()["error"].as_str()),
                (400, Some("bad_framing")),
                "{name}"
            );
        }
    }
}

const SAID: [&str; 9] = [
    "X-Forwarded-For: 203.0.113.7",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: public.example",
    "X-Request-Id: from-the-proxy-1",
    "Forwarded: for=203.0.113.7",
    "X-Real-IP: 203.0.113.7",
    "X-Original-URI: /admin",
    "X-Rewrite-URL: /admin",
    "X-Forwarded-Anything: x",
];

async fn forwarded(server: &str) -> (HashMap<&'static str, String>, String) {
    let gateway = Gateway::start_with(Setup::of_server(server)).await;
    let browser = gateway.signed_in().await;
    let request = browser.fetch("GET", "/");
    let answer = SAID
        .iter()
        .fold(request, |request, line| request.line(line))
        .send()
        .await;
    let names = SAID.iter().map(|line| line.split(':').next().unwrap());
    let said = names.map(|name| (name, answer.echoed(name).join("|"))).collect();
    (said, gateway.origin.trim_start_matches("http://").to_owned())
}

#[tokio::test]
async fn where_a_request_came_from_is_for_the_gateway_to_say() {
    let (said, host) = forwarded("").await;
    assert_eq!(
        (said["X-Forwarded-For"].as_str(), said["X-Forwarded-Proto"].as_str()),
        ("127.0.0.1", "http")
    );
    assert_eq!(said["X-Forwarded-Host"], host);
    let id = &said["X-Request-Id"];
    assert!(
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{id}"
    );
    for name in [
        "Forwarded",
        "X-Real-IP",
        "X-Original-URI",
        "X-Rewrite-URL",
        "X-Forwarded-Anything",
    ] {
        assert_eq!(said[name], "", "{name}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let (said, _) = forwarded("trusted_proxies = [\"10.0.0.0/8\", \"127.0.0.0/8\"]").await;
    assert_eq!(
        (said["X-Forwarded-For"].as_str(), said["X-Forwarded-Proto"].as_str()),
        ("203.0.113.7, 127.0.0.1", "https")
    );
    assert_eq!(
        (said["X-Forwarded-Host"].as_str(), said["X-Request-Id"].as_str()),
        ("public.example", "from-the-proxy-1")
    );
    for (name, value) in [
        ("Forwarded", "for=203.0.113.7"),
        ("X-Real-IP", "203.0.113.7"),
        ("X-Original-URI", "/admin"),
    ] {
        assert_eq!(said[name], value);
    }
    let (said, _) = forwarded("trusted_proxies = [\"10.0.0.0/8\"]").await;
    assert_eq!(
        said["X-Forwarded-For"], "127.0.0.1",
        "another proxy than this peer is trusted"
    );
}

#[tokio::test]
async fn a_trace_goes_on_and_without_one_the_request_id_begins_it() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = browser
        .fetch("GET", "/")
        .header("traceparent", given)
        .header("tracestate", "a=b");
    let answer = request.send().await;
    assert_eq!(
        (
            answer.echoed("traceparent").join(""),
            answer.echoed("tracestate").join("")
        ),
        (given.to_owned(), "a=b".to_owned())
    );
    let answer = browser.fetch("GET", "/").send().await;
    let (trace, id) = (
        answer.echoed("traceparent").join(""),
        answer.echoed("x-request-id").join(""),
    );
    assert!(
        trace.starts_with(&format!("00-{id}-")) && trace.len() == 55,
        "{trace} {id}"
    );
}

#[tokio::test]
async fn a_route_is_put_in_another_place_and_the_rest_stays_as_it_came() {
    for (path, more, asked, seen) in [
        (
            "/app",
            "strip_path = true",
            "/app/a%2Cb//c?d=%20&e",
            "/a%2Cb//c?d=%20&e",
        ),
        ("/app", "strip_path = true", "/app", "/"),
        ("/app", "strip_path = true", "/app?x", "/?x"),
        ("/app", "strip_path = true", "/app/", "/"),
        ("/app", "rewrite = \"/\"", "/app/x", "/x"),
        ("/app", "rewrite = \"/other/\"", "/app/x", "/other/x"),
        ("/app", "rewrite = \"/other\"", "/app", "/other"),
        ("/", "rewrite = \"/base\"", "/x/y?z", "/base/x/y?z"),
        ("/app", "", "/app/x", "/app/x"),
    ] {
        let table = route(more).replacen("\"/\"", &format!("\"{path}\""), 1) + "access = \"public\"\n";
        let gateway = Gateway::with_routes(&table).await;
        assert_eq!(
            gateway.browser().fetch("GET", asked).send().await.status,
            200,
            "{more} {asked}"
        );
        assert_eq!(gateway.app.last().target, seen, "{more} {asked}");
    }
}

#[tokio::test]
async fn the_app_sees_the_host_that_the_operator_chose() {
    for (more, expected) in [
        ("", "gateway"),
        ("host_header = \"preserve\"", "gateway"),
        ("host_header = \"upstream\"", "app"),
        ("host_header = \"internal.test\"", "internal.test"),
    ] {
        let gateway = Gateway::with_routes(&(route(more) + "access = \"public\"\n")).await;
        let answer = gateway.browser().fetch("GET", "/").send().await;
        let own = gateway.origin.trim_start_matches("http://").to_owned();
        let expected = match expected {
            "gateway" => own.clone(),
            "app" => gateway.app.addr().to_string(),
            literal => literal.to_owned(),
        };
        assert_eq!(
            (answer.echoed("host"), answer.echoed("x-forwarded-host")),
            (vec![expected], vec![own]),
            "{more}"
        );
    }
}

#[tokio::test]
async fn headers_of_the_operators_are_added_filled_and_removed() {
    let more = "request_headers = { X-Fixed = \"yes\", X-Who = \"{claim.name}@{claim.groups}\", X-None = \"{claim.missing}\" }\n\
                remove_request_headers = [\"X-Debug\"]\nresponse_headers = { X-Frame-Options = \"DENY\" }";
    let gateway = Gateway::with_routes(&route(more)).await;
    let browser = gateway.signed_in().await;
    let forged = [
        "X-Fixed: no",
        "x_fixed: no",
        "X-Who: admin",
        "X-None: admin",
        "X-Debug: 1",
        "x_debug: 1",
        "X-Kept: 1",
    ];
    let answer = forged
        .iter()
        .fold(browser.fetch("GET", "/"), |request, line| request.line(line))
        .send()
        .await;
    let said = ["x-fixed", "x_fixed", "x-who", "x-none", "x-debug", "x_debug", "x-kept"]
        .map(|name| answer.echoed(name).join("|"));
    assert_eq!(said, ["yes", "", "alice@staff,admins", "", "", "", "1"]);
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
}

#[tokio::test]
async fn the_app_gets_the_authorization_that_the_route_names() {
    let public = route("authorization = \"keep\"").replacen("\"/\"", "\"/public\"", 1) + "access = \"public\"\n";
    for (kind, starts, parts) in [
        ("access_token", "Bearer ", 1),
        ("id_token", "Bearer ", 3),
        ("basic\"\nbasic_password = \"p:w", "Basic ZGVtb3xhbGljZTpwOnc=", 1),
        ("none", "", 1),
        ("keep", "Digest mine", 1),
    ] {
        let gateway = Gateway::with_routes(&format!("{}{public}", route(&format!("authorization = \"{kind}\"")))).await;
        let browser = gateway.signed_in().await;
        let answer = browser
            .fetch("GET", "/")
            .header("Authorization", "Digest mine")
            .send()
            .await;
        let got = answer.echoed("authorization").join("|");
        assert!(
            got.starts_with(starts) && got.split('.').count() == parts && got.is_empty() == starts.is_empty(),
            "{kind}: {got}"
        );
        let answer = browser
            .fetch("GET", "/public")
            .header("Authorization", "Digest mine")
            .send()
            .await;
        assert_eq!(answer.echoed("authorization"), ["Digest mine"], "{kind}");
        gateway.advance(OVER);
        assert_eq!(
            browser
                .fetch("GET", "/")
                .send()
                .await
                .echoed("authorization")
                .join("|")
                .split('.')
                .count(),
            parts,
            "{kind}"
        );
    }
}
