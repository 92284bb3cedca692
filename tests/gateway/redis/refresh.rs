//! However many replicas there are, a refresh token is sent once, and everybody is served.

use futures_util::future::join_all;

use super::fleet::{Fleet, in_redis, status};
use super::server::{Server, eventually};
use crate::support::answer::Answer;
use crate::support::gate::Gate;
use crate::support::idp::Endpoint;

/// Past the life of an access token, within that of everything else.
const EXPIRED: u64 = 500;

#[tokio::test]
async fn fifty_requests_over_two_replicas_with_one_expired_session_are_one_token_call_and_all_served() {
    let redis = Server::start().await;
    let (fleet, a, b) = Fleet::of_two(&redis.url()).await;
    let browser = a.browser();
    browser.login("/", "alice").await;
    let other = b.takes_over(&browser);
    fleet.advance(EXPIRED);
    let gate = Gate::shut();
    fleet.idp.script(Endpoint::Token, [Answer::held(&gate)]);
    let requests = join_all((0..50).map(|n| status(if n % 2 == 0 { &browser } else { &other }, "/")));
    let (statuses, ()) = tokio::join!(requests, async {
        gate.arrived(1).await;
        // One replica waits for the provider, the other asks Redis again and again what has become of it.
        eventually("a waiting replica", async || scripts_run(&redis).await >= 4).await;
        gate.open();
    });
    assert_eq!((statuses, fleet.refreshes()), (vec![200; 50], 1));
    let line = "sidegate_refreshes_total{outcome=\"refreshed\"";
    assert_eq!(a.metric(line).await + b.metric(line).await, 1.0);
    assert_eq!((status(&browser, "/").await, status(&other, "/").await), (200, 200));
    assert_eq!(fleet.refreshes(), 1);
}

/// How many scripts the replicas sent.
async fn scripts_run(redis: &Server) -> usize {
    let statistics: String = redis.ask(&["INFO", "commandstats"]).await;
    let calls = statistics
        .split_once("cmdstat_eval:calls=")
        .map_or("0", |(_, rest)| rest);
    calls.split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn sessions_live_on_through_refresh_after_refresh_on_changing_replicas() {
    let redis = Server::start().await;
    let (fleet, a, b) = Fleet::of_two(&redis.url()).await;
    let browser = a.browser();
    browser.login("/", "alice").await;
    let other = b.takes_over(&browser);
    for round in 1..=6 {
        fleet.advance(EXPIRED);
        let (first, second) = if round % 2 == 0 {
            (&browser, &other)
        } else {
            (&other, &browser)
        };
        assert_eq!((status(first, "/").await, status(second, "/").await), (200, 200));
        assert_eq!(fleet.refreshes(), round);
    }
    let bearer = fleet.app.last().header("authorization");
    assert_eq!(
        bearer,
        fleet.app.seen()[fleet.app.seen().len() - 2].header("authorization")
    );
}

#[tokio::test]
async fn a_token_that_will_soon_end_is_refreshed_beside_the_request_and_no_cookie_changes() {
    let redis = Server::start().await;
    let (fleet, a, b) = Fleet::of_two(&redis.url()).await;
    let browser = a.browser();
    browser.login("/", "alice").await;
    let cookie = browser.cookie("sidegate");
    fleet.advance(90);
    let gate = Gate::shut();
    fleet.idp.script(Endpoint::Token, [Answer::held(&gate)]);
    let other = b.takes_over(&browser);
    assert_eq!((status(&browser, "/").await, status(&other, "/").await), (200, 200));
    gate.arrived(1).await;
    let before = fleet.app.last().header("authorization");
    gate.open();
    eventually("the new token", async || {
        assert_eq!(status(&other, "/").await, 200);
        fleet.app.last().header("authorization") != before
    })
    .await;
    assert_eq!(fleet.refreshes(), 1);
    assert_eq!(browser.cookie("sidegate"), cookie);
}

#[tokio::test]
async fn a_replica_that_dies_during_a_refresh_holds_the_others_up_for_a_moment_only() {
    let redis = Server::start().await;
    let fleet = Fleet::new().await;
    let mut dying = fleet.mortal(&in_redis(&redis.url())).await;
    let other = fleet.replica(&in_redis(&redis.url())).await;
    let browser = dying.browser();
    browser.login("/", "alice").await;
    fleet.advance(EXPIRED);
    fleet.idp.script(Endpoint::Token, [Answer::Hang]);
    let doomed = tokio::spawn({
        let browser = browser.twin();
        async move { browser.fetch("GET", "/").open().await }
    });
    fleet.idp.reached(Endpoint::Token, 2).await;
    dying.dies();
    drop(doomed);
    let other = other.takes_over(&browser);
    assert_eq!(join_all((0..5).map(|_| status(&other, "/"))).await, [200; 5]);
    assert_eq!(fleet.refreshes(), 2);
}

#[tokio::test]
async fn a_silent_provider_is_asked_by_one_replica_and_the_session_is_kept() {
    let redis = Server::start().await;
    let (fleet, a, b) = Fleet::of_two(&redis.url()).await;
    let browser = a.browser();
    browser.login("/", "alice").await;
    let other = b.takes_over(&browser);
    fleet.advance(EXPIRED);
    fleet
        .idp
        .script(Endpoint::Token, [Answer::error(503, "temporarily_unavailable")]);
    let answer = browser.fetch("GET", "/").send().await;
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true));
    assert!(answer.set_cookies().is_empty());
    assert_eq!(status(&other, "/").await, 503);
    assert_eq!(fleet.refreshes(), 1);
    fleet.advance(60);
    eventually("the end of the back-off", async || status(&other, "/").await == 200).await;
    assert_eq!((status(&browser, "/").await, fleet.refreshes()), (200, 2));
}

#[tokio::test]
async fn a_refused_refresh_ends_the_session_everywhere() {
    let redis = Server::start().await;
    let (fleet, a, b) = Fleet::of_two(&redis.url()).await;
    let browser = a.browser();
    browser.login("/", "alice").await;
    let other = b.takes_over(&browser);
    fleet.advance(EXPIRED);
    fleet.idp.script(Endpoint::Token, [Answer::error(400, "invalid_grant")]);
    assert_eq!((status(&browser, "/").await, status(&other, "/").await), (401, 401));
    assert_eq!((fleet.refreshes(), browser.cookie("sidegate")), (1, None));
    assert_eq!(redis.ask::<usize>(&["DBSIZE"]).await, 0);
}

#[tokio::test]
async fn tokens_that_came_while_redis_was_away_are_not_lost() {
    let mut redis = Server::lasting().await;
    let (fleet, a, b) = Fleet::of_two(&redis.url()).await;
    let browser = a.browser();
    browser.login("/", "alice").await;
    fleet.advance(EXPIRED);
    let gate = Gate::shut();
    fleet.idp.script(Endpoint::Token, [Answer::held(&gate)]);
    let (served, ()) = tokio::join!(status(&browser, "/"), async {
        gate.arrived(1).await;
        redis.down();
        gate.open();
    });
    assert_eq!(served, 200);
    redis.up().await;
    let other = b.takes_over(&browser);
    eventually("Redis is back", async || status(&other, "/").await == 200).await;
    assert_eq!((status(&browser, "/").await, fleet.refreshes()), (200, 1));
}
