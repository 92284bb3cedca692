//! `max_connections`: who is connected takes a seat, and leaves it by being dropped.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pingora::upstreams::peer::{Tracer, Tracing};

/// A full house is logged at most this often.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// All seats of a gateway.
#[derive(Clone)]
pub(super) struct Seats(Arc<State>);

struct State {
    taken: AtomicUsize,
    turned_away: AtomicUsize,
    began: Instant,
    /// Milliseconds since `began`; 0: never.
    told: AtomicU64,
}

/// One connection's.
pub(super) struct Seat(Arc<State>);

impl Seats {
    pub(super) fn new() -> Self {
        Self(Arc::new(State {
            taken: AtomicUsize::new(0),
            turned_away: AtomicUsize::new(0),
            began: Instant::now(),
            told: AtomicU64::new(0),
        }))
    }

    /// A seat; `None` where `most` (0: no limit) are taken.
    pub(super) fn take(&self, most: usize) -> Option<Seat> {
        let before = self.0.taken.fetch_add(1, Ordering::AcqRel);
        let seat = Seat(Arc::clone(&self.0));
        if most == 0 || before < most {
            return Some(seat);
        }
        drop(seat);
        self.0.turn_away(most);
        None
    }
}

impl State {
    fn turn_away(&self, most: usize) {
        let closed = self.turned_away.fetch_add(1, Ordering::Relaxed) + 1;
        let now = u64::try_from(self.began.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        let told = self.told.load(Ordering::Relaxed);
        let due = told == 0 || u128::from(now - told.min(now)) >= TELL_EVERY.as_millis();
        if due
            && self
                .told
                .compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            tracing::warn!(
                max_connections = most,
                closed,
                "there are as many connections as may be: others are closed"
            );
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seat")
    }
}

/// Pingora's connections carry a tracer to their end: a TLS connection's seat is taken before its handshake, and this is
/// what it can be kept in.
#[derive(Debug)]
struct Kept(Arc<Seat>);

impl Tracing for Kept {
    fn on_connected(&self) {}

    fn on_disconnected(&self) {}

    fn boxed_clone(&self) -> Box<dyn Tracing> {
        Box::new(Self(Arc::clone(&self.0)))
    }
}

impl Seat {
    pub(super) fn keep(self) -> Tracer {
        Tracer(Box::new(Kept(Arc::new(self))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_free_again_when_its_connection_ends() {
        let seats = Seats::new();
        let (one, two) = (seats.take(2), seats.take(2));
        assert!(one.is_some() && two.is_some() && seats.take(2).is_none());
        drop(two.map(Seat::keep));
        assert!(seats.take(2).is_some() && seats.take(0).is_some());
    }
}
