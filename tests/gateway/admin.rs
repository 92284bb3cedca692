//! The admin listener, and an end that cuts nobody off.

use std::collections::BTreeSet;

use crate::support::answer::Answer;
use crate::support::gate::Gate;
use crate::support::gateway::{Gateway, OVER, Setup};
use crate::support::idp::Endpoint;
use crate::support::upstream::Reply;

#[tokio::test]
async fn probes_and_metrics_are_on_the_admin_listener_only() {
    let gateway = Gateway::start().await;
    for (method, path, status, body) in [
        ("GET", "/livez", 200, "alive\n"),
        ("GET", "/readyz", 200, "ready\n"),
        ("HEAD", "/readyz", 200, ""),
        ("POST", "/readyz", 405, "method not allowed\n"),
        ("GET", "/", 404, "nothing here; try /livez, /readyz or /metrics\n"),
    ] {
        let answer = gateway.ask_admin(method, path).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (status, body),
            "{method} {path}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    assert_eq!(gateway.browser().fetch("GET", "/metrics").send().await.status, 401);
}

#[tokio::test]
async fn neither_provider_nor_app_count_for_readiness() {
    let gateway = Gateway::start().await;
    gateway.idp.down().await;
    gateway.app.down().await;
    assert_eq!(gateway.ask_admin("GET", "/readyz").await.status, 200);
}

#[tokio::test]
async fn every_metric_of_the_contract_is_there_after_a_session_from_end_to_end() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    gateway.advance(OVER);
    browser.fetch("GET", "/").send().await;
    browser.fetch("BREW", "/").send().await;
    browser.visit("/oauth2/sign_out").send().await;
    let answer = gateway.ask_admin("GET", "/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let text = answer.text();
    let series: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, _)| name)
        .collect();
    let server = gateway.app.url();
    for line in [
        "sidegate_http_requests_total{method=\"GET\",route=\"/\",status=\"200\"}",
        "sidegate_http_requests_total{method=\"other\",route=\"/\",status=\"200\"}",
        "sidegate_http_requests_total{method=\"GET\",route=\"gateway\",status=\"302\"}",
        "sidegate_http_request_duration_seconds_count{route=\"/\"}",
        "sidegate_logins_total{outcome=\"success\",provider=\"main\"}",
        "sidegate_refreshes_total{outcome=\"refreshed\",provider=\"main\"}",
        "sidegate_sign_outs_total{kind=\"local\"}",
        "sidegate_session_cookie_bytes_count",
        "sidegate_provider_request_duration_seconds_count{endpoint=\"token\",provider=\"main\"}",
        &format!("sidegate_upstream_up{{server=\"{server}\",upstream=\"{server}\"}}"),
        "sidegate_config_reloads_total{outcome=\"applied\"}",
        concat!("sidegate_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"),
    ] {
        assert!(series.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn requests_that_never_reached_a_route_are_counted_as_such() {
    let gateway = Gateway::with_routes("[[routes]]\npath = \"/app\"\nupstream = \"APP\"\n").await;
    gateway.browser().fetch("GET", "/elsewhere").send().await;
    assert_eq!(
        gateway
            .metric("sidegate_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"}")
            .await,
        1.0
    );
}

#[tokio::test]
async fn a_drain_is_not_ready_at_once_and_lets_requests_and_refreshes_finish() {
    let mut gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let (gate, token_gate) = (Gate::shut(), Gate::shut());
    gateway.app.script("/slow", [Reply::Echo.behind(&gate)]);
    gateway.idp.script(Endpoint::Token, [Answer::held(&token_gate)]);
    let admin = crate::support::browser::Browser::new(&format!("http://{}", gateway.admin));
    let other = browser.twin();

    let slow = browser.fetch("GET", "/slow").send();
    let refreshing = other.fetch("POST", "/oauth2/refresh").send();
    let drain = async {
        tokio::join!(gate.arrived(1), token_gate.arrived(1));
        let watch = async {
            let probe = admin.request("GET", "/readyz").send().await;
            assert_eq!((probe.status, probe.text().as_str()), (503, "draining\n"));
            assert_eq!(admin.request("GET", "/livez").send().await.status, 200);
            token_gate.open();
            gate.open();
        };
        tokio::join!(gateway.drain(), watch).0
    };
    let (slow, refreshing, cut_off) = tokio::join!(slow, refreshing, drain);
    assert_eq!((slow.status, refreshing.status, cut_off), (200, 204, 0));
}

#[tokio::test]
async fn what_takes_longer_than_shutdown_timeout_is_cut_off_and_counted() {
    let mut gateway = Gateway::start_with(Setup::of_server("shutdown_timeout = \"100ms\"")).await;
    let browser = gateway.signed_in().await;
    let gate = Gate::shut();
    gateway
        .app
        .script("/slow", [Reply::Echo.behind(&gate), Reply::Echo.behind(&gate)]);
    let slow = || browser.fetch("GET", "/slow").send();
    let drain = async {
        gate.arrived(2).await;
        let cut_off = gateway.drain().await;
        gate.open();
        cut_off
    };
    let (_, _, cut_off) = tokio::join!(slow(), slow(), drain);
    assert_eq!(cut_off, 2);
}

#[tokio::test]
async fn after_a_drain_nobody_listens() {
    let mut gateway = Gateway::start().await;
    assert_eq!(gateway.drain().await, 0);
    assert!(tokio::net::TcpStream::connect(gateway.address).await.is_err());
    assert!(tokio::net::TcpStream::connect(gateway.admin).await.is_err());
}
