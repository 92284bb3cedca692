//! Errors of Pingora's become causes, and the last exit: also here the session's cookies are set.

use std::sync::Arc;

use pingora::prelude::{Error, ErrorSource, ErrorType};
use pingora::proxy::{FailToProxy, Session as HttpSession};

use super::cause::Cause;
use super::context::Context;
use super::delivery::Carried;
use super::reply::Reply;
use super::{Gateway, cookies, reader, retry_target};

/// Connections that are tried for one request.
pub(super) const MOST_ATTEMPTS: usize = 3;

/// Answers a request that could not be proxied, where an answer can still be written.
pub(super) async fn answer(
    gateway: &Gateway,
    http: &mut HttpSession,
    error: &Error,
    context: &mut Context,
) -> FailToProxy {
    // Nobody has it yet: the browser may send it again.
    if let Some(Carried::Form(form)) = context.forward.as_ref().map(|forward| &forward.carried)
        && !context.connected
    {
        gateway.delivered.give_back(&form.id);
    }
    let Some(cause) = cause(error) else {
        return FailToProxy {
            error_code: 0,
            can_reuse_downstream: false,
        };
    };
    let status = cause.words().status;
    tell(error, context, status);
    if http.response_written().is_none() {
        let site = Arc::clone(&context.site);
        let lines = cookies::apply(&site, &gateway.metrics, &mut context.cookies, context.now);
        let retry = retry_target(http, &site);
        let reply = Reply::refusal(&site, &cause, reader(http), &context.request_id, &retry);
        // The request's body may be half read: the connection ends with this answer.
        http.set_keepalive(None);
        if let Err(error) = reply.send(http, &site, lines).await {
            tracing::debug!(request_id = %context.request_id, cause = %error.etype().as_str(), "an answer could not be written");
        }
    }
    FailToProxy {
        error_code: status,
        can_reuse_downstream: false,
    }
}

/// One line for the operator: what failed, and which server it was.
fn tell(error: &Error, context: &Context, status: u16) {
    // The end of a tunnel or stream is how they end.
    if context.upgraded {
        return;
    }
    let choice = context.forward.as_ref().and_then(|forward| forward.choice);
    let server = choice.map_or("", |choice| context.site.upstreams.authority(choice));
    tracing::warn!(request_id = %context.request_id, status, server, attempts = context.attempts,
        cause = %error.etype().as_str(), fault = error.esource().as_str(), "a request could not be forwarded");
}

/// Who is at fault; `None` where the client is gone and nobody reads an answer.
fn cause(error: &Error) -> Option<Cause> {
    if let ErrorType::HTTPStatus(status) = error.etype() {
        return Some(match status {
            408 => Cause::RequestSlow,
            413 => Cause::BodyTooLarge,
            431 => Cause::HeaderTooLarge,
            400..=499 => Cause::BadFraming,
            _ => Cause::Internal,
        });
    }
    match error.esource() {
        ErrorSource::Upstream => Some(match error.etype() {
            ErrorType::ReadTimedout
            | ErrorType::WriteTimedout
            | ErrorType::ConnectTimedout
            | ErrorType::TLSHandshakeTimedout => Cause::UpstreamSlow,
            _ => Cause::UpstreamDown,
        }),
        ErrorSource::Downstream if client_left(error) => None,
        ErrorSource::Downstream if matches!(error.etype(), ErrorType::ReadTimedout) => Some(Cause::RequestSlow),
        ErrorSource::Downstream => Some(Cause::BadFraming),
        ErrorSource::Internal | ErrorSource::Unset => Some(Cause::Internal),
    }
}

/// The connection to the client is gone.
pub(super) fn client_left(error: &Error) -> bool {
    *error.esource() == ErrorSource::Downstream
        && matches!(
            error.etype(),
            ErrorType::WriteError | ErrorType::WriteTimedout | ErrorType::ReadError | ErrorType::ConnectionClosed
        )
}
