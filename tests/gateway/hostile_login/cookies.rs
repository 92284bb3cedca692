//! A session is what we sealed, whole, under its name, for this deployment, until its time is over; nothing else is one.

use serde_json::json;

use super::{Inquirer, user};
use crate::support::gateway::{Gateway, Setup};
use crate::support::idp::Endpoint;
use crate::support::upstream::Reply;

#[tokio::test]
async fn a_session_cookie_with_any_character_changed_or_cut_or_added_is_no_session() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    browser.login("/", "alice").await;
    let sealed = browser.cookie("sidegate").unwrap();
    let mut ask = Inquirer::new(&gateway).await;
    assert_eq!(ask.status(&[&format!("sidegate={sealed}")]).await, 200);
    for at in 0..sealed.len() {
        let own = sealed.as_bytes()[at];
        let other = if own == b'A' { 'B' } else { 'A' };
        let (before, after) = (&sealed[..at], &sealed[at + 1..]);
        assert_eq!(
            ask.status(&[&format!("sidegate={before}{other}{after}")]).await,
            401,
            "changed at {at}"
        );
        assert_eq!(
            ask.status(&[&format!("sidegate={before}{after}")]).await,
            401,
            "without {at}"
        );
        assert_eq!(ask.status(&[&format!("sidegate={before}")]).await, 401, "cut at {at}");
    }
    for added in ["A", "AAAA", "=", "==", ".", "%00", "\t.", ",sidegate", "\u{e9}"] {
        assert_eq!(
            ask.status(&[&format!("sidegate={sealed}{added}")]).await,
            401,
            "with {added:?}"
        );
        assert_eq!(
            ask.status(&[&format!("sidegate={added}{sealed}")]).await,
            401,
            "after {added:?}"
        );
    }
}

#[tokio::test]
async fn a_value_counts_only_under_its_own_name_and_for_its_own_purpose() {
    let gateway = Gateway::start().await;
    let (browser, stranger) = (gateway.browser(), gateway.browser());
    let begun = stranger.visit("/").send().await;
    let state = query(begun.location(), "state");
    let (login_name, pending) = stranger.cookies().pop_first().unwrap();
    browser.login("/", "alice").await;
    let session = browser.cookie("sidegate").unwrap();
    for line in [
        format!("sidegate={state}"),
        format!("sidegate={pending}"),
        format!("{login_name}={session}"),
        format!("sidegate_login_={session}"),
        format!("Sidegate={session}"),
        format!("SIDEGATE={session}"),
        format!("__Host-sidegate={session}"),
        format!("__Secure-sidegate={session}"),
        format!("sidegate_0={session}"),
        format!("sidegate_0=1.{}.{session}", &session[12..20]),
        format!("sidegate_={session}"),
        format!("sidegat={session}"),
        format!("sidegate%20={session}"),
        format!("$sidegate={session}"),
        format!("x={session}; y=sidegate={session}"),
        format!("=sidegate={session}"),
        format!("sidegate:{session}"),
        format!("sidegate=\"{session}\""),
    ] {
        assert_eq!(user(&gateway, &[&line]).await, None, "{line}");
    }
    // The session under the name of a started login completes no login.
    stranger.put_cookie(&login_name, &session);
    gateway.idp.forget();
    stranger
        .visit(&format!("/oauth2/callback?code=c&state={state}"))
        .send()
        .await;
    assert_eq!(gateway.idp.count(Endpoint::Token), 0);
}

#[tokio::test]
async fn the_first_cookie_that_opens_counts_whatever_is_tossed_in_front_of_it() {
    let gateway = Gateway::start().await;
    let (alice, bob) = (signed_in(&gateway, "alice").await, signed_in(&gateway, "bob").await);
    let tossed = |count: usize, crumb: &str| vec![crumb; count].join("; ");
    let joinable: String = (0..60)
        .map(|n| format!("sidegate_0=2.{n:08}.x; sidegate_1=2.{n:08}.y; "))
        .collect();
    for (lines, expected) in [
        (vec![format!("{alice}; {bob}")], Some("demo|alice")),
        (vec![bob.clone(), alice.clone()], Some("demo|bob")),
        (vec![format!("sidegate=; {alice}")], Some("demo|alice")),
        (
            vec!["sidegate=x".into(), "a=b".into(), alice.clone(), "c=d".into()],
            Some("demo|alice"),
        ),
        (
            vec![format!("{}; {alice}", tossed(8, "sidegate=tossed"))],
            Some("demo|alice"),
        ),
        (
            vec![format!("{}; {alice}", tossed(180, "sidegate=tossed"))],
            Some("demo|alice"),
        ),
        (
            vec![format!("{}; {alice}", tossed(180, "sidegate_login_x=tossed"))],
            Some("demo|alice"),
        ),
        (vec![format!("{joinable}{alice}")], Some("demo|alice")),
        (
            vec![format!("{}; {alice}", tossed(180, &format!("{}A", &alice[..60])))],
            Some("demo|alice"),
        ),
        (vec![format!(";;; ;=;=x; {alice} ;;")], Some("demo|alice")),
        (vec![format!("a=\"; {alice}; b=\"")], Some("demo|alice")),
        (vec![tossed(180, "sidegate=tossed")], None),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(user(&gateway, &lines).await.as_deref(), expected, "{lines:?}");
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn parts_make_a_session_only_when_all_of_one_session_are_there() {
    let gateway = Gateway::start().await;
    let (alice, bob) = (parts(&gateway, "alice").await, parts(&gateway, "bob").await);
    assert!(alice.len() >= 3 && alice.len() == bob.len(), "{}", alice.len());
    let crumb = |(name, value): &(String, String)| format!("{name}={value}");
    let line = |parts: &[(String, String)]| parts.iter().map(crumb).collect::<Vec<_>>().join("; ");
    let renamed = |from: usize, name: &str| {
        let mut parts = alice.clone();
        parts[from].0 = name.to_owned();
        line(&parts)
    };
    let counted = |count: &str| {
        let recount = |(name, value): &(String, String)| (name.clone(), format!("{count}{}", &value[1..]));
        line(&alice.iter().map(recount).collect::<Vec<_>>())
    };
    let mut swapped = alice.clone();
    (swapped[0].1, swapped[1].1) = (alice[1].1.clone(), alice[0].1.clone());
    let mut mixed = alice.clone();
    mixed[1] = bob[1].clone();
    let backwards: Vec<_> = alice.iter().rev().cloned().collect();
    let many: Vec<_> = (0..500)
        .map(|n| (format!("sidegate_{n}"), "9.AAAAAAAA.x".to_owned()))
        .collect();
    let both: Vec<_> = many.iter().take(300).chain(&alice).cloned().collect();
    for (cookies, expected) in [
        (line(&alice), Some("demo|alice")),
        (line(&backwards), Some("demo|alice")),
        (line(&[mixed.clone(), alice.clone()].concat()), Some("demo|alice")),
        (line(&both), Some("demo|alice")),
        (line(&alice[1..]), None),
        (line(&alice[..alice.len() - 1]), None),
        (line(&swapped), None),
        (line(&mixed), None),
        (line(&many), None),
        (renamed(0, "sidegate_9"), None),
        (renamed(0, "sidegate_18446744073709551616"), None),
        (renamed(0, "sidegate_-1"), None),
        (renamed(0, "sidegate_+0"), None),
        (renamed(0, "sidegate_ 0"), None),
        (renamed(0, "sidegate_0x0"), None),
        (renamed(0, "sidegate_0_0"), None),
        (renamed(0, "sidegate__0"), None),
        (counted("0"), None),
        (counted("1"), None),
        (counted("2"), None),
        (counted("9"), None),
        (counted("10"), None),
        (counted("-3"), None),
        (counted("99999999999999999999"), None),
        (counted(""), None),
    ] {
        let got = user(&gateway, &[&cookies]).await;
        assert_eq!(got.as_deref(), expected, "{}", &cookies[..cookies.len().min(300)]);
    }
}

#[tokio::test]
async fn nine_hundred_kilobytes_of_cookies_are_refused_and_hold_nobody_up() {
    let gateway = Gateway::start().await;
    let alice = signed_in(&gateway, "alice").await;
    let flood = vec!["sidegate_0=2.AAAAAAAA.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; 16_000].join("; ");
    let browser = gateway.browser();
    let answer = browser.fetch("GET", "/").header("Cookie", &flood).send().await;
    assert_eq!(answer.status, 431);
    assert_eq!(user(&gateway, &[&alice]).await.as_deref(), Some("demo|alice"));
}

#[tokio::test]
async fn a_cookie_kept_past_the_absolute_lifetime_is_no_session_whatever_was_refreshed() {
    let gateway = Gateway::start_with(Setup {
        session: "lifetime = \"1h\"".into(),
        ..Setup::default()
    })
    .await;
    let browser = gateway.browser();
    browser.login("/", "alice").await;
    for _ in 0..59 {
        gateway.advance(60);
        assert_eq!(browser.fetch("GET", "/").send().await.status, 200);
    }
    let kept = format!("sidegate={}", browser.cookie("sidegate").unwrap());
    gateway.advance(61);
    let asked = gateway.idp.count(Endpoint::Token);
    assert_eq!(user(&gateway, &[&kept]).await, None);
    assert_eq!(
        gateway.idp.count(Endpoint::Token),
        asked,
        "a session that is over is not refreshed"
    );
}

#[tokio::test]
async fn a_planted_session_is_gone_after_the_victims_own_login() {
    let gateway = Gateway::start().await;
    for (planted, victim) in [
        ("alice", "alice"),
        ("many", "alice"),
        ("alice", "many"),
        ("many", "many"),
    ] {
        many_groups(&gateway, "bob", planted == "many");
        let browser = gateway.browser();
        browser.login("/", "bob").await;
        many_groups(&gateway, "alice", victim == "many");
        let mut answer = browser.visit("/oauth2/start?rd=/&prompt=select_account").send().await;
        answer = browser.walk(answer, "alice").await;
        assert_eq!(answer.status, 200, "{planted} then {victim}");
        let user = browser.fetch("GET", "/oauth2/userinfo").send().await.json()["user"].clone();
        assert_eq!(user, json!("demo|alice"), "{planted} then {victim}");
    }
}

#[tokio::test]
async fn an_attackers_code_and_state_sign_nobody_in_as_the_attacker() {
    let gateway = Gateway::start().await;
    let attacker = gateway.browser();
    let callback = attacker.login_until_callback("/planted", "bob").await;
    let stranger = gateway.browser();
    let restarted = stranger.visit(&callback).send().await;
    assert!(restarted.location().starts_with(gateway.idp.issuer()));
    assert_eq!(gateway.idp.count(Endpoint::Token), 0);
    assert_eq!(stranger.walk(restarted, "alice").await.status, 200);
    for _ in 0..2 {
        let before = gateway.idp.count(Endpoint::Token);
        let sent_on = stranger.visit(&callback).send().await;
        assert_eq!((sent_on.status, sent_on.location()), (302, "/planted"));
        assert_eq!(
            (sent_on.set_cookies().len(), gateway.idp.count(Endpoint::Token)),
            (0, before)
        );
    }
    let me = stranger.fetch("GET", "/oauth2/userinfo").send().await.json();
    assert_eq!(me["user"], "demo|alice");
}

#[tokio::test]
async fn an_app_that_is_broken_into_sets_no_cookie_under_our_names() {
    let gateway = Gateway::with_routes("[[routes]]\npath = \"/\"\naccess = \"public\"\nupstream = \"APP\"").await;
    for line in [
        "sidegate=x",
        "sidegate_0=x",
        "sidegate_99=x",
        "sidegate_login_abc=x; Path=/",
        " sidegate=x",
        "\tsidegate =x",
        "=sidegate=x",
        " =sidegate=x",
        "sidegate",
        "sidegate;x=y",
    ] {
        let reply = Reply::with(
            200,
            &[
                ("set-cookie", line),
                ("set-cookie", "app=1"),
                ("set-cookie", "sidegatex=1"),
            ],
        );
        gateway.app.script("/", [reply]);
        let answer = gateway.browser().visit("/").send().await;
        assert_eq!(answer.set_cookies(), ["app=1", "sidegatex=1"], "{line:?}");
    }
}

/// The `Cookie` line of somebody who has just signed in.
async fn signed_in(gateway: &Gateway, person: &str) -> String {
    let browser = gateway.browser();
    assert_eq!(browser.login("/", person).await.status, 200);
    format!("sidegate={}", browser.cookie("sidegate").unwrap())
}

/// The cookies of somebody whose session needs several.
async fn parts(gateway: &Gateway, person: &str) -> Vec<(String, String)> {
    many_groups(gateway, person, true);
    let browser = gateway.browser();
    assert_eq!(browser.login("/", person).await.status, 200);
    browser
        .cookies()
        .into_iter()
        .filter(|(name, _)| name.starts_with("sidegate_"))
        .collect()
}

/// Gives a person so many groups that the session needs several cookies, or the usual ones.
fn many_groups(gateway: &Gateway, person: &str, many: bool) {
    let count = if many { 150 } else { 1 };
    gateway.idp.change(|settings| {
        let person = settings.people.iter_mut().find(|own| own.username == person).unwrap();
        person.groups = (0..count)
            .map(|n| format!("a-group-with-a-rather-long-name-{n}"))
            .collect();
    });
}

fn query(url: &str, name: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs().find(|(own, _)| own == name).unwrap().1.into_owned()
}
