//! What passes through between browser and app: streams, sockets, bodies, cookies.

use crate::support::gateway::{Gateway, OVER, Setup};
use crate::support::upstream::Reply;
use crate::support::wire::{Connection, exchange};

const PUBLIC: &str = "[[routes]]\npath = \"/\"\nupstream = \"APP\"\naccess = \"public\"\n";

#[tokio::test]
async fn a_websocket_goes_through_both_ways_and_stays() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let handshake = browser.fetch("GET", "/socket").header("Upgrade", "websocket");
    let handshake = handshake
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Origin", &gateway.origin);
    let (head, mut socket) = handshake.open().await;
    assert_eq!(
        (head.status, head.header("sec-websocket-accept")),
        (101, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
    );
    for text in ["one", "two", "three"] {
        socket.send(text.as_bytes()).await;
        assert_eq!(socket.until(text).await, text);
    }
    let seen = gateway.app.last();
    assert!(seen.header("authorization").is_some() && seen.header("cookie").is_none());
}

#[tokio::test]
async fn events_arrive_one_by_one_as_the_app_sends_them() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let (events, sender) = Reply::events();
    gateway.app.script("/events", [events]);
    let (head, mut stream) = browser
        .fetch("GET", "/events")
        .header("Accept", "text/event-stream")
        .open()
        .await;
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, Some("text/event-stream"))
    );
    for number in 0..3 {
        let event = format!("data: {number}\n\n");
        sender.send(event.clone().into()).unwrap();
        assert!(stream.until(&event).await.ends_with(&event));
    }
    drop(sender);
    // The last chunk (RFC 9112 §7.1) and not a cut.
    assert!(stream.until("0\r\n\r\n").await.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn a_body_goes_up_and_comes_down_as_it_is() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let body = "x\u{fc}\r\n".repeat(40_000);
    let answer = browser.fetch("PUT", "/p").body("text/plain", &body).send().await;
    assert_eq!(
        (answer.json()["method"].as_str(), answer.json()["body"].as_str()),
        (Some("PUT"), Some(body.as_str()))
    );
    let answer = browser.fetch("HEAD", "/p").send().await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

#[tokio::test]
async fn the_app_cannot_touch_cookies_of_our_names_and_its_own_stay() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let lines = [
        ("set-cookie", "app=1; Path=/"),
        ("set-cookie", "sidegate=stolen; Path=/"),
        ("set-cookie", "sidegate_0=x"),
        ("set-cookie", " sidegate = x"),
        ("set-cookie", "sidegate_login_abc=x"),
        ("set-cookie", "sidegates=2"),
        ("set-cookie", "Sidegate=3"),
    ];
    gateway
        .app
        .script("/c", [Reply::with(200, &lines), Reply::with(200, &lines)]);
    let kept = ["app=1; Path=/", "sidegates=2", "Sidegate=3"];
    assert_eq!(browser.fetch("GET", "/c").send().await.set_cookies(), kept);
    gateway.advance(OVER);
    let answer = browser.fetch("GET", "/c").send().await;
    assert!(answer.sets_session(), "{answer:?}");
    assert_eq!(answer.set_cookies().len(), kept.len() + 1);
    let seen = browser.fetch("GET", "/").send().await.echoed("cookie");
    assert_eq!(seen, ["Sidegate=3; app=1; sidegates=2"]);
}

#[tokio::test]
async fn an_answer_with_a_session_in_it_is_private_unless_it_is_stricter() {
    let gateway = Gateway::start().await;
    for (own, refreshed, usual) in [
        (None, Some("private"), None),
        (Some("public, max-age=60"), Some("private"), Some("public, max-age=60")),
        (Some("no-store"), Some("no-store"), Some("no-store")),
        (
            Some("max-age=5, private"),
            Some("max-age=5, private"),
            Some("max-age=5, private"),
        ),
    ] {
        let browser = gateway.signed_in().await;
        let headers: Vec<_> = own.iter().map(|value| ("cache-control", *value)).collect();
        gateway
            .app
            .script("/c", [Reply::with(200, &headers), Reply::with(200, &headers)]);
        assert_eq!(browser.fetch("GET", "/c").send().await.header("cache-control"), usual);
        gateway.advance(OVER);
        let answer = browser.fetch("GET", "/c").send().await;
        assert_eq!(
            (answer.sets_session(), answer.header("cache-control")),
            (true, refreshed),
            "{own:?}"
        );
    }
}

#[tokio::test]
async fn of_the_cookies_only_the_apps_own_reach_it() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    for (name, value) in [
        ("app", "1"),
        ("sidegate_login_x", "y"),
        ("sidegate_7", "z"),
        ("sidegate2", "w"),
    ] {
        browser.put_cookie(name, value);
    }
    assert_eq!(
        browser.fetch("GET", "/").send().await.echoed("cookie"),
        ["app=1; sidegate2=w"]
    );
}

#[tokio::test]
async fn a_body_past_the_limit_is_413_by_its_length_and_by_its_bytes() {
    let routes = "[[routes]]\npath = \"/\"\nupstream = \"APP\"\naccess = \"public\"\nmax_body = \"10\"\n\
                  [[routes]]\npath = \"/more\"\nupstream = \"APP\"\naccess = \"public\"\nmax_body = \"0\"\n";
    let gateway = Gateway::with_routes(routes).await;
    let browser = gateway.browser();
    for (path, size, status) in [("/", 10, 200), ("/", 11, 413), ("/more", 1_000_000, 200)] {
        let answer = browser
            .fetch("POST", path)
            .body("text/plain", "x".repeat(size))
            .send()
            .await;
        assert_eq!(answer.status, status, "{path} {size}");
        if status == 413 {
            assert_eq!(answer.json()["error"], "body_too_large");
        }
    }
    let chunked = |body: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{body}",
            gateway.origin.trim_start_matches("http://")
        )
    };
    assert_eq!(
        exchange(gateway.address, chunked("5\r\nabcde\r\n5\r\nabcde\r\n0\r\n\r\n"))
            .await
            .status,
        200
    );
    let before = gateway.app.seen().len();
    let answer = exchange(gateway.address, chunked("5\r\nabcde\r\n6\r\nabcdef\r\n0\r\n\r\n")).await;
    assert_eq!(
        (answer.status, answer.json()["error"].as_str()),
        (413, Some("body_too_large"))
    );
    assert_eq!(gateway.app.seen().len(), before, "the app sees no half of it");
}

#[tokio::test]
async fn the_servers_own_limit_holds_where_the_route_has_none() {
    let setup = Setup {
        rest: format!("[server.limits]\nrequest_body = \"1KiB\"\n{PUBLIC}"),
        ..Setup::default()
    };
    let gateway = Gateway::start_with(setup).await;
    for (size, status) in [(1024, 200), (1025, 413)] {
        let answer = gateway
            .browser()
            .fetch("POST", "/")
            .body("text/plain", "x".repeat(size))
            .send()
            .await;
        assert_eq!(answer.status, status, "{size}");
    }
}

#[tokio::test]
async fn an_answer_that_the_app_cuts_short_is_cut_short_and_not_completed() {
    let gateway = Gateway::with_routes(PUBLIC).await;
    let (events, sender) = Reply::events();
    gateway.app.script("/events", [events]);
    let (_, mut stream) = gateway.browser().fetch("GET", "/events").open().await;
    sender.send("data: 1\n\n".into()).unwrap();
    stream.until("data: 1\n\n").await;
    gateway.app.down().await;
    let rest = stream.until("0\r\n\r\n").await;
    assert_eq!(rest.trim(), "", "no last chunk (RFC 9112 §7.1)");
}

#[tokio::test]
async fn one_connection_carries_many_requests_each_judged_by_itself() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let mut connection = Connection::open(gateway.address).await;
    for (request, status) in [
        (browser.fetch("GET", "/a").bytes("keep-alive"), 200),
        (browser.fetch("GET", "/b").without_cookies().bytes("keep-alive"), 401),
        (browser.fetch("GET", "/c").bytes("keep-alive"), 200),
    ] {
        connection.send(&request).await;
        assert_eq!(connection.response(false).await.status, status);
    }
}
