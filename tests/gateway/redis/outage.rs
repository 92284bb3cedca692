//! Redis down: nobody is let in, nobody is signed out, and whoever needs no session notices nothing.

use std::time::{Duration, Instant};

use super::fleet::{Fleet, status};
use super::server::{Server, eventually};
use crate::support::idp::Endpoint;

#[tokio::test]
async fn without_redis_a_session_gets_503_and_keeps_its_cookie_while_public_pages_and_logins_go_on() {
    let mut redis = Server::start().await;
    let (fleet, a, _b) = Fleet::of_two(&redis.url()).await;
    let (browser, stranger) = (a.browser(), a.browser());
    browser.login("/", "alice").await;
    let cookie = browser.cookie("sidegate");
    redis.down();
    for (who, method, path, expected) in [
        (&browser, "GET", "/", 503),
        (&browser, "GET", "/maybe", 503),
        (&browser, "GET", "/oauth2/userinfo", 503),
        (&browser, "GET", "/oauth2/auth", 503),
        (&browser, "POST", "/oauth2/refresh", 503),
        (&browser, "POST", "/oauth2/sign_out", 503),
        (&browser, "GET", "/public/x", 200),
        (&stranger, "GET", "/public", 200),
        (&stranger, "GET", "/maybe", 200),
        (&stranger, "GET", "/", 401),
        (&stranger, "GET", "/oauth2/userinfo", 401),
        (&stranger, "GET", "/oauth2/start", 302),
    ] {
        let answer = who.fetch(method, path).send().await;
        assert_eq!(answer.status, expected, "{method} {path}");
        let retry_after = answer.header("retry-after").is_some();
        assert_eq!(retry_after, expected == 503, "{method} {path}");
        if expected == 503 {
            assert!(answer.set_cookies().is_empty(), "{method} {path}");
        }
    }
    assert_eq!(browser.cookie("sidegate"), cookie);
    assert_eq!(fleet.idp.count(Endpoint::Revocation), 0);
    assert_eq!(a.ready().await, 200);
}

#[tokio::test]
async fn a_login_that_ends_while_redis_is_down_gets_503_and_goes_through_once_it_is_back() {
    let mut redis = Server::start().await;
    let (fleet, a, _b) = Fleet::of_two(&redis.url()).await;
    redis.down();
    let browser = a.browser();
    let callback = browser.login_until_callback("/x", "alice").await;
    let answer = browser.visit(&callback).send().await;
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true));
    assert_eq!(fleet.idp.count(Endpoint::Token), 0);
    redis.up().await;
    eventually("the login", async || {
        browser.visit(&callback).send().await.status == 302
    })
    .await;
    assert_eq!(status(&browser, "/x").await, 200);
}

#[tokio::test]
async fn once_redis_is_back_everybody_is_signed_in_as_before() {
    let mut redis = Server::lasting().await;
    let (fleet, a, b) = Fleet::of_two(&redis.url()).await;
    let browser = a.browser();
    browser.login("/", "alice").await;
    let other = b.takes_over(&browser);
    redis.down();
    assert_eq!((status(&browser, "/").await, status(&other, "/").await), (503, 503));
    redis.up().await;
    eventually("Redis on one replica", async || status(&browser, "/").await == 200).await;
    eventually("Redis on the other", async || status(&other, "/").await == 200).await;
    assert_eq!(fleet.refreshes(), 0);
}

#[tokio::test]
async fn a_redis_that_restarted_between_two_requests_costs_nobody_an_error() {
    let mut redis = Server::lasting().await;
    let (_fleet, a, _b) = Fleet::of_two(&redis.url()).await;
    let browser = a.browser();
    browser.login("/", "alice").await;
    redis.down();
    redis.up().await;
    assert_eq!(status(&browser, "/").await, 200);
}

#[tokio::test]
async fn a_redis_that_lost_everything_signs_out_and_lets_nobody_in() {
    let mut redis = Server::start().await;
    let (_fleet, a, _b) = Fleet::of_two(&redis.url()).await;
    let browser = a.browser();
    browser.login("/", "alice").await;
    redis.down();
    redis.up().await;
    assert_eq!(status(&browser, "/").await, 401);
    assert_eq!(browser.login("/", "alice").await.status, 200);
}

#[tokio::test]
async fn a_redis_that_hangs_is_waited_for_briefly() {
    let redis = Server::start().await;
    let (_fleet, a, _b) = Fleet::of_two(&redis.url()).await;
    let browser = a.browser();
    browser.login("/", "alice").await;
    redis.freeze();
    let began = Instant::now();
    assert_eq!(status(&browser, "/").await, 503);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(status(&browser, "/public").await, 200);
    redis.thaw();
    eventually("Redis", async || status(&browser, "/").await == 200).await;
}
