//! What one request carries from phase to phase. Decided once, in `request_filter`; later phases only read and apply.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::delivery::Carried;
use super::leash::Held;
use super::site::Site;
use crate::clock::Timestamp;
use crate::flow::{Outcome, Renewal};
use crate::seal::Jar;
use crate::session::{Record, Session, SessionChange};
use crate::telemetry::Auth;
use crate::upstream::Choice;

/// The state of one request.
pub struct Context {
    /// The configuration that this request began with: a reload does not touch it.
    pub(super) site: Arc<Site>,
    /// The one instant that every decision about this request is taken at.
    pub(super) now: Timestamp,
    pub(super) began: Instant,
    pub(super) request_id: String,
    pub(super) place: Place,
    pub(super) auth: Auth,
    pub(super) user: Option<String>,
    pub(super) cookies: CookieWork,
    pub(super) forward: Option<Forward>,
    /// Largest body, bytes; 0: no limit.
    pub(super) body_limit: u64,
    pub(super) body_seen: u64,
    /// Connection attempts so far.
    pub(super) attempts: usize,
    /// A server of the application's took a connection for this request.
    pub(super) connected: bool,
    /// Where "try again" leads on an error page of an endpoint of ours; `None`: to the page that was asked for.
    pub(super) retry: Option<String>,
    /// The answer went to the browser as an upgrade or stream: its end is no error.
    pub(super) upgraded: bool,
    /// Its body must come at a pace.
    pub(super) paced: bool,
    /// Where it may outlast what allows it.
    pub(super) leash: Option<Held>,
    /// The answer's method, path and status, for the log, where its leash may cut it.
    pub(super) cut_line: Option<(http::Method, String, u16)>,
    pub(super) _in_flight: InFlight,
}

/// What a request is for, as logs and metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// No route.
    Nowhere,
    /// The gateway's own endpoints.
    Gateway,
    /// A route, by index.
    Route(usize),
}

/// A request that goes on to the application.
pub(super) struct Forward {
    pub(super) route: usize,
    /// Whose identity and token it carries.
    pub(super) session: Option<Box<Session>>,
    pub(super) choice: Option<Choice>,
    /// A WebSocket or event stream, which may be silent for long.
    pub(super) patient: bool,
    /// What goes in place of the body.
    pub(super) carried: Carried,
    /// `X-Forwarded-For`, `-Proto` and `-Host`, and the trust they were made with.
    pub(super) origin: super::head::ClientFacts,
}

/// What the answer does to our cookies in the browser.
#[derive(Default)]
pub(super) struct CookieWork {
    pub(super) change: SessionChange,
    /// A refresh beside the request: where it is done by the time the answer leaves, it goes with it.
    pub(super) renewal: Option<Renewal>,
    /// Where the session is, if not in the browser.
    pub(super) record: Option<Record>,
    /// The session that came with the request and is over.
    pub(super) former: Option<Box<Session>>,
    /// Names of the session cookies that came.
    pub(super) session_names: Vec<String>,
    /// Further `Set-Cookie` values: started logins begun or ended.
    pub(super) logins: Vec<String>,
    /// Done: an answer has one head only, but informational ones may come before it.
    pub(super) applied: bool,
}

impl CookieWork {
    /// Remembers which session cookies came, so that a new session replaces every one of them: a session that stayed
    /// beside it, in one cookie where the new one is in parts, would be found first.
    pub(super) fn note_session_names(&mut self, jar: &Jar<'_>) {
        self.session_names = jar.session_names().into_iter().map(str::to_owned).collect();
        // The undivided one first: only so many are deleted by one answer.
        self.session_names.sort_by_key(String::len);
    }

    /// Takes the result of a refresh that ran beside the request, if it is there by now.
    pub(super) fn take_renewal(&mut self) {
        if !matches!(self.change, SessionChange::Keep) {
            return;
        }
        if let Some(Outcome::Renewed(session)) = self.renewal.take().and_then(|renewal| renewal.ready()) {
            self.change = SessionChange::Store(session);
        }
    }
}

/// Counts requests in flight; a drain waits for them. Counts down also where a request is dropped.
pub(super) struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    pub(super) fn enter(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
