//! The gateway's own answers: made here, written here, with the headers that each of them has.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, SET_COOKIE, STRICT_TRANSPORT_SECURITY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session as HttpSession;
use serde_json::json;

use super::cause::Cause;
use super::context::Context;
use super::decide::wants_page;
use super::site::Site;
use crate::pages::{Action, CSP, CSP_CONFIRM_SIGN_OUT, ErrorPage};

/// An answer of the gateway's own.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    cacheable: bool,
}

/// How the visitor reads answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// A person: pages.
    Person,
    /// A program: JSON.
    Program,
}

impl Reply {
    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            cacheable: false,
        }
    }

    pub(super) fn page(status: u16, html: String) -> Self {
        Self::page_under(CSP, status, html)
    }

    /// A page with a policy of its own.
    pub(super) fn page_under(policy: &'static str, status: u16, html: String) -> Self {
        Self::empty(status)
            .with(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))
            .with(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy))
            .body(html.into())
    }

    /// A page with one header of its own in place of the usual one.
    pub(super) fn page_with(html: String, name: HeaderName, value: Option<HeaderValue>) -> Self {
        let mut reply = Self::page(200, html);
        reply.headers.retain(|(own, _)| *own != name);
        reply.headers.extend(value.map(|value| (name, value)));
        reply
    }

    /// A page whose form leads through us to the provider.
    pub(super) fn page_onward(html: String) -> Self {
        Self::page_under(CSP_CONFIRM_SIGN_OUT, 200, html)
    }

    pub(super) fn json(status: u16, value: &serde_json::Value) -> Self {
        let body = value.to_string();
        Self::empty(status)
            .with(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body.into())
    }

    /// 302, or 303 after anything but GET and HEAD, so that a form is not sent on (RFC 9110 §15.4.4).
    pub(super) fn redirect(method: &Method, to: &str) -> Self {
        let status = if matches!(*method, Method::GET | Method::HEAD) {
            302
        } else {
            303
        };
        match HeaderValue::from_str(to) {
            Ok(location) => Self::empty(status).with(LOCATION, location),
            Err(_) => Self::empty(500),
        }
    }

    /// One of the pages' own files, which may be cached.
    pub(super) fn asset(content_type: &'static str, etag: &str, body: &'static [u8]) -> Self {
        let mut reply = Self::empty(200)
            .with(CONTENT_TYPE, HeaderValue::from_static(content_type))
            .with(
                CACHE_CONTROL,
                HeaderValue::from_static("public, max-age=31536000, immutable"),
            )
            .body(Bytes::from_static(body));
        if let Ok(etag) = HeaderValue::from_str(etag) {
            reply = reply.with(http::header::ETAG, etag);
        }
        reply.cacheable = true;
        reply
    }

    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    /// The answer to something that is wrong.
    pub(super) fn refusal(site: &Site, cause: &Cause, reader: Reader, request_id: &str, retry: &str) -> Self {
        let words = cause.words();
        let mut reply = match reader {
            Reader::Program => Self::json(words.status, &problem(site, cause, words.code, request_id)),
            Reader::Person => {
                let actions = actions(site, cause, retry);
                let actions: Vec<_> = actions
                    .iter()
                    .map(|(label, href)| Action {
                        label,
                        href: href.as_str(),
                    })
                    .collect();
                let code = shown_code(cause, words.code);
                Self::page(
                    words.status,
                    site.pages.error(&ErrorPage {
                        status: words.status,
                        heading: words.heading,
                        explanation: words.explanation,
                        next: words.next,
                        cause: code,
                        request_id,
                        actions: &actions,
                    }),
                )
            }
        };
        if let Some(seconds) = words.retry_after {
            reply = reply.with(RETRY_AFTER, HeaderValue::from(seconds));
        }
        match cause {
            Cause::Unauthenticated => reply.with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Cause::MethodNotAllowed(allow) => reply.with(ALLOW, allow.clone()),
            Cause::EndpointMethod(allow) => reply.with(ALLOW, HeaderValue::from_static(allow)),
            _ => reply,
        }
    }

    /// Writes the answer with the `Set-Cookie` lines that belong to it.
    pub(super) async fn send(self, http: &mut HttpSession, site: &Site, cookies: Vec<String>) -> Result<()> {
        let head_only = http.req_header().method == Method::HEAD || matches!(self.status, 204 | 304);
        let (head, body) = self.into_parts(site, cookies)?;
        let no_body = head_only || body.is_empty();
        http.write_response_header(Box::new(head), no_body).await?;
        if !no_body {
            http.write_response_body(Some(body), true).await?;
        }
        Ok(())
    }

    /// Head and body, with the headers that every answer of ours has.
    pub(super) fn into_parts(self, site: &Site, cookies: Vec<String>) -> Result<(ResponseHeader, Bytes)> {
        let mut head = ResponseHeader::build(self.status, Some(self.headers.len() + cookies.len() + 6))?;
        for (name, value) in self.headers {
            head.append_header(name, value)?;
        }
        for cookie in cookies {
            head.append_header(SET_COOKIE, cookie)?;
        }
        if !self.cacheable {
            head.insert_header(CACHE_CONTROL, "no-store")?;
        }
        head.insert_header(X_CONTENT_TYPE_OPTIONS, "nosniff")?;
        head.insert_header(REFERRER_POLICY, "no-referrer")?;
        let server = &site.config.server;
        if server.public_url.https && server.hsts {
            head.insert_header(STRICT_TRANSPORT_SECURITY, "max-age=31536000")?;
        }
        if !matches!(self.status, 204 | 304) {
            head.insert_header(CONTENT_LENGTH, self.body.len())?;
        }
        Ok((head, self.body))
    }
}

fn problem(site: &Site, cause: &Cause, code: &str, request_id: &str) -> serde_json::Value {
    match cause {
        Cause::Unauthenticated => {
            json!({"error": code, "login_url": site.endpoint("start"), "request_id": request_id})
        }
        _ => json!({"error": code, "request_id": request_id}),
    }
}

/// The cause as a page names it: the provider's own code where it sent one.
fn shown_code<'a>(cause: &'a Cause, code: &'a str) -> &'a str {
    match cause {
        Cause::ProviderDenied(code) | Cause::ProviderError(code) => code,
        _ => code,
    }
}

/// What a person can do next. `retry`: where to begin again, safe to be a link.
fn actions(site: &Site, cause: &Cause, retry: &str) -> Vec<(&'static str, String)> {
    let start = |more: &str| {
        let rd: String = url::form_urlencoded::byte_serialize(retry.as_bytes()).collect();
        format!("{}?rd={rd}{more}", site.endpoint("start"))
    };
    match cause {
        Cause::NotAllowed | Cause::RouteDenies | Cause::ProviderDenied(_) => {
            vec![
                ("Use another account", start("&prompt=select_account")),
                ("Sign out", site.endpoint("sign_out")),
            ]
        }
        Cause::Unauthenticated => vec![("Sign in", start(""))],
        Cause::BadCallback
        | Cause::UnknownState
        | Cause::WrongIssuer
        | Cause::UnknownProvider
        | Cause::LoginLoop
        | Cause::ProviderError(_)
        | Cause::ProviderSilent
        | Cause::ProviderWrong
        | Cause::SessionTooLarge => vec![("Try again", start(""))],
        Cause::UpstreamDown | Cause::UpstreamSlow | Cause::RefreshUnavailable | Cause::Internal => {
            vec![("Try again", retry.to_owned())]
        }
        _ => vec![("Go to the start page", "/".to_owned())],
    }
}

/// Sends the refusal and notes what the access line says of it.
pub(super) async fn refuse(
    http: &mut HttpSession,
    context: &mut Context,
    cause: &Cause,
    cookies: Vec<String>,
) -> Result<()> {
    let site = std::sync::Arc::clone(&context.site);
    // "Please sign in" is a page for whoever loads one, and 401 with JSON for everybody else.
    let reader = match cause {
        Cause::Unauthenticated if !wants_page(http.req_header()) => Reader::Program,
        _ => super::reader(http),
    };
    let retry = context.retry.take().unwrap_or_else(|| super::retry_target(http, &site));
    let reply = Reply::refusal(&site, cause, reader, &context.request_id, &retry);
    reply.send(http, &site, cookies).await
}
