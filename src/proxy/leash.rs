//! Requests that may outlast what allows them: tunnels, streams and bodies that nothing ends by itself. Each is held on
//! a leash, and a leash that is pulled ends its request wherever it waits.
//!
//! [`Leashes`] is looked through once a second, by the gateway's clock: what a request pays for it is nothing where it
//! needs no leash, and an entry in a table where it does.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context as Waiter, Poll};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::clock::{Clock, Timestamp};
use crate::session::{Ended, Session};

/// How often the leashes are looked through: a fifth of what the contract allows a session's tunnels after its end.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// No limit.
const NEVER: u64 = u64::MAX;

tokio::task_local! {
    /// Where the request that this task runs puts its leash, once it needs one.
    static SLOT: OnceCell<Arc<Leash>>;
}

/// Runs a request so that its leash can end it: then it is dropped, and with it both of its connections. `None` as where
/// a connection cannot be used again.
pub async fn tethered<T>(request: impl Future<Output = Option<T>>) -> Option<T> {
    let leashed = async {
        let mut request = pin!(request);
        poll_fn(|waiter| {
            if let Poll::Ready(done) = request.as_mut().poll(waiter) {
                return Poll::Ready(done);
            }
            let pulled = SLOT.with(|slot| slot.get().is_some_and(|leash| leash.is_pulled(waiter)));
            if pulled { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    };
    SLOT.scope(OnceCell::new(), leashed).await
}

/// What may end one request.
struct Leash {
    pulled: AtomicBool,
    waker: AtomicWaker,
    /// Seconds since the epoch.
    session_ends: AtomicU64,
    /// The session, and what its provider may call it: [`Leashes::marks`].
    marks: OnceLock<[u64; 3]>,
    /// Milliseconds since [`Leashes::began`] by which more of the request's body must have come.
    body_due: AtomicU64,
}

impl Leash {
    fn is_pulled(&self, waiter: &Waiter<'_>) -> bool {
        self.waker.register(waiter.waker());
        self.pulled.load(Ordering::Acquire)
    }

    fn pull(&self) {
        self.pulled.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// The leashes of all requests under way that have one.
pub struct Leashes {
    held: Mutex<HashMap<u64, Arc<Leash>>>,
    next: AtomicU64,
    began: Instant,
    keys: RandomState,
}

impl Default for Leashes {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            next: AtomicU64::default(),
            began: Instant::now(),
            keys: RandomState::new(),
        }
    }
}

impl Leashes {
    /// Puts the request that this task runs on a leash; `None` where it does not run [`tethered`].
    pub(super) fn hold(self: &Arc<Self>) -> Option<Held> {
        let leash = Arc::new(Leash {
            pulled: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            session_ends: AtomicU64::new(NEVER),
            marks: OnceLock::new(),
            body_due: AtomicU64::new(NEVER),
        });
        let put = SLOT.try_with(|slot| slot.set(Arc::clone(&leash)));
        if !matches!(put, Ok(Ok(()))) {
            return None;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.held.lock().insert(id, Arc::clone(&leash));
        Some(Held {
            id,
            leash,
            all: Arc::clone(self),
        })
    }

    /// Ends what runs under this session: it was signed out, or its provider refused to renew it.
    pub(super) fn end_session(&self, session: &Session) {
        self.end_marked(self.session_mark(session));
    }

    /// Ends what runs under sessions that their provider ended.
    pub(super) fn end_those(&self, ended: &Ended) {
        self.end_marked(self.keys.hash_one(ended));
    }

    fn end_marked(&self, mark: u64) {
        self.pull_where(|leash| leash.marks.get().is_some_and(|marks| marks.contains(&mark)));
    }

    /// Pulls what is overdue, once a second, for as long as it is polled.
    pub async fn watch(self: Arc<Self>, clock: Clock) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let (now, instant) = (clock.now().0, self.millis(Instant::now()));
            self.pull_where(|leash| {
                leash.session_ends.load(Ordering::Relaxed) <= now || leash.body_due.load(Ordering::Relaxed) <= instant
            });
        }
    }

    fn pull_where(&self, over: impl Fn(&Leash) -> bool) {
        for leash in self.held.lock().values().filter(|leash| over(leash)) {
            leash.pull();
        }
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.began).as_millis()).unwrap_or(NEVER)
    }

    /// The same for one login however often it is refreshed. Two logins of one visitor in the same second share it.
    fn session_mark(&self, session: &Session) -> u64 {
        let identity = &session.identity;
        let who = identity.subject.as_ref().or(identity.user.as_ref());
        self.keys.hash_one((&session.provider, who, session.signed_in_at))
    }

    /// Of the session itself, its `sid` and its `sub`; the first again where there is none.
    fn marks(&self, session: &Session, issuer: &str) -> [u64; 3] {
        let own = self.session_mark(session);
        let (issuer, identity) = (|| issuer.to_owned(), &session.identity);
        let mark = |ended: Option<Ended>| ended.map_or(own, |ended| self.keys.hash_one(&ended));
        let by_sid = identity.sid.clone().map(|sid| Ended::Session { issuer: issuer(), sid });
        let by_sub = identity
            .subject
            .clone()
            .map(|sub| Ended::Subject { issuer: issuer(), sub });
        [own, mark(by_sid), mark(by_sub)]
    }
}

/// A request's own end of its leash; dropped with the request.
pub(super) struct Held {
    id: u64,
    leash: Arc<Leash>,
    all: Arc<Leashes>,
}

impl Held {
    /// The request ends with this session of this issuer's, at this time at the latest.
    pub(super) fn to_session(&self, session: &Session, issuer: &str, ends_at: Timestamp) {
        // A request has one session.
        let _ = self.leash.marks.set(self.all.marks(session, issuer));
        self.leash.session_ends.store(ends_at.0, Ordering::Relaxed);
    }

    /// More of the body must come within this time; `None`: it is all there.
    pub(super) fn expect_body(&self, within: Option<Duration>) {
        let due = within.map_or(NEVER, |within| self.all.millis(Instant::now() + within));
        self.leash.body_due.store(due, Ordering::Relaxed);
    }

    /// Ends the request now.
    pub(super) fn pull(&self) {
        self.leash.pull();
    }

    /// Whether it was pulled.
    pub(super) fn was_pulled(&self) -> bool {
        self.leash.pulled.load(Ordering::Acquire)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.held.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_request_ends_when_its_leash_is_pulled_and_leaves_nothing_behind() {
        let leashes = Arc::new(Leashes::default());
        let own = Arc::clone(&leashes);
        let request = tokio::spawn(tethered(async move {
            let held = own.hold().unwrap();
            own.pull_where(|_| true);
            pending::<()>().await;
            drop(held);
            Some(())
        }));
        assert_eq!(request.await.unwrap(), None);
        assert!(leashes.held.lock().is_empty());
    }

    #[tokio::test]
    async fn a_request_without_a_leash_runs_to_its_end() {
        assert_eq!(tethered(async { Some(7) }).await, Some(7));
        assert!(Arc::new(Leashes::default()).hold().is_none());
    }
}
