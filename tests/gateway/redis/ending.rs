//! What is in Redis, for how long, and under which keys.

use super::fleet::{Fleet, in_redis, status};
use super::server::Server;
use crate::support::answer::Answer;
use crate::support::gate::Gate;
use crate::support::idp::Endpoint;

const NEW_KEY: &str = "xv66vsr-ur7K_rq-yv66vsr-ur7K_rq-yv66vsr-urg";

#[tokio::test]
async fn a_sign_out_on_one_replica_ends_the_session_on_the_other_and_for_a_stolen_cookie() {
    let redis = Server::start().await;
    let (_fleet, a, b) = Fleet::of_two(&redis.url()).await;
    let browser = a.browser();
    browser.login("/", "alice").await;
    let thief = b.takes_over(&browser);
    assert_eq!(status(&thief, "/").await, 200);
    browser.fetch("POST", "/oauth2/sign_out").send().await;
    assert_eq!(
        (status(&thief, "/").await, status(&a.takes_over(&thief), "/").await),
        (401, 401)
    );
    assert_eq!(redis.ask::<usize>(&["DBSIZE"]).await, 0);
}

#[tokio::test]
async fn a_refresh_that_ends_after_the_sign_out_does_not_bring_the_session_back() {
    let redis = Server::start().await;
    let (fleet, a, b) = Fleet::of_two(&redis.url()).await;
    let browser = a.browser();
    browser.login("/", "alice").await;
    let other = b.takes_over(&browser);
    fleet.advance(500);
    let gate = Gate::shut();
    fleet.idp.script(Endpoint::Token, [Answer::held(&gate)]);
    // The provider forgets to revoke, so that it is our own doing.
    fleet
        .idp
        .script(Endpoint::Revocation, [Answer::error(503, "server_error")]);
    let (served, ()) = tokio::join!(status(&other, "/"), async {
        gate.arrived(1).await;
        browser.fetch("POST", "/oauth2/sign_out").send().await;
        gate.open();
    });
    assert_eq!(served, 401);
    assert_eq!(status(&other, "/").await, 401);
    assert_eq!(redis.ask::<usize>(&["DBSIZE"]).await, 0);
    let revoked = fleet.idp.seen(Endpoint::Revocation);
    assert_ne!(
        revoked[0].form("token"),
        revoked[1].form("token"),
        "the new tokens are revoked too"
    );
}

#[tokio::test]
async fn the_cookie_is_small_and_says_nothing_and_neither_does_redis() {
    let redis = Server::start().await;
    let (fleet, a, _b) = Fleet::of_two(&redis.url()).await;
    let browser = a.browser();
    browser.login("/", "alice").await;
    let token = fleet.app.last().header("authorization").unwrap();
    let cookies = browser.cookies();
    assert_eq!(cookies.len(), 1);
    assert!(cookies["sidegate"].len() < 200, "{}", cookies["sidegate"].len());
    let keys: Vec<String> = redis.ask(&["KEYS", "*"]).await;
    assert!(keys[0].starts_with("sidegate:session:{") && keys.len() == 1, "{keys:?}");
    let value: String = redis.ask(&["GET", &keys[0]]).await;
    assert!(!value.contains(token.trim_start_matches("Bearer ")) && !value.contains("alice"));
    let ends_in: u64 = redis.ask(&["TTL", &keys[0]]).await;
    assert!((43_100..=43_200).contains(&ends_in), "{ends_in}");
}

#[tokio::test]
async fn one_sessions_record_under_anothers_name_is_no_session() {
    let redis = Server::start().await;
    let (_fleet, a, _b) = Fleet::of_two(&redis.url()).await;
    let (alice, bob) = (a.browser(), a.browser());
    alice.login("/", "alice").await;
    let alices: Vec<String> = redis.ask(&["KEYS", "*"]).await;
    bob.login("/", "bob").await;
    let mut all: Vec<String> = redis.ask(&["KEYS", "*"]).await;
    all.retain(|key| *key != alices[0]);
    let copied: i64 = redis.ask(&["COPY", &alices[0], &all[0], "REPLACE"]).await;
    assert_eq!(copied, 1);
    assert_eq!((status(&alice, "/").await, status(&bob, "/").await), (200, 401));
}

#[tokio::test]
async fn a_session_too_large_for_cookies_is_kept_in_redis() {
    let redis = Server::start().await;
    let (fleet, a, b) = Fleet::of_two(&redis.url()).await;
    let large = |answer: &mut serde_json::Value| answer["refresh_token"] = "r".repeat(60_000).into();
    fleet.idp.script(Endpoint::Token, [Answer::json(large)]);
    let browser = a.browser();
    assert_eq!(browser.login("/", "alice").await.status, 200);
    assert_eq!(status(&b.takes_over(&browser), "/").await, 200);
}

#[tokio::test]
async fn keys_are_added_promoted_and_dropped_without_anyone_signed_out() {
    let redis = Server::start().await;
    let (fleet, old, _b) = Fleet::of_two(&redis.url()).await;
    let browser = old.browser();
    browser.login("/", "alice").await;
    let keys = |keys: &str| format!("keys = [{keys}]\n{}", in_redis(&redis.url()));
    let both = fleet
        .replica(&keys(&format!("\"{NEW_KEY}\", \"{}\"", crate::support::gateway::KEY)))
        .await;
    let new = fleet.replica(&keys(&format!("\"{NEW_KEY}\""))).await;
    assert_eq!(status(&new.takes_over(&browser), "/").await, 401);
    let promoted = both.takes_over(&browser);
    let (before, after) = (browser.cookie("sidegate"), {
        assert_eq!(status(&promoted, "/").await, 200);
        promoted.cookie("sidegate")
    });
    assert_ne!(before, after);
    let dropped = new.takes_over(&promoted);
    super::server::eventually("the record under the new key", async || {
        status(&dropped, "/").await == 200
    })
    .await;
    assert_eq!(status(&old.takes_over(&browser), "/").await, 401);
}

#[tokio::test]
async fn an_idle_session_ends_and_a_busy_one_goes_on() {
    let redis = Server::start().await;
    let fleet = Fleet::new().await;
    let a = fleet
        .replica(&format!("idle_timeout = \"40s\"\n{}", in_redis(&redis.url())))
        .await;
    let (busy, idle) = (a.browser(), a.browser());
    busy.login("/", "alice").await;
    idle.login("/", "bob").await;
    for _ in 0..3 {
        fleet.advance(20);
        let seen = fleet.app.seen().len();
        assert_eq!(status(&busy, "/").await, 200);
        fleet.app.reached(seen + 1).await;
        // The time of the request is written beside it.
        let keys: Vec<String> = redis.ask(&["KEYS", "sidegate:session:*"]).await;
        super::server::eventually("the write", async || {
            let mut fresh = 0;
            for key in &keys {
                fresh += usize::from(redis.ask::<i64>(&["PTTL", key]).await > 39_000);
            }
            fresh > 0
        })
        .await;
    }
    assert_eq!((status(&busy, "/").await, status(&idle, "/").await), (200, 401));
}
