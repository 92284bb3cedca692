//! The session cookie: opened from a request's jar, sealed into new cookies.

use super::store::{Parties, StoreError};
use super::{Lifetimes, Session, wire};
use crate::clock::Timestamp;
use crate::seal::{CookieNames, Jar, Purpose, Sealer, split};

/// Sessions that live in the browser, sealed.
pub struct CookieStore {
    names: CookieNames,
    lifetimes: Lifetimes,
    parties: Parties,
}

impl CookieStore {
    /// `providers`: names in the order of the sealer's parties.
    pub fn new(names: CookieNames, lifetimes: Lifetimes, providers: Vec<String>) -> Self {
        Self {
            names,
            lifetimes,
            parties: Parties::new(providers),
        }
    }

    /// The first session in the jar that opens, and whether it was sealed under a key that no longer seals. Whatever does
    /// not open is no session, never an error.
    pub fn load(&self, sealer: &Sealer, jar: &Jar<'_>, now: Timestamp) -> Option<(Session, bool)> {
        jar.session_candidates().find_map(|sealed| {
            let opened = sealer.open(Purpose::Session, self.names.session(), &sealed, now).ok()?;
            let session = wire::decode(opened.payload()).ok()?;
            let same = self.parties.owns(sealer, &session, opened.party);
            same.then_some((session, opened.stale_key))
        })
    }

    /// When the session's cookies end.
    pub fn ends_at(&self, session: &Session) -> Timestamp {
        self.lifetimes.ends_at(session)
    }

    /// Cookie names and values that carry the session.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn seal(&self, sealer: &Sealer, session: &Session) -> Result<Vec<(String, String)>, StoreError> {
        let party = self.parties.of(session)?;
        let plain = wire::encode(session)?;
        let name = self.names.session();
        let value = sealer
            .seal(Purpose::Session, name, party, self.lifetimes.ends_at(session), &plain)
            .map_err(StoreError::Random)?;
        Ok(split(name, value)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use zeroize::Zeroizing;

    use super::*;
    use crate::config::SessionKey;
    use crate::seal::Party;
    use crate::secret::Secret;
    use crate::session::{Identity, Tokens};

    fn sealer() -> Sealer {
        let party = Party {
            issuer: "https://id".into(),
            client_id: "c".into(),
        };
        Sealer::new(&[SessionKey(Zeroizing::new([7; 32]))], &[party], "https://app")
    }

    fn store() -> CookieStore {
        let secs = Duration::from_secs;
        let lifetimes = Lifetimes {
            lifetime: secs(100),
            idle_timeout: secs(0),
            refresh_before: secs(60),
        };
        CookieStore::new(CookieNames::plain("sidegate"), lifetimes, vec!["main".into()])
    }

    fn session(access_token: String) -> Session {
        Session {
            provider: "main".into(),
            identity: Identity {
                user: Some("alice".into()),
                groups: vec!["staff".into()],
                ..Identity::default()
            },
            tokens: Tokens {
                access_token: Secret::new(access_token),
                refresh_token: Some(Secret::new("r".into())),
                id_token: None,
                obtained_at: Timestamp(1_000),
                expires_at: Some(Timestamp(1_300)),
                jitter: 3,
                from_userinfo: false,
            },
            signed_in_at: Timestamp(1_000),
            seen_at: Timestamp(1_000),
        }
    }

    fn reload(cookies: &[(String, String)], now: u64) -> Option<Session> {
        let names = CookieNames::plain("sidegate");
        let header = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("; ");
        let jar = Jar::new(&names, std::iter::once(header.as_bytes()));
        store()
            .load(&sealer(), &jar, Timestamp(now))
            .map(|(session, _)| session)
    }

    #[test]
    fn a_session_comes_back_whole_from_one_cookie_or_many() {
        for size in [40, 20_000] {
            let token = "t".repeat(size);
            let cookies = store().seal(&sealer(), &session(token.clone())).unwrap();
            let back = reload(&cookies, 1_050).unwrap();
            assert_eq!(back.tokens.access_token.reveal(), token);
            assert_eq!(back.identity, session(String::new()).identity);
        }
    }

    #[test]
    fn a_session_ends_with_its_absolute_lifetime() {
        let cookies = store().seal(&sealer(), &session("t".into())).unwrap();
        assert!(reload(&cookies, 1_099).is_some());
        assert!(reload(&cookies, 1_100).is_none());
    }

    #[test]
    fn the_first_cookie_of_a_name_that_opens_counts() {
        let mut cookies = store().seal(&sealer(), &session("t".into())).unwrap();
        cookies.insert(0, ("sidegate".into(), "tossed".into()));
        assert!(reload(&cookies, 1_050).is_some());
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(matches!(
            store().seal(&sealer(), &session("t".repeat(40_000))),
            Err(StoreError::TooLarge(_))
        ));
    }
}
