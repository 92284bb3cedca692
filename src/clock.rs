//! Time as an argument. [`now`] is the only place in the program that reads the wall clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch (RFC 7519 §2 `NumericDate`, without a fraction).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This instant and `span` more; saturates. Fractions of a second are cut.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_secs()))
    }

    /// This instant less `span`; saturates at the epoch.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.as_secs()))
    }

    /// How long it is from `earlier` to this instant; zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

/// The wall clock.
pub fn now() -> Timestamp {
    // A clock before 1970 is read as 1970: sessions then end by their own lifetime at the latest.
    Timestamp(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |passed| passed.as_secs()),
    )
}

/// Where the gateway gets its time from: the wall clock, or in tests the wall clock and a span that they choose.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead: Option<Arc<AtomicU64>>,
}

/// Turns a [`Clock`] forward.
#[derive(Clone, Debug)]
pub struct Dial(Arc<AtomicU64>);

impl Clock {
    /// A clock that can be turned forward, so that no test has to wait for a lifetime to pass.
    pub fn adjustable() -> (Self, Dial) {
        let ahead = Arc::new(AtomicU64::new(0));
        (
            Self {
                ahead: Some(Arc::clone(&ahead)),
            },
            Dial(ahead),
        )
    }

    /// What time it is: read where a decision begins, and passed on.
    pub fn now(&self) -> Timestamp {
        let ahead = self.ahead.as_ref().map_or(0, |ahead| ahead.load(Ordering::Acquire));
        Timestamp(now().0.saturating_add(ahead))
    }
}

impl Dial {
    /// Lets `span` pass.
    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(span.as_secs(), Ordering::AcqRel);
    }
}
