//! The gateway's own endpoints under the prefix, one file a group.
//!
//! | file | endpoints |
//! |---|---|
//! | `login` | `start`, `sign_in`, and how a page load becomes a login |
//! | `callback` | `callback` |
//! | `resume` | `resume`: what the browser kept over a login |
//! | `sign_out` | `sign_out`, `signed_out` |
//! | `logout` | `backchannel_logout`, `frontchannel_logout` |
//! | `account` | `userinfo`, `refresh` |
//! | `auth` | `auth`, for other proxies |

mod account;
mod auth;
mod callback;
mod login;
mod logout;
mod resume;
mod sign_out;

use http::Method;
use pingora::proxy::Session as HttpSession;

pub(super) use login::{send_to_login, start_url};
pub(super) use resume::resume_url;

use super::Gateway;
use super::cause::Cause;
use super::context::Context;
use super::decide::Decision;
use super::head::ClientFacts;
use super::reply::Reply;
use crate::pages;
use crate::policy::{ReturnTo, Target};

/// Everything an endpoint needs to know of its request.
struct Call<'a> {
    gateway: &'a Gateway,
    target: &'a Target<'a>,
    facts: &'a ClientFacts,
    method: Method,
}

/// Answers a request under the prefix.
pub(super) async fn answer(
    gateway: &Gateway,
    http: &mut HttpSession,
    context: &mut Context,
    target: &Target<'_>,
    facts: &ClientFacts,
) -> Result<Decision, Cause> {
    let method = http.req_header().method.clone();
    let call = Call {
        gateway,
        target,
        facts,
        method,
    };
    let name = target
        .judged()
        .strip_prefix(context.site.config.server.prefix.as_str())
        .unwrap_or_default();
    const PAGE: &[Method] = &[Method::GET, Method::HEAD];
    const FORM: &[Method] = &[Method::GET, Method::HEAD, Method::POST];
    match name {
        "/start" => call.only(PAGE, "GET, HEAD")?.start(http, context).await,
        "/sign_in" => call.only(PAGE, "GET, HEAD")?.sign_in(http, context).await,
        "/callback" => call.only(&[Method::GET], "GET")?.callback(http, context).await,
        "/resume" => call.only(PAGE, "GET, HEAD")?.resume(context),
        "/sign_out" => call.only(FORM, "GET, HEAD, POST")?.sign_out(http, context).await,
        "/signed_out" => call.only(PAGE, "GET, HEAD")?.signed_out(context),
        "/userinfo" => call.only(PAGE, "GET, HEAD")?.userinfo(http, context).await,
        "/refresh" => call.only(&[Method::POST], "POST")?.refresh(http, context).await,
        "/backchannel_logout" => call.only(&[Method::POST], "POST")?.backchannel(http, context).await,
        "/frontchannel_logout" => call.only(&[Method::GET], "GET")?.frontchannel(context),
        "/auth" => call.auth(http, context).await,
        _ => match name.strip_prefix("/static/").and_then(pages::asset) {
            Some(asset) => {
                call.only(PAGE, "GET, HEAD")?;
                Ok(Decision::Reply(Reply::asset(
                    asset.content_type,
                    asset.etag,
                    asset.body,
                )))
            }
            None => Err(Cause::NoSuchEndpoint),
        },
    }
}

impl Call<'_> {
    fn only(self, methods: &[Method], allow: &'static str) -> Result<Self, Cause> {
        if methods.contains(&self.method) {
            Ok(self)
        } else {
            Err(Cause::EndpointMethod(allow))
        }
    }

    /// The first value of a query parameter.
    fn parameter(&self, name: &str) -> Option<String> {
        first(self.target.query.unwrap_or_default(), name)
    }

    /// `rd`, where it leads to a place that is allowed and is no endpoint of ours but the one where logins may end.
    fn return_to(&self, context: &Context, rd: Option<&str>) -> Option<ReturnTo> {
        let config = &context.site.config;
        let server = &config.server;
        ReturnTo::parse(rd?, &server.public_url, &config.allowed_redirects)
            .filter(|to| !to.is_beneath(&server.prefix, &server.public_url) || resume::is_resume(&context.site, to))
    }
}

/// The first value of a parameter in a query or form.
fn first(form: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(form.as_bytes())
        .find(|(own, _)| own == name)
        .map(|(_, value)| value.into_owned())
}
