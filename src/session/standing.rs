//! Whether a session is good now: a pure function of it and the time.

use std::time::Duration;

use super::{Session, Tokens};
use crate::clock::Timestamp;
use crate::config;

/// How a session stands at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Use it as it is.
    Fresh,
    /// Its access token is good, but will soon end: use it, and refresh beside it.
    RefreshDue,
    /// Its access token is over: refresh first.
    Expired,
    /// Over, and nothing brings it back.
    Ended,
}

/// The operator's limits on sessions.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Absolute, counted from the login.
    pub lifetime: Duration,
    /// Without requests for this long it ends; zero: never.
    pub idle_timeout: Duration,
    /// Refresh this long before the access token ends, at most half of its lifetime.
    pub refresh_before: Duration,
}

impl Lifetimes {
    /// As configured.
    pub fn new(config: &config::Session) -> Self {
        let config::Session {
            lifetime,
            idle_timeout,
            refresh_before,
            ..
        } = *config;
        Self {
            lifetime,
            idle_timeout,
            refresh_before,
        }
    }

    /// When the session ends whatever happens, but for what the provider does.
    pub fn ends_at(&self, session: &Session) -> Timestamp {
        session.signed_in_at.plus(self.lifetime)
    }

    /// When what runs under the session must end at the latest: with it, or, where nothing renews it, with its access
    /// token.
    pub fn last_use(&self, session: &Session) -> Timestamp {
        let Tokens {
            expires_at,
            ref refresh_token,
            ..
        } = session.tokens;
        let token = expires_at.filter(|_| refresh_token.is_none());
        token.map_or(self.ends_at(session), |end| end.min(self.ends_at(session)))
    }

    /// How the session stands.
    pub fn standing(&self, session: &Session, now: Timestamp) -> Standing {
        let idle = !self.idle_timeout.is_zero() && now.since(session.seen_at) >= self.idle_timeout;
        if now >= self.ends_at(session) || idle {
            return Standing::Ended;
        }
        let Tokens {
            expires_at,
            ref refresh_token,
            ..
        } = session.tokens;
        match (expires_at, refresh_token) {
            (None, _) => Standing::Fresh,
            (Some(end), None) if now >= end => Standing::Ended,
            (Some(_), None) => Standing::Fresh,
            (Some(end), Some(_)) if now >= end => Standing::Expired,
            (Some(end), Some(_)) if now >= self.refresh_at(&session.tokens, end) => Standing::RefreshDue,
            (Some(_), Some(_)) => Standing::Fresh,
        }
    }

    /// Whether this request's time is to be written back: at most once a minute, or once per quarter of `idle_timeout`
    /// where that is shorter.
    pub fn activity_due(&self, session: &Session, now: Timestamp) -> bool {
        let every = Duration::from_secs(60).min(self.idle_timeout / 4);
        !self.idle_timeout.is_zero() && now.since(session.seen_at) >= every
    }

    /// `refresh_before` the end, up to a quarter of that earlier by the tokens' own jitter, never in the first half of
    /// the token's life.
    fn refresh_at(&self, tokens: &Tokens, end: Timestamp) -> Timestamp {
        let half = end.since(tokens.obtained_at) / 2;
        let jitter = self.refresh_before / 4 * u32::from(tokens.jitter) / 255;
        end.minus(half.min(self.refresh_before + jitter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::session::Identity;

    fn lifetimes() -> Lifetimes {
        let secs = Duration::from_secs;
        Lifetimes {
            lifetime: secs(10_000),
            idle_timeout: secs(0),
            refresh_before: secs(60),
        }
    }

    fn session(expires_at: Option<u64>, refreshable: bool, jitter: u8) -> Session {
        Session {
            provider: "main".into(),
            identity: Identity::default(),
            tokens: Tokens {
                access_token: Secret::new("a".into()),
                refresh_token: refreshable.then(|| Secret::new("r".into())),
                id_token: None,
                obtained_at: Timestamp(1_000),
                expires_at: expires_at.map(Timestamp),
                jitter,
                from_userinfo: false,
            },
            signed_in_at: Timestamp(1_000),
            seen_at: Timestamp(1_000),
        }
    }

    #[test]
    fn stands_as_the_tokens_do() {
        use Standing::*;
        for (expires_at, refreshable, jitter, now, expected) in [
            (Some(1_300), true, 0, 1_239, Fresh),
            (Some(1_300), true, 0, 1_240, RefreshDue),
            (Some(1_300), true, 255, 1_224, Fresh),
            (Some(1_300), true, 255, 1_225, RefreshDue),
            (Some(1_300), true, 0, 1_299, RefreshDue),
            (Some(1_300), true, 0, 1_300, Expired),
            (Some(1_020), true, 255, 1_009, Fresh),
            (Some(1_020), true, 255, 1_010, RefreshDue),
            (Some(1_300), false, 0, 1_299, Fresh),
            (Some(1_300), false, 0, 1_300, Ended),
            (None, true, 0, 10_999, Fresh),
            (None, true, 0, 11_000, Ended),
            (Some(99_999), true, 0, 11_000, Ended),
            (Some(1_000), true, 0, 1_000, Expired),
        ] {
            let standing = lifetimes().standing(&session(expires_at, refreshable, jitter), Timestamp(now));
            assert_eq!(standing, expected, "expires {expires_at:?} at {now}");
        }
    }

    #[test]
    fn idle_sessions_end_and_busy_ones_are_noted_seldom() {
        let limits = Lifetimes {
            idle_timeout: Duration::from_secs(600),
            ..lifetimes()
        };
        let session = session(None, false, 0);
        assert_eq!(limits.standing(&session, Timestamp(1_599)), Standing::Fresh);
        assert_eq!(limits.standing(&session, Timestamp(1_600)), Standing::Ended);
        assert!(!limits.activity_due(&session, Timestamp(1_059)));
        assert!(limits.activity_due(&session, Timestamp(1_060)));
        assert!(!lifetimes().activity_due(&session, Timestamp(9_000)));
    }
}
