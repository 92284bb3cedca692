//! `explain`: says what a request would get, and is right about it.

use serde_json::{Value, json};

use crate::process::{Ended, Folder, config, sidegate};
use crate::support::gateway::Gateway;

const ROUTES: &str = r#"
[providers.other]
issuer = "http://127.0.0.1:9/other"
client_id = "app"

[upstreams.app]
servers = ["http://127.0.0.1:1001", "http://127.0.0.1:1002"]

[[routes]]
path = "/"
upstream = "app"
providers = ["main"]

[[routes]]
path = "/choose"
upstream = "app"

[[routes]]
path = "/admin"
upstream = "http://127.0.0.1:1003"
allow = { groups = ["admins"] }
providers = ["main"]

[[routes]]
path = "/mail"
upstream = "app"
allow = { email_domains = ["example.com"] }

[[routes]]
path = "/public"
upstream = "app"
access = "public"
rewrite = "/"

[[routes]]
path = "/maybe"
upstream = "app"
access = "optional"

[[routes]]
path = "/api"
methods = ["GET"]
upstream = "app"
unauthenticated = "401"

[[routes]]
path = "/closed"
access = "deny"

[[routes]]
path = "/basic"
upstream = "app"
authorization = "basic"
basic_password = "hunter2"
request_headers = { X-Department = "dept {claim.department}" }
"#;

const PAGE: &str = "--header=Accept: text/html";

fn ask(arguments: &[&str]) -> Ended {
    let folder = Folder::new();
    let file = folder.write(
        "sidegate.toml",
        &config("trusted_proxies = [\"10.0.0.0/8\"]", ROUTES).replace("hosts = [\"*\"]\n", ""),
    );
    let claims = folder.write(
        "claims.json",
        &json!({"sub": "ada", "email": "ada@example.com", "email_verified": true, "groups": ["staff", "ops"],
            "preferred_username": "Ada", "department": "R&D"})
        .to_string(),
    );
    let arguments: Vec<&str> = arguments
        .iter()
        .map(|argument| {
            if *argument == "CLAIMS" {
                claims.as_str()
            } else {
                argument
            }
        })
        .collect();
    sidegate(&[&["explain", "--config", &file], &arguments[..]].concat())
}

/// What stands behind `key: `, in order.
fn told(ended: &Ended, key: &str) -> Vec<String> {
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    let beginning = format!("{key}: ");
    ended
        .out_lines()
        .iter()
        .filter_map(|line| line.strip_prefix(&beginning))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_line_begins_with_one_of_four_words() {
    let ended = ask(&["GET", "/maybe"]);
    for line in ended.out_lines() {
        let word = line.split(": ").next().unwrap();
        assert!(["route", "answer", "because", "upstream"].contains(&word), "{line}");
    }
    assert_eq!(told(&ended, "route").len(), 1);
    assert_eq!(told(&ended, "answer").len(), 1);
    assert!(!told(&ended, "because").is_empty());
}

#[test]
fn a_stranger_gets_what_the_contract_says() {
    for (arguments, route, answer) in [
        (
            &["GET", "/", PAGE][..],
            "routes[0], path /",
            "302 to the login with provider main",
        ),
        (&["GET", "/"], "routes[0], path /", "401 unauthenticated"),
        (
            &["POST", "/", "--header=Sec-Fetch-Mode: navigate"],
            "routes[0], path /",
            "303 to the login with provider main",
        ),
        (
            &["GET", "/choose", PAGE],
            "routes[1], path /choose",
            "302 to /oauth2/sign_in, to choose among main, other",
        ),
        (
            &["GET", "http://localhost:4180/admin/x?y#z", PAGE],
            "routes[2], path /admin",
            "302 to the login with provider main",
        ),
        (
            &["GET", "/api/x", PAGE],
            "routes[6], path /api, methods GET",
            "401 unauthenticated",
        ),
        (&["PUT", "/api/x"], "none", "405 method_not_allowed"),
        (&["GET", "/closed"], "routes[7], path /closed", "403 forbidden"),
        (&["GET", "/%61dmin", PAGE], "none", "400 ambiguous_path"),
        (&["GET", "/a/../b"], "none", "400 bad_path"),
        (&["GET", "/a%2fb"], "none", "400 encoded_slash"),
        (&["TRACE", "/"], "none", "405 method_not_allowed"),
        (&["GET", "http://evil.example/"], "none", "421 misdirected_request"),
        (
            &["GET", "/", "--header=Upgrade: websocket", PAGE],
            "routes[0], path /",
            "401 unauthenticated",
        ),
        (&["GET", "/oauth2/start"], "gateway", "the gateway's own endpoint"),
    ] {
        let ended = ask(arguments);
        assert_eq!(told(&ended, "route"), [route], "{arguments:?}");
        assert_eq!(told(&ended, "answer"), [answer], "{arguments:?}");
        assert_eq!(told(&ended, "upstream"), [""; 0], "{arguments:?}");
        assert!(!told(&ended, "because").is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_visitor_is_judged_by_the_claims() {
    let signed_in = |path: &str| ask(&["GET", path, "--claims", "CLAIMS"]);
    let ended = signed_in("/admin");
    assert_eq!(told(&ended, "answer"), ["403 forbidden"]);
    assert_eq!(told(&ended, "because"), ["no group is in allow.groups"]);
    let ended = signed_in("/mail");
    assert_eq!(
        told(&ended, "answer"),
        ["forwarded to app (http://127.0.0.1:1001, http://127.0.0.1:1002)"]
    );
    let ended = ask(&["GET", "/", "--claims", "CLAIMS", "--provider", "other", PAGE]);
    assert_eq!(told(&ended, "answer"), ["302 to the login with provider main"]);
    let ended = ask(&["POST", "/", "--claims", "CLAIMS", "--header=Sec-Fetch-Site: cross-site"]);
    assert_eq!(told(&ended, "answer"), ["403 cross_site"]);
}

#[test]
fn the_upstream_line_is_what_the_application_gets_and_no_secret_is_in_it() {
    let ended = ask(&[
        "GET",
        "/basic?q=1",
        "--claims",
        "CLAIMS",
        "--header=X-Forwarded-User: root",
        "--header=X-Kept: 1",
    ]);
    let lines = told(&ended, "upstream");
    assert_eq!(lines[0], "GET /basic?q=1");
    for line in [
        "X-Forwarded-User: ada",
        "X-Forwarded-Email: ada@example.com",
        "X-Forwarded-Groups: staff,ops",
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-Host: localhost:4180",
        "X-Department: dept R&D",
        "X-Kept: 1",
        "Authorization: Basic <user name and basic_password>",
    ] {
        let found = lines.iter().any(|own| own.eq_ignore_ascii_case(line));
        assert!(found, "{line} is not in {lines:#?}");
    }
    let cookies = lines
        .iter()
        .filter(|line| line.to_lowercase().starts_with("cookie:"))
        .count();
    assert_eq!((cookies, ended.out.contains("hunter2")), (0, false));
}

#[test]
fn a_trusted_peers_words_are_passed_on_and_a_strangers_are_not() {
    let said = [
        "GET",
        "/public/a",
        "--header=X-Forwarded-For: 198.51.100.7",
        "--header=X-Real-IP: 198.51.100.7",
    ];
    let stranger = told(&ask(&said), "upstream").join("\n").to_lowercase();
    assert!(
        stranger.starts_with("get /a\n") && !stranger.contains("198.51.100.7"),
        "{stranger}"
    );
    let trusted = told(&ask(&[&said[..], &["--from", "10.1.2.3"]].concat()), "upstream")
        .join("\n")
        .to_lowercase();
    assert!(trusted.contains("x-forwarded-for: 198.51.100.7, 10.1.2.3"), "{trusted}");
    assert!(trusted.contains("x-real-ip: 198.51.100.7"), "{trusted}");
}

#[test]
fn what_cannot_be_asked_is_refused_in_words() {
    for (arguments, word) in [
        (&["GET", "/", "--claims", "missing.json"][..], "missing.json: "),
        (
            &["GET", "/mail", "--claims", "CLAIMS", "--provider", "nobody"],
            "no provider of this name",
        ),
    ] {
        let ended = ask(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (64, ""), "{arguments:?}");
        assert!(ended.err.contains(word), "{}", ended.err);
    }
}

/// The promise behind all of the above: what `explain` says is what the running gateway does.
#[tokio::test]
async fn the_gateway_sends_the_application_what_explain_says() {
    let gateway = Gateway::with_routes("[[routes]]\npath = \"/\"\nupstream = \"APP\"\n").await;
    let browser = gateway.browser();
    browser.login("/a", "alice").await;
    browser.fetch("GET", "/x/y?q=1").header("X-Kept", "1").send().await;
    let seen: Value = gateway.app.last().as_json();
    let (folder, port) = (Folder::new(), gateway.address.port());
    let text = config(
        "",
        &format!("[[routes]]\npath = \"/\"\nupstream = \"{}\"\n", gateway.app.url()),
    );
    let file = folder.write("sidegate.toml", &text.replace("4180", &port.to_string()));
    let claims = json!({"sub": "demo|alice", "email": "alice@example.com", "email_verified": true,
        "groups": ["staff", "admins"], "preferred_username": "alice"});
    let claims = folder.write("claims.json", &claims.to_string());
    let ended = sidegate(&[
        "explain",
        "--config",
        &file,
        "GET",
        "/x/y?q=1",
        "--claims",
        &claims,
        "--from",
        "127.0.0.1",
        "--header=Accept: */*",
        "--header=Sec-Fetch-Mode: cors",
        "--header=Sec-Fetch-Dest: empty",
        "--header=Sec-Fetch-Site: same-origin",
        "--header=X-Kept: 1",
    ]);
    let explained: Vec<String> = told(&ended, "upstream")
        .iter()
        .skip(1)
        .map(|line| line.to_lowercase())
        .collect();
    // These are made anew for each request; `Connection` is the connection's.
    let own = ["authorization", "x-request-id", "traceparent", "connection"];
    let line = |pair: &Value| format!("{}: {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()).to_lowercase();
    let comparable = |lines: Vec<String>| {
        let mut lines: Vec<String> = lines
            .into_iter()
            .filter(|line| !own.contains(&line.split(':').next().unwrap()))
            .collect();
        lines.sort();
        lines
    };
    let received = seen["headers"].as_array().unwrap().iter().map(line).collect();
    assert_eq!(comparable(explained), comparable(received));
}
