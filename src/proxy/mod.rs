//! The request path on Pingora: one short method a phase. What is decided is decided in `request_filter`; later phases
//! apply it.
//!
//! | file | what it is |
//! |---|---|
//! | `mod` | [`Gateway`]: the phases |
//! | `site` | [`Site`]: a configuration, ready to serve |
//! | `context` | what one request carries from phase to phase |
//! | `head` | what is refused before any route is looked for |
//! | `admission` | the pure part of the decisions, for `explain` too |
//! | `decide` | route → session → standing → (refresh) → admit |
//! | `endpoints` | the gateway's own endpoints |
//! | `kept` | forms and fragments that are carried over a login |
//! | `delivery` | a kept form that comes back is put in place of the body |
//! | `cause` | one table from what is wrong to status and words |
//! | `reply` | the gateway's own answers |
//! | `cookies` | the one place where a request's effect becomes `Set-Cookie` |
//! | `outgoing` | the request as the application gets it |
//! | `incoming` | the application's answer as the browser gets it |
//! | `explain` | what a request would get, without sending it |
//! | `form` | bodies that the gateway itself reads |
//! | `pace` | bodies and streams that must not hold a connection for ever |
//! | `leash` | what ends a request that outlasts what allows it |
//! | `record` | one log line and the metrics |
//! | `bare` | answers where no request could be read |
//! | `failure` | errors of Pingora's become causes |

mod admission;
mod bare;
mod cause;
mod context;
mod cookies;
mod decide;
mod delivery;
mod endpoints;
mod explain;
mod failure;
mod form;
mod head;
mod incoming;
mod kept;
mod leash;
mod outgoing;
mod pace;
mod record;
mod reply;
mod site;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::{Error, ErrorType, HttpPeer, Result};
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session as HttpSession};

pub use self::bare::{Unread, answer_unread};
pub use self::context::Context;
use self::context::{CookieWork, InFlight, Place};
use self::decide::Decision;
pub use self::explain::{Explanation, Question, explain};
pub use self::leash::{Leashes, tethered};
use self::reply::Reader;
pub use self::site::Site;
use crate::clock::Clock;
use crate::flow::{Refresher, Spent};
use crate::policy::{ReturnTo, Target};
use crate::session::Revocations;
use crate::telemetry::{Auth, Event, Metrics};

/// A silent WebSocket or event stream is kept at least this long.
const STREAM_IDLE: Duration = Duration::from_secs(24 * 3600);
/// The gateway: one for the process; the [`Site`] in it may be exchanged while it runs.
pub struct Gateway {
    site: Arc<ArcSwap<Site>>,
    refresher: Refresher,
    spent: Spent,
    delivered: Spent,
    revocations: Revocations,
    metrics: Arc<Metrics>,
    clock: Clock,
    in_flight: Arc<AtomicUsize>,
    leashes: Arc<Leashes>,
}

impl Gateway {
    /// A gateway that serves this site.
    pub fn new(site: Site, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let refresher = Refresher::new(clock.clone(), Arc::clone(&metrics));
        Self {
            site: Arc::new(ArcSwap::from_pointee(site)),
            refresher,
            spent: Spent::default(),
            delivered: Spent::default(),
            revocations: Revocations::default(),
            metrics,
            clock,
            in_flight: Arc::default(),
            leashes: Arc::default(),
        }
    }

    /// A view on what is under way, for whoever waits for it to end.
    pub fn load(&self) -> Load {
        Load {
            requests: Arc::clone(&self.in_flight),
            refreshes: self.refresher.running(),
        }
    }

    /// The site that requests begin with from now on; for a reload.
    pub fn site(&self) -> Arc<ArcSwap<Site>> {
        Arc::clone(&self.site)
    }

    /// Ends what outlasts its session, or keeps us waiting for its body, for as long as it is polled.
    pub fn watch(&self) -> impl Future<Output = ()> + Send + use<> {
        Arc::clone(&self.leashes).watch(self.clock.clone())
    }
}

/// What is under way in a gateway.
pub struct Load {
    requests: Arc<AtomicUsize>,
    refreshes: Arc<AtomicUsize>,
}

impl Load {
    /// Requests and refreshes under way: a drain waits until there are none.
    pub fn busy(&self) -> usize {
        self.requests.load(Ordering::Acquire) + self.refreshes.load(Ordering::Acquire)
    }
}

/// A fault of our own, in words for the log.
fn internal(what: &'static str) -> Box<Error> {
    Error::explain(ErrorType::InternalError, what)
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        let site = self.site.load_full();
        Context {
            body_limit: site.config.server.request_body_limit,
            site,
            now: self.clock.now(),
            began: Instant::now(),
            request_id: head::fresh_request_id(),
            place: Place::Nowhere,
            auth: Auth::None,
            user: None,
            cookies: CookieWork::default(),
            forward: None,
            body_seen: 0,
            attempts: 0,
            connected: false,
            retry: None,
            upgraded: false,
            paced: false,
            leash: None,
            cut_line: None,
            _in_flight: InFlight::enter(&self.in_flight),
        }
    }

    /// No modules: nothing is compressed here, so that no secret can be guessed from lengths, and nothing is buffered.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn early_request_filter(&self, http: &mut HttpSession, context: &mut Context) -> Result<()> {
        let idle = context.site.config.server.idle_timeout;
        // Only where keep-alive is on: an HTTP/1.0 client without it would hang.
        if http.get_keepalive().is_some() {
            http.set_keepalive(Some(idle.as_secs().max(1)));
        }
        http.set_read_timeout(Some(idle));
        // A client that takes nothing of an answer for this long is gone, or wants to hold us.
        http.set_write_timeout(Some(idle));
        http.set_total_drain_timeout(Some(Duration::from_secs(5)));
        Ok(())
    }

    async fn request_filter(&self, http: &mut HttpSession, context: &mut Context) -> Result<bool> {
        match decide::decide(self, http, context).await {
            Decision::Forward(forward) => {
                context.forward = Some(forward);
                pace::begin(self, http, context);
                return Ok(false);
            }
            Decision::Reply(reply) => {
                let site = Arc::clone(&context.site);
                let cookies = cookies::apply(&site, &self.metrics, &mut context.cookies, context.now);
                reply.send(http, &site, cookies).await?;
            }
            Decision::Refuse(cause) => {
                if let Some(outcome) = cause.denial() {
                    Event::denial(outcome).request_id(&context.request_id).write();
                }
                let site = Arc::clone(&context.site);
                let cookies = cookies::apply(&site, &self.metrics, &mut context.cookies, context.now);
                reply::refuse(http, context, &cause, cookies).await?;
            }
        }
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut HttpSession, context: &mut Context) -> Result<Box<HttpPeer>> {
        let forward = context.forward.as_mut().ok_or_else(|| internal("nothing to forward"))?;
        let index = context.site.config.routes[forward.route]
            .upstream
            .ok_or_else(|| internal("a route without an upstream"))?;
        let choice = context.site.upstreams.choose(index);
        forward.choice = Some(choice);
        context.attempts += 1;
        context
            .site
            .upstreams
            .peer(choice, forward.patient)
            .await
            .map_err(|error| {
                tracing::error!(request_id = %context.request_id, cause = %error, "an upstream cannot be reached");
                Error::explain(ErrorType::ConnectError, "no address").into_up()
            })
    }

    fn fail_to_connect(
        &self,
        _: &mut HttpSession,
        _: &HttpPeer,
        context: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        if let Some(choice) = context.forward.as_ref().and_then(|forward| forward.choice) {
            context.site.upstreams.reached(choice, false);
            // Nothing was sent yet: another server, or another address, may be tried with any method.
            error.set_retry(context.attempts < failure::MOST_ATTEMPTS);
        }
        error
    }

    async fn connected_to_upstream(
        &self,
        _: &mut HttpSession,
        reused: bool,
        _: &HttpPeer,
        _: std::os::unix::io::RawFd,
        _: Option<&pingora::protocols::Digest>,
        context: &mut Context,
    ) -> Result<()> {
        context.connected = true;
        if let Some(choice) = context
            .forward
            .as_ref()
            .and_then(|forward| forward.choice)
            .filter(|_| !reused)
        {
            context.site.upstreams.reached(choice, true);
        }
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        _: &mut HttpSession,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        let forward = context.forward.as_ref().ok_or_else(|| internal("nothing to forward"))?;
        outgoing::prepare(request, &context.site, &context.request_id, forward)
    }

    async fn request_body_filter(
        &self,
        _: &mut HttpSession,
        body: &mut Option<Bytes>,
        end: bool,
        context: &mut Context,
    ) -> Result<()> {
        if let Some(forward) = &mut context.forward {
            forward.carried.fill(body, end);
        }
        context.body_seen += body.as_ref().map_or(0, |chunk| chunk.len() as u64);
        // What follows an upgrade is no body.
        if context.body_limit > 0 && context.body_seen > context.body_limit && !context.upgraded {
            return Error::e_explain(ErrorType::HTTPStatus(413), "the body is past max_body")
                .map_err(|error: Box<Error>| error.into_down());
        }
        pace::check(context, end)
    }

    async fn response_filter(
        &self,
        http: &mut HttpSession,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        if response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(());
        }
        context.upgraded = response.status == StatusCode::SWITCHING_PROTOCOLS;
        pace::tie(self, http.req_header(), response, context);
        let site = Arc::clone(&context.site);
        let cookies = cookies::apply(&site, &self.metrics, &mut context.cookies, context.now);
        let route = context
            .forward
            .as_ref()
            .map(|forward| &site.config.routes[forward.route]);
        incoming::finish(response, &site, route, cookies)
    }

    async fn fail_to_proxy(&self, http: &mut HttpSession, error: &Error, context: &mut Context) -> FailToProxy {
        failure::answer(self, http, error, context).await
    }

    /// One line a failure, with the request id and ours alone: see `failure::answer`.
    fn suppress_error_log(&self, _: &HttpSession, _: &Context, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(&self, _: &HttpSession, _: &Context, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }

    /// Pingora's own lines name a request by this: never path or query, which may hold a code.
    fn request_summary(&self, http: &HttpSession, context: &Context) -> String {
        format!("{} request {}", http.req_header().method, context.request_id)
    }

    async fn logging(&self, http: &mut HttpSession, _: Option<&Error>, context: &mut Context) {
        // From here on it is no longer cut.
        context.leash = None;
        let status = http.response_written().map_or(0, |response| response.status.as_u16());
        let request = http.req_header();
        record::record(
            context,
            &request.method,
            &String::from_utf8_lossy(request.raw_path()),
            status,
        );
    }
}

/// Whether a person or a program reads the answer.
fn reader(http: &HttpSession) -> Reader {
    let request = http.req_header();
    if decide::is_upgrade(request) {
        return Reader::Program;
    }
    let html = head::header(request, "accept").is_some_and(|accept| accept.contains("text/html"));
    let navigates = head::header(request, "sec-fetch-mode").map(|mode| mode == "navigate");
    if navigates.unwrap_or(html) {
        Reader::Person
    } else {
        Reader::Program
    }
}

/// Where "try again" leads: the page that was asked for, where it is one.
fn retry_target(http: &HttpSession, site: &Site) -> String {
    let request = http.req_header();
    let raw = std::str::from_utf8(request.raw_path()).unwrap_or_default();
    let server = &site.config.server;
    let target = Target::parse(raw).ok().filter(|_| request.method == http::Method::GET);
    let to = target.map_or_else(ReturnTo::root, |target| ReturnTo::of_request(&target));
    if to.is_beneath(&server.prefix, &server.public_url) {
        "/".to_owned()
    } else {
        to.as_str().to_owned()
    }
}
