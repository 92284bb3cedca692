//! What is known of refresh tokens: which are under way, what became of those that were sent, and none sent twice.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::refresh::{Outcome, Renewal};
use crate::clock::Timestamp;
use crate::session::{Session, Tokens};
use crate::telemetry::RefreshOutcome;

/// Bound on remembered refresh tokens; the oldest goes first.
const MOST: usize = 50_000;
/// Waits between attempts that the provider did not answer: doubled from the first to the last.
const BACK_OFF: (u64, u64) = (1, 30);

pub(super) type Key = [u8; 32];

#[derive(Default)]
pub(super) struct Known {
    by_token: HashMap<Key, Entry>,
    order: VecDeque<Key>,
}

pub(super) enum Entry {
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

/// What is remembered of a finished refresh.
pub(super) fn settle(outcome: &Outcome, attempts: u32, waited_for: bool, now: Timestamp) -> (Entry, RefreshOutcome) {
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
pub(super) fn back_off(attempts: u32) -> Duration {
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

pub(super) fn key(session: &Session) -> Option<Key> {
    let refresh_token = session.tokens.refresh_token.as_ref()?;
    let digest = Sha256::new_with_prefix(session.provider.as_bytes()).chain_update([0]);
    Some(digest.chain_update(refresh_token.reveal()).finalize().into())
}

/// What is known of a refresh token that somebody asks with.
pub(super) enum Found {
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

    pub(super) fn look_up(&mut self, key: &Key, asking: &Session, grace: Duration, now: Timestamp) -> Found {
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

    pub(super) fn insert(&mut self, key: Key, entry: Entry) {
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

/// A task that ends without a result leaves a spent token behind: it may have been sent.
pub(super) struct Forget<'a> {
    known: &'a Mutex<Known>,
    key: Key,
    settled: bool,
}

impl<'a> Forget<'a> {
    pub(super) fn new(known: &'a Mutex<Known>, key: Key) -> Self {
        Self {
            known,
            key,
            settled: false,
        }
    }

    /// The result is this; `None`: it is remembered elsewhere.
    pub(super) fn settle(mut self, entry: Option<Entry>) {
        self.known.lock().replace(self.key, entry);
        self.settled = true;
    }
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.known.lock().insert(self.key, Entry::Spent);
        }
    }
}
