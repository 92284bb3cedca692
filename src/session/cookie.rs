//! The session cookie: opened from a request's jar, sealed into new cookies.

use zeroize::Zeroizing;

use super::{Lifetimes, Session, wire};
use crate::clock::Timestamp;
use crate::seal::{CookieNames, Jar, Purpose, Sealer, TooLarge, split};

/// Sessions that live in the browser, sealed.
pub struct CookieStore {
    names: CookieNames,
    lifetimes: Lifetimes,
    /// Provider name → index of its party in the sealer.
    parties: Vec<String>,
}

/// A session that came with a request.
pub struct Loaded {
    /// The session; its standing is still to be asked.
    pub session: Session,
    /// Sealed under a key that no longer seals: write it back.
    pub stale_key: bool,
}

/// Why a session cannot be kept in cookies.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The tokens and claims are too large for cookies.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The operating system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
    /// The session names a provider that is not configured, or does not serialise: a fault of ours.
    #[error("the session cannot be written: {0}")]
    Unwritable(&'static str),
}

impl CookieStore {
    /// `providers`: names in the order of the sealer's parties.
    pub fn new(names: CookieNames, lifetimes: Lifetimes, providers: Vec<String>) -> Self {
        Self {
            names,
            lifetimes,
            parties: providers,
        }
    }

    /// The first session in the jar that opens. Whatever does not open is no session, never an error.
    pub fn load(&self, sealer: &Sealer, jar: &Jar<'_>, now: Timestamp) -> Option<Loaded> {
        jar.session_candidates().find_map(|sealed| {
            let opened = sealer.open(Purpose::Session, self.names.session(), &sealed, now).ok()?;
            let session = wire::decode(opened.payload()).ok()?;
            let party = self.parties.iter().position(|name| *name == session.provider)?;
            // Two providers of one issuer and client share a party id: the first stands for both.
            let same = party == opened.party || sealer.same_party(party, opened.party);
            same.then_some(Loaded {
                session,
                stale_key: opened.stale_key,
            })
        })
    }

    /// Cookie names and values that carry the session.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn seal(&self, sealer: &Sealer, session: &Session) -> Result<Vec<(String, String)>, StoreError> {
        let party = self.parties.iter().position(|name| *name == session.provider);
        let party = party.ok_or(StoreError::Unwritable("its provider is not configured"))?;
        let plain = wire::encode(session).map_err(|_| StoreError::Unwritable("it does not serialise"))?;
        let plain = Zeroizing::new(plain);
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
            .map(|loaded| loaded.session)
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
