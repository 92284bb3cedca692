//! Bodies and streams that must not hold a connection for ever: how fast a request's body has to come, and which answers
//! end with the session that they were made for.
//!
//! A body may take `idle_timeout` whatever it does. One that takes longer must have come at [`SLOWEST`] on average, as
//! other servers demand it (Kestrel 240 bytes a second, Apache 500), and must never be silent for `idle_timeout`. What
//! is meant to trickle is left alone: upgrades, event streams and gRPC.

use std::time::Duration;

use http::Method;
use http::header::CONTENT_LENGTH;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::prelude::{Error, ErrorType, Result};
use pingora::proxy::Session as HttpSession;

use super::Gateway;
use super::context::Context;
use super::head::header;
use super::record::logged_path;

/// Bytes a second.
const SLOWEST: u32 = 240;

/// Whether the request's body is meant to trickle.
fn may_trickle(request: &RequestHeader) -> bool {
    header(request, "content-type").is_some_and(|kind| kind.starts_with("application/grpc"))
}

/// Before a request is forwarded: over HTTP/2, reads of a body have no timeout of their own.
pub(super) fn begin(gateway: &Gateway, http: &mut HttpSession, context: &mut Context) {
    let patient = context.forward.as_ref().is_none_or(|forward| forward.patient);
    if patient || may_trickle(http.req_header()) {
        if !http.is_http2() {
            http.set_read_timeout(Some(super::STREAM_IDLE));
        }
        return;
    }
    context.paced = true;
    if http.is_http2() && !http.is_body_empty() {
        context.cut_line = Some(cut_line(http.req_header(), 408));
        context.leash = gateway.leashes.hold();
        wait(context, false);
    }
}

/// A piece of the body came.
pub(super) fn check(context: &Context, end: bool) -> Result<()> {
    if !context.paced || context.upgraded {
        return Ok(());
    }
    wait(context, end);
    let earned = Duration::from_secs(context.body_seen / u64::from(SLOWEST));
    if !end && context.began.elapsed() > context.site.config.server.idle_timeout + earned {
        return Error::e_explain(ErrorType::HTTPStatus(408), "the body comes too slowly")
            .map_err(|error: Box<Error>| error.into_down());
    }
    Ok(())
}

fn wait(context: &Context, end: bool) {
    if let Some(leash) = &context.leash {
        leash.expect_body((!end).then_some(context.site.config.server.idle_timeout));
    }
}

/// An upgrade, or an answer whose end is not known beforehand, ends with the session that it was made for.
pub(super) fn tie(gateway: &Gateway, request: &RequestHeader, response: &ResponseHeader, context: &mut Context) {
    let Some(session) = context.forward.as_ref().and_then(|forward| forward.session.as_ref()) else {
        return;
    };
    let known = response.headers.contains_key(CONTENT_LENGTH)
        || matches!(response.status.as_u16(), 204 | 304)
        || request.method == Method::HEAD;
    if known && !context.upgraded {
        return;
    }
    if context.leash.is_none() {
        context.leash = gateway.leashes.hold();
    }
    if let Some(leash) = &context.leash {
        let site = &context.site;
        let provider = site.provider(&session.provider);
        let issuer = provider.map(|(_, provider)| site.issuer(provider.config()));
        let issuer = issuer.unwrap_or_default();
        leash.to_session(session, &issuer, site.lifetimes.last_use(session));
        // Ended while the answer was on its way.
        if gateway.revocations.covers(session, &issuer) {
            leash.pull();
        }
        context.cut_line = Some(cut_line(request, response.status.as_u16()));
    }
}

fn cut_line(request: &RequestHeader, status: u16) -> (Method, String, u16) {
    let path = String::from_utf8_lossy(request.raw_path());
    (request.method.clone(), logged_path(&path).to_owned(), status)
}
