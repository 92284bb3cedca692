//! What may be used once and was: completed logins, so that a code is redeemed once, also after a failed answer, and kept
//! forms that were sent on.

use std::collections::{HashSet, VecDeque};

use parking_lot::Mutex;

use crate::clock::Timestamp;

/// Bound on what is remembered; at 100 logins a second it is a quarter of an hour.
const MOST: usize = 100_000;

/// Ids of what was used, kept until it would have ended anyway.
#[derive(Default)]
pub struct Spent(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    known: HashSet<String>,
    order: VecDeque<(Timestamp, String)>,
}

impl Spent {
    /// Takes the one with this id, which ends at `ends_at`; `false` where it was taken before.
    pub fn take(&self, id: &str, ends_at: Timestamp, now: Timestamp) -> bool {
        let mut spent = self.0.lock();
        while spent.order.front().is_some_and(|(ends_at, _)| *ends_at <= now) || spent.order.len() >= MOST {
            if let Some((_, id)) = spent.order.pop_front() {
                spent.known.remove(&id);
            }
        }
        let new = spent.known.insert(id.to_owned());
        if new {
            spent.order.push_back((ends_at, id.to_owned()));
        }
        new
    }

    /// What was taken came to nothing: it may be taken again.
    pub fn give_back(&self, id: &str) {
        let mut spent = self.0.lock();
        if spent.known.remove(id) {
            spent.order.retain(|(_, own)| own != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_taken_once_and_forgotten_when_it_has_ended() {
        let spent = Spent::default();
        assert!(spent.take("a", Timestamp(10), Timestamp(1)));
        assert!(!spent.take("a", Timestamp(10), Timestamp(2)));
        assert!(spent.take("b", Timestamp(20), Timestamp(11)));
        assert_eq!(spent.0.lock().known.len(), 1);
    }

    #[test]
    fn what_is_given_back_is_taken_again_once() {
        let spent = Spent::default();
        assert!(spent.take("a", Timestamp(10), Timestamp(1)));
        spent.give_back("a");
        assert!(spent.take("a", Timestamp(10), Timestamp(2)));
        assert!(!spent.take("a", Timestamp(10), Timestamp(3)));
        assert_eq!(spent.0.lock().order.len(), 1);
    }
}
