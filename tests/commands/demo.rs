//! `demo`: the whole thing on this machine, tried as a newcomer would.

use std::net::TcpListener;

use crate::process::{Process, command, sidegate};
use crate::support::browser::Browser;

/// The demo on a port that was free, with the next one for its admin listener.
async fn demo() -> (Process, String) {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port == u16::MAX || TcpListener::bind(("127.0.0.1", port + 1)).is_err() {
            continue;
        }
        let process = Process::start(command(&["demo", "--port", &port.to_string()]));
        process.line("sidegate serves").await;
        return (process, format!("http://localhost:{port}"));
    }
}

#[tokio::test]
async fn a_newcomer_signs_in_and_sees_the_sample_page() {
    let (process, origin) = demo().await;
    let welcome = process.err_line("open ").await;
    assert!(welcome.ends_with(&origin), "{welcome}");
    let browser = Browser::new(&origin);
    let page = browser.login("/hello?x=1", "alice").await;
    assert_eq!(page.status, 200);
    let text = page.text();
    for shown in ["Hello, alice", "GET &#x2f;hello?x=1", "demo|alice", "alice@example.com"] {
        assert!(text.contains(shown), "{shown} is not in {text}");
    }
    process.signal("TERM");
    assert_eq!(process.ended().await.code, 0);
}

#[tokio::test]
async fn the_three_parts_are_open_to_whom_the_welcome_says() {
    let (_process, origin) = demo().await;
    let (stranger, bob, alice) = (Browser::new(&origin), Browser::new(&origin), Browser::new(&origin));
    assert_eq!(stranger.visit("/public/").send().await.status, 200);
    assert_eq!(stranger.fetch("GET", "/").send().await.status, 401);
    assert_eq!(bob.login("/admin/", "bob").await.status, 403);
    assert_eq!(alice.login("/admin/", "alice").await.status, 200);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ended = sidegate(&["demo", "--port", &address.port().to_string()]);
    // No welcome to a place that is somebody else's.
    assert_eq!((ended.code, ended.err_lines().len()), (1, 1), "{}", ended.err);
    assert!(
        ended.err.contains(&format!("{address}: cannot listen there")),
        "{}",
        ended.err
    );
}
