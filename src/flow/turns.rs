//! Manners towards a provider: a bounded number of refreshes at once, and none for a while when it does not answer.
//!
//! Ten thousand sessions may expire together, and a provider that is down comes back under the load of everybody who
//! waited. Each session's own back-off knows nothing of that.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::refresh::Outcome;
use crate::clock::Clock;
use crate::clock::Timestamp;

/// Refreshes at one provider at the same time.
const AT_ONCE: usize = 64;
/// So many in a row without an answer, and the provider counts as down.
const PATIENCE: u32 = 5;
/// Longest pause, seconds; the first is one second, each further one doubles.
const LONGEST_PAUSE: u64 = 8;

/// The providers' turns, by name.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<String, Arc<Turn>>>);

/// The turns of one provider.
pub(super) struct Turn {
    places: Semaphore,
    health: Mutex<Health>,
}

#[derive(Default)]
struct Health {
    unanswered: u32,
    ask_again_at: Option<Timestamp>,
}

impl Turns {
    pub(super) fn of(&self, provider: &str) -> Arc<Turn> {
        let new = || {
            Arc::new(Turn {
                places: Semaphore::new(AT_ONCE),
                health: Mutex::default(),
            })
        };
        Arc::clone(self.0.lock().entry(provider.to_owned()).or_insert_with(new))
    }
}

impl Turn {
    /// Runs a refresh when there is a place for it; not at all while the provider counts as down.
    pub(super) async fn take(&self, clock: &Clock, refresh: impl Future<Output = Outcome>) -> Outcome {
        // The semaphore is never closed.
        let _place = self.places.acquire().await;
        if !self.health.lock().may_ask(clock.now()) {
            return Outcome::Unavailable;
        }
        let outcome = refresh.await;
        self.health
            .lock()
            .note(!matches!(outcome, Outcome::Unavailable), clock.now());
        outcome
    }
}

impl Health {
    /// While the provider counts as down, one in each pause goes to see.
    fn may_ask(&mut self, now: Timestamp) -> bool {
        match self.ask_again_at {
            None => true,
            Some(at) if now < at => false,
            Some(_) => {
                self.ask_again_at = Some(Timestamp(now.0 + self.pause()));
                true
            }
        }
    }

    fn note(&mut self, answered: bool, now: Timestamp) {
        if answered {
            *self = Self::default();
            return;
        }
        self.unanswered = self.unanswered.saturating_add(1);
        if self.unanswered >= PATIENCE {
            self.ask_again_at = Some(Timestamp(now.0 + self.pause()));
        }
    }

    fn pause(&self) -> u64 {
        let doublings = self.unanswered.saturating_sub(PATIENCE).min(10);
        (1 << doublings).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_provider_is_left_alone_but_for_one_that_goes_to_see() {
        let mut health = Health::default();
        for _ in 0..PATIENCE {
            assert!(health.may_ask(Timestamp(100)));
            health.note(false, Timestamp(100));
        }
        assert!(!health.may_ask(Timestamp(100)));
        assert!(health.may_ask(Timestamp(101)));
        assert!(!health.may_ask(Timestamp(101)));
        health.note(false, Timestamp(101));
        assert!(!health.may_ask(Timestamp(102)));
        assert!(health.may_ask(Timestamp(103)));
        health.note(true, Timestamp(103));
        assert!(health.may_ask(Timestamp(103)) && health.may_ask(Timestamp(103)));
    }
}
