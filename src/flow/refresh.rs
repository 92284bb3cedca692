//! One token request per refresh token at a time, in a task of its own, and its result for everybody who waits.
//!
//! A provider that rotates refresh tokens takes a second use of one for theft and ends the whole grant. So in this process
//! a refresh token is sent once: requests that come while it is under way wait for that one, requests that come later with
//! the old cookie get the same result, and a request that goes away takes nothing with it. A token that was exchanged for
//! a new one is never sent again. Where sessions are in Redis the same holds over all replicas (`shared.rs`), and results
//! are remembered there alone.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::renew::renew;
use super::shared::{Ending, renew_for_all};
use crate::clock::{Clock, Timestamp};
use crate::provider::Provider;
use crate::session::{Record, Session, Tokens};
use crate::telemetry::{Event, Metrics, RefreshOutcome};

/// Bound on remembered refresh tokens; the oldest goes first.
const MOST: usize = 50_000;
/// Waits between attempts that the provider did not answer: doubled from the first to the last.
const BACK_OFF: (u64, u64) = (1, 30);

/// How a refresh ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The session with its new tokens.
    Renewed(Box<Session>),
    /// The provider will not refresh this session any more.
    Refused,
    /// The provider did not answer; the session is as good as it was.
    Unavailable,
}

/// A refresh that is under way or done. Dropping it does not stop the refresh.
#[derive(Clone, Debug)]
pub struct Renewal(watch::Receiver<Option<Outcome>>);

impl Renewal {
    /// Waits for the outcome.
    pub async fn outcome(mut self) -> Outcome {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Outcome::Unavailable),
            // The task is gone without a word: it panicked, or the program ends.
            Err(_) => Outcome::Unavailable,
        }
    }

    /// The outcome where it is there already.
    pub fn ready(&self) -> Option<Outcome> {
        self.0.borrow().clone()
    }

    fn done(outcome: Outcome) -> Self {
        Self(watch::channel(Some(outcome)).1)
    }
}

/// Refreshes sessions; one for the whole process.
pub struct Refresher {
    known: Arc<Mutex<Known>>,
    running: Arc<AtomicUsize>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

type Key = [u8; 32];

#[derive(Default)]
struct Known {
    by_token: HashMap<Key, Entry>,
    order: VecDeque<Key>,
}

enum Entry {
    Running(Renewal),
    /// `first_taken_at`: when a request first took the result to its browser; the grace counts from there.
    Renewed {
        session: Box<Session>,
        first_taken_at: Option<Timestamp>,
    },
    /// Exchanged or refused: never sent again.
    Spent,
    Unavailable {
        attempts: u32,
        retry_at: Timestamp,
    },
}

impl Refresher {
    /// Remembers nothing yet.
    pub fn new(clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self {
            known: Arc::default(),
            running: Arc::default(),
            clock,
            metrics,
        }
    }

    /// How many token requests are under way: a drain waits for them.
    pub fn running(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.running)
    }

    /// Refreshes `session`, or joins the refresh that is under way, or takes the result of the one that is done.
    ///
    /// `record`: where the session is, if not in the browser. `grace`: how long late requests with the old cookie get the
    /// same result.
    pub fn refresh(
        &self,
        provider: &Arc<Provider>,
        session: &Session,
        record: Option<&Record>,
        grace: Duration,
        now: Timestamp,
    ) -> Renewal {
        let Some(key) = key(session) else {
            return Renewal::done(Outcome::Refused);
        };
        let mut known = self.known.lock();
        let mut attempts = 0;
        let outcome = match known.by_token.get_mut(&key) {
            None => None,
            Some(Entry::Running(renewal)) => {
                self.metrics.refresh(&session.provider, RefreshOutcome::Coalesced);
                return renewal.clone();
            }
            Some(Entry::Renewed {
                session: renewed,
                first_taken_at,
            }) => match replay(renewed, session, first_taken_at, grace, now) {
                Replay::Same(same) => Some((Outcome::Renewed(same), RefreshOutcome::Replayed)),
                Replay::Spent => Some((Outcome::Refused, RefreshOutcome::Refused)),
                Replay::Again => None,
            },
            Some(Entry::Spent) => Some((Outcome::Refused, RefreshOutcome::Refused)),
            Some(Entry::Unavailable { retry_at, .. }) if now < *retry_at => {
                Some((Outcome::Unavailable, RefreshOutcome::Unavailable))
            }
            Some(Entry::Unavailable { attempts: before, .. }) => {
                attempts = *before;
                None
            }
        };
        if let Some((outcome, counted)) = outcome {
            self.metrics.refresh(&session.provider, counted);
            return Renewal::done(outcome);
        }
        let (sender, receiver) = watch::channel(None);
        let renewal = Renewal(receiver);
        known.insert(key, Entry::Running(renewal.clone()));
        drop(known);
        let (provider, session) = (Arc::clone(provider), session.clone());
        match record {
            None => self.spawn(provider, session, key, attempts, sender),
            Some(record) => self.spawn_shared(record.clone(), provider, session, key, attempts, sender),
        }
        renewal
    }

    /// Runs the refresh in a task of its own: a request that is dropped cannot lose the new tokens.
    fn spawn(
        &self,
        provider: Arc<Provider>,
        session: Session,
        key: Key,
        attempts: u32,
        sender: watch::Sender<Option<Outcome>>,
    ) {
        let (known, clock, metrics) = (Arc::clone(&self.known), self.clock.clone(), Arc::clone(&self.metrics));
        let running = Running::enter(&self.running);
        tokio::spawn(async move {
            let _running = running;
            let mut forget = Forget {
                known: &known,
                key,
                settled: false,
            };
            let outcome = renew(&provider, &session, clock.now()).await;
            // Whoever waits beside the table takes the result to a browser: the grace counts from now.
            let waited_for = sender.receiver_count() > 1;
            let (entry, counted) = settle(&outcome, attempts, waited_for, clock.now());
            metrics.refresh(&session.provider, counted);
            let user = session.identity.user.as_deref().unwrap_or_default();
            Event::refresh(counted).provider(&session.provider).user(user).write();
            known.lock().insert(key, entry);
            forget.settled = true;
            sender.send_replace(Some(outcome));
        });
    }

    /// The same for a session in Redis. What is remembered here is only what Redis does not know.
    fn spawn_shared(
        &self,
        record: Record,
        provider: Arc<Provider>,
        session: Session,
        key: Key,
        attempts: u32,
        sender: watch::Sender<Option<Outcome>>,
    ) {
        let (known, clock, metrics) = (Arc::clone(&self.known), self.clock.clone(), Arc::clone(&self.metrics));
        let running = Running::enter(&self.running);
        tokio::spawn(async move {
            let _running = running;
            let mut forget = Forget {
                known: &known,
                key,
                settled: false,
            };
            let ending = renew_for_all(record, &provider, &session, back_off(attempts), &clock).await;
            let Ending {
                outcome,
                counted,
                asked,
                unsaved,
            } = ending;
            metrics.refresh(&session.provider, counted);
            if asked {
                let user = session.identity.user.as_deref().unwrap_or_default();
                Event::refresh(counted).provider(&session.provider).user(user).write();
            }
            if let Some(unsaved) = unsaved {
                // Whoever comes with the old session in the meantime gets the new one from here.
                sender.send_replace(Some(outcome.clone()));
                unsaved.keep_trying(&clock).await;
            }
            let entry = match &outcome {
                Outcome::Renewed(_) => None,
                outcome => asked.then(|| settle(outcome, attempts, false, clock.now()).0),
            };
            known.lock().replace(key, entry);
            forget.settled = true;
            sender.send_replace(Some(outcome));
        });
    }
}

/// What is remembered of a finished refresh.
fn settle(outcome: &Outcome, attempts: u32, waited_for: bool, now: Timestamp) -> (Entry, RefreshOutcome) {
    match outcome {
        Outcome::Renewed(session) => (
            Entry::Renewed {
                session: session.clone(),
                first_taken_at: waited_for.then_some(now),
            },
            RefreshOutcome::Refreshed,
        ),
        Outcome::Refused => (Entry::Spent, RefreshOutcome::Refused),
        Outcome::Unavailable => {
            let retry_at = now.plus(back_off(attempts));
            (
                Entry::Unavailable {
                    attempts: attempts.saturating_add(1),
                    retry_at,
                },
                RefreshOutcome::Unavailable,
            )
        }
    }
}

/// How long nobody asks a provider again that did not answer this often before.
fn back_off(attempts: u32) -> Duration {
    Duration::from_secs(BACK_OFF.0.saturating_shl(attempts).min(BACK_OFF.1))
}

trait SaturatingShl {
    fn saturating_shl(self, by: u32) -> Self;
}

impl SaturatingShl for u64 {
    fn saturating_shl(self, by: u32) -> Self {
        self.checked_mul(1_u64.checked_shl(by).unwrap_or(Self::MAX))
            .unwrap_or(Self::MAX)
    }
}

enum Replay {
    /// The same result once more.
    Same(Box<Session>),
    /// Only a spent refresh token is left.
    Spent,
    /// The provider does not rotate: the refresh token is good for another refresh.
    Again,
}

/// What a request gets whose refresh token was exchanged before.
fn replay(
    renewed: &Session,
    asking: &Session,
    first_taken_at: &mut Option<Timestamp>,
    grace: Duration,
    now: Timestamp,
) -> Replay {
    let rotated = !same_refresh_token(&renewed.tokens, &asking.tokens);
    // The browser already has this result, and it is due again.
    let newer = asking.tokens.access_token.same_as(&renewed.tokens.access_token);
    let good = renewed.tokens.expires_at.is_none_or(|end| now < end);
    // Until a browser has it, a result is kept as long as it is good; then for the grace.
    let in_time = first_taken_at.is_none_or(|taken| now.since(taken) < grace);
    if good && in_time && !newer {
        first_taken_at.get_or_insert(now);
        return Replay::Same(Box::new(renewed.clone()));
    }
    if rotated { Replay::Spent } else { Replay::Again }
}

fn same_refresh_token(one: &Tokens, other: &Tokens) -> bool {
    matches!((&one.refresh_token, &other.refresh_token), (Some(one), Some(other)) if one.same_as(other))
}

fn key(session: &Session) -> Option<Key> {
    let refresh_token = session.tokens.refresh_token.as_ref()?;
    let digest = Sha256::new_with_prefix(session.provider.as_bytes()).chain_update([0]);
    Some(digest.chain_update(refresh_token.reveal()).finalize().into())
}

impl Known {
    /// `None` forgets the key.
    fn replace(&mut self, key: Key, entry: Option<Entry>) {
        match entry {
            Some(entry) => self.insert(key, entry),
            None => {
                self.by_token.remove(&key);
                self.order.retain(|own| *own != key);
            }
        }
    }

    fn insert(&mut self, key: Key, entry: Entry) {
        if self.by_token.insert(key, entry).is_none() {
            self.order.push_back(key);
        }
        // One that runs is never dropped: a second request with its token would end the grant.
        while self.by_token.len() > MOST {
            let Some(oldest) = self.order.pop_front() else { return };
            if matches!(self.by_token.get(&oldest), Some(Entry::Running(_))) {
                self.order.push_back(oldest);
                return;
            }
            self.by_token.remove(&oldest);
        }
    }
}

/// Counts a running refresh, also where its task is dropped.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn enter(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A task that ends without a result leaves a spent token behind: it may have been sent.
struct Forget<'a> {
    known: &'a Mutex<Known>,
    key: Key,
    settled: bool,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.known.lock().insert(self.key, Entry::Spent);
        }
    }
}
