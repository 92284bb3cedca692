//! A map of bounded size: the oldest entry makes room for a new one.

use std::collections::{HashMap, VecDeque};

/// At most `capacity` entries under random keys; what was put in first is forgotten first.
pub(super) struct Shelf<T> {
    capacity: usize,
    entries: HashMap<String, T>,
    order: VecDeque<String>,
}

impl<T> Shelf<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Puts `value` under `key`, which must be new: a random text.
    pub(super) fn put(&mut self, key: String, value: T) {
        while self.order.len() >= self.capacity {
            // Removed entries stay in the queue until their turn comes; the queue, too, never outgrows the capacity.
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
        self.order.push_back(key.clone());
        self.entries.insert(key, value);
    }

    pub(super) fn entry(&self, key: &str) -> Option<&T> {
        self.entries.get(key)
    }

    pub(super) fn entry_mut(&mut self, key: &str) -> Option<&mut T> {
        self.entries.get_mut(key)
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<T> {
        self.entries.remove(key)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.entries.retain(|_, value| keep(value));
    }
}

#[cfg(test)]
mod tests {
    use super::Shelf;

    #[test]
    fn the_oldest_makes_room() {
        let mut shelf = Shelf::new(2);
        for key in ["a", "b", "c"] {
            shelf.put(key.into(), key);
        }
        assert_eq!(
            (shelf.entry("a"), shelf.entry("b"), shelf.entry("c")),
            (None, Some(&"b"), Some(&"c"))
        );
    }
}
