//! The end of a request: one log line and the metrics, also where its leash cut it.

use http::Method;

use super::context::{Context, Place};
use crate::telemetry::{self, AccessLine};

/// Writes what became of a request for this raw target.
pub(super) fn record(context: &Context, method: &Method, path: &str, status: u16) {
    let (took, site) = (context.began.elapsed(), &context.site);
    let (route, metrics) = match context.place {
        Place::Nowhere => ("none", &site.nowhere_metrics),
        Place::Gateway => ("gateway", &site.gateway_metrics),
        Place::Route(index) => (site.config.routes[index].path.as_str(), &site.route_metrics[index]),
    };
    metrics.request(method, status, took);
    if site.config.log.access {
        telemetry::access(&AccessLine {
            route,
            method: method.as_str(),
            path: logged_path(path),
            status,
            duration_ms: took.as_secs_f64() * 1_000.0,
            user: context.user.as_deref(),
            request_id: &context.request_id,
            auth: context.auth,
        });
    }
}

/// A target without its query and, in absolute form, without its authority, where a password may stand.
pub(super) fn logged_path(raw: &str) -> &str {
    let path = raw.split(['?', '#']).next().unwrap_or_default();
    if path.starts_with('/') {
        return path;
    }
    let rest = path.split_once("://").map_or(path, |(_, rest)| rest);
    rest.find('/').map_or("", |at| &rest[at..])
}

/// Pingora's `logging` does not run for a request that is cut.
impl Drop for Context {
    fn drop(&mut self) {
        let cut = self.leash.take().is_some_and(|leash| leash.was_pulled());
        if let Some((method, path, status)) = self.cut_line.take().filter(|_| cut) {
            record(self, &method, &path, status);
        }
    }
}
