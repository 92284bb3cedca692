//! The same without Redis: what two replicas with `store = "cookie"` and a provider that rotates come to. Measured, so that
//! the README can say it.

use futures_util::future::join_all;

use super::fleet::{Fleet, status};

/// Where a browser's requests with one expired session reach both replicas at once, both send its refresh token. The
/// provider takes the second for theft and ends the grant. What a browser then has is a good access token until that ends,
/// then a login.
#[tokio::test]
async fn with_cookies_two_replicas_send_one_refresh_token_twice_and_the_session_ends_early() {
    let fleet = Fleet::new().await;
    let (a, b) = (fleet.replica("").await, fleet.replica("").await);
    let browser = a.browser();
    browser.login("/", "alice").await;
    let other = b.takes_over(&browser);
    fleet.advance(500);
    let first = join_all((0..10).map(|_| status(&browser, "/"))).await;
    let second = join_all((0..10).map(|_| status(&other, "/"))).await;
    assert_eq!((first, fleet.refreshes()), (vec![200; 10], 2));
    assert_eq!(second, [401; 10]);
    assert_eq!(status(&browser, "/").await, 200);
    fleet.advance(500);
    assert_eq!(status(&browser, "/").await, 401);
}

/// With sticky sessions, or with one replica after the other, nothing is lost.
#[tokio::test]
async fn with_cookies_replicas_may_take_turns() {
    let fleet = Fleet::new().await;
    let (a, b) = (fleet.replica("").await, fleet.replica("").await);
    let mut browser = a.browser();
    browser.login("/", "alice").await;
    for replica in [&b, &a, &b] {
        fleet.advance(500);
        browser = replica.takes_over(&browser);
        assert_eq!(status(&browser, "/").await, 200);
    }
    assert_eq!(fleet.refreshes(), 3);
}
