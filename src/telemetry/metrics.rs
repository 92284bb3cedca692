//! What `/metrics` shows (Prometheus text exposition 0.0.4).
//!
//! A request finds its counters through [`RouteMetrics`], where they are kept once resolved: no lock of a family, no
//! hashing of labels, no text made.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Method, StatusCode};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::{LoginOutcome, RefreshOutcome, ReloadOutcome, SignOutKind};

/// Seconds; from an answer of our own (below a millisecond) to an application's slow report.
const REQUEST_SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// Seconds; up to the default `timeout` of a provider and a little more.
const PROVIDER_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0];
/// Bytes; 3,800 is where a second cookie begins, 8,192 what many application servers take as one header line,
/// 38,000 all ten parts.
const COOKIE_BYTES: &[f64] = &[
    512.0, 1024.0, 2048.0, 3800.0, 7600.0, 8192.0, 11_400.0, 15_200.0, 19_000.0, 38_000.0,
];

/// Every metric, in a registry of its own. Shared through [`Arc`]; lives across reloads.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    logins: IntCounterVec,
    refreshes: IntCounterVec,
    sign_outs: IntCounterVec,
    cookie_bytes: Histogram,
    provider_seconds: HistogramVec,
    upstream_up: IntGaugeVec,
    reloads: IntCounterVec,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero; `sidegate_build_info` at 1.
    pub fn new() -> Self {
        let registry = Registry::new();
        let counter = |name, help, labels: &[&str]| counters(&registry, name, help, labels);
        let histogram = |name, help, labels: &[&str], buckets| histograms(&registry, name, help, labels, buckets);
        let cookie_bytes = histogram(
            "sidegate_session_cookie_bytes",
            "Size of session cookies as they are set, all parts, names included.",
            &[],
            COOKIE_BYTES,
        );
        let metrics = Self {
            requests: counter(
                "sidegate_http_requests_total",
                "Requests, by route, method and status of the answer.",
                &["route", "method", "status"],
            ),
            request_seconds: histogram(
                "sidegate_http_request_duration_seconds",
                "From a request's header to the end of its answer.",
                &["route"],
                REQUEST_SECONDS,
            ),
            logins: counter("sidegate_logins_total", "Logins that ended.", &["provider", "outcome"]),
            refreshes: counter(
                "sidegate_refreshes_total",
                "Refreshes that ended.",
                &["provider", "outcome"],
            ),
            sign_outs: counter("sidegate_sign_outs_total", "Sessions that were ended.", &["kind"]),
            cookie_bytes: cookie_bytes.with_label_values::<&str>(&[]),
            provider_seconds: histogram(
                "sidegate_provider_request_duration_seconds",
                "Requests to providers.",
                &["provider", "endpoint"],
                PROVIDER_SECONDS,
            ),
            upstream_up: gauges(
                &registry,
                "sidegate_upstream_up",
                "1: a server answers.",
                &["upstream", "server"],
            ),
            reloads: counter("sidegate_config_reloads_total", "New configurations.", &["outcome"]),
            registry: registry.clone(),
        };
        metrics.begin();
        metrics
    }

    /// Series whose labels are known now are there from the start, so that the first increase is seen as one.
    fn begin(&self) {
        let build = gauges(
            &self.registry,
            "sidegate_build_info",
            "The running program.",
            &["version"],
        );
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        for kind in SignOutKind::ALL {
            self.sign_outs.with_label_values(&[kind.as_str()]);
        }
        for outcome in ReloadOutcome::ALL {
            self.reloads.with_label_values(&[outcome.as_str()]);
        }
    }

    /// The text exposition, for `Content-Type: text/plain; version=0.0.4`.
    pub fn render(&self) -> String {
        let mut text = String::new();
        match prometheus::TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            Ok(()) => text,
            // Half an exposition would be refused anyway.
            Err(_) => String::new(),
        }
    }

    /// The handles of one route: its path as configured, `none`, or `gateway`. Resolve once, keep, use for each request.
    pub fn route(&self, route: &str) -> RouteMetrics {
        RouteMetrics {
            route: route.to_owned(),
            requests: self.requests.clone(),
            seconds: self.request_seconds.with_label_values(&[route]),
            resolved: Arc::new(std::array::from_fn(|_| std::array::from_fn(|_| OnceLock::new()))),
        }
    }

    /// One request, for those who keep no [`RouteMetrics`]. Status 0: no answer was sent.
    pub fn request(&self, route: &str, method: &Method, status: u16, took: Duration) {
        counter_of(&self.requests, route, method, status).inc();
        self.request_seconds
            .with_label_values(&[route])
            .observe(took.as_secs_f64());
    }

    /// A login ended.
    pub fn login(&self, provider: &str, outcome: LoginOutcome) {
        self.logins.with_label_values(&[provider, outcome.as_str()]).inc();
    }

    /// A refresh ended.
    pub fn refresh(&self, provider: &str, outcome: RefreshOutcome) {
        self.refreshes.with_label_values(&[provider, outcome.as_str()]).inc();
    }

    /// A session was ended.
    pub fn sign_out(&self, kind: SignOutKind) {
        self.sign_outs.with_label_values(&[kind.as_str()]).inc();
    }

    /// A session cookie was set; `bytes` over all its parts, names included.
    pub fn session_cookie_bytes(&self, bytes: usize) {
        self.cookie_bytes.observe(bytes as f64);
    }

    /// A provider was asked, whatever it answered.
    pub fn provider_request(&self, provider: &str, endpoint: &'static str, took: Duration) {
        self.provider_seconds
            .with_label_values(&[provider, endpoint])
            .observe(took.as_secs_f64());
    }

    /// Whether a server of an upstream answers.
    pub fn upstream_up(&self, upstream: &str, server: &str, up: bool) {
        self.upstream_up
            .with_label_values(&[upstream, server])
            .set(i64::from(up));
    }

    /// A reload took this server out of the configuration: its series ends.
    pub fn upstream_gone(&self, upstream: &str, server: &str) {
        // Absent already is as good.
        let _ = self.upstream_up.remove_label_values(&[upstream, server]);
    }

    /// A new configuration came.
    pub fn config_reload(&self, outcome: ReloadOutcome) {
        self.reloads.with_label_values(&[outcome.as_str()]).inc();
    }
}

/// A route's own handles; clones share them.
#[derive(Clone)]
pub struct RouteMetrics {
    route: String,
    requests: IntCounterVec,
    seconds: Histogram,
    resolved: Arc<[[OnceLock<IntCounter>; STATUSES.len()]; METHODS.len()]>,
}

impl RouteMetrics {
    /// One request. Status 0: no answer was sent.
    pub fn request(&self, method: &Method, status: u16, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
        let place = METHODS.iter().position(|m| *m == method.as_str());
        let place = place.zip(STATUSES.iter().position(|s| *s == status));
        match place.and_then(|(method, status)| self.resolved.get(method)?.get(status)) {
            Some(counter) => counter
                .get_or_init(|| counter_of(&self.requests, &self.route, method, status))
                .inc(),
            None => counter_of(&self.requests, &self.route, method, status).inc(),
        }
    }
}

/// Methods that have a label of their own (RFC 9110 §9.3, RFC 5789); a stranger must not make up series.
const METHODS: [&str; 9] = [
    "GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE",
];
/// Statuses whose counters are kept, the frequent first; others are looked up.
const STATUSES: [u16; 20] = [
    200, 304, 302, 204, 401, 206, 404, 201, 101, 303, 403, 400, 202, 301, 307, 502, 503, 500, 504, 0,
];

fn counter_of(family: &IntCounterVec, route: &str, method: &Method, status: u16) -> IntCounter {
    let method = if METHODS.contains(&method.as_str()) {
        method.as_str()
    } else {
        "other"
    };
    let status = StatusCode::from_u16(status);
    family.with_label_values(&[route, method, status.as_ref().map_or("0", StatusCode::as_str)])
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    registered(registry, IntGaugeVec::new(Opts::new(name, help), labels))
}

fn histograms(registry: &Registry, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    registered(registry, HistogramVec::new(opts, labels))
}

/// Registers what was made.
#[expect(
    clippy::expect_used,
    reason = "names and labels are constants of this file and distinct: a test makes them all"
)]
fn registered<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    made: Result<C, prometheus::Error>,
) -> C {
    let collector = made.expect("a valid metric name");
    registry
        .register(Box::new(collector.clone()))
        .expect("a metric name of its own");
    collector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_labels_and_values_are_the_contracts() {
        let metrics = Metrics::new();
        let took = Duration::from_millis(3);
        metrics.request("/", &Method::GET, 200, took);
        metrics.request("none", &Method::from_bytes(b"BREW").unwrap(), 404, took);
        metrics.login("main", LoginOutcome::Denied);
        metrics.refresh("main", RefreshOutcome::Coalesced);
        metrics.sign_out(SignOutKind::Backchannel);
        metrics.session_cookie_bytes(3000);
        metrics.provider_request("main", "token", took);
        metrics.upstream_up("app", "127.0.0.1:8080", true);
        metrics.config_reload(ReloadOutcome::Refused);
        let text = metrics.render();
        for line in [
            r#"sidegate_http_requests_total{method="GET",route="/",status="200"} 1"#,
            r#"sidegate_http_requests_total{method="other",route="none",status="404"} 1"#,
            r#"sidegate_http_request_duration_seconds_count{route="/"} 1"#,
            r#"sidegate_logins_total{outcome="denied",provider="main"} 1"#,
            r#"sidegate_refreshes_total{outcome="coalesced",provider="main"} 1"#,
            r#"sidegate_sign_outs_total{kind="backchannel"} 1"#,
            r#"sidegate_sign_outs_total{kind="local"} 0"#,
            r#"sidegate_session_cookie_bytes_bucket{le="3800"} 1"#,
            r#"sidegate_session_cookie_bytes_bucket{le="2048"} 0"#,
            r#"sidegate_provider_request_duration_seconds_count{endpoint="token",provider="main"} 1"#,
            r#"sidegate_upstream_up{server="127.0.0.1:8080",upstream="app"} 1"#,
            r#"sidegate_config_reloads_total{outcome="refused"} 1"#,
            r#"sidegate_config_reloads_total{outcome="applied"} 0"#,
            concat!("sidegate_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        metrics.upstream_gone("app", "127.0.0.1:8080");
        assert!(!metrics.render().contains("sidegate_upstream_up{"));
    }

    #[test]
    fn kept_handles_count_into_the_same_series() {
        let metrics = Metrics::new();
        let route = metrics.route("/");
        let brew = Method::from_bytes(b"BREW").unwrap();
        for (method, status) in [
            (&Method::GET, 200),
            (&Method::GET, 418),
            (&brew, 200),
            (&Method::GET, 0),
        ] {
            route.clone().request(method, status, Duration::ZERO);
            route.request(method, status, Duration::ZERO);
            metrics.request("/", method, status, Duration::ZERO);
        }
        let text = metrics.render();
        for labels in [("GET", "200"), ("GET", "418"), ("other", "200"), ("GET", "0")] {
            let line = format!(
                "sidegate_http_requests_total{{method=\"{}\",route=\"/\",status=\"{}\"}} 3",
                labels.0, labels.1
            );
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        assert!(text.contains("sidegate_http_request_duration_seconds_count{route=\"/\"} 12"));
    }
}
