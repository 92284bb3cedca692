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
    /// Held by whoever goes to see whether a provider that was down is back.
    scout: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Health {
    unanswered: u32,
    ask_again_at: Option<Timestamp>,
}

/// How a provider stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Up,
    /// Down a moment ago: not asked.
    Down,
    /// Down, and it is time to see.
    Unknown,
}

impl Turns {
    pub(super) fn of(&self, provider: &str) -> Arc<Turn> {
        let new = || Arc::new(Turn::default());
        Arc::clone(self.0.lock().entry(provider.to_owned()).or_insert_with(new))
    }
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            places: Semaphore::new(AT_ONCE),
            health: Mutex::default(),
            scout: tokio::sync::Mutex::default(),
        }
    }
}

impl Turn {
    /// Runs a refresh when there is a place for it; not at all while the provider counts as down. When it is time to see
    /// whether it is back, one goes and the others wait for what it finds.
    pub(super) async fn take(&self, clock: &Clock, refresh: impl Future<Output = Outcome>) -> Outcome {
        // The semaphore is never closed.
        let _place = self.places.acquire().await;
        let mut scout = None;
        if self.standing(clock) == Standing::Unknown {
            scout = Some(self.scout.lock().await);
        }
        match self.standing(clock) {
            Standing::Down => return Outcome::Unavailable,
            Standing::Up => scout = None,
            Standing::Unknown => {}
        }
        let outcome = refresh.await;
        self.health
            .lock()
            .note(!matches!(outcome, Outcome::Unavailable), clock.now());
        drop(scout);
        outcome
    }

    fn standing(&self, clock: &Clock) -> Standing {
        self.health.lock().standing(clock.now())
    }
}

impl Health {
    fn standing(&self, now: Timestamp) -> Standing {
        match self.ask_again_at {
            None => Standing::Up,
            Some(at) if now < at => Standing::Down,
            Some(_) => Standing::Unknown,
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
    fn a_silent_provider_is_left_alone_longer_and_longer() {
        use Standing::*;
        let mut health = Health::default();
        for _ in 0..PATIENCE {
            assert_eq!(health.standing(Timestamp(100)), Up);
            health.note(false, Timestamp(100));
        }
        let at = |health: &Health, second| health.standing(Timestamp(second));
        assert_eq!((at(&health, 100), at(&health, 101)), (Down, Unknown));
        health.note(false, Timestamp(101));
        assert_eq!((at(&health, 102), at(&health, 103)), (Down, Unknown));
        health.note(true, Timestamp(103));
        assert_eq!(at(&health, 103), Up);
    }

    #[tokio::test]
    async fn one_goes_to_see_and_the_others_wait_for_what_it_finds() {
        let (turn, (clock, dial)) = (Turn::default(), Clock::adjustable());
        for _ in 0..PATIENCE {
            turn.take(&clock, async { Outcome::Unavailable }).await;
        }
        dial.advance(std::time::Duration::from_secs(60));
        let refused = || turn.take(&clock, async { Outcome::Refused });
        let scout = turn.take(&clock, async {
            tokio::task::yield_now().await;
            Outcome::Refused
        });
        let (first, second, third) = tokio::join!(scout, refused(), refused());
        for outcome in [first, second, third] {
            assert!(matches!(outcome, Outcome::Refused));
        }
    }
}
