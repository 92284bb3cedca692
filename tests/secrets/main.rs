//! No token, code, verifier, secret, cookie or key appears in anything the program writes for others to read, at any level.
//!
//! A test program of its own: logging is one for the process. At level trace everything is done that handles a secret,
//! well and badly; then logs, error pages, metrics and panics are searched for every secret that was seen on the way.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod commands;
mod scenes;
#[path = "../gateway/support/mod.rs"]
mod support;
mod tripwire;

use std::time::Duration;

use sidegate::telemetry::{LogFormat, flush_logs, init_logs_to};
use tracing::level_filters::LevelFilter;

use self::tripwire::{Kept, Witness};

#[tokio::test]
async fn nothing_that_is_written_holds_a_secret_whatever_happens() {
    let logs = Kept::default();
    let (sink, panics) = (logs.clone(), logs.clone());
    init_logs_to(LogFormat::Json, LevelFilter::TRACE, move || sink);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        panics.add(&panic.to_string());
        usual(panic);
    }));
    let mut witness = Witness::default();
    scenes::a_whole_life(&mut witness).await;
    scenes::a_provider_that_fails_and_echoes(&mut witness).await;
    scenes::an_app_that_fails(&mut witness).await;
    scenes::visitors_that_send_rubbish(&mut witness).await;
    assert!(flush_logs(Duration::from_secs(10)));
    let logs = logs.text();
    // What has to be there, so that a silent log is no success: our own events, and Pingora's own lines.
    for expected in [
        r#""event":"login","outcome":"success""#,
        r#""event":"login","outcome":"failed""#,
        r#""event":"login","outcome":"denied""#,
        r#""event":"refresh","outcome":"refreshed""#,
        r#""event":"sign_out""#,
        r#""path":"/oauth2/callback""#,
        "a request could not be forwarded",
        "HTTP server fails to read from downstream:  InvalidHTTPHeader context: buf: [not logged]",
        "\"target\":\"pingora_core",
    ] {
        assert!(logs.contains(expected), "{expected} is not in\n{logs}");
    }
    witness.tell("the log", &logs);
    witness.judge();
}
