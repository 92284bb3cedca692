//! A value in a browser that only we can make or read.
//!
//! | file | what it is |
//! |---|---|
//! | `keyring` | session keys become one key a purpose, each with a public key id |
//! | `envelope` | [`Sealer`]: seal and open; the only use of `aes-gcm` |
//! | `names` | what our cookies are called |
//! | `jar` | our cookies in a request: found, joined, taken out |
//! | `chunks` | a value past one cookie's size, split and joined |
//!
//! # The envelope
//!
//! ```text
//! base64url( version 1 | key id 4 | party 4 | salt 16 | AES-256-GCM( expires_at 8 | payload ) | tag 16 )
//! ```
//!
//! *key id* chooses the session key: there is no trial decryption. *party* chooses the client registration (issuer,
//! client_id) that the value belongs to. The AES key and nonce are derived from the purpose's key and the salt (HKDF-Expand,
//! RFC 5869 §2.3), fresh for every value, so that the bound of 2³² seals under one key with random nonces
//! (NIST SP 800-38D §8.3) never comes near, over any number of replicas. The associated data binds purpose, cookie name,
//! key id, issuer, client_id and public URL.

mod chunks;
mod envelope;
mod jar;
mod keyring;
mod names;

pub use chunks::{MAX_PARTS, SPLIT_PAST, TooLarge, split};
pub use envelope::{OpenError, Opened, Party, Sealer};
pub use jar::Jar;
pub(crate) use jar::without_ours;
pub use keyring::Purpose;
pub use names::CookieNames;
