//! One refresh over all replicas: whoever has the lock in Redis asks the provider, the others see what becomes of it.
//!
//! A replica that dies holds the others up for the rest of its lock's life, not for ever. The lock lives longer than a
//! token request may take and is extended while its owner lives, so that no two requests with one refresh token are under
//! way at a time.

use std::sync::Arc;
use std::time::Duration;

use super::refresh::Outcome;
use super::renew::renew;
use super::sign_out::revoke;
use super::turns::Turn;
use crate::clock::Clock;
use crate::provider::Provider;
use crate::session::{Claim, Lock, Record, Session, Tokens};
use crate::telemetry::RefreshOutcome;

/// A lock lives this much longer than the provider's timeout.
const MARGIN: Duration = Duration::from_secs(2);
/// Between looks at another replica's refresh: doubled from the first to the last.
const LOOK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));
/// Between attempts to write what Redis did not take: doubled from the first to the last.
const WRITE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// After so long without Redis the result is given up.
const WRITE_FOR: Duration = Duration::from_secs(300);

/// How a refresh over all replicas ended for this one.
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    pub(super) counted: RefreshOutcome,
    /// Whether it was this replica that asked the provider.
    pub(super) asked: bool,
    /// A result that is nowhere but here: see [`Unsaved::keep_trying`].
    pub(super) unsaved: Option<Unsaved>,
}

/// New tokens that Redis could not take.
pub(super) struct Unsaved {
    record: Record,
    lock: Lock,
    session: Box<Session>,
}

/// How the provider is asked.
pub(super) struct Asking<'a> {
    pub(super) provider: &'a Arc<Provider>,
    pub(super) turn: &'a Turn,
    /// How long nobody asks again if the provider is silent.
    pub(super) wait: Duration,
    pub(super) clock: &'a Clock,
}

/// Refreshes `session`, or waits for the replica that does.
pub(super) async fn renew_for_all(mut record: Record, session: &Session, asking: &Asking<'_>) -> Ending {
    let Ok(lock) = Lock::new(asking.provider.config().timeout + MARGIN) else {
        return Ending::unasked(Outcome::Unavailable, RefreshOutcome::Unavailable);
    };
    let (mut session, mut look, mut theirs) = (session.clone(), LOOK.0, RefreshOutcome::Replayed);
    loop {
        let now = asking.clock.now();
        match record.claim(&lock, now).await {
            Ok(Claim::Mine) => return ask(record, lock, &session, asking).await,
            Ok(Claim::Busy) => {
                theirs = RefreshOutcome::Coalesced;
                tokio::time::sleep(look).await;
                look = (look * 2).min(LOOK.1);
            }
            Ok(Claim::Changed(found)) => {
                let over = found.tokens.expires_at.is_some_and(|end| now >= end);
                if !over && !same(&found.tokens, &session.tokens) {
                    return Ending::unasked(Outcome::Renewed(found), theirs);
                }
                session = *found;
            }
            Ok(Claim::Ended) => return Ending::unasked(Outcome::Refused, RefreshOutcome::Refused),
            Ok(Claim::BackingOff) | Err(_) => {
                return Ending::unasked(Outcome::Unavailable, RefreshOutcome::Unavailable);
            }
        }
    }
}

/// Asks the provider, with the lock in hand, and tells the others.
async fn ask(record: Record, lock: Lock, session: &Session, asking: &Asking<'_>) -> Ending {
    let Asking { provider, clock, .. } = *asking;
    let beats = async {
        loop {
            tokio::time::sleep(lock.beat()).await;
            // Without Redis nobody else gets the lock either.
            drop(record.extend(&lock).await);
        }
    };
    let renewing = async { renew(provider, session, clock.now()).await };
    let outcome = tokio::select! {
        outcome = asking.turn.take(clock, renewing) => outcome,
        () = beats => Outcome::Unavailable,
    };
    match outcome {
        Outcome::Renewed(renewed) => match record.save(&lock, &renewed, clock.now()).await {
            Ok(true) => Ending::asked(Outcome::Renewed(renewed), RefreshOutcome::Refreshed),
            Ok(false) => {
                // The visitor signed out meanwhile: nobody is to have these tokens.
                revoke(provider, &renewed).await;
                Ending::asked(Outcome::Refused, RefreshOutcome::Refreshed)
            }
            Err(error) => {
                tracing::error!(provider = %session.provider, cause = %error, "new tokens could not be written; trying on");
                let session = renewed.clone();
                Ending {
                    unsaved: Some(Unsaved { record, lock, session }),
                    ..Ending::asked(Outcome::Renewed(renewed), RefreshOutcome::Refreshed)
                }
            }
        },
        Outcome::Refused => {
            // Where this fails, the next request is refused by the provider once more.
            drop(record.delete().await);
            Ending::asked(Outcome::Refused, RefreshOutcome::Refused)
        }
        Outcome::Unavailable => {
            drop(record.back_off(&lock, asking.wait).await);
            Ending::asked(Outcome::Unavailable, RefreshOutcome::Unavailable)
        }
    }
}

impl Unsaved {
    /// Writes the new tokens as soon as Redis takes them: without them the session would be lost to a provider that
    /// rotates.
    pub(super) async fn keep_trying(self, clock: &Clock) {
        let tries = async {
            let mut pause = WRITE.0;
            loop {
                tokio::time::sleep(pause).await;
                if self.record.save(&self.lock, &self.session, clock.now()).await.is_ok() {
                    return;
                }
                pause = (pause * 2).min(WRITE.1);
            }
        };
        if tokio::time::timeout(WRITE_FOR, tries).await.is_err() {
            tracing::error!(provider = %self.session.provider, "new tokens were given up: Redis stayed away");
        }
    }
}

impl Ending {
    fn asked(outcome: Outcome, counted: RefreshOutcome) -> Self {
        Self {
            asked: true,
            ..Self::unasked(outcome, counted)
        }
    }

    fn unasked(outcome: Outcome, counted: RefreshOutcome) -> Self {
        Self {
            outcome,
            counted,
            asked: false,
            unsaved: None,
        }
    }
}

fn same(one: &Tokens, other: &Tokens) -> bool {
    let refresh_token = match (&one.refresh_token, &other.refresh_token) {
        (Some(one), Some(other)) => one.same_as(other),
        (one, other) => one.is_none() && other.is_none(),
    };
    refresh_token && one.access_token.same_as(&other.access_token) && one.expires_at == other.expires_at
}
