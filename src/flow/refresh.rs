//! One token request per refresh token at a time, in a task of its own, and its result for everybody who waits.
//!
//! A provider that rotates refresh tokens takes a second use of one for theft and ends the whole grant. So in this process
//! a refresh token is sent once: requests that come while it is under way wait for that one, requests that come later with
//! the old cookie get the same result, and a request that goes away takes nothing with it. A token that was exchanged for
//! a new one is never sent again. Where sessions are in Redis the same holds over all replicas (`replicas.rs`), and results
//! are remembered there alone.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::known::{Entry, Forget, Found, Key, Known, back_off, key, settle};
use super::renew::renew;
use super::replicas::{Asking, Ending, renew_for_all};
use super::turns::Turns;
use crate::clock::{Clock, Timestamp};
use crate::provider::Provider;
use crate::session::{Record, Session};
use crate::telemetry::{Event, Metrics, RefreshOutcome};

/// Results that nobody took are followed this far: a provider that hands out old tokens again makes no endless chain.
const LONGEST_CHAIN: usize = 8;

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
    turns: Turns,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl Refresher {
    /// Remembers nothing yet.
    pub fn new(clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self {
            known: Arc::default(),
            running: Arc::default(),
            turns: Turns::default(),
            clock,
            metrics,
        }
    }

    /// How many token requests are under way: a drain waits for them.
    pub fn running(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.running)
    }

    /// Refreshes `session`, or joins the refresh that is under way, or takes the result of the one that is done. A result
    /// that no browser has yet and that is itself over by now is refreshed in its turn.
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
        let mut asking = Cow::Borrowed(session);
        let mut known = self.known.lock();
        let mut links = 0;
        let (key, attempts) = loop {
            let Some(key) = key(&asking) else {
                return Renewal::done(Outcome::Refused);
            };
            match known.look_up(&key, &asking, grace, now) {
                Found::New { attempts } => break (key, attempts),
                Found::Running(renewal) => {
                    self.metrics.refresh(&asking.provider, RefreshOutcome::Coalesced);
                    return renewal;
                }
                Found::Done(outcome, counted) => {
                    self.metrics.refresh(&asking.provider, counted);
                    return Renewal::done(outcome);
                }
                Found::Next(renewed) if links < LONGEST_CHAIN => {
                    asking = Cow::Owned(*renewed);
                    links += 1;
                }
                Found::Next(_) => return Renewal::done(Outcome::Refused),
            }
        };
        let (sender, receiver) = watch::channel(None);
        let renewal = Renewal(receiver);
        known.insert(key, Entry::Running(renewal.clone()));
        drop(known);
        let (provider, session) = (Arc::clone(provider), asking.into_owned());
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
        let turn = self.turns.of(&session.provider);
        tokio::spawn(async move {
            let _running = running;
            let forget = Forget::new(&known, key);
            let renewing = async { renew(&provider, &session, clock.now()).await };
            let outcome = turn.take(&clock, renewing).await;
            // Whoever waits beside the table takes the result to a browser: the grace counts from now.
            let waited_for = sender.receiver_count() > 1;
            let (entry, counted) = settle(&outcome, attempts, waited_for, clock.now());
            metrics.refresh(&session.provider, counted);
            let user = session.identity.user.as_deref().unwrap_or_default();
            Event::refresh(counted).provider(&session.provider).user(user).write();
            forget.settle(Some(entry));
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
        let (running, turn) = (Running::enter(&self.running), self.turns.of(&session.provider));
        tokio::spawn(async move {
            let _running = running;
            let forget = Forget::new(&known, key);
            let asking = Asking {
                provider: &provider,
                turn: &turn,
                wait: back_off(attempts),
                clock: &clock,
            };
            let ending = renew_for_all(record, &session, &asking).await;
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
            forget.settle(entry);
            sender.send_replace(Some(outcome));
        });
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
