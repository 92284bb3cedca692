//! Seal and open; the only use of `aes-gcm`.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Key, Nonce, Tag};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::keyring::{DerivedKey, Purpose};
use crate::clock::Timestamp;
use crate::config::SessionKey;

const VERSION: u8 = 1;
const SALT_AT: usize = 9;
const BODY_AT: usize = 25;
const TAG: usize = 16;
const EXPIRY: usize = 8;

/// A client registration that sealed values belong to: the same key in another deployment opens nothing here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// The provider's issuer, or its token endpoint where it has none.
    pub issuer: String,
    /// RFC 6749 §2.2
    pub client_id: String,
}

/// Makes and reads sealed values. The first key seals, all open; a value belongs to one [`Party`].
pub struct Sealer {
    keys: Vec<DerivedKey>,
    parties: Vec<([u8; 4], Party)>,
    public_url: String,
}

/// What was in a sealed value.
pub struct Opened {
    /// The payload, wiped when dropped.
    plain: Zeroizing<Vec<u8>>,
    /// Index of the party, as given to [`Sealer::new`].
    pub party: usize,
    /// When the value ends.
    pub expires_at: Timestamp,
    /// Whether a key that no longer seals was used: seal it again.
    pub stale_key: bool,
}

impl Opened {
    /// The payload as it was sealed.
    pub fn payload(&self) -> &[u8] {
        &self.plain[EXPIRY..]
    }
}

/// Why a value did not open. To a visitor all of them mean: there is no such value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not one of ours at all.
    #[error("not a sealed value")]
    Malformed,
    /// Sealed under a key that is not in the configuration.
    #[error("sealed under an unknown key")]
    UnknownKey,
    /// Sealed for a client registration that is not in the configuration.
    #[error("sealed for another client or issuer")]
    UnknownParty,
    /// Changed, or sealed for another purpose, name or deployment.
    #[error("not authentic")]
    NotAuthentic,
    /// Its time is over.
    #[error("expired")]
    Expired,
}

impl Sealer {
    /// A sealer for this deployment.
    pub fn new(keys: &[SessionKey], parties: &[Party], public_url: &str) -> Self {
        Self {
            keys: keys.iter().map(DerivedKey::new).collect(),
            parties: parties.iter().map(|party| (party_id(party), party.clone())).collect(),
            public_url: public_url.to_owned(),
        }
    }

    /// Seals `payload` under `name` until `expires_at`, for the party with this index.
    ///
    /// # Errors
    /// Only where the operating system gives no random bytes.
    pub fn seal(
        &self,
        purpose: Purpose,
        name: &str,
        party: usize,
        expires_at: Timestamp,
        payload: &[u8],
    ) -> Result<String, getrandom::Error> {
        self.seal_with(&[], purpose, name, party, expires_at, payload)
    }

    /// As [`Sealer::seal`], and only whoever has `secret` opens it.
    ///
    /// # Errors
    /// Only where the operating system gives no random bytes.
    pub fn seal_with(
        &self,
        secret: &[u8],
        purpose: Purpose,
        name: &str,
        party: usize,
        expires_at: Timestamp,
        payload: &[u8],
    ) -> Result<String, getrandom::Error> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)?;
        let key = &self.keys[0];
        let mut bytes = Vec::with_capacity(BODY_AT + EXPIRY + payload.len() + TAG);
        bytes.push(VERSION);
        bytes.extend_from_slice(&key.id);
        bytes.extend_from_slice(&self.parties[party].0);
        bytes.extend_from_slice(&salt);
        bytes.extend_from_slice(&expires_at.0.to_be_bytes());
        bytes.extend_from_slice(payload);
        let one_time = key.one_time(purpose, &salt, secret);
        let aad = self.associated_data(purpose, name, &key.id, party);
        let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(*one_time.key));
        #[allow(clippy::expect_used, reason = "AES-GCM fails only past 64 GiB")]
        let tag = cipher
            .encrypt_inout_detached(&Nonce::from(one_time.nonce), &aad, (&mut bytes[BODY_AT..]).into())
            .expect("a short plaintext");
        bytes.extend_from_slice(&tag);
        Ok(URL_SAFE_NO_PAD.encode(&bytes))
    }

    /// Opens a value that was sealed for this purpose and name and has not ended by `now`.
    ///
    /// # Errors
    /// See [`OpenError`]; none says more than that there is no such value.
    pub fn open(&self, purpose: Purpose, name: &str, sealed: &[u8], now: Timestamp) -> Result<Opened, OpenError> {
        self.open_with(&[], purpose, name, sealed, now)
    }

    /// Opens what [`Sealer::seal_with`] made with the same secret.
    ///
    /// # Errors
    /// See [`OpenError`]; none says more than that there is no such value.
    pub fn open_with(
        &self,
        secret: &[u8],
        purpose: Purpose,
        name: &str,
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<Opened, OpenError> {
        if sealed.len() > purpose.longest() {
            return Err(OpenError::Malformed);
        }
        let mut bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(sealed).map_err(|_| OpenError::Malformed)?);
        if bytes.len() < BODY_AT + EXPIRY + TAG || bytes[0] != VERSION {
            return Err(OpenError::Malformed);
        }
        let which = self
            .keys
            .iter()
            .position(|key| key.id == bytes[1..5])
            .ok_or(OpenError::UnknownKey)?;
        let party = self
            .parties
            .iter()
            .position(|(id, _)| *id == bytes[5..SALT_AT])
            .ok_or(OpenError::UnknownParty)?;
        let mut salt = [0; 16];
        salt.copy_from_slice(&bytes[SALT_AT..BODY_AT]);
        let key = &self.keys[which];
        let one_time = key.one_time(purpose, &salt, secret);
        let aad = self.associated_data(purpose, name, &key.id, party);
        let mut tag = Tag::default();
        let body_end = bytes.len() - TAG;
        tag.copy_from_slice(&bytes[body_end..]);
        Aes256Gcm::new(&Key::<Aes256Gcm>::from(*one_time.key))
            .decrypt_inout_detached(
                &Nonce::from(one_time.nonce),
                &aad,
                (&mut bytes[BODY_AT..body_end]).into(),
                &tag,
            )
            .map_err(|_| OpenError::NotAuthentic)?;
        bytes.truncate(body_end);
        bytes.drain(..BODY_AT);
        let mut expiry = [0; EXPIRY];
        expiry.copy_from_slice(&bytes[..EXPIRY]);
        let expires_at = Timestamp(u64::from_be_bytes(expiry));
        if expires_at <= now {
            return Err(OpenError::Expired);
        }
        Ok(Opened {
            plain: bytes,
            party,
            expires_at,
            stale_key: which != 0,
        })
    }

    /// Whether two parties are the same client registration.
    pub fn same_party(&self, one: usize, other: usize) -> bool {
        self.parties[one].1 == self.parties[other].1
    }

    /// Everything that the value is bound to, each part with its length in front so that no two lists read alike.
    fn associated_data(&self, purpose: Purpose, name: &str, key_id: &[u8; 4], party: usize) -> Vec<u8> {
        let Party { issuer, client_id } = &self.parties[party].1;
        let parts = [
            purpose.label(),
            name.as_bytes(),
            key_id,
            issuer.as_bytes(),
            client_id.as_bytes(),
            self.public_url.as_bytes(),
        ];
        let mut data = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
        for part in parts {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes()[4..]);
            data.extend_from_slice(part);
        }
        data
    }
}

/// Names a party in the clear; only a pointer, the associated data does the binding.
fn party_id(party: &Party) -> [u8; 4] {
    let mut id = [0; 4];
    let digest = Hkdf::<Sha256>::new(Some(party.client_id.as_bytes()), party.issuer.as_bytes());
    #[allow(clippy::expect_used, reason = "four bytes are always there")]
    digest.expand(b"sidegate party", &mut id).expect("a short output");
    id
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_000);
    const LATER: Timestamp = Timestamp(2_000);

    fn key(byte: u8) -> SessionKey {
        SessionKey(Zeroizing::new([byte; 32]))
    }

    fn party(issuer: &str, client_id: &str) -> Party {
        Party {
            issuer: issuer.into(),
            client_id: client_id.into(),
        }
    }

    fn sealer(keys: &[u8], issuer: &str, client_id: &str, public_url: &str) -> Sealer {
        let keys: Vec<_> = keys.iter().map(|byte| key(*byte)).collect();
        Sealer::new(&keys, &[party(issuer, client_id)], public_url)
    }

    fn ours() -> Sealer {
        sealer(&[1], "https://id", "client", "https://app")
    }

    fn sealed() -> String {
        ours().seal(Purpose::Session, "sidegate", 0, LATER, b"payload").unwrap()
    }

    fn refusal(by: &Sealer, purpose: Purpose, name: &str, text: &str, now: Timestamp) -> OpenError {
        by.open(purpose, name, text.as_bytes(), now)
            .err()
            .expect("must not open")
    }

    #[test]
    fn opens_what_it_sealed() {
        let opened = ours()
            .open(Purpose::Session, "sidegate", sealed().as_bytes(), NOW)
            .unwrap();
        assert_eq!(
            (opened.payload(), opened.expires_at, opened.stale_key),
            (&b"payload"[..], LATER, false)
        );
    }

    #[test]
    fn refuses_what_is_bound_to_something_else() {
        use OpenError::*;
        let text = sealed();
        let name = "sidegate";
        for (by, purpose, name, now, expected) in [
            (ours(), Purpose::PendingLogin, name, NOW, NotAuthentic),
            (ours(), Purpose::Session, "sidegate_login_x", NOW, NotAuthentic),
            (ours(), Purpose::Session, name, LATER, Expired),
            (
                sealer(&[2], "https://id", "client", "https://app"),
                Purpose::Session,
                name,
                NOW,
                UnknownKey,
            ),
            (
                sealer(&[1], "https://other", "client", "https://app"),
                Purpose::Session,
                name,
                NOW,
                UnknownParty,
            ),
            (
                sealer(&[1], "https://id", "other", "https://app"),
                Purpose::Session,
                name,
                NOW,
                UnknownParty,
            ),
            (
                sealer(&[1], "https://id", "client", "https://other"),
                Purpose::Session,
                name,
                NOW,
                NotAuthentic,
            ),
        ] {
            assert_eq!(refusal(&by, purpose, name, &text, now), expected);
        }
    }

    #[test]
    fn an_older_key_still_opens_and_says_so() {
        let rotated = sealer(&[2, 1], "https://id", "client", "https://app");
        assert!(
            rotated
                .open(Purpose::Session, "sidegate", sealed().as_bytes(), NOW)
                .unwrap()
                .stale_key
        );
    }

    #[test]
    fn every_changed_character_and_every_cut_is_refused() {
        let text = sealed();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(
                ours().open(Purpose::Session, "sidegate", &changed, NOW).is_err(),
                "character {at}"
            );
            assert!(
                ours()
                    .open(Purpose::Session, "sidegate", &text.as_bytes()[..at], NOW)
                    .is_err(),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn what_was_sealed_with_a_secret_opens_with_that_secret_only() {
        let text = ours().seal_with(b"owner", Purpose::Stored, "id", 0, LATER, b"payload");
        let text = text.unwrap();
        let open = |secret| {
            ours()
                .open_with(secret, Purpose::Stored, "id", text.as_bytes(), NOW)
                .err()
        };
        let refused = Some(OpenError::NotAuthentic);
        assert_eq!((open(b"owner"), open(b"thief"), open(b"")), (None, refused, refused));
    }

    #[test]
    fn no_two_seals_are_alike() {
        assert_ne!(sealed(), sealed());
    }

    proptest! {
        #[test]
        fn any_payload_comes_back(payload in proptest::collection::vec(any::<u8>(), 0..5_000), name in "[a-z_]{1,20}") {
            let text = ours().seal(Purpose::Session, &name, 0, LATER, &payload).unwrap();
            let opened = ours().open(Purpose::Session, &name, text.as_bytes(), NOW).unwrap();
            prop_assert_eq!(opened.payload(), &payload[..]);
        }

        #[test]
        fn rubbish_never_opens(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(ours().open(Purpose::Session, "sidegate", &text, NOW).is_err());
        }
    }
}
