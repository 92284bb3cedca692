//! `resume`: where a login ends that a form or a fragment waits for in the browser's tab.

use std::borrow::Cow;

use http::Method;

use super::{Call, first};
use crate::pages::{CSP_RESUME, ResumePage};
use crate::policy::ReturnTo;
use crate::proxy::cause::Cause;
use crate::proxy::context::Context;
use crate::proxy::decide::Decision;
use crate::proxy::delivery::FIELD;
use crate::proxy::reply::Reply;
use crate::proxy::site::Site;

impl Call<'_> {
    /// `GET resume?form=ID&to=…` or `?fragment=ID&to=…`: a page that takes what the tab keeps under the id, and goes on
    /// to `to` with it. It needs no session: `to` asks for one.
    pub(super) fn resume(&self, context: &Context) -> Result<Decision, Cause> {
        let site = &context.site;
        let server = &site.config.server;
        let to = self
            .return_to(context, self.parameter("to").as_deref())
            .filter(|to| to.as_str().starts_with('/') && !to.is_beneath(&server.prefix, &server.public_url))
            .unwrap_or_else(ReturnTo::root);
        let (form, id) = match (self.parameter("form"), self.parameter("fragment")) {
            (Some(id), None) => (true, id),
            (None, Some(id)) => (false, id),
            _ => return Err(Cause::NoSuchEndpoint),
        };
        let page = ResumePage {
            form,
            id: &id,
            to: to.as_str(),
            field: FIELD,
        };
        Ok(Decision::Reply(Reply::page_under(
            CSP_RESUME,
            200,
            site.pages.resume(&page),
        )))
    }
}

/// The page that goes on to `to` with what is kept under the id; `kind`: `form` or `fragment`.
pub(in crate::proxy) fn resume_url(site: &Site, kind: &str, id: &str, to: &ReturnTo) -> String {
    let to: String = url::form_urlencoded::byte_serialize(to.as_str().as_bytes()).collect();
    format!("{}?{kind}={id}&to={to}", site.endpoint("resume"))
}

/// Whether a login may end there although it is an endpoint of ours: it leads on, and never back to a login by itself.
pub(super) fn is_resume(site: &Site, to: &ReturnTo) -> bool {
    query(site, to).is_some()
}

/// Where a login leads in the end, and with which method.
pub(super) fn destination<'a>(site: &Site, to: &'a ReturnTo) -> (Cow<'a, str>, Method) {
    match query(site, to).map(|query| (first(query, "to"), first(query, "form"))) {
        Some((Some(page), Some(_))) => (page.into(), Method::POST),
        Some((Some(page), None)) => (page.into(), Method::GET),
        _ => (to.as_str().into(), Method::GET),
    }
}

fn query<'a>(site: &Site, to: &'a ReturnTo) -> Option<&'a str> {
    to.as_str().strip_prefix(&site.endpoint("resume"))?.strip_prefix('?')
}
