//! Where sessions are kept, and what goes wrong there.

use std::sync::Arc;

use super::{CookieStore, Record, RedisStore, Session, SessionChange};
use crate::clock::Timestamp;
use crate::seal::{Jar, Sealer, TooLarge};

/// `[session] store`
pub enum Store {
    /// In the browser.
    Cookie(CookieStore),
    /// In Redis, shared by all replicas.
    Redis(Arc<RedisStore>),
}

/// A session that came with a request.
pub struct Loaded {
    /// The session; its standing is still to be asked.
    pub session: Session,
    /// Sealed under a key that no longer seals: write it back.
    pub stale_key: bool,
    /// Where it is kept, if not in the browser.
    pub record: Option<Record>,
}

/// Why a session cannot be kept or had.
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
    /// Redis is down, or does not do what it is told; the log has its words.
    #[error("Redis does not answer")]
    Unreachable,
}

impl Store {
    /// The first session in the jar that opens. Whatever does not open is no session, never an error.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`]: there may be a session, and nobody can say.
    pub async fn load(&self, sealer: &Sealer, jar: &Jar<'_>, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        match self {
            Self::Cookie(store) => Ok(store.load(sealer, jar, now).map(|(session, stale_key)| Loaded {
                session,
                stale_key,
                record: None,
            })),
            Self::Redis(store) => store.load(jar, now).await,
        }
    }

    /// Whether a new session could be kept: asked before a code is spent for one.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`]
    pub async fn ready(&self) -> Result<(), StoreError> {
        match self {
            Self::Cookie(_) => Ok(()),
            Self::Redis(store) => store.ready().await,
        }
    }

    /// Keeps a new session: what its browser gets.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn begin(&self, sealer: &Sealer, session: Session, now: Timestamp) -> Result<SessionChange, StoreError> {
        match self {
            Self::Cookie(store) => {
                store.seal(sealer, &session)?;
                Ok(SessionChange::Store(Box::new(session)))
            }
            Self::Redis(store) => Ok(SessionChange::Issue(store.begin(&session, now).await?)),
        }
    }

    /// Names and values of the cookies that `change` sets, and when they end; `None` where it sets none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn cookies(&self, sealer: &Sealer, change: &SessionChange) -> Result<Option<SetCookies>, StoreError> {
        match (self, change) {
            (Self::Cookie(store), SessionChange::Store(session)) => Ok(Some(SetCookies {
                pairs: store.seal(sealer, session)?,
                ends_at: store.ends_at(session),
            })),
            (Self::Redis(store), SessionChange::Issue(ticket)) => Ok(Some(SetCookies {
                pairs: vec![store.cookie(ticket)?],
                ends_at: ticket.ends_at(),
            })),
            // A session in Redis is written where it changes.
            _ => Ok(None),
        }
    }
}

/// Cookies to set.
pub struct SetCookies {
    /// Names and values.
    pub pairs: Vec<(String, String)>,
    /// When they end.
    pub ends_at: Timestamp,
}

/// Provider names in the order of the sealer's parties.
pub(super) struct Parties(Vec<String>);

impl Parties {
    pub(super) fn new(providers: Vec<String>) -> Self {
        Self(providers)
    }

    /// The index of the session's party.
    pub(super) fn of(&self, session: &Session) -> Result<usize, StoreError> {
        let party = self.0.iter().position(|name| *name == session.provider);
        party.ok_or(StoreError::Unwritable("its provider is not configured"))
    }

    /// Whether a session that was sealed for `party` is this party's. Two providers of one issuer and client share a party
    /// id: the first stands for both.
    pub(super) fn owns(&self, sealer: &Sealer, session: &Session, party: usize) -> bool {
        self.of(session)
            .is_ok_and(|own| own == party || sealer.same_party(own, party))
    }
}
