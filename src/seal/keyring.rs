//! Session keys become one key a purpose, each with a public key id.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::config::SessionKey;

/// What a sealed value is for. A value sealed for one purpose never opens for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A signed-in browser.
    Session,
    /// A login that was begun: nonce and `code_verifier`.
    PendingLogin,
    /// The `state` parameter (RFC 6749 §4.1.1).
    State,
    /// The `state` of a sign-out on its way through the provider (RP-Initiated Logout 1.0 §3).
    SignOut,
    /// A form that waits in the browser for a login.
    Form,
    /// What a browser has of a session that is kept in Redis.
    Ticket,
    /// A session in Redis.
    Stored,
}

impl Purpose {
    const ALL: [Self; 7] = [
        Self::Session,
        Self::PendingLogin,
        Self::State,
        Self::SignOut,
        Self::Form,
        Self::Ticket,
        Self::Stored,
    ];

    /// The label that goes into key derivation and associated data.
    pub(super) fn label(self) -> &'static [u8] {
        match self {
            Self::Session => b"session",
            Self::PendingLogin => b"pending login",
            Self::State => b"state",
            Self::SignOut => b"sign out",
            Self::Form => b"form",
            Self::Ticket => b"ticket",
            Self::Stored => b"stored session",
        }
    }

    /// Longer sealed values are not even decoded. Ten cookies of 4,096 bytes are less than 64 KiB; forms and what is in Redis
    /// wait outside cookies. The largest `stash_post` is 3 MiB, and something goes with it.
    pub(super) fn longest(self) -> usize {
        match self {
            Self::Form => 5 << 20,
            Self::Stored => 4 << 20,
            Self::Session | Self::PendingLogin | Self::State | Self::SignOut | Self::Ticket => 64 << 10,
        }
    }
}

/// One session key, ready for use.
pub(super) struct DerivedKey {
    /// Public, tells which key sealed a value; says nothing about the key.
    pub(super) id: [u8; 4],
    purposes: [Hkdf<Sha256>; Purpose::ALL.len()],
}

/// AES-256 key and 96-bit nonce for exactly one value.
pub(super) struct OneTimeKey {
    pub(super) key: Zeroizing<[u8; 32]>,
    pub(super) nonce: [u8; 12],
}

const SALT: &[u8] = b"sidegate seal 1";

impl DerivedKey {
    /// Derives id and purpose keys (HKDF with SHA-256, RFC 5869) from a session key.
    pub(super) fn new(master: &SessionKey) -> Self {
        let root = Hkdf::<Sha256>::new(Some(SALT), &master.0[..]);
        let mut id = [0; 4];
        expand(&root, &[b"key id"], &mut id);
        let purposes = Purpose::ALL.map(|purpose| {
            let mut key = Zeroizing::new([0; 32]);
            expand(&root, &[b"purpose ", purpose.label()], &mut key[..]);
            Hkdf::<Sha256>::new(Some(SALT), &key[..])
        });
        Self { id, purposes }
    }

    /// Key and nonce for the value with this salt, and with a secret that only its owner has (empty: none).
    pub(super) fn one_time(&self, purpose: Purpose, salt: &[u8; 16], secret: &[u8]) -> OneTimeKey {
        let mut both = Zeroizing::new([0; 44]);
        let info: [&[u8]; 3] = [b"value", salt, secret];
        expand(&self.purposes[purpose as usize], &info, &mut both[..]);
        let mut made = OneTimeKey {
            key: Zeroizing::new([0; 32]),
            nonce: [0; 12],
        };
        made.key.copy_from_slice(&both[..32]);
        made.nonce.copy_from_slice(&both[32..]);
        made
    }
}

fn expand(from: &Hkdf<Sha256>, info: &[&[u8]], into: &mut [u8]) {
    #[allow(
        clippy::expect_used,
        reason = "HKDF-Expand fails only past 255 × 32 bytes; every caller asks for at most 44"
    )]
    from.expand_multi_info(info, into).expect("a short output");
}
