//! Something fetched when first needed and kept: metadata, keys. One fetch at a time, in a task of its own, so that a
//! visitor who goes away does not cut it off for the others; a failure is remembered for a while, so that a provider in
//! trouble is not asked by every visitor; what is old is renewed in the background and used until then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use parking_lot::Mutex;

use super::error::ProviderError;

/// Older than this is renewed in the background.
const MAX_AGE: Duration = Duration::from_secs(3600);
/// At most one renewal on demand in this time.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(30);
/// First back-off after a failure; doubles up to [`BACK_OFF_LIMIT`].
const BACK_OFF: Duration = Duration::from_secs(1);
const BACK_OFF_LIMIT: Duration = Duration::from_secs(60);

type Outcome<T> = Result<Arc<T>, ProviderError>;
type Flight<T> = Shared<BoxFuture<'static, Outcome<T>>>;
type Fetch<T> = Box<dyn Fn() -> BoxFuture<'static, Result<T, ProviderError>> + Send + Sync>;

/// A fetched value; clones share it.
pub(super) struct Kept<T>(Arc<Inner<T>>);

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<T> {
    fetch: Fetch<T>,
    /// What waiters get when the task itself is ended, by a panic or the end of its runtime.
    interrupted: ProviderError,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Option<(Arc<T>, Instant)>,
    renewed: Option<Instant>,
    flight: Option<Flight<T>>,
    failure: Option<Failure>,
}

struct Failure {
    error: ProviderError,
    not_before: Instant,
    back_off: Duration,
}

impl<T: Send + Sync + 'static> Kept<T> {
    /// Nothing is fetched yet. `interrupted` is the error for those who wait when the fetching task is ended.
    pub(super) fn new(interrupted: ProviderError, fetch: Fetch<T>) -> Self {
        let state = State {
            value: None,
            renewed: None,
            flight: None,
            failure: None,
        };
        Self(Arc::new(Inner {
            fetch,
            interrupted,
            state: Mutex::new(state),
        }))
    }

    /// The value, fetched if there is none yet.
    ///
    /// # Errors
    /// The fetch's own, also the remembered one while its back-off lasts.
    pub(super) async fn current(&self, now: Instant) -> Outcome<T> {
        let flight = {
            let mut state = self.0.state.lock();
            let known = state.value.as_ref().map(|(value, at)| (Arc::clone(value), *at));
            let resting = state
                .failure
                .as_ref()
                .filter(|failure| now < failure.not_before)
                .map(|f| f.error.clone());
            match (known, resting) {
                (Some((value, at)), resting) => {
                    let old = now.saturating_duration_since(at) >= MAX_AGE;
                    if old && resting.is_none() && state.flight.is_none() {
                        // Nobody waits: the task runs by itself.
                        drop(self.start(&mut state, now));
                    }
                    return Ok(value);
                }
                (None, Some(error)) => return Err(error),
                (None, None) => match state.flight.clone() {
                    Some(flight) => flight,
                    None => self.start(&mut state, now),
                },
            }
        };
        flight.await
    }

    /// The value fetched anew, or `None` where that was done a moment ago.
    ///
    /// # Errors
    /// As [`Kept::current`]; the old value is kept.
    pub(super) async fn renewed(&self, now: Instant) -> Result<Option<Arc<T>>, ProviderError> {
        let flight = {
            let mut state = self.0.state.lock();
            if let Some(flight) = state.flight.clone() {
                flight
            } else if let Some(failure) = state.failure.as_ref().filter(|failure| now < failure.not_before) {
                return Err(failure.error.clone());
            } else if state
                .renewed
                .is_some_and(|at| now.saturating_duration_since(at) < RENEWAL_INTERVAL)
            {
                return Ok(None);
            } else {
                state.renewed = Some(now);
                self.start(&mut state, now)
            }
        };
        flight.await.map(Some)
    }

    /// Starts the one fetch. `state` is locked, so the task cannot land before its flight is noted.
    fn start(&self, state: &mut State<T>, now: Instant) -> Flight<T> {
        let mut landing = Landing {
            inner: Arc::clone(&self.0),
            done: false,
        };
        let task = tokio::spawn(async move {
            let began = Instant::now();
            let result = (landing.inner.fetch)().await;
            landing.land(result.map(Arc::new), now + began.elapsed())
        });
        let interrupted = self.0.interrupted.clone();
        let flight = task
            .map(move |ended| ended.unwrap_or(Err(interrupted)))
            .boxed()
            .shared();
        state.flight = Some(flight.clone());
        flight
    }
}

/// Ends a flight, whichever way its task ends.
struct Landing<T> {
    inner: Arc<Inner<T>>,
    done: bool,
}

impl<T> Landing<T> {
    fn land(&mut self, outcome: Outcome<T>, now: Instant) -> Outcome<T> {
        let mut state = self.inner.state.lock();
        state.flight = None;
        self.done = true;
        match &outcome {
            Ok(value) => {
                state.value = Some((Arc::clone(value), now));
                state.failure = None;
            }
            Err(error) => {
                let before = state.failure.as_ref().map(|failure| failure.back_off);
                let back_off = before.map_or(BACK_OFF, |span| (span * 2).min(BACK_OFF_LIMIT));
                let not_before = now + jittered(back_off);
                if state.value.is_some() {
                    tracing::warn!(%error, "not renewed; the old one stays in use");
                }
                state.failure = Some(Failure {
                    error: error.clone(),
                    not_before,
                    back_off,
                });
            }
        }
        outcome
    }
}

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        if !self.done {
            self.inner.state.lock().flight = None;
        }
    }
}

/// Three quarters of `span` or more, at random, so that replicas do not ask all at once.
fn jittered(span: Duration) -> Duration {
    let random = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    span.mul_f64(0.75 + random / 4.0)
}
