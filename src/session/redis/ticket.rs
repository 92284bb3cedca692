//! What a browser has of a session that is kept in Redis.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::seal::{Purpose, Sealer};

const SECRET: usize = 32;

/// The way to a session in Redis, and the key to it: 32 random bytes, sealed in the cookie. Their hash names the record;
/// they themselves go into the key that the record is sealed under. So neither Redis alone nor Redis with the session keys
/// gives anybody a session: each record opens in its own browser's requests only.
#[derive(Clone)]
pub struct Ticket {
    secret: Zeroizing<[u8; SECRET]>,
    /// Index of the party in the sealer.
    party: usize,
    ends_at: Timestamp,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[ticket]")
    }
}

impl Ticket {
    /// A new one.
    pub(super) fn new(party: usize, ends_at: Timestamp) -> Result<Self, getrandom::Error> {
        let mut secret = Zeroizing::new([0; SECRET]);
        getrandom::fill(&mut secret[..])?;
        Ok(Self { secret, party, ends_at })
    }

    /// Opens a cookie's value; with it, whether it was sealed under a key that no longer seals.
    pub(super) fn open(sealer: &Sealer, name: &str, sealed: &[u8], now: Timestamp) -> Option<(Self, bool)> {
        let opened = sealer.open(Purpose::Ticket, name, sealed, now).ok()?;
        let secret = Zeroizing::new(opened.payload().try_into().ok()?);
        let ticket = Self {
            secret,
            party: opened.party,
            ends_at: opened.expires_at,
        };
        Some((ticket, opened.stale_key))
    }

    /// The cookie's value.
    pub(super) fn seal(&self, sealer: &Sealer, name: &str) -> Result<String, getrandom::Error> {
        sealer.seal(Purpose::Ticket, name, self.party, self.ends_at, &self.secret[..])
    }

    /// Names the record: 43 characters.
    pub(super) fn id(&self) -> String {
        let digest = Sha256::new_with_prefix(b"sidegate session id ").chain_update(&self.secret[..]);
        URL_SAFE_NO_PAD.encode(digest.finalize())
    }

    pub(super) fn secret(&self) -> &[u8] {
        &self.secret[..]
    }

    /// When the session ends whatever happens.
    pub fn ends_at(&self) -> Timestamp {
        self.ends_at
    }
}
