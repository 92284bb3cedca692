//! One token request per refresh token at a time, in a task of its own, and its result for everybody who waits.
//!
//! A provider that rotates refresh tokens takes a second use of one for theft and ends the whole grant. So in this process
//! a refresh token is sent once: requests that come while it is under way wait for that one, requests that come later with
//! the old cookie get the same result, and a request that goes away takes nothing with it. A token that was exchanged for
//! a new one is never sent again.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::renew::renew;
use super::turns::Turns;
use crate::clock::{Clock, Timestamp};
use crate::provider::Provider;
use crate::session::{Session, Tokens};
use crate::telemetry::{Event, Metrics, RefreshOutcome};

/// Bound on remembered refresh tokens; the oldest goes first.
const MOST: usize = 50_000;
/// Results that nobody took are followed this far: a provider that hands out old tokens again makes no endless chain.
const LONGEST_CHAIN: usize = 8;
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
    turns: Turns,
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
    /// `grace`: how long late requests with the old cookie get the same result.
    pub fn refresh(&self, provider: &Arc<Provider>, session: &Session, grace: Duration, now: Timestamp) -> Renewal {
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
        self.spawn(Arc::clone(provider), asking.into_owned(), key, attempts, sender);
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
            let mut forget = Forget {
                known: &known,
                key,
                settled: false,
            };
            let renewing = async { renew(&provider, &session, clock.now()).await };
            let outcome = turn.take(&clock, renewing).await;
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
            let wait = BACK_OFF.0.saturating_shl(attempts).min(BACK_OFF.1);
            let retry_at = Timestamp(now.0.saturating_add(wait));
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
    /// Over by now, and never taken: it is refreshed in its turn.
    Next(Box<Session>),
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
    if in_time && good && !newer {
        first_taken_at.get_or_insert(now);
        return Replay::Same(Box::new(renewed.clone()));
    }
    match (rotated, first_taken_at) {
        (false, _) => Replay::Again,
        (true, None) => Replay::Next(Box::new(renewed.clone())),
        (true, Some(_)) => Replay::Spent,
    }
}

fn same_refresh_token(one: &Tokens, other: &Tokens) -> bool {
    matches!((&one.refresh_token, &other.refresh_token), (Some(one), Some(other)) if one.same_as(other))
}

fn key(session: &Session) -> Option<Key> {
    let refresh_token = session.tokens.refresh_token.as_ref()?;
    let digest = Sha256::new_with_prefix(session.provider.as_bytes()).chain_update([0]);
    Some(digest.chain_update(refresh_token.reveal()).finalize().into())
}

/// What is known of a refresh token that somebody asks with.
enum Found {
    /// Nothing that keeps it from being sent; so often it was sent without an answer.
    New {
        attempts: u32,
    },
    Running(Renewal),
    Done(Outcome, RefreshOutcome),
    /// Exchanged, and the result is to be refreshed.
    Next(Box<Session>),
}

impl Known {
    fn look_up(&mut self, key: &Key, asking: &Session, grace: Duration, now: Timestamp) -> Found {
        let refused = || Found::Done(Outcome::Refused, RefreshOutcome::Refused);
        match self.by_token.get_mut(key) {
            None => Found::New { attempts: 0 },
            Some(Entry::Running(renewal)) => Found::Running(renewal.clone()),
            Some(Entry::Renewed {
                session,
                first_taken_at,
            }) => match replay(session, asking, first_taken_at, grace, now) {
                Replay::Same(same) => Found::Done(Outcome::Renewed(same), RefreshOutcome::Replayed),
                Replay::Next(next) => Found::Next(next),
                Replay::Spent => refused(),
                Replay::Again => Found::New { attempts: 0 },
            },
            Some(Entry::Spent) => refused(),
            Some(Entry::Unavailable { retry_at, .. }) if now < *retry_at => {
                Found::Done(Outcome::Unavailable, RefreshOutcome::Unavailable)
            }
            Some(Entry::Unavailable { attempts, .. }) => Found::New { attempts: *attempts },
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
