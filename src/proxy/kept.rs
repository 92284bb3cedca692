//! A form that meets an ended session, and the fragment of a page's address: carried over the login by the browser's tab.
//!
//! The form is read, sealed and given back to the browser in a page of ours, which keeps it in the tab and begins the
//! login. The login ends at `resume`, whose script posts the sealed text as `text/plain` to the form's own address: so the
//! address bar, relative links and the browser's history are what they would have been. Such a POST goes the way of every
//! request (route, session, rules); at its end `delivery` puts the form in place of the sealed text. Nothing is kept
//! here but the ids of forms that were sent on.

use http::header::{CONTENT_TYPE, COOKIE};
use http::{HeaderValue, Method};
use pingora::http::RequestHeader;
use pingora::proxy::Session as HttpSession;

use super::cause::Cause;
use super::context::Context;
use super::decide::{Asked, Decision, sent};
use super::delivery::{Came, KEPT_FORM_TIME, read_delivery};
use super::endpoints::{resume_url, start_url};
use super::form::{FormError, read_body};
use super::head::header;
use super::reply::Reply;
use super::site::Site;
use crate::clock::Timestamp;
use crate::config::Route;
use crate::flow::{Account, KeptForm, fresh_id};
use crate::pages::{CSP_KEEP, FormNotKeptPage, KeepFormPage, KeepFragmentPage};
use crate::policy::{self, Initiator, Origin, ReturnTo};
use crate::seal::Jar;
use crate::session::Session;

/// Why a form is not kept.
#[derive(Debug)]
enum NotKept {
    TooLarge,
    Foreign,
    Kind,
    Address,
    Unreadable,
    /// Ours, and not good any more.
    Stale,
    /// Something is wrong besides.
    Fault(Cause),
}

impl From<Cause> for NotKept {
    fn from(cause: Cause) -> Self {
        Self::Fault(cause)
    }
}

impl NotKept {
    fn words(&self) -> &'static str {
        match self {
            Self::TooLarge => "It is too large to be kept while you do.",
            Self::Foreign => {
                "It came from another site, and only what this site's own pages send is kept while you do."
            }
            Self::Kind => "It is of a kind that cannot be kept while you do.",
            Self::Address => "Its address cannot be kept while you do.",
            Self::Unreadable => "It did not arrive whole.",
            Self::Stale => "It was kept before, but that took too long.",
            Self::Fault(_) => "",
        }
    }
}

/// A form in the browser's own way: sealed.
struct Sealed {
    id: String,
    text: String,
    /// It has been through a login already: a session that does not stick must not go round.
    again: bool,
}

/// Whether the request is a form that a page sends, on a route that keeps them.
pub(super) fn is_form(asked: &Asked<'_>) -> bool {
    let request = asked.request;
    let body = request.headers.contains_key(CONTENT_TYPE);
    body && asked.route.stash_post > 0
        && request.method == Method::POST
        && policy::submits_form(
            &sent(request, asked.host),
            header(request, "sec-fetch-mode"),
            header(request, "accept"),
        )
}

/// Gives a form back to the browser, sealed, in a page that goes on to the login; or a page that says that it is not kept.
pub(super) async fn keep(
    http: &mut HttpSession,
    context: &Context,
    site: &Site,
    asked: &Asked<'_>,
) -> Result<Decision, Cause> {
    let plain = start_url(site, "/", None);
    match sealed(http, context, site, asked).await {
        Ok((resume, sealed)) => {
            let (heading, explanation) = if sealed.again {
                (
                    "You are not signed in",
                    "The login did not get through, or your session has ended again.",
                )
            } else {
                ("Please sign in", "")
            };
            let page = KeepFormPage {
                heading,
                explanation,
                id: &sealed.id,
                sealed: &sealed.text,
                onward: &start_url(site, &resume, None),
                plain: &plain,
                waits: sealed.again,
            };
            tracing::info!(request_id = %context.request_id, bytes = sealed.text.len(), "a form waits for a login");
            Ok(Decision::Reply(Reply::page_under(
                CSP_KEEP,
                200,
                site.pages.keep_form(&page),
            )))
        }
        Err(NotKept::Fault(cause)) => Err(cause),
        Err(why) => {
            tracing::info!(request_id = %context.request_id, cause = ?why, "a form is not kept over the login");
            let reason = why.words();
            let page = FormNotKeptPage { reason, plain: &plain };
            Ok(Decision::Reply(Reply::page(200, site.pages.form_not_kept(&page))))
        }
    }
}

/// The form, sealed, and where the login that it waits for ends.
async fn sealed(
    http: &mut HttpSession,
    context: &Context,
    site: &Site,
    asked: &Asked<'_>,
) -> Result<(String, Sealed), NotKept> {
    let to = destination(site, asked)?;
    if !is_ours(site, asked) {
        return Err(NotKept::Foreign);
    }
    let content_type = header(asked.request, "content-type").unwrap_or_default();
    let sealed = match essence(content_type).as_str() {
        "application/x-www-form-urlencoded" | "multipart/form-data" => {
            fresh(http, context, site, asked, content_type).await?
        }
        "text/plain" => returned(http, context, site, asked).await?,
        _ => return Err(NotKept::Kind),
    };
    let resume = resume_url(site, "form", &sealed.id, &to);
    if fits(site, &resume) {
        Ok((resume, sealed))
    } else {
        Err(NotKept::Address)
    }
}

/// A form that comes for the first time.
async fn fresh(
    http: &mut HttpSession,
    context: &Context,
    site: &Site,
    asked: &Asked<'_>,
    content_type: &str,
) -> Result<Sealed, NotKept> {
    let (request, route) = (asked.request, asked.route);
    let most = most(route.stash_post, context.body_limit);
    let body = read_body(http, most, KEPT_FORM_TIME)
        .await
        .map_err(|error| match error {
            FormError::TooLarge => NotKept::TooLarge,
            FormError::Unreadable => NotKept::Unreadable,
        })?;
    let form = KeptForm {
        id: fresh_id().map_err(|_| Cause::Internal)?,
        content_type: content_type.to_owned(),
        referer: header(request, "referer").map(str::to_owned),
        account: earlier_account(context, site, request, route).await,
        body,
    };
    let ends_at = context.now.plus(site.config.session.login_timeout);
    let target = asked.raw_target()?;
    let text = form.seal(&site.sealer, route.providers[0], target, ends_at);
    Ok(Sealed {
        text: text.map_err(|_| Cause::Internal)?,
        id: form.id,
        again: false,
    })
}

/// A form that comes back sealed, and finds no session again: it waits on as it is.
async fn returned(
    http: &mut HttpSession,
    context: &Context,
    site: &Site,
    asked: &Asked<'_>,
) -> Result<Sealed, NotKept> {
    let Came::Sealed(text) = read_delivery(http, asked.request, asked.route.stash_post).await? else {
        return Err(NotKept::Kind);
    };
    let opened = KeptForm::open(&site.sealer, asked.raw_target()?, text.as_bytes(), context.now);
    let (form, _) = opened.map_err(|_| NotKept::Stale)?;
    Ok(Sealed {
        text,
        id: form.id,
        again: true,
    })
}

/// The request's own address, where a browser can be led back to exactly that.
fn destination(site: &Site, asked: &Asked<'_>) -> Result<ReturnTo, NotKept> {
    let to = ReturnTo::of_request(asked.target);
    let same = asked.request.raw_path() == to.as_str().as_bytes();
    // The login ends at the public URL, and another origin's storage is another.
    let public = &site.config.server.public_url;
    let at_home = Origin::of_host(public.https, asked.host).is_some_and(|origin| origin.is_public(public));
    if same && at_home { Ok(to) } else { Err(NotKept::Address) }
}

/// Whether a login can end there: too long an address is not carried through the provider.
fn fits(site: &Site, resume: &str) -> bool {
    ReturnTo::parse(resume, &site.config.server.public_url, &[]).is_some()
}

/// Whether a page of our own sent it.
pub(super) fn is_ours(site: &Site, asked: &Asked<'_>) -> bool {
    let initiator = policy::initiator(&sent(asked.request, asked.host), &site.config.server.public_url, &[]);
    initiator == Initiator::SameOrigin
}

/// The smaller of two limits, of which 0 is none.
fn most(stash_post: u64, body_limit: u64) -> usize {
    let most = if body_limit == 0 {
        stash_post
    } else {
        stash_post.min(body_limit)
    };
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// `type/subtype` in lower case.
pub(super) fn essence(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// The account of the session that has just ended, or whose cookie still came: to find that out, its end does not count.
/// An account that this route does not take anyway says nothing about who comes back.
async fn earlier_account(context: &Context, site: &Site, request: &RequestHeader, route: &Route) -> Option<Account> {
    let account_of = |session: &Session| {
        let (provider, _) = site.provider(&session.provider)?;
        route.providers.contains(&provider).then(|| Account::of(session))?
    };
    if let Some(session) = &context.cookies.former {
        return account_of(session);
    }
    let cookies = request.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    let jar = Jar::new(&site.names, cookies);
    let loaded = site.store.load(&site.sealer, &jar, Timestamp(0)).await.ok()??;
    account_of(&loaded.session)
}

/// A page that keeps the address's fragment, which no server sees, and goes on to the login.
pub(super) fn keep_fragment(site: &Site, asked: &Asked<'_>) -> Result<Option<Decision>, Cause> {
    let Ok(to) = destination(site, asked) else {
        return Ok(None);
    };
    let id = fresh_id().map_err(|_| Cause::Internal)?;
    let resume = resume_url(site, "fragment", &id, &to);
    if !fits(site, &resume) {
        return Ok(None);
    }
    let page = KeepFragmentPage {
        id: &id,
        onward: &start_url(site, &resume, None),
        plain: &start_url(site, to.as_str(), None),
    };
    let html = site.pages.keep_fragment(&page);
    Ok(Some(Decision::Reply(Reply::page_under(CSP_KEEP, 200, html))))
}
