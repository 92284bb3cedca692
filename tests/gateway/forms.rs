//! Nothing typed is lost: a form that meets no session is kept by the browser, sealed, and reaches the app after the login
//! as it was sent, once. What the browser itself does with the pages is tried in `in_chromium`.

use std::time::Duration;

use crate::support::answer::Answer;
use crate::support::browser::Browser;
use crate::support::gateway::{Gateway, Setup};
use crate::support::idp::Endpoint;
use crate::support::wire::Response;

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=----WebKitFormBoundaryx7";

/// What the page that keeps a form has for its script.
#[derive(Clone)]
struct Kept {
    id: String,
    sealed: String,
    onward: String,
}

impl Kept {
    fn read(page: &Response) -> Self {
        let text = page.text();
        assert!(text.contains("data-act=\"keepForm\""), "{} {text}", page.status);
        Self {
            id: data(&text, "id"),
            sealed: data(&text, "sealed"),
            onward: data(&text, "onward"),
        }
    }
}

/// A data attribute of a page's `#carry`.
fn data(page: &str, name: &str) -> String {
    let value = page.split(&format!(" data-{name}=\"")).nth(1);
    let value = value.unwrap_or_else(|| panic!("no data-{name}: {page}"));
    value.split('"').next().unwrap().replace("&amp;", "&")
}

/// Posts a form and reads the page that keeps it.
async fn keep(browser: &Browser, target: &str, content_type: &str, body: &[u8]) -> Kept {
    Kept::read(&browser.post(target).body(content_type, body).send().await)
}

/// Goes through the login to the page that goes on: where its script posts to.
async fn sign_in(browser: &Browser, kept: &Kept, person: &str) -> String {
    let page = browser.login(&kept.onward, person).await.text();
    assert_eq!(
        (data(&page, "act"), data(&page, "id")),
        ("sendForm".into(), kept.id.clone())
    );
    data(&page, "to")
}

/// What the script on that page posts.
async fn send(browser: &Browser, to: &str, sealed: &str) -> Response {
    let body = format!("sidegate-form={sealed}\r\n");
    browser.post(to).body("text/plain", body).send().await
}

/// All of it.
async fn carry(browser: &Browser, target: &str, content_type: &str, body: &[u8]) -> Response {
    let kept = keep(browser, target, content_type, body).await;
    let to = sign_in(browser, &kept, "alice").await;
    send(browser, &to, &kept.sealed).await
}

#[tokio::test]
async fn a_form_that_meets_no_session_reaches_the_app_after_the_login_byte_for_byte() {
    let gateway = Gateway::start().await;
    let binary: Vec<u8> = (0..=255).cycle().take(40_000).collect();
    let full = vec![b'x'; 64 << 10];
    for (target, content_type, body) in [
        ("/save", URLENCODED, &b"name=J%C3%BCrgen&note=a+b%0D%0Ac"[..]),
        ("/save?draft=1&b=%20+%2F", URLENCODED, b"latin1=%E9&raw=\xe9"),
        ("/empty", URLENCODED, b""),
        ("/upload;v=1/", MULTIPART, &binary),
        ("/full", URLENCODED, &full),
    ] {
        let answer = carry(&gateway.browser(), target, content_type, body).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        let seen = gateway.app.last();
        let told = (seen.method.as_str(), seen.target.as_str(), seen.header("content-type"));
        assert_eq!(told, ("POST", target, Some(content_type.to_owned())));
        assert_eq!(seen.header_all("content-length"), [body.len().to_string()], "{target}");
        assert_eq!((seen.header("transfer-encoding"), seen.header("referer")), (None, None));
        assert_eq!(seen.header("origin").as_deref(), Some(gateway.origin.as_str()));
        assert_eq!(seen.header("x-forwarded-user").as_deref(), Some("demo|alice"));
        assert!(seen.body == body, "{target}: {} bytes came", seen.body.len());
    }
    assert_eq!(gateway.app.seen().len(), 5);
}

#[tokio::test]
async fn a_form_of_a_mebibyte_is_carried_where_the_route_says_so_and_max_body_counts_the_form_itself() {
    let routes = "[[routes]]\npath = \"/\"\nupstream = \"APP\"\nstash_post = \"3MiB\"\nmax_body = \"1MiB\"\n";
    let gateway = Gateway::with_routes(routes).await;
    let mut body = Vec::from(&b"file="[..]);
    body.resize(1 << 20, 0xff);
    let answer = carry(&gateway.browser(), "/upload", MULTIPART, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(gateway.app.last().body == body);
    body.push(0);
    let refused = gateway.browser().post("/upload").body(MULTIPART, &body).send().await;
    assert_eq!((refused.status, gateway.app.seen().len()), (413, 1));
}

#[tokio::test]
async fn the_page_that_keeps_a_form_runs_nothing_but_our_script_and_shows_nobody_what_was_typed() {
    let gateway = Gateway::start().await;
    let page = gateway
        .browser()
        .submit("/save", &[("secret", "hunter2hunter2")])
        .send()
        .await;
    let csp = page.header("content-security-policy").unwrap();
    assert_eq!(page.status, 200);
    assert!(
        csp.starts_with("default-src 'none'; script-src 'self';") && !csp.contains("unsafe"),
        "{csp}"
    );
    let text = page.text();
    let scripts: Vec<&str> = text.split("<script").skip(1).collect();
    assert_eq!(scripts.len(), 1);
    assert!(scripts[0].starts_with(" src=\"/oauth2/static/carry.js?v=") && scripts[0].contains("\"></script>"));
    assert!(!text.contains("hunter2") && text.contains("that needs JavaScript"));
    let plain = "<a class=\"button\" href=\"/oauth2/start?rd=%2F\">Sign in without it</a>";
    assert!(text.contains(plain), "{text}");
    assert!(page.set_cookies().is_empty() && gateway.idp.count(Endpoint::Authorize) == 0);
    let script = gateway.browser().fetch("GET", "/oauth2/static/carry.js").send().await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
}

#[tokio::test]
async fn a_kept_form_is_sent_on_once() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let kept = keep(&browser, "/order", URLENCODED, b"n=1").await;
    let to = sign_in(&browser, &kept, "alice").await;
    assert_eq!(send(&browser, &to, &kept.sealed).await.status, 200);
    let again = send(&browser, &to, &kept.sealed).await;
    assert_eq!(again.status, 409);
    assert!(again.text().contains("kept_form_sent"), "{}", again.text());
    assert_eq!(gateway.app.seen().len(), 1);
}

#[tokio::test]
async fn a_form_that_cannot_be_kept_is_said_to_be_before_the_login() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let large = vec![b'x'; (64 << 10) + 1];
    let long = format!("/{}", "a".repeat(4_090));
    let foreign = browser.request("POST", "/save").header("Accept", "text/html");
    let foreign = foreign
        .header("Sec-Fetch-Mode", "navigate")
        .header("Sec-Fetch-Site", "cross-site");
    let foreign = foreign.header("Origin", "https://elsewhere.example");
    for (request, reason) in [
        (browser.post("/save").body(URLENCODED, &large), "too large"),
        (foreign.body(URLENCODED, "a=1"), "another site"),
        (browser.post("/save").body("text/plain", "a=1\r\n"), "of a kind"),
        (browser.post("//save").body(URLENCODED, "a=1"), "address"),
        (browser.post(&long).body(URLENCODED, "a=1"), "address"),
    ] {
        let page = request.send().await;
        let text = page.text();
        assert_eq!((page.status, page.set_cookies().len()), (200, 0), "{reason}");
        assert!(
            text.contains("What you sent is not kept") && text.contains(reason),
            "{reason}: {text}"
        );
        assert!(
            text.contains("href=\"/oauth2/start?rd=%2F\"") && !text.contains("<script"),
            "{text}"
        );
    }
    assert!(gateway.app.seen().is_empty());
}

#[tokio::test]
async fn what_is_no_form_and_what_the_route_does_not_keep_is_answered_as_ever() {
    let routes = "[[routes]]\npath = \"/\"\nupstream = \"APP\"\n[[routes]]\npath = \"/off\"\nupstream = \"APP\"\n\
                  stash_post = \"0\"\n[[routes]]\npath = \"/api\"\nupstream = \"APP\"\nunauthenticated = \"401\"\n";
    let gateway = Gateway::with_routes(routes).await;
    let browser = gateway.browser();
    for (request, status) in [
        (browser.submit("/off", &[("a", "1")]), 303),
        (browser.submit("/api", &[("a", "1")]), 401),
        (browser.fetch("POST", "/save").body(URLENCODED, "a=1"), 401),
        (browser.request("POST", "/save").body(URLENCODED, "a=1"), 401),
        (
            browser
                .request("POST", "/save")
                .header("Accept", "text/html")
                .body(URLENCODED, "a=1"),
            401,
        ),
        (browser.visit("/save"), 302),
    ] {
        let url = String::from_utf8_lossy(&request.bytes("close")).into_owned();
        assert_eq!(request.send().await.status, status, "{url}");
    }
}

#[tokio::test]
async fn browsers_without_fetch_metadata_have_their_forms_kept_too() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let form = |origin: &str| {
        let request = browser
            .request("POST", "/save")
            .header("Accept", accept)
            .header("Origin", origin);
        request.body(URLENCODED, "a=1")
    };
    Kept::read(&form(&gateway.origin).send().await);
    let foreign = form("https://elsewhere.example").send().await.text();
    assert!(foreign.contains("another site"), "{foreign}");
}

#[tokio::test]
async fn what_is_changed_late_or_for_another_page_is_not_sent_on() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let kept = keep(&browser, "/order", URLENCODED, b"n=1").await;
    let to = sign_in(&browser, &kept, "alice").await;
    let mut changed = kept.sealed.clone();
    changed.replace_range(80..81, if &changed[80..81] == "A" { "B" } else { "A" });
    let cut = &kept.sealed[..kept.sealed.len() - 4];
    for (to, sealed) in [
        (to.as_str(), changed.as_str()),
        (&to, cut),
        (&to, ""),
        ("/other", &kept.sealed),
        ("/order?n=2", &kept.sealed),
    ] {
        let refused = send(&browser, to, sealed).await;
        assert_eq!(refused.status, 400, "{to}");
        assert!(refused.text().contains("kept_form_unknown"), "{}", refused.text());
    }
    gateway.advance(601);
    assert_eq!(send(&browser, &to, &kept.sealed).await.status, 400);
    assert!(gateway.app.seen().is_empty());
}

#[tokio::test]
async fn another_site_cannot_have_a_kept_form_sent_even_where_csrf_is_off() {
    let routes = "[[routes]]\npath = \"/\"\nupstream = \"APP\"\ncsrf = false\n";
    let gateway = Gateway::with_routes(routes).await;
    let browser = gateway.browser();
    let kept = keep(&browser, "/order", URLENCODED, b"n=1").await;
    let to = sign_in(&browser, &kept, "alice").await;
    let body = format!("sidegate-form={}\r\n", kept.sealed);
    let request = browser
        .request("POST", &to)
        .header("Origin", "https://elsewhere.example");
    let refused = request
        .header("Sec-Fetch-Site", "cross-site")
        .body("text/plain", body)
        .send()
        .await;
    assert_eq!((refused.status, gateway.app.seen().len()), (403, 0));
    assert_eq!(send(&browser, &to, &kept.sealed).await.status, 200);
}

/// Ends alice's session as the provider does: at the next refresh.
async fn end_session(gateway: &Gateway, browser: &Browser) {
    gateway
        .idp
        .change(|settings| settings.access_token_lifetime = Duration::from_secs(30));
    browser.login("/", "alice").await;
    gateway
        .idp
        .always(Endpoint::Token, || Answer::error(400, "invalid_grant"));
    gateway.advance(31);
    gateway.app.forget();
}

#[tokio::test]
async fn a_form_of_one_account_is_never_sent_on_for_another_but_waits_for_its_own() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    end_session(&gateway, &browser).await;
    let kept = keep(&browser, "/order", URLENCODED, b"n=1").await;
    gateway.idp.as_usual(Endpoint::Token);
    let onward = format!("{}&prompt=select_account", kept.onward);
    let to = sign_in(&browser, &Kept { onward, ..kept.clone() }, "bob").await;
    let refused = send(&browser, &to, &kept.sealed).await;
    assert_eq!((refused.status, gateway.app.seen().len()), (403, 0));
    let still = Kept::read(&refused);
    assert!(refused.text().contains(" data-waits") && still.onward.ends_with("&prompt=select_account"));
    assert_eq!((&still.sealed, &still.id), (&kept.sealed, &kept.id));
    let to = sign_in(&browser, &still, "alice").await;
    assert_eq!(send(&browser, &to, &kept.sealed).await.status, 200);
    let seen = gateway.app.last();
    assert_eq!(
        (&seen.body[..], seen.header("x-forwarded-user").as_deref()),
        (&b"n=1"[..], Some("demo|alice"))
    );
}

#[tokio::test]
async fn a_form_that_nobody_is_known_to_have_typed_is_sent_on_for_who_signs_in() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let kept = keep(&browser, "/order", URLENCODED, b"n=1").await;
    let to = sign_in(&browser, &kept, "bob").await;
    assert_eq!(send(&browser, &to, &kept.sealed).await.status, 200);
    assert_eq!(
        gateway.app.last().header("x-forwarded-user").as_deref(),
        Some("demo|bob")
    );
}

#[tokio::test]
async fn a_session_that_does_not_stick_costs_neither_the_form_nor_a_loop() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let kept = keep(&browser, "/order", URLENCODED, b"n=1").await;
    let to = sign_in(&browser, &kept, "alice").await;
    browser.forget_home();
    let page = send(&browser, &to, &kept.sealed).await;
    assert!(
        page.text().contains("You are not signed in") && page.text().contains(" data-waits"),
        "{}",
        page.text()
    );
    let to = sign_in(&browser, &Kept::read(&page), "alice").await;
    assert_eq!(send(&browser, &to, &Kept::read(&page).sealed).await.status, 200);
    assert_eq!(gateway.app.last().body, "n=1");
}

#[tokio::test]
async fn a_form_that_no_server_took_may_be_sent_again() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let kept = keep(&browser, "/order", URLENCODED, b"n=1").await;
    let to = sign_in(&browser, &kept, "alice").await;
    gateway.app.down().await;
    assert_eq!(send(&browser, &to, &kept.sealed).await.status, 502);
    gateway.app.up().await;
    assert_eq!(send(&browser, &to, &kept.sealed).await.status, 200);
    assert_eq!(
        (gateway.app.last().body, send(&browser, &to, &kept.sealed).await.status),
        ("n=1".into(), 409)
    );
}

#[tokio::test]
async fn plain_text_of_the_apps_own_passes_untouched_whatever_its_size() {
    let gateway = Gateway::with_routes("[[routes]]\npath = \"/\"\nupstream = \"APP\"\nstash_post = \"1MiB\"\n").await;
    let browser = gateway.browser();
    browser.login("/", "alice").await;
    for size in [0, 3, 14, 60_000, 65_536, 65_537, 100_000, 1_000_000, 3_000_000] {
        let body: Vec<u8> = (b'a'..=b'z').cycle().take(size).collect();
        let answer = browser.post("/note").body("text/plain", &body).send().await;
        assert_eq!(answer.status, 200, "{size}");
        assert!(
            gateway.app.last().body == body,
            "{size}: {} came",
            gateway.app.last().body.len()
        );
    }
}

#[tokio::test]
async fn the_page_that_the_form_was_on_is_the_referrer_again() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let page = format!("{}/edit?id=7", gateway.origin);
    let post = browser.post("/save").header("Referer", &page).body(URLENCODED, "a=1");
    let kept = Kept::read(&post.send().await);
    let to = sign_in(&browser, &kept, "alice").await;
    let ours = browser
        .post(&to)
        .header("Referer", &format!("{}/oauth2/resume", gateway.origin));
    let body = format!("sidegate-form={}\r\n", kept.sealed);
    assert_eq!(ours.body("text/plain", body).send().await.status, 200);
    assert_eq!(gateway.app.last().header_all("referer"), [page]);
}

#[tokio::test]
async fn a_login_that_fails_is_tried_again_towards_the_form() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let kept = keep(&browser, "/order", URLENCODED, b"n=1").await;
    gateway.idp.down().await;
    let failed = browser.visit(&kept.onward).send().await;
    assert_eq!(failed.status, 503);
    let again = format!("href=\"{}\"", kept.onward.replace('&', "&amp;"));
    assert!(failed.text().contains(&again), "{}", failed.text());
}

#[tokio::test]
async fn the_page_after_the_login_leads_to_pages_of_this_site_only() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    for (query, to) in [
        ("form=a&to=%2Fsave%3Fa%3D1", "/save?a=1"),
        ("fragment=a&to=%2Fapp", "/app"),
        ("form=a&to=https%3A%2F%2Felsewhere.example%2F", "/"),
        ("form=a&to=%2F%2Felsewhere.example%2F", "/"),
        ("form=a&to=javascript%3Aalert(1)", "/"),
        ("form=a&to=%2Foauth2%2Fsign_out", "/"),
        ("form=a&to=%2Foauth2%2Fresume%3Fform%3Da", "/"),
        ("form=a", "/"),
    ] {
        let page = browser.visit(&format!("/oauth2/resume?{query}")).send().await;
        assert_eq!((page.status, data(&page.text(), "to").as_str()), (200, to), "{query}");
    }
    let evil = browser
        .visit("/oauth2/resume?form=%22%3E%3Cscript%3E&to=/")
        .send()
        .await;
    assert_eq!(evil.text().matches("<script").count(), 1);
    assert_eq!(browser.visit("/oauth2/resume").send().await.status, 404);
}

#[tokio::test]
async fn with_keep_fragment_a_page_load_gets_a_page_that_keeps_it_and_goes_on() {
    let server = "keep_fragment = true".to_owned();
    let setup = Setup {
        server,
        ..Setup::default()
    };
    let gateway = Gateway::start_with(setup).await;
    let browser = gateway.browser();
    let page = browser.visit("/app?q=1&r=2").send().await;
    let text = page.text();
    assert_eq!((page.status, data(&text, "act").as_str()), (200, "keepFragment"));
    assert_eq!(data(&text, "plain"), "/oauth2/start?rd=%2Fapp%3Fq%3D1%26r%3D2");
    let back = browser.login(&data(&text, "onward"), "alice").await.text();
    assert_eq!(
        (data(&back, "act"), data(&back, "to")),
        ("restoreFragment".into(), "/app?q=1&r=2".into())
    );
    assert_eq!(data(&back, "id"), data(&text, "id"));
    let without_script = "<noscript><meta http-equiv=\"refresh\" content=\"0; url=/oauth2/start?rd=%2Fapp";
    assert!(text.contains(without_script), "{text}");
    assert_eq!(gateway.browser().fetch("GET", "/app").send().await.status, 401);
}
