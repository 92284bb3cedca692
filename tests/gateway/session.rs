//! The session's cookies: names, attributes, parts, keys, ends.

use serde_json::json;

use crate::support::answer::Answer;
use crate::support::browser::Browser;
use crate::support::gateway::{Gateway, KEY, OVER, Setup};
use crate::support::idp::Endpoint;
use crate::support::wire::Response;

const OTHER_KEY: &str = "yv66vgABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs";

/// The names of an answer's cookies with their attributes in order of the alphabet.
fn described(answer: &Response) -> Vec<String> {
    let lines = answer.set_cookies();
    let describe = |line: &&str| {
        let mut parts = line.split("; ");
        let name = parts.next().unwrap().split('=').next().unwrap().to_owned();
        let name =
            name.split("_login_").next().unwrap().to_owned() + if name.contains("_login_") { "_login_" } else { "" };
        let mut attributes: Vec<_> = parts.collect();
        attributes.sort_unstable();
        format!("{name}: {}", attributes.join("; "))
    };
    lines.iter().map(describe).collect()
}

/// The answers that begin and end a login.
async fn first_and_last(gateway: &Gateway) -> (Response, Response) {
    let browser = gateway.browser();
    let begun = browser.visit("/").send().await;
    let callback = browser.login_until_callback("/", "alice").await;
    (begun, browser.visit(&callback).send().await)
}

const HTTPS: &str = "public_url = \"https://app.example.test:PORT\"";
const LOGIN: &str = "sidegate_login_: HttpOnly; Max-Age=600; Path=/; SameSite=Lax";
const HTTPS_LOGIN: &str = "__Host-sidegate_login_: HttpOnly; Max-Age=600; Path=/; SameSite=Lax; Secure";

/// `[server]`, `[session]`, the cookie of a started login, that of the session.
const COOKIES: [[&str; 4]; 7] = [
    ["", "", LOGIN, "sidegate: HttpOnly; Max-Age=43200; Path=/; SameSite=Lax"],
    [
        HTTPS,
        "",
        HTTPS_LOGIN,
        "__Host-sidegate: HttpOnly; Max-Age=43200; Path=/; SameSite=Lax; Secure",
    ],
    [
        HTTPS,
        "cookie_domain = \"example.test\"",
        HTTPS_LOGIN,
        "__Secure-sidegate: Domain=example.test; HttpOnly; Max-Age=43200; Path=/; SameSite=Lax; Secure",
    ],
    [
        HTTPS,
        "same_site = \"none\"\npartitioned = true",
        HTTPS_LOGIN,
        "__Host-sidegate: HttpOnly; Max-Age=43200; Partitioned; Path=/; SameSite=None; Secure",
    ],
    [
        "",
        "same_site = \"strict\"",
        LOGIN,
        "sidegate: HttpOnly; Max-Age=43200; Path=/; SameSite=Strict",
    ],
    [
        "",
        "persistent = false",
        LOGIN,
        "sidegate: HttpOnly; Path=/; SameSite=Lax",
    ],
    [
        "",
        "cookie_name = \"mine\"\nlifetime = \"1h\"\nlogin_timeout = \"5m\"",
        "mine_login_: HttpOnly; Max-Age=300; Path=/; SameSite=Lax",
        "mine: HttpOnly; Max-Age=3600; Path=/; SameSite=Lax",
    ],
];

#[tokio::test]
async fn cookies_have_the_names_and_attributes_that_the_operator_chose() {
    for [server, session, login, cookie] in COOKIES {
        let setup = Setup {
            server: server.to_owned(),
            ..Setup::of_session(session)
        };
        let gateway = Gateway::start_with(setup).await;
        let (begun, done) = first_and_last(&gateway).await;
        assert_eq!(described(&begun), [login], "{session}");
        let ended = login
            .replace("Max-Age=600", "Max-Age=0")
            .replace("Max-Age=300", "Max-Age=0");
        let ended = ended.replace(": ", ": Expires=Thu, 01 Jan 1970 00:00:00 GMT; ");
        let mut set = described(&done);
        set.sort_unstable();
        let mut expected = [ended, cookie.to_owned()];
        expected.sort_unstable();
        assert_eq!(set, expected, "{session}");
    }
}

#[tokio::test]
async fn the_whole_flow_works_behind_something_that_ends_tls() {
    let gateway = Gateway::start_with(Setup::of_server("public_url = \"https://app.example.test:PORT\"")).await;
    let browser = gateway.browser();
    let page = browser.login("/x", "alice").await;
    assert_eq!(
        (page.status, page.echoed("x-forwarded-proto")),
        (200, vec!["https".to_owned()])
    );
    assert_eq!(page.echoed("cookie"), Vec::<String>::new());
    gateway.advance(OVER);
    let page = browser.fetch("POST", "/x").send().await;
    assert!(
        page.status == 200 && page.set_cookies()[0].starts_with("__Host-sidegate="),
        "{page:?}"
    );
    browser.visit("/oauth2/sign_out").send().await;
    assert!(browser.cookies().is_empty(), "{:?}", browser.cookies());
}

#[tokio::test]
async fn with_strict_cookies_a_page_of_our_own_goes_on_to_the_target() {
    let gateway = Gateway::start_with(Setup::of_session("same_site = \"strict\"")).await;
    let browser = gateway.browser();
    let callback = browser.login_until_callback("/a?b=1&c=%22", "alice").await;
    let page = browser.visit(&callback).send().await;
    assert_eq!((page.status, page.header("location")), (200, None));
    let text = page.text().replace("&#x2f;", "/");
    assert!(
        text.contains("http-equiv=\"refresh\" content=\"0; url=/a?b=1&amp;c=%22\""),
        "{text}"
    );
    assert_eq!(browser.visit("/a?b=1&c=%22").send().await.status, 200);
}

/// Signs in with an access token of so many bytes.
async fn signed_in_with(gateway: &Gateway, bytes: usize) -> (Browser, Response) {
    gateway.idp.script(
        Endpoint::Token,
        [Answer::json(move |answer| {
            answer["access_token"] = json!("t".repeat(bytes))
        })],
    );
    let browser = gateway.browser();
    // Without at_hash, which is about the usual access token.
    let callback = browser.login_until_callback("/", "alice").await;
    let answer = browser.visit(&callback).send().await;
    (browser, answer)
}

#[tokio::test]
async fn a_large_session_is_split_comes_back_whole_and_leaves_nothing_behind_when_it_shrinks() {
    let gateway = Gateway::start_with(Setup::of_provider("scopes = [\"profile\"]\nuserinfo = \"never\"")).await;
    let (browser, answer) = signed_in_with(&gateway, 9_000).await;
    let parts: Vec<_> = answer
        .set_cookies()
        .into_iter()
        .filter(|line| line.starts_with("sidegate_") && !line.contains("_login_"))
        .collect();
    assert!(parts.len() >= 3, "{parts:?}");
    for (number, line) in parts.iter().enumerate() {
        let pair = line.split(';').next().unwrap();
        assert!(
            pair.starts_with(&format!("sidegate_{number}=")) && pair.len() - 1 <= 3_800,
            "{}",
            pair.len()
        );
    }
    let bearer = browser.fetch("GET", "/").send().await.echoed("authorization");
    assert_eq!(bearer[0].len(), "Bearer ".len() + 9_000);

    gateway.advance(OVER);
    assert!(browser.fetch("GET", "/").send().await.sets_session());
    assert_eq!(browser.cookies().keys().collect::<Vec<_>>(), ["sidegate"]);
    assert_eq!(browser.fetch("GET", "/").send().await.status, 200);
    let parts: Vec<_> = browser.cookies().into_keys().collect();
    browser.visit("/oauth2/sign_out").send().await;
    assert!(browser.cookies().is_empty(), "{parts:?}");
}

#[tokio::test]
async fn a_session_past_ten_parts_is_a_page_that_says_what_to_do() {
    let gateway = Gateway::start_with(Setup::of_provider("scopes = [\"profile\"]\nuserinfo = \"never\"")).await;
    let (fits, answer) = signed_in_with(&gateway, 26_000).await;
    assert_eq!((answer.status, fits.cookies().len()), (302, 10));
    let (browser, page) = signed_in_with(&gateway, 40_000).await;
    assert_eq!((page.status, browser.cookies().len()), (502, 0));
    assert!(page.text().contains("<code>session_too_large</code>") && page.text().contains("ask it for less"));
}

#[tokio::test]
async fn a_part_that_is_missing_or_from_another_session_is_no_session() {
    let gateway = Gateway::start_with(Setup::of_provider("scopes = [\"profile\"]\nuserinfo = \"never\"")).await;
    let (one, _) = signed_in_with(&gateway, 9_000).await;
    let (other, _) = signed_in_with(&gateway, 9_000).await;
    let mixed = one.twin();
    mixed.put_cookie("sidegate_1", &other.cookie("sidegate_1").unwrap());
    one.drop_cookie("sidegate_0");
    for browser in [one, mixed] {
        assert_eq!(browser.fetch("GET", "/").send().await.status, 401);
    }
    assert_eq!(other.fetch("GET", "/").send().await.status, 200);
}

#[tokio::test]
async fn the_first_key_seals_and_all_open_so_that_keys_change_without_a_sign_out() {
    let first = Gateway::start().await;
    let browser = first.signed_in().await;
    let both = first.replica(&format!("keys = [\"{OTHER_KEY}\", \"{KEY}\"]")).await;
    let new_only = first.replica(&format!("keys = [\"{OTHER_KEY}\"]")).await;

    assert_eq!(new_only.carrying(&browser).fetch("GET", "/").send().await.status, 401);
    let moved = both.carrying(&browser);
    let answer = moved.fetch("GET", "/").send().await;
    assert!(
        answer.status == 200 && answer.sets_session(),
        "sealed anew under the first key: {answer:?}"
    );
    assert!(moved.fetch("GET", "/").send().await.set_cookies().is_empty());
    assert_eq!(new_only.carrying(&moved).fetch("GET", "/").send().await.status, 200);
    assert_eq!(first.carrying(&moved).fetch("GET", "/").send().await.status, 401);
}

#[tokio::test]
async fn whatever_is_done_to_a_cookie_it_is_no_session_and_never_a_fault() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let good = browser.cookie("sidegate").unwrap();
    let started = gateway.browser();
    started.visit("/").send().await;
    let login_cookie = started.cookies().into_values().next().unwrap();
    let mut bad = vec![
        String::new(),
        "x".into(),
        login_cookie,
        good[1..].to_owned(),
        format!("{good}A"),
        good.repeat(2),
    ];
    for at in (0..good.len()).step_by(37) {
        let other = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
        bad.push(format!("{}{other}{}", &good[..at], &good[at + 1..]));
    }
    for value in bad {
        browser.put_cookie("sidegate", &value);
        assert_eq!(browser.fetch("GET", "/").send().await.status, 401, "{value}");
    }
    browser.put_cookie("sidegate", &good);
    assert_eq!(browser.fetch("GET", "/").send().await.status, 200);
}

#[tokio::test]
async fn a_tossed_cookie_of_the_same_name_does_not_push_the_real_one_out() {
    let gateway = Gateway::start().await;
    let good = gateway.signed_in().await.cookie("sidegate").unwrap();
    let browser = gateway.browser();
    for line in [
        format!("Cookie: sidegate=junk; sidegate={good}"),
        format!("Cookie: a=b; sidegate={good}; sidegate=junk"),
    ] {
        let answer = browser.fetch("GET", "/").line(line).send().await;
        assert_eq!(answer.status, 200);
        assert!(answer.echoed("cookie").iter().all(|cookie| cookie == "a=b"));
    }
}

#[tokio::test]
async fn an_idle_session_ends_and_a_busy_one_is_written_back_at_most_once_a_minute() {
    let gateway = Gateway::start_with(Setup::of_session("idle_timeout = \"10m\"")).await;
    gateway
        .idp
        .change(|settings| settings.access_token_lifetime = std::time::Duration::from_secs(3_000));
    let browser = gateway.signed_in().await;
    for (wait, written) in [(1, false), (54, false), (6, true), (1, false), (60, true), (595, true)] {
        gateway.advance(wait);
        let answer = browser.fetch("GET", "/").send().await;
        assert_eq!(
            (answer.status, answer.sets_session()),
            (200, written),
            "after {wait} s more"
        );
    }
    gateway.advance(601);
    assert_eq!(browser.fetch("GET", "/").send().await.status, 401);
    assert_eq!(browser.cookie("sidegate"), None);
}

#[tokio::test]
async fn a_short_idle_timeout_is_noted_every_quarter_of_it() {
    let gateway = Gateway::start_with(Setup::of_session("idle_timeout = \"40s\"")).await;
    let browser = gateway.signed_in().await;
    for (wait, written) in [(6, false), (5, true), (6, false), (5, true)] {
        gateway.advance(wait);
        assert_eq!(browser.fetch("GET", "/").send().await.sets_session(), written);
    }
}

#[tokio::test]
async fn the_lifetime_is_counted_from_the_login_whatever_happens() {
    let gateway = Gateway::start_with(Setup::of_session("lifetime = \"10m\"\nidle_timeout = \"5m\"")).await;
    let browser = gateway.signed_in().await;
    for _ in 0..6 {
        assert_eq!(browser.fetch("GET", "/").send().await.status, 200);
        gateway.advance(100);
    }
    assert_eq!(browser.fetch("GET", "/").send().await.status, 401);
    assert_eq!(browser.login("/", "alice").await.status, 200);
}

#[tokio::test]
async fn another_login_takes_the_place_of_the_session_before() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let page = browser.login("/oauth2/start?rd=/b&prompt=select_account", "bob").await;
    assert_eq!(page.echoed("x-forwarded-user"), ["demo|bob"]);
    assert_eq!(browser.cookies().keys().collect::<Vec<_>>(), ["sidegate"]);
}
