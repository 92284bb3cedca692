//! What one request carries from phase to phase. Decided once, in `request_filter`; later phases only read and apply.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::site::Site;
use crate::clock::Timestamp;
use crate::flow::{Outcome, Renewal};
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
    /// The answer went to the browser as an upgrade or stream: its end is no error.
    pub(super) upgraded: bool,
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
    /// Names of the session cookies that came.
    pub(super) session_names: Vec<String>,
    /// Further `Set-Cookie` values: started logins begun or ended.
    pub(super) logins: Vec<String>,
    /// Done: an answer has one head only, but informational ones may come before it.
    pub(super) applied: bool,
}

impl CookieWork {
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
