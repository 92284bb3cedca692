//! Sessions that the provider ended (OpenID Connect Back-Channel and Front-Channel Logout 1.0): a list that denies, since
//! sessions in cookies cannot be taken out of the browsers that have them.
//!
//! Entries stay as long as a session lives at most. What anybody can cause (front-channel) has a list of its own, so that
//! a flood of it never pushes out what the provider signed.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use super::Session;
use crate::clock::Timestamp;

/// Bound on each list; the oldest entries go first.
const MOST: usize = 100_000;

/// Whose session the provider ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// One session, by `sid`.
    Session {
        /// The provider's issuer.
        issuer: String,
        /// `sid`
        sid: String,
    },
    /// All sessions of one subject that began before.
    Subject {
        /// The provider's issuer.
        issuer: String,
        /// `sub`
        sub: String,
    },
}

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// A logout token that the provider signed.
    Provider,
    /// A page in a browser.
    Browser,
}

/// The sessions that providers ended, for this process.
#[derive(Default)]
pub struct Revocations {
    signed: List,
    seen: List,
    /// `jti` of logout tokens, each good for once.
    tokens: RwLock<Bounded<String>>,
}

#[derive(Default)]
struct List {
    /// Whether there is anything to look up: most of the time there is not.
    count: AtomicUsize,
    entries: RwLock<Bounded<Ended>>,
}

struct Bounded<K> {
    at: HashMap<K, Timestamp>,
    order: VecDeque<(Timestamp, K)>,
}

impl<K> Default for Bounded<K> {
    fn default() -> Self {
        Self {
            at: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<K: Clone + Eq + std::hash::Hash> Bounded<K> {
    /// Notes `key` at `now`; `false` where it was there. What is older than `keep` goes.
    fn note(&mut self, key: K, keep: Duration, now: Timestamp) -> bool {
        let old = |at: &Timestamp| now.since(*at) >= keep;
        while self.order.len() >= MOST || self.order.front().is_some_and(|(at, _)| old(at)) {
            let Some((at, oldest)) = self.order.pop_front() else {
                break;
            };
            if self.at.get(&oldest) == Some(&at) {
                self.at.remove(&oldest);
            }
        }
        let new = self.at.insert(key.clone(), now).is_none();
        self.order.push_back((now, key));
        new
    }
}

impl Revocations {
    /// Ends sessions. `keep`: how long a session lives at most.
    pub fn end(&self, ended: Ended, witness: Witness, keep: Duration, now: Timestamp) {
        let list = match witness {
            Witness::Provider => &self.signed,
            Witness::Browser => &self.seen,
        };
        let mut entries = list.entries.write();
        entries.note(ended, keep, now);
        list.count.store(entries.at.len(), Ordering::Release);
    }

    /// Takes a logout token's `jti`; `false` where it was taken before.
    pub fn take(&self, jti: String, keep: Duration, now: Timestamp) -> bool {
        self.tokens.write().note(jti, keep, now)
    }

    /// Whether this session of this issuer was ended.
    pub fn covers(&self, session: &Session, issuer: &str) -> bool {
        self.signed.covers(session, issuer) || self.seen.covers(session, issuer)
    }
}

impl List {
    fn covers(&self, session: &Session, issuer: &str) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let entries = self.entries.read();
        let issuer = || issuer.to_owned();
        let by_sid = session
            .identity
            .sid
            .clone()
            .map(|sid| Ended::Session { issuer: issuer(), sid });
        let by_sub = session
            .identity
            .subject
            .clone()
            .map(|sub| Ended::Subject { issuer: issuer(), sub });
        by_sid.is_some_and(|key| entries.at.contains_key(&key))
            || by_sub.is_some_and(|key| entries.at.get(&key).is_some_and(|at| session.signed_in_at <= *at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::session::{Identity, Tokens};

    const KEEP: Duration = Duration::from_secs(100);

    fn session(sub: &str, sid: Option<&str>, at: u64) -> Session {
        Session {
            provider: "main".into(),
            identity: Identity {
                subject: Some(sub.into()),
                sid: sid.map(str::to_owned),
                ..Identity::default()
            },
            tokens: Tokens {
                access_token: Secret::new("a".into()),
                refresh_token: None,
                id_token: None,
                obtained_at: Timestamp(at),
                expires_at: None,
                jitter: 0,
                from_userinfo: false,
            },
            signed_in_at: Timestamp(at),
            seen_at: Timestamp(at),
        }
    }

    #[test]
    fn ends_the_sessions_that_it_names_and_no_other() {
        let (issuer, list) = ("https://id".to_owned(), Revocations::default());
        list.end(
            Ended::Session {
                issuer: issuer.clone(),
                sid: "s1".into(),
            },
            Witness::Browser,
            KEEP,
            Timestamp(10),
        );
        list.end(
            Ended::Subject {
                issuer: issuer.clone(),
                sub: "bob".into(),
            },
            Witness::Provider,
            KEEP,
            Timestamp(10),
        );
        for (sub, sid, at, by, expected) in [
            ("alice", Some("s1"), 5, "https://id", true),
            ("alice", Some("s2"), 5, "https://id", false),
            ("alice", None, 5, "https://id", false),
            ("alice", Some("s1"), 5, "https://other", false),
            ("bob", Some("s9"), 10, "https://id", true),
            ("bob", Some("s9"), 11, "https://id", false),
        ] {
            assert_eq!(
                list.covers(&session(sub, sid, at), by),
                expected,
                "{sub} {sid:?} {at} {by}"
            );
        }
    }

    #[test]
    fn a_token_counts_once_until_it_is_forgotten() {
        let list = Revocations::default();
        assert!(list.take("j".into(), KEEP, Timestamp(10)));
        assert!(!list.take("j".into(), KEEP, Timestamp(50)));
        assert!(list.take("other".into(), KEEP, Timestamp(200)));
        assert!(list.take("j".into(), KEEP, Timestamp(200)));
    }
}
