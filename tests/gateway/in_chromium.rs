//! What pages and tabs do in a real browser: Debian's Chromium, driven by `tests/browser/journey.mjs`.
//!
//! `tests/run.sh` installs both and sets `SIDEGATE_TEST_BROWSER`. Where they are missing a test says so and is skipped;
//! where the variable is set it fails instead.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::support::gateway::{Gateway, Setup};
use crate::support::idp::Endpoint;
use crate::support::seen::Seen;
use crate::support::upstream::Reply;

/// One browser at a time: each is several processes.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The driver's directory and the browser, where both stand.
fn browser() -> Option<(PathBuf, PathBuf)> {
    let demanded = std::env::var_os("SIDEGATE_TEST_BROWSER").map(PathBuf::from);
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/providers/browser");
    let driver = demanded.clone().unwrap_or_else(usual);
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let mut known = named
        .into_iter()
        .chain(["/usr/bin/chromium", "/usr/bin/chromium-browser"].map(PathBuf::from));
    let chromium = known.find(|path| path.exists());
    let driver = driver.join("stamp").exists().then_some(driver);
    if demanded.is_some() {
        return Some((
            driver.expect("tests/browser/install.sh was not run"),
            chromium.expect("no chromium"),
        ));
    }
    driver.zip(chromium)
}

/// What the journey saw; `None`: skipped.
#[expect(clippy::print_stderr, reason = "a skipped test says why")]
async fn travel(gateway: &Gateway, journey: &str, more: &str) -> Option<Value> {
    let Some((driver, chromium)) = browser() else {
        eprintln!("skipped: chromium or its driver is missing; tests/run.sh installs both");
        return None;
    };
    let _alone = ONE_AT_A_TIME.lock().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/journey.mjs");
    let mut node = Command::new(driver.join("node"));
    node.arg(script).args([journey, &gateway.origin, more]);
    node.env("SIDEGATE_TEST_BROWSER", &driver).env("CHROMIUM", chromium);
    node.stdin(Stdio::null());
    let done = tokio::task::spawn_blocking(move || node.output())
        .await
        .unwrap()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "{journey}: {told}\nthe app saw {:?}",
        posts(gateway)
    );
    Some(serde_json::from_slice(&done.stdout).unwrap())
}

/// The app's page with a form; asked for again and again.
fn page_with_form(gateway: &Gateway, path: &str, enctype: &str) {
    let file = if enctype.starts_with("multipart") {
        "<input type=file name=f>"
    } else {
        ""
    };
    let html = format!(
        "<!DOCTYPE html><meta charset=utf-8><form method=post action='/save?draft=1' enctype='{enctype}'>\
         <textarea name=note></textarea><input name=q>{file}<button type=submit name=do value=save>Save</button></form>"
    );
    let reply = || Reply::Fixed {
        status: 200,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: html.clone().into_bytes(),
    };
    gateway.app.script(path, [reply(), reply(), reply()]);
}

fn posts(gateway: &Gateway) -> Vec<Seen> {
    let seen = gateway.app.seen().into_iter();
    seen.filter(|seen| seen.method == "POST").collect()
}

/// A multipart body and its type with another boundary: browsers choose a new one each time.
fn with_boundary(seen: &Seen, put: &str) -> (String, Vec<u8>) {
    let content_type = seen.header("content-type").unwrap();
    let Some((_, boundary)) = content_type.split_once("boundary=") else {
        return (content_type, seen.body.to_vec());
    };
    assert_eq!(boundary.len(), put.len(), "{content_type}");
    let mut body = seen.body.to_vec();
    while let Some(at) = body
        .windows(boundary.len())
        .position(|window| window == boundary.as_bytes())
    {
        body[at..at + put.len()].copy_from_slice(put.as_bytes());
    }
    (content_type.replace(boundary, put), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_typed_before_the_session_ended_arrives_as_if_it_had_not() {
    for enctype in ["application/x-www-form-urlencoded", "multipart/form-data"] {
        let gateway = Gateway::start().await;
        page_with_form(&gateway, "/form", enctype);
        let Some(seen) = travel(&gateway, "form", "/form").await else {
            return;
        };
        assert_eq!(seen["left"], 0, "something stays in the tab's storage");
        assert!(seen["told"].as_str().unwrap().contains("\"method\":\"POST\""), "{seen}");
        let posts = posts(&gateway);
        let [live, kept] = &posts[..] else {
            panic!("{} forms came", posts.len())
        };
        let put = "-".repeat(38);
        assert!(
            with_boundary(live, &put) == with_boundary(kept, &put),
            "{live:?}\n{kept:?}"
        );
        assert!(live.body.len() > if enctype.starts_with('m') { 20_000 } else { 100 });
        for name in [
            "referer",
            "origin",
            "accept",
            "content-length",
            "sec-fetch-mode",
            "x-forwarded-user",
        ] {
            assert_eq!(live.header_all(name), kept.header_all(name), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reloading_and_going_back_send_nothing_twice() {
    let gateway = Gateway::start().await;
    page_with_form(&gateway, "/form", "application/x-www-form-urlencoded");
    let Some(seen) = travel(&gateway, "again", "").await else {
        return;
    };
    assert_eq!(seen, json!({"reloaded": "This was sent already", "back": "/form"}));
    assert_eq!(posts(&gateway).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_may_answer_a_kept_form_with_a_redirect_to_anywhere() {
    let gateway = Gateway::start().await;
    page_with_form(&gateway, "/form", "application/x-www-form-urlencoded");
    let elsewhere = format!("{}/landed", gateway.app.url());
    gateway
        .app
        .script("/save", [Reply::with(303, &[("location", &elsewhere)])]);
    let Some(seen) = travel(&gateway, "away", &elsewhere).await else {
        return;
    };
    assert_eq!(seen["url"], elsewhere);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_javascript_the_visitor_is_told_and_can_go_on() {
    let gateway = Gateway::start().await;
    page_with_form(&gateway, "/form", "application/x-www-form-urlencoded");
    let Some(seen) = travel(&gateway, "withoutScript", "").await else {
        return;
    };
    let told = seen["told"].as_str().unwrap();
    assert!(
        told.contains("What you entered is not kept") && !told.contains("is kept in this tab"),
        "{told}"
    );
    assert!(posts(&gateway).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_whose_browser_has_no_room_is_told_and_not_sent_on() {
    let gateway = Gateway::start().await;
    page_with_form(&gateway, "/form", "application/x-www-form-urlencoded");
    let Some(seen) = travel(&gateway, "full", "").await else {
        return;
    };
    let told = seen["told"].as_str().unwrap();
    assert!(
        told.contains("What you entered is not kept") && !told.contains("is kept in this tab"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_is_there_again_after_the_login_and_no_server_saw_it() {
    let server = "keep_fragment = true".to_owned();
    let gateway = Gateway::start_with(Setup {
        server,
        ..Setup::default()
    })
    .await;
    let Some(seen) = travel(&gateway, "fragment", "").await else {
        return;
    };
    assert_eq!(seen, json!({"first": "/app?q=1#/inbox/7?x=%20y&z", "second": "/plain"}));
    let asked = gateway
        .idp
        .seen(Endpoint::Authorize)
        .into_iter()
        .chain(gateway.app.seen());
    for request in asked {
        assert!(!request.target.contains("inbox"), "{}", request.target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_tabs_opened_at_once_all_reach_their_own_page() {
    let gateway = Gateway::start().await;
    let Some(seen) = travel(&gateway, "tabs", "").await else {
        return;
    };
    let own: Vec<String> = (0..20).map(|at| format!("/tab/{at}?n={at}")).collect();
    assert_eq!(seen["reached"], json!(own));
}
