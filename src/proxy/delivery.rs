//! A sealed form comes back after the login: read, opened, and put in place of the body that came.
//!
//! Pingora forwards a body that was read before only from its retry buffer, which holds 64 KiB and is given up for good
//! once more was read into it. So the buffer is turned on late, for the last 64 KiB of a sealed form: something is in it
//! when the request is forwarded, `request_body_filter` is called, and puts the form there. What turns out to be the
//! application's own goes on untouched.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, REFERER, TRANSFER_ENCODING};
use http::{HeaderValue, Method};
use pingora::Result as PingoraResult;
use pingora::http::RequestHeader;
use pingora::proxy::Session as HttpSession;

use super::Gateway;
use super::cause::Cause;
use super::context::{Context, Forward};
use super::decide::{Asked, Decision, check_body};
use super::endpoints::{resume_url, start_url};
use super::head::header;
use super::kept::{essence, is_ours};
use super::reply::Reply;
use super::site::Site;
use crate::config::Route;
use crate::flow::{Account, KeptForm};
use crate::pages::{CSP_KEEP, KeepFormPage};
use crate::policy::ReturnTo;

/// The name of the one field of a sealed form.
pub(super) const FIELD: &str = "sidegate-form";
/// What Pingora's retry buffer holds, bytes; also the most that it reads at a time.
const REPLAYED: usize = 64 << 10;
/// What a sealed form has besides the body, bytes: target, content type, referrer, account, before base64.
const AROUND: u64 = 32 << 10;
/// A form that is kept has come after this long.
pub(super) const KEPT_FORM_TIME: Duration = Duration::from_secs(60);

/// What goes upstream in place of the body that came.
#[derive(Default)]
pub(super) enum Carried {
    /// The body that came.
    #[default]
    Nothing,
    /// The body that came; this much of it was read before.
    Begin(Bytes),
    /// A form that was kept over the login.
    Form(Box<Delivery>),
}

/// A form on its way to the application.
pub(super) struct Delivery {
    pub(super) id: String,
    content_type: HeaderValue,
    referer: Option<HeaderValue>,
    body: Bytes,
}

impl Carried {
    /// Puts it in place of what came. Called again for every connection that is tried.
    pub(super) fn fill(&mut self, body: &mut Option<Bytes>, end: bool) {
        match self {
            Self::Nothing => {}
            Self::Begin(_) => {
                if let Self::Begin(begin) = std::mem::take(self) {
                    let rest = body.take().unwrap_or_default();
                    *body = Some([begin, rest].concat().into());
                }
            }
            Self::Form(form) => *body = Some(if end { form.body.clone() } else { Bytes::new() }),
        }
    }

    /// The head that belongs to it.
    pub(super) fn head(&self, request: &mut RequestHeader) -> PingoraResult<()> {
        let Self::Form(form) = self else { return Ok(()) };
        request.remove_header(&TRANSFER_ENCODING);
        request.insert_header(CONTENT_LENGTH, form.body.len())?;
        request.insert_header(CONTENT_TYPE, form.content_type.clone())?;
        request.remove_header(&REFERER);
        if let Some(referer) = &form.referer {
            request.insert_header(REFERER, referer.clone())?;
        }
        Ok(())
    }
}

/// Whether the request may be a sealed form that comes back: what it is shows when it is read.
pub(super) fn is_delivery(request: &RequestHeader, route: &Route) -> bool {
    route.stash_post > 0
        && request.method == Method::POST
        && header(request, "content-type").is_some_and(|value| essence(value) == "text/plain")
}

/// Puts the form in place of the sealed text, for a request that goes on to the application. Once; the gateway remembers.
pub(super) async fn deliver(
    gateway: &Gateway,
    http: &mut HttpSession,
    context: &Context,
    asked: &Asked<'_>,
    mut forward: Forward,
) -> Result<Decision, Cause> {
    let (site, request) = (&*context.site, asked.request);
    let text = match read_delivery(http, request, asked.route.stash_post).await? {
        Came::Sealed(text) => text,
        Came::Other(carried) => {
            check_body(request, context.body_limit)?;
            forward.carried = carried;
            return Ok(Decision::Forward(forward));
        }
    };
    // Whatever the route's csrf says: nobody else posts for us.
    if !is_ours(site, asked) {
        return Err(Cause::CrossSite);
    }
    let target = asked.raw_target()?;
    let opened = KeptForm::open(&site.sealer, target, text.as_bytes(), context.now);
    let (form, ends_at) = opened.map_err(|error| {
        tracing::info!(request_id = %context.request_id, cause = %error, "a kept form was refused");
        Cause::KeptFormUnknown
    })?;
    let account = forward.session.as_ref().and_then(|session| Account::of(session));
    if form.account.is_some() && form.account != account {
        return Ok(of_another(context, site, &form, &text, target));
    }
    if !gateway.delivered.take(&form.id, ends_at, context.now) {
        return Err(Cause::KeptFormSent);
    }
    tracing::info!(request_id = %context.request_id, bytes = form.body.len(), "a kept form is sent on");
    let value = |text: String| HeaderValue::from_str(&text).map_err(|_| Cause::Internal);
    forward.carried = Carried::Form(Box::new(Delivery {
        id: form.id,
        content_type: value(form.content_type)?,
        referer: form.referer.map(value).transpose()?,
        body: form.body.into(),
    }));
    Ok(Decision::Forward(forward))
}

/// Another account than the one whose session had ended signed in: not sent on, but not lost either.
fn of_another(context: &Context, site: &Site, form: &KeptForm, sealed: &str, target: &str) -> Decision {
    tracing::info!(request_id = %context.request_id, "a kept form is another account's and was not sent on");
    let public = &site.config.server.public_url;
    let to = ReturnTo::parse(target, public, &[]).unwrap_or_else(ReturnTo::root);
    let resume = resume_url(site, "form", &form.id, &to);
    let page = KeepFormPage {
        heading: "This was entered with another account",
        explanation: "You are signed in with another account than the one that entered it, so it was not sent on. \
                      Going on, you can sign in with that account.",
        id: &form.id,
        sealed,
        onward: &start_url(site, &resume, Some("select_account")),
        plain: &start_url(site, "/", None),
        waits: true,
    };
    Decision::Reply(Reply::page_under(CSP_KEEP, 403, site.pages.keep_form(&page)))
}

/// What a `text/plain` body turned out to be.
pub(super) enum Came {
    /// A sealed form.
    Sealed(String),
    /// The application's own business.
    Other(Carried),
}

/// Reads the body where it can be a sealed form of at most `stash_post` bytes.
pub(super) async fn read_delivery(
    http: &mut HttpSession,
    request: &RequestHeader,
    stash_post: u64,
) -> Result<Came, Cause> {
    let stated = header(request, "content-length").and_then(|text| text.parse::<u64>().ok());
    // Browsers say how long a form is.
    let Some(stated) = stated.filter(|stated| *stated <= (stash_post + AROUND) * 4 / 3) else {
        return Ok(Came::Other(Carried::Nothing));
    };
    let stated = usize::try_from(stated).map_err(|_| Cause::BodyTooLarge)?;
    match tokio::time::timeout(KEPT_FORM_TIME, read(http, stated)).await {
        Ok(came) => came,
        Err(_) => Err(Cause::BadFraming),
    }
}

async fn read(http: &mut HttpSession, stated: usize) -> Result<Came, Cause> {
    let begin = format!("{FIELD}=");
    let mut text = Vec::with_capacity(stated);
    let small = stated <= REPLAYED;
    while text.len() < stated {
        let known = text.len() >= begin.len();
        if known && !text.starts_with(begin.as_bytes()) && !small {
            return Ok(Came::Other(Carried::Begin(text.into())));
        }
        if small || (known && stated - text.len() <= REPLAYED) {
            http.downstream_session.enable_retry_buffering();
        }
        let chunk = http.downstream_session.read_request_body().await;
        match chunk.map_err(|_| Cause::BadFraming)? {
            Some(chunk) => text.extend_from_slice(&chunk),
            None => return Err(Cause::BadFraming),
        }
    }
    // HTTP/2 may say only now that there is no more.
    if !http.downstream_session.is_body_done() {
        let more = http.downstream_session.read_request_body().await;
        if more
            .map_err(|_| Cause::BadFraming)?
            .is_some_and(|chunk| !chunk.is_empty())
        {
            return Err(Cause::BadFraming);
        }
    }
    if !text.is_empty() && http.downstream_session.get_retry_buffer().is_none() {
        tracing::error!(
            bytes = text.len(),
            "a body came in one piece that is too large to be sent on"
        );
        return Err(Cause::Internal);
    }
    Ok(match text.strip_prefix(begin.as_bytes()) {
        Some(sealed) => Came::Sealed(String::from_utf8_lossy(sealed.trim_ascii_end()).into_owned()),
        None => Came::Other(Carried::Nothing),
    })
}
