//! Open redirect: whatever a stranger writes into `rd`, the path or a header, the browser lands on `public_url` or
//! `[redirects] allowed`.
//!
//! Payloads: 116 targets, each in 2 spellings at `start`, `sign_out` by GET and `sign_out` by form (696); 42 pages asked
//! for; 12 queries at 3 endpoints (36); 14 headers at 4 places (56); 8 through the provider's own sign-out. 838 in all.

use url::Url;
use url::form_urlencoded::byte_serialize;

use super::{alice, ask, taken};
use crate::support::gateway::{Gateway, Setup};
use crate::support::wire::Response;

const NAVIGATES: &str = "Sec-Fetch-Mode: navigate";

/// `OWN` stands for our host and port.
const TARGETS: [&str; 116] = [
    // No path of ours at all.
    "https://evil.example",
    "http://evil.example/",
    "HTTPS://EVIL.EXAMPLE/",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:////evil.example",
    "http:evil.example",
    "https:\\evil.example",
    "https:\\\\evil.example",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/////evil.example/a",
    "//evil.example:80/",
    "//evil.example@OWN/",
    "evil.example",
    "www.evil.example/a",
    ".evil.example",
    "@evil.example",
    ":@evil.example",
    "?//evil.example",
    "",
    // Schemes that run something, or lead anywhere.
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "javascript://OWN/%0aalert(1)",
    "vbscript:x",
    "data:text/html,<script>1</script>",
    "blob:http://OWN/x",
    "file:///etc/passwd",
    "ftp://evil.example/",
    "ws://OWN/",
    "about:blank",
    "mailto:a@evil.example",
    "intent://evil.example#Intent;end",
    "view-source:http://OWN/",
    // Backslashes, which browsers take for slashes.
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "\\evil.example",
    "/\\\\evil.example",
    "/\\\\\\evil.example",
    "//\\evil.example",
    "/a\\..\\..\\evil.example",
    "/%5cevil.example",
    "/%5c%5cevil.example",
    // Control characters and blanks, which browsers drop.
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    "/\r\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/\0/evil.example",
    "//\tevil.example",
    "/\u{b}/evil.example",
    "\u{0}//evil.example",
    "/\u{7f}/evil.example",
    "/%09/evil.example",
    "/%0a/evil.example",
    "/%0d%0a/evil.example",
    "/%00/evil.example",
    "/%0d%0aLocation:%20//evil.example",
    "/ok\r\nSet-Cookie: sidegate=evil",
    "/ok\r\n\r\n<script>1</script>",
    "/ok%0d%0aSet-Cookie:sidegate=evil",
    "/\u{85}/evil.example",
    "/\u{a0}/evil.example",
    "\u{a0}//evil.example",
    "/\u{2028}/evil.example",
    "\u{feff}//evil.example",
    // Dot segments.
    "/.//evil.example",
    "/..//evil.example",
    "/./\\evil.example",
    "/a/..//evil.example",
    "/a/../..//evil.example",
    "/%2e//evil.example",
    "/%2e%2e//evil.example",
    "/.%2e//evil.example",
    "/..;//evil.example",
    "/;/..//evil.example",
    // Slashes in disguise.
    "/%2fevil.example",
    "/%2Fevil.example",
    "/%2f%2fevil.example",
    "%2f%2fevil.example",
    "/%252fevil.example",
    "/%25252fevil.example",
    "/%255cevil.example",
    "/%2f%5cevil.example",
    "/%c0%afevil.example",
    "/%e0%80%afevil.example",
    "/\u{2215}evil.example",
    "/\u{ff0f}evil.example",
    "\u{ff0f}\u{ff0f}evil.example",
    "/%ef%bc%8fevil.example",
    // Userinfo, ports and names that look like ours or an allowed one.
    "http://OWN@evil.example/",
    "http://OWN:x@evil.example/",
    "http://OWN%40evil.example/",
    "http://evil.example#@OWN/",
    "http://evil.example?@OWN/",
    "http://evil.example\\@OWN/",
    "http://OWN.evil.example/",
    "http://OWN\t.evil.example/",
    "https://OWN/",
    "http://localhost/",
    "http://localhost:1/",
    "https://other.example.com.evil.example/",
    "https://other.example.com@evil.example/",
    "http://other.example.com/",
    "https://other.example.com:444/",
    "https://wild.example.com/",
    "https://evilwild.example.com/",
    "https://.wild.example.com/",
    "https://evil.example/.wild.example.com",
    "https://evil.example\\.wild.example.com",
];

/// As they stand in a request line: the page that a stranger asked for is where the login leads back to.
const PATHS: [&str; 42] = [
    "//evil.example",
    "///evil.example",
    "////evil.example/a",
    "//evil.example/%2f..",
    "//evil.example:80",
    "//@evil.example",
    "/\\evil.example",
    "/\\/evil.example",
    "//\\evil.example",
    "/%5cevil.example",
    "/%5c/evil.example",
    "/a\\\\evil.example",
    "/\t/evil.example",
    "/%09/evil.example",
    "/%0a/evil.example",
    "/%0d%0a/evil.example",
    "/%00/evil.example",
    "/%20//evil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/%2e//evil.example",
    "/%2e%2e//evil.example",
    "/a/..//evil.example",
    "/..;//evil.example",
    "/;//evil.example",
    "/;@evil.example",
    "/%2fevil.example",
    "/%2f%2fevil.example",
    "/%252fevil.example",
    "/%252f%252fevil.example",
    "/%c0%afevil.example",
    "/%ef%bc%8fevil.example",
    "/@evil.example",
    "/:80//evil.example",
    "http://evil.example/",
    "https://evil.example",
    "//evil.example?x",
    "//evil.example#x",
    "/#//evil.example",
    "/?//evil.example",
    "/?rd=//evil.example",
    "evil.example",
];

/// Several parameters, other names: only the first `rd` counts.
const QUERIES: [&str; 12] = [
    "rd=/ok&rd=//evil.example",
    "rd=//evil.example&rd=/ok",
    "rd[]=//evil.example",
    "RD=//evil.example",
    "redirect=//evil.example",
    "next=//evil.example",
    "url=https://evil.example",
    "redirect_uri=https://evil.example",
    "rd=/ok%26rd=//evil.example",
    "rd=/ok;rd=//evil.example",
    "post_logout_redirect_uri=https://evil.example",
    "rd&rd=//evil.example",
];

const HEADERS: [&str; 14] = [
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Server: evil.example",
    "X-Host: evil.example",
    "X-Original-Host: evil.example",
    "X-Forwarded-Proto: javascript",
    "X-Forwarded-Port: 666",
    "X-Forwarded-Prefix: //evil.example",
    "X-Forwarded-Uri: //evil.example",
    "X-Original-URL: https://evil.example/",
    "X-Rewrite-URL: //evil.example",
    "X-Auth-Request-Redirect: https://evil.example",
    "Forwarded: for=1.2.3.4;host=evil.example;proto=https",
    "Referer: https://evil.example/",
    "X_Forwarded_Host: evil.example",
];

async fn gateway() -> Gateway {
    let rest = "[redirects]\nallowed = [\"https://other.example.com\", \"https://*.wild.example.com\"]".to_owned();
    Gateway::start_with(Setup {
        rest,
        ..Setup::default()
    })
    .await
}

/// Panics where a browser that follows this would leave us: read as it stands, decoded once and twice, and with what
/// careless software makes of it.
fn stays(gateway: &Gateway, payload: &str, location: &str) {
    let home = Url::parse(&gateway.origin).unwrap();
    assert!(
        location.bytes().all(|byte| byte.is_ascii_graphic()),
        "{payload:?} led to {location:?}"
    );
    let decoded = |text: &str| {
        let quoted = text.replace('+', "%2B");
        let pairs = url::form_urlencoded::parse(quoted.as_bytes()).next();
        pairs.map_or_else(String::new, |(name, value)| {
            if value.is_empty() {
                name.into_owned()
            } else {
                format!("{name}={value}")
            }
        })
    };
    let path = location.split(['?', '#', '&', '=']).next().unwrap();
    let (once, twice) = (decoded(path), decoded(&decoded(path)));
    for reading in [location, &once, &twice, &once.replace('\\', "/")] {
        let landed = home
            .join(reading)
            .unwrap_or_else(|error| panic!("{payload:?} led to {location:?}: {error}"));
        assert_eq!(
            landed.origin(),
            home.origin(),
            "{payload:?} led to {location:?}, read as {reading:?}"
        );
    }
}

fn fill(gateway: &Gateway, payload: &str) -> String {
    payload.replace("OWN", gateway.origin.trim_start_matches("http://"))
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// Where the login that this answer began would lead: Alice brings its state, and has a session already.
async fn led_to(gateway: &Gateway, alice: &str, begun: &Response) -> String {
    assert_eq!(begun.status, 302, "{begun:?}");
    let provider = Url::parse(begun.location()).unwrap();
    assert_eq!(provider.origin(), Url::parse(gateway.idp.issuer()).unwrap().origin());
    let of = |name: &str| {
        provider
            .query_pairs()
            .find(|(own, _)| own == name)
            .unwrap()
            .1
            .into_owned()
    };
    assert_eq!(of("redirect_uri"), format!("{}/oauth2/callback", gateway.origin));
    let callback = format!("GET /oauth2/callback?code=x&state={}", encoded(&of("state")));
    ask(gateway, &callback, &[alice, NAVIGATES]).await.location().to_owned()
}

#[tokio::test]
async fn no_rd_leads_a_login_away() {
    let gateway = gateway().await;
    let alice = alice(&gateway).await;
    for payload in TARGETS.map(|payload| fill(&gateway, payload)) {
        for rd in [encoded(&payload), encoded(&encoded(&payload))] {
            let begun = ask(&gateway, &format!("GET /oauth2/start?rd={rd}"), &[]).await;
            stays(&gateway, &payload, &led_to(&gateway, &alice, &begun).await);
        }
    }
    assert_eq!(taken(&gateway), [""; 0]);
}

#[tokio::test]
async fn no_rd_leads_a_sign_out_away() {
    let gateway = gateway().await;
    let browser = gateway.browser();
    for payload in TARGETS.map(|payload| fill(&gateway, payload)) {
        for rd in [encoded(&payload), encoded(&encoded(&payload))] {
            let left = ask(&gateway, &format!("GET /oauth2/sign_out?rd={rd}"), &[]).await;
            stays(&gateway, &payload, left.location());
            let form = format!("rd={rd}");
            let left = browser.request("POST", "/oauth2/sign_out");
            let left = left.body("application/x-www-form-urlencoded", &form).send().await;
            stays(&gateway, &payload, left.location());
        }
    }
}

#[tokio::test]
async fn no_rd_leads_away_behind_the_providers_own_sign_out() {
    let gateway = gateway().await;
    for payload in [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "/%09/evil.example",
        "/.//evil.example",
        "javascript:1",
        "http://OWN@evil.example/",
        "/%2fevil.example",
    ] {
        let alice = alice(&gateway).await;
        let left = ask(
            &gateway,
            &format!("GET /oauth2/sign_out?rd={}", encoded(payload)),
            &[&alice],
        )
        .await;
        let provider = Url::parse(left.location()).unwrap();
        let of = |name: &str| {
            provider
                .query_pairs()
                .find(|(own, _)| own == name)
                .map(|(_, value)| value.into_owned())
        };
        assert_eq!(
            of("post_logout_redirect_uri"),
            Some(format!("{}/oauth2/signed_out", gateway.origin))
        );
        let state = of("state").map_or_else(String::new, |state| format!("?state={}", encoded(&state)));
        let back = ask(&gateway, &format!("GET /oauth2/signed_out{state}"), &[]).await;
        back.header("location").map_or_else(
            || assert_eq!(back.status, 200),
            |location| stays(&gateway, payload, location),
        );
    }
}

#[tokio::test]
async fn no_page_asked_for_leads_a_login_away() {
    let gateway = gateway().await;
    let alice = alice(&gateway).await;
    for path in PATHS {
        let begun = ask(&gateway, &format!("GET {path}"), &[NAVIGATES]).await;
        if begun.status == 302 {
            stays(&gateway, path, &led_to(&gateway, &alice, &begun).await);
        } else {
            assert_eq!((begun.status, begun.header("location")), (400, None), "{path:?}");
        }
    }
    assert_eq!(taken(&gateway), [""; 0]);
}

#[tokio::test]
async fn only_the_first_rd_counts_and_no_other_parameter() {
    let gateway = gateway().await;
    let alice = alice(&gateway).await;
    for query in QUERIES {
        for endpoint in ["start", "sign_in"] {
            let begun = ask(&gateway, &format!("GET /oauth2/{endpoint}?{query}"), &[]).await;
            stays(&gateway, query, &led_to(&gateway, &alice, &begun).await);
        }
        let left = ask(&gateway, &format!("GET /oauth2/sign_out?{query}"), &[]).await;
        stays(&gateway, query, left.location());
    }
}

#[tokio::test]
async fn no_header_of_a_strangers_appears_in_an_answer() {
    let gateway = gateway().await;
    for header in HEADERS {
        for line in [
            "GET /page",
            "GET /oauth2/start?rd=/page",
            "GET /oauth2/sign_out",
            "GET /oauth2/userinfo",
        ] {
            let answer = ask(&gateway, line, &[header, NAVIGATES]).await;
            let whole = format!("{:?} {}", answer.lines, answer.text()).to_lowercase();
            assert!(
                !["evil.", "javascript", ":666", "%3a666"]
                    .iter()
                    .any(|word| whole.contains(word)),
                "{line}, {header}: {whole}"
            );
            let to = answer.header("location").unwrap_or("/");
            let known = [gateway.idp.issuer(), "/"].iter().any(|start| to.starts_with(start));
            assert!(known && !to.starts_with("//"), "{line}, {header}: {to}");
        }
    }
}

#[tokio::test]
async fn pages_of_ours_and_of_allowed_origins_are_reached() {
    let gateway = gateway().await;
    let alice = alice(&gateway).await;
    for (rd, to) in [
        ("/", "/"),
        ("/a/b?x=1&y=%2F#part", "/a/b?x=1&y=%2F#part"),
        ("/a?next=//evil.example", "/a?next=//evil.example"),
        ("OWN/a", "/"),
        ("http://OWN/a?b", "http://OWN/a?b"),
        ("https://other.example.com/a", "https://other.example.com/a"),
        ("https://a.wild.example.com", "https://a.wild.example.com/"),
        ("/oauth2/sign_out", "/"),
        ("http://OWN/oauth2/start", "/"),
    ] {
        let start = format!("GET /oauth2/start?rd={}", encoded(&fill(&gateway, rd)));
        let begun = ask(&gateway, &start, &[]).await;
        assert_eq!(led_to(&gateway, &alice, &begun).await, fill(&gateway, to), "{rd}");
    }
}
