//! Cross-site requests and WebSocket hijacking: another site's page does nothing with our cookie.
//!
//! Payloads: 33 senders of 6 unsafe requests (198) and of 5 that pass (165); 4 without our cookie; 22 openers of a WebSocket
//! at 3 routes (66); 12 over HTTP/2; 26 ways to sign somebody out; 17 to refresh. 488 in all.

use http::Request;

use super::{alice, ask, taken};
use crate::support::gateway::{Gateway, Setup};
use crate::support::http2::Tls;
use crate::support::idp::Endpoint;

const ROUTES: &str = r#"
[[routes]]
path = "/"
upstream = "APP"
[[routes]]
path = "/lax"
csrf = false
upstream = "APP"
[[routes]]
path = "/friends"
websocket_origins = ["https://friend.example"]
upstream = "APP"
[[routes]]
path = "/public"
access = "public"
upstream = "APP"
[[routes]]
path = "/optional"
access = "optional"
upstream = "APP"
"#;

/// What a request says of the page that sent it (`OWN`: our origin), and whether an unsafe one passes.
const SENDERS: [(&[&str], bool); 33] = [
    (&["Sec-Fetch-Site: same-origin"], true),
    (&["Sec-Fetch-Site: none"], true),
    (&["Sec-Fetch-Site: same-origin", "Origin: OWN"], true),
    (&["Sec-Fetch-Site: same-origin", "Origin: null"], true),
    (&["Origin: OWN"], true),
    (&[], true),
    (&["Referer: https://evil.example/"], true),
    (&["Sec-Fetch-Site: cross-site"], false),
    (&["Sec-Fetch-Site: same-site"], false),
    (&["Sec-Fetch-Site: Same-Origin"], false),
    (&["Sec-Fetch-Site: cross-site, same-origin"], false),
    (&["Sec-Fetch-Site:"], false),
    (&["Sec-Fetch-Site: x"], false),
    (
        &[
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: document",
        ],
        false,
    ),
    (
        &[
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-User: ?1",
            "Sec-Fetch-Mode: navigate",
        ],
        false,
    ),
    (&["Sec-Fetch-Site: cross-site", "Origin: https://evil.example"], false),
    (
        &["Sec-Fetch-Site: same-site", "Origin: https://sibling.localhost"],
        false,
    ),
    (&["Sec-Fetch-Site: same-origin", "Origin: https://evil.example"], false),
    (&["Sec-Fetch-Site: none", "Origin: https://evil.example"], false),
    (&["Sec-Fetch-Site: cross-site", "Origin: null"], false),
    (&["Origin: null"], false),
    (&["Origin:"], false),
    (&["Origin: https://evil.example"], false),
    (&["Origin: http://localhost"], false),
    (&["Origin: http://localhost:1"], false),
    (&["Origin: OWN.evil.example"], false),
    (&["Origin: OWN@evil.example"], false),
    (&["Origin: OWN/../"], false),
    (&["Origin: https://evil.example OWN"], false),
    (&["Origin: file://"], false),
    (&["Origin: \u{e9}"], false),
    (&["Origin: https://friend.example"], false),
    (
        &[
            "Sec-Fetch-Site: cross-site",
            "Content-Type: text/plain",
            "X-Requested-With: XMLHttpRequest",
        ],
        false,
    ),
];

fn filled(gateway: &Gateway, lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| line.replace("OWN", &gateway.origin)).collect()
}

#[tokio::test]
async fn another_sites_page_changes_nothing_with_our_cookie() {
    let gateway = Gateway::with_routes(ROUTES).await;
    let alice = alice(&gateway).await;
    for (sender, passes) in SENDERS {
        let own = filled(&gateway, sender);
        let mut lines: Vec<&str> = own.iter().map(String::as_str).collect();
        lines.extend([&*alice, "Content-Length: 0"]);
        for method in ["POST", "PUT", "PATCH", "DELETE", "MKCOL"] {
            let answer = ask(&gateway, &format!("{method} /change"), &lines).await;
            let expected = if passes { 200 } else { 403 };
            assert_eq!(
                (answer.status, taken(&gateway).len()),
                (expected, usize::from(passes)),
                "{method} {sender:?}"
            );
        }
        let answer = ask(&gateway, "POST /optional", &lines).await;
        assert_eq!(
            (answer.status, taken(&gateway).len()),
            (if passes { 200 } else { 403 }, usize::from(passes)),
            "{sender:?}"
        );
        for line in ["GET /read", "HEAD /read", "OPTIONS /read", "POST /lax", "POST /public"] {
            let status = ask(&gateway, line, &lines).await.status;
            assert_eq!((status, taken(&gateway).len()), (200, 1), "{line} {sender:?}");
        }
    }
}

#[tokio::test]
async fn a_cross_site_request_without_our_cookie_is_answered_as_a_strangers() {
    let gateway = Gateway::with_routes(ROUTES).await;
    for cookie in ["A: b", "Cookie: theirs=1"] {
        let lines = ["Sec-Fetch-Site: cross-site", cookie, "Content-Length: 0"];
        assert_eq!(ask(&gateway, "POST /change", &lines).await.status, 401, "{cookie}");
        assert_eq!(ask(&gateway, "POST /optional", &lines).await.status, 200, "{cookie}");
    }
}

/// Who opens a WebSocket on `/`, and on `/friends`.
const OPENERS: [(&[&str], bool, bool); 22] = [
    (&["Sec-Fetch-Site: same-origin", "Origin: OWN"], true, true),
    (&["Origin: OWN"], true, true),
    (&[], true, true),
    (
        &["Sec-Fetch-Site: cross-site", "Origin: https://friend.example"],
        false,
        true,
    ),
    (&["Origin: https://friend.example"], false, true),
    (&["Origin: HTTPS://FRIEND.EXAMPLE"], false, true),
    (&["Origin: https://friend.example:443"], false, true),
    (&["Origin: http://friend.example"], false, false),
    (&["Origin: https://friend.example:444"], false, false),
    (&["Origin: https://friend.example.evil.example"], false, false),
    (&["Origin: https://x.friend.example"], false, false),
    (&["Origin: https://friend.example@evil.example"], false, false),
    (&["Origin: https://friend.example/x"], false, false),
    (&["Origin: https://evil.example"], false, false),
    (
        &["Sec-Fetch-Site: cross-site", "Origin: https://evil.example"],
        false,
        false,
    ),
    (
        &["Sec-Fetch-Site: same-origin", "Origin: https://evil.example"],
        false,
        false,
    ),
    (&["Sec-Fetch-Site: cross-site"], false, false),
    (&["Sec-Fetch-Site: same-site"], false, false),
    (&["Origin: null"], false, false),
    (&["Origin:"], false, false),
    (
        &["Sec-WebSocket-Origin: OWN", "Origin: https://evil.example"],
        false,
        false,
    ),
    (&["Origin: file://"], false, false),
];

#[tokio::test]
async fn another_sites_page_opens_no_websocket_with_our_cookie() {
    let gateway = Gateway::with_routes(ROUTES).await;
    let (alice, browser) = (alice(&gateway).await, gateway.browser());
    for (opener, usual, friend) in OPENERS {
        for (path, opens) in [("/", usual), ("/lax", usual), ("/friends", friend)] {
            let mut request = browser.request("GET", path).line(&alice);
            for line in filled(&gateway, opener) {
                request = request.line(line);
            }
            let request = request
                .header("Upgrade", "websocket")
                .header("Sec-WebSocket-Version", "13");
            let (answer, _) = request
                .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
                .open()
                .await;
            let expected = if opens { 101 } else { 403 };
            assert_eq!(
                (answer.status, taken(&gateway).len()),
                (expected, usize::from(opens)),
                "{path} {opener:?}"
            );
        }
    }
}

#[tokio::test]
async fn another_sites_page_changes_nothing_over_http2_whichever_way_the_cookie_is_cut() {
    let tls = Tls::new();
    let gateway = Gateway::start_with(Setup {
        server: tls.server(),
        rest: ROUTES.to_owned(),
        ..Setup::default()
    })
    .await;
    let home = gateway.origin.replace("http:", "https:");
    let send = async |request: http::request::Builder| tls.send(gateway.address, request.body(()).unwrap(), b"").await;
    let begun = send(Request::get(format!("{home}/")).header("sec-fetch-mode", "navigate")).await;
    let pending = begun.set_cookies()[0].split(';').next().unwrap().to_owned();
    let callback = gateway.browser().walk_until_callback(begun, "alice").await;
    let done = send(Request::get(callback.replace("http:", "https:")).header("cookie", &pending)).await;
    let session = done
        .set_cookies()
        .into_iter()
        .find(|line| line.starts_with("sidegate="))
        .unwrap();
    let session = session.split(';').next().unwrap();
    for crumbs in [
        vec![session],
        vec!["a=b", session],
        vec![session, "a=b"],
        vec!["a=b", "c=d", session, "e=f"],
    ] {
        for (site, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 200)] {
            let mut request = Request::post(format!("{home}/change")).header("sec-fetch-site", site);
            for crumb in &crumbs {
                request = request.header("cookie", *crumb);
            }
            assert_eq!(send(request).await.status, status, "{crumbs:?} {site}");
            let Some(seen) = gateway.app.seen().pop() else { continue };
            let others: Vec<_> = crumbs.iter().copied().filter(|crumb| *crumb != session).collect();
            let expected = if others.is_empty() {
                vec![]
            } else {
                vec![others.join("; ")]
            };
            assert_eq!(
                (seen.header_all("cookie"), seen.header("x-forwarded-user").as_deref()),
                (expected, Some("demo|alice"))
            );
            gateway.app.forget();
        }
    }
}

/// How a sign-out is asked for, and whether it happens at once.
const LEAVERS: [(&str, &[&str], bool); 26] = [
    (
        "GET",
        &[
            "Sec-Fetch-Site: same-origin",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: document",
        ],
        true,
    ),
    (
        "GET",
        &[
            "Sec-Fetch-Site: none",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: document",
        ],
        true,
    ),
    (
        "GET",
        &[
            "Sec-Fetch-Site: same-origin",
            "Sec-Fetch-Mode: cors",
            "Sec-Fetch-Dest: empty",
        ],
        true,
    ),
    ("GET", &[], true),
    ("GET", &["Accept: text/html,image/avif,*/*;q=0.8"], true),
    ("GET", &["Accept: */*"], true),
    ("POST", &["Sec-Fetch-Site: same-origin", "Origin: OWN"], true),
    ("POST", &["Sec-Fetch-Site: same-origin", "Origin: null"], true),
    ("POST", &["Origin: OWN"], true),
    (
        "GET",
        &[
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: document",
        ],
        false,
    ),
    (
        "GET",
        &[
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: no-cors",
            "Sec-Fetch-Dest: image",
        ],
        false,
    ),
    (
        "GET",
        &[
            "Sec-Fetch-Site: same-site",
            "Sec-Fetch-Mode: no-cors",
            "Sec-Fetch-Dest: image",
        ],
        false,
    ),
    (
        "GET",
        &[
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: iframe",
        ],
        false,
    ),
    (
        "HEAD",
        &[
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: no-cors",
            "Sec-Fetch-Dest: empty",
        ],
        false,
    ),
    // What a visitor may put on a page of the app's: an image, a style, a script.
    (
        "GET",
        &[
            "Sec-Fetch-Site: same-origin",
            "Sec-Fetch-Mode: no-cors",
            "Sec-Fetch-Dest: image",
        ],
        false,
    ),
    (
        "GET",
        &[
            "Sec-Fetch-Site: same-origin",
            "Sec-Fetch-Mode: no-cors",
            "Sec-Fetch-Dest: style",
        ],
        false,
    ),
    (
        "GET",
        &[
            "Sec-Fetch-Site: same-origin",
            "Sec-Fetch-Mode: no-cors",
            "Sec-Fetch-Dest: script",
        ],
        false,
    ),
    (
        "GET",
        &[
            "Sec-Fetch-Site: same-origin",
            "Sec-Fetch-Mode: cors",
            "Sec-Fetch-Dest: image",
        ],
        false,
    ),
    (
        "GET",
        &[
            "Sec-Fetch-Site: same-origin",
            "Sec-Fetch-Mode: no-cors",
            "Sec-Fetch-Dest: video",
        ],
        false,
    ),
    // Browsers that say nothing of it, over http.
    ("GET", &["Accept: image/avif,image/webp,image/png,*/*;q=0.8"], false),
    (
        "POST",
        &["Sec-Fetch-Site: cross-site", "Origin: https://evil.example"],
        false,
    ),
    (
        "POST",
        &["Sec-Fetch-Site: same-site", "Origin: https://sibling.localhost"],
        false,
    ),
    ("POST", &["Origin: https://evil.example"], false),
    ("POST", &["Origin: null"], false),
    ("POST", &["Sec-Fetch-Site: cross-site"], false),
    (
        "POST",
        &["Sec-Fetch-Site: same-origin", "Origin: https://evil.example"],
        false,
    ),
];

#[tokio::test]
async fn nobody_is_signed_out_by_another_sites_page_or_an_image() {
    let gateway = Gateway::with_routes(ROUTES).await;
    let mut cookie = alice(&gateway).await;
    for (method, leaver, leaves) in LEAVERS {
        let own = filled(&gateway, leaver);
        let mut lines: Vec<&str> = own.iter().map(String::as_str).collect();
        lines.extend([&*cookie, "Content-Length: 0"]);
        let answer = ask(&gateway, &format!("{method} /oauth2/sign_out?rd=/bye"), &lines).await;
        let ended = answer.set_cookies().iter().any(|line| line.starts_with("sidegate=;"));
        assert_eq!(
            (ended, answer.status),
            (
                leaves,
                match (leaves, method) {
                    (false, _) => 200,
                    (true, "POST") => 303,
                    _ => 302,
                }
            ),
            "{method} {leaver:?}"
        );
        assert_eq!(
            gateway.idp.count(Endpoint::Revocation),
            usize::from(leaves),
            "{method} {leaver:?}"
        );
        if leaves {
            cookie = alice(&gateway).await;
            gateway.idp.forget();
        }
    }
}

#[tokio::test]
async fn nobody_refreshes_from_another_sites_page() {
    let gateway = Gateway::with_routes(ROUTES).await;
    let alice = alice(&gateway).await;
    let asked = gateway.idp.count(Endpoint::Token);
    for (sender, passes) in SENDERS.into_iter().filter(|(_, passes)| !passes).take(12) {
        let own = filled(&gateway, sender);
        let mut lines: Vec<&str> = own.iter().map(String::as_str).collect();
        lines.extend([&*alice, "Content-Length: 0"]);
        assert_eq!(
            ask(&gateway, "POST /oauth2/refresh", &lines).await.status,
            403,
            "{sender:?} {passes}"
        );
    }
    for method in ["GET", "HEAD", "PUT", "OPTIONS"] {
        assert_eq!(
            ask(&gateway, &format!("{method} /oauth2/refresh"), &[&alice])
                .await
                .status,
            405,
            "{method}"
        );
    }
    assert_eq!(gateway.idp.count(Endpoint::Token), asked);
    let lines = [
        "Sec-Fetch-Site: same-origin",
        &alice,
        "Content-Length: 0",
        "X-Original-URI: /public",
        "X-HTTP-Method-Override: GET",
    ];
    assert_eq!(ask(&gateway, "POST /oauth2/refresh", &lines).await.status, 204);
}
