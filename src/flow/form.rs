//! A form that met an ended session: sealed, it waits in the browser's tab while the visitor signs in.
//!
//! # Whose form it is
//!
//! Where the request brought a session that had just ended, the form belongs to that account and is sent on for no other:
//! whoever signs in next at a shared computer must not find that they ordered what somebody else had typed. Where nothing
//! says who filled it in (no session yet, or its cookie is gone), it is sent on for whoever signs in in the same tab: that
//! is the person the login was begun for, and a first login has no other way.

use serde::{Deserialize, Serialize};

use super::random_text;
use crate::clock::Timestamp;
use crate::seal::{OpenError, Purpose, Sealer};
use crate::session::Session;

/// An account at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The `[providers.NAME]`.
    pub provider: String,
    /// The provider's own name for the visitor, or the claim called `user` where it gives none.
    pub name: String,
}

impl Account {
    /// The account of a session; `None` where the provider says nothing of the visitor.
    pub fn of(session: &Session) -> Option<Self> {
        let identity = &session.identity;
        let name = identity.subject.as_ref().or(identity.user.as_ref())?;
        Some(Self {
            provider: session.provider.clone(),
            name: name.clone(),
        })
    }
}

/// A form as the application shall get it. Method and target are not in it: it is sealed for its target, and only POST is
/// kept.
#[derive(Serialize, Deserialize)]
pub struct KeptForm {
    /// Tells one form from another; 96 random bits.
    pub id: String,
    /// `Content-Type` as it came.
    pub content_type: String,
    /// `Referer` as it came.
    pub referer: Option<String>,
    /// Whose it is, where that is known.
    pub account: Option<Account>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// A fresh id for what a tab keeps: 96 random bits.
///
/// # Errors
/// Only where the operating system gives no random bytes.
pub fn fresh_id() -> Result<String, getrandom::Error> {
    random_text::<12>()
}

impl KeptForm {
    /// Seals the form for its target until `ends_at`. `party` is any provider that may sign the visitor in.
    ///
    /// # Errors
    /// Only where the operating system gives no random bytes.
    pub fn seal(
        &self,
        sealer: &Sealer,
        party: usize,
        target: &str,
        ends_at: Timestamp,
    ) -> Result<String, getrandom::Error> {
        let payload = postcard::to_stdvec(self).unwrap_or_default();
        sealer.seal(Purpose::Form, target, party, ends_at, &payload)
    }

    /// Opens a form that was sealed for this target, and when it ends.
    ///
    /// # Errors
    /// [`OpenError`]: it is not ours, is for another target, or its time is over.
    pub fn open(sealer: &Sealer, target: &str, sealed: &[u8], now: Timestamp) -> Result<(Self, Timestamp), OpenError> {
        let opened = sealer.open(Purpose::Form, target, sealed, now)?;
        let form = postcard::from_bytes(opened.payload()).map_err(|_| OpenError::Malformed)?;
        Ok((form, opened.expires_at))
    }
}
