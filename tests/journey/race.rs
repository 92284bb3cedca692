//! Many requests with one session that is over, at a provider where a reused refresh token ends the whole grant.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::stage::{Setup, Stage};
use crate::support::browser::Browser;
use crate::support::within;

#[tokio::test]
async fn fifty_then_six_requests_with_one_expired_cookie_cost_one_refresh_each_time() {
    race("").await;
}

#[tokio::test]
async fn fifty_then_six_requests_with_one_expired_cookie_wait_for_a_slow_token_endpoint_together() {
    race("--token-delay-ms 700").await;
}

async fn race(options: &str) {
    let stage = start(&format!("--access-token-ttl 3 {options}"), "refresh_before = \"0s\"").await;
    let mut old = stage.visitor.browser.twin();
    let first = old.twin();
    for (round, width, shared) in [(1, 50, 49), (2, 6, 54)] {
        stage.until_over(&old).await;
        old = at_once(&stage, &old, width, (round, shared)).await;
    }
    // Still alive: one more refresh works; and the first cookie, long spent, is not sent to the provider again.
    stage.until_over(&old).await;
    at_once(&stage, &old, 1, (3, 54)).await;
    let spent = first.fetch("GET", "/spent").send().await;
    assert_eq!((spent.status, stage.provider.counts().await.refreshes()), (401, 3));
    assert!(!stage.provider.counts().await.refused());
    let log = stage.stop().await;
    assert_eq!(log.outcomes("refresh"), ["refreshed"; 3]);
}

/// Sends `width` requests at once with the same cookie, whose access token is over: all are served with one new token,
/// for one token request. `round` and `shared`: refreshes since the start, and requests that another one refreshed for.
/// One of the browsers afterwards.
async fn at_once(stage: &Stage, old: &Browser, width: usize, (round, shared): (u64, u64)) -> Browser {
    stage.app.forget();
    let browsers: Vec<Browser> = (0..width).map(|_| old.twin()).collect();
    assert_eq!(within("the race", join_all(visits(&browsers))).await, vec![200; width]);
    let seen = stage.app.seen();
    let tokens: BTreeSet<String> = seen.iter().map(|seen| stage.bearer(seen)).collect();
    assert_eq!((seen.len(), tokens.len()), (width, 1));
    assert!(stage.provider.accepts(tokens.first().unwrap()).await);
    let counts = stage.provider.counts().await;
    assert_eq!(
        (counts.refreshes(), counts.token(), counts.refused()),
        (round, round + 1, false),
        "{counts:?}"
    );
    // One asked, the others waited for it or took its result: no request did anything else.
    let refreshes = async |outcome: &str| {
        let line = format!("sidegate_refreshes_total{{outcome=\"{outcome}\"");
        stage.gateway.metric(&line).await as u64
    };
    let joined = refreshes("coalesced").await + refreshes("replayed").await;
    assert_eq!((refreshes("refreshed").await, joined), (round, shared));
    // Every one of them has the new session: none is left behind with a spent token.
    for browser in &browsers {
        let cookie = browser.cookie("sidegate");
        assert!(cookie.is_some() && cookie != old.cookie("sidegate"));
        stage.visitor.secrets.lock().extend(cookie);
    }
    browsers.into_iter().next_back().unwrap()
}

#[tokio::test]
async fn fifty_requests_with_a_cookie_that_is_due_are_served_at_once_and_refreshed_once_beside_it() {
    let stage = start("--access-token-ttl 6 --token-delay-ms 700", "").await;
    let old = &stage.visitor.browser;
    let end = stage.userinfo(old).await["expires_at"].as_u64().unwrap();
    let browsers: Vec<Browser> = (0..50).map(|_| old.twin()).collect();
    stage.app.forget();
    stage.until(end - 3).await;
    assert_eq!(within("the race", join_all(visits(&browsers))).await, [200; 50]);
    let first = stage.bearer(&stage.app.seen()[0]);
    within("the new token", async {
        while stage.bearer(&stage.app.last()) == first {
            assert_eq!(old.visit("/after").send().await.status, 200);
        }
    })
    .await;
    let counts = stage.provider.counts().await;
    assert_eq!(
        (counts.token(), counts.refreshes(), counts.refused()),
        (2, 1, false),
        "{counts:?}"
    );
    assert_eq!(stage.stop().await.outcomes("refresh"), ["refreshed"]);
}

/// The statuses of a page load by each.
fn visits(browsers: &[Browser]) -> impl Iterator<Item = impl Future<Output = u16>> {
    let numbered = browsers.iter().enumerate();
    numbered.map(|(number, browser)| async move { browser.visit(&format!("/page/{number}")).send().await.status })
}

/// panva rotates refresh tokens and takes a second use of one for theft. Signed in.
async fn start(options: &str, session: &str) -> Stage {
    let stage = Stage::start(Setup {
        provider: "panva",
        client: "basic",
        options,
        settings: "",
        session,
    })
    .await;
    let page = stage.visitor.open("/", &stage.provider).await;
    assert_eq!(page.status, 200, "{page:?}");
    stage
}
