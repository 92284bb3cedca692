//! `run`: signals, logs, listeners.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::process::{Folder, Process, config, public, sidegate};
use crate::support::browser::Browser;
use crate::support::gate::Gate;
use crate::support::upstream::{App, Reply};
use crate::support::wire::Connection;

/// One request on the way through the gateway, held by the app.
async fn held(app: &App, address: std::net::SocketAddr) -> (Gate, Connection) {
    let gate = Gate::shut();
    app.script("/held", [Reply::Echo.behind(&gate)]);
    let mut connection = Connection::open(address).await;
    connection
        .send(b"GET /held HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await;
    app.reached(1).await;
    (gate, connection)
}

#[tokio::test]
async fn sigterm_and_sigint_end_an_idle_gateway_with_0_and_nothing_on_stderr() {
    for signal in ["TERM", "INT"] {
        let (_folder, file) = Folder::with(&config("", &public("http://127.0.0.1:9")));
        let (process, ..) = Process::serving(&file).await;
        process.signal(signal);
        let ended = process.ended().await;
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{signal}");
        assert!(ended.out.contains("\"stopped\""), "{}", ended.out);
    }
}

#[tokio::test]
async fn a_request_under_way_is_answered_after_sigterm() {
    let app = App::start().await;
    let (_folder, file) = Folder::with(&config("", &public(&app.url())));
    let (process, address, _) = Process::serving(&file).await;
    let (gate, mut connection) = held(&app, address).await;
    process.signal("TERM");
    process.line("stopping").await;
    gate.open();
    assert_eq!(connection.response(false).await.status, 200);
    let ended = process.ended().await;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert!(!ended.out.contains("cut_off"), "{}", ended.out);
}

#[tokio::test]
async fn what_shutdown_timeout_cuts_off_is_counted_and_the_exit_is_still_0() {
    let app = App::start().await;
    let (_folder, file) = Folder::with(&config("shutdown_timeout = \"100ms\"", &public(&app.url())));
    let (process, address, _) = Process::serving(&file).await;
    let (_gate, _connection) = held(&app, address).await;
    process.signal("TERM");
    let ended = process.ended().await;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let last: Value = serde_json::from_str(ended.out_lines().last().unwrap()).unwrap();
    assert_eq!(last["cut_off"], 1, "{last}");
}

#[tokio::test]
async fn a_second_signal_ends_the_wait() {
    let app = App::start().await;
    let (_folder, file) = Folder::with(&config("shutdown_timeout = \"1h\"", &public(&app.url())));
    let (process, address, _) = Process::serving(&file).await;
    let (_gate, _connection) = held(&app, address).await;
    process.signal("INT");
    process.line("stopping").await;
    process.signal("INT");
    let ended = process.ended().await;
    assert_eq!(ended.code, 0);
    assert!(ended.out.contains("\"cut_off\":1"), "{}", ended.out);
}

#[tokio::test]
async fn an_address_in_use_is_named_and_nothing_starts() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = config("", &public("http://127.0.0.1:9"));
    for listener in ["listen = [\"127.0.0.1:0\"]", "listen = \"127.0.0.1:0\""] {
        let (_folder, file) = Folder::with(&text.replace(listener, &listener.replace("127.0.0.1:0", &address)));
        let ended = sidegate(&["run", "--config", &file]);
        assert_eq!((ended.code, ended.err_lines().len()), (1, 1), "{}", ended.err);
        assert!(
            ended.err.starts_with(&format!("{address}: cannot listen there: ")),
            "{}",
            ended.err
        );
        let told: Value = serde_json::from_str(ended.out_lines().last().unwrap()).unwrap();
        assert_eq!(told["level"], "ERROR");
    }
}

#[tokio::test]
async fn every_line_on_stdout_is_json_and_access_lines_have_the_fields_of_the_contract() {
    let app = App::start().await;
    let (_folder, file) = Folder::with(&config("", &public(&app.url())));
    let (process, address, _) = Process::serving(&file).await;
    let browser = Browser::new(&format!("http://{address}"));
    browser.request("GET", "/a?code=not-for-logs").send().await;
    browser.request("GET", "/oauth2/userinfo").send().await;
    browser.request("GET", "/%2e%2e/x").send().await;
    process.signal("TERM");
    let ended = process.ended().await;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert!(!ended.out.contains("not-for-logs"));
    let lines: Vec<Value> = ended
        .out_lines()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let access: Vec<&Value> = lines.iter().filter(|line| line["target"] == "access").collect();
    // A line is written after its answer has gone, so that the order is anybody's.
    let mut seen: Vec<_> = access
        .iter()
        .map(|line| ["path", "route", "status", "auth"].map(|key| line[key].to_string().replace('"', "")))
        .collect();
    seen.sort();
    let expected = [
        ["/%2e%2e/x", "none", "400", "none"],
        ["/a", "/", "200", "public"],
        ["/oauth2/userinfo", "gateway", "401", "none"],
    ];
    assert_eq!(seen, expected);
    let fields = [
        "route",
        "method",
        "path",
        "status",
        "duration_ms",
        "user",
        "request_id",
        "auth",
        "timestamp",
        "level",
        "target",
    ];
    for line in access {
        let keys: BTreeSet<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, BTreeSet::from(fields), "{line}");
    }
}
