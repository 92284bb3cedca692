//! A signed-in browser.
//!
//! | file | what it is |
//! |---|---|
//! | `mod` | [`Session`], [`Identity`], [`Tokens`] and what a request does to them, [`SessionChange`] |
//! | `standing` | whether the session is good now: a pure function of it and the time |
//! | `revocations` | sessions that the provider ended |
//! | `wire` | the compact form that is sealed |
//! | `store` | [`Store`]: where sessions are kept, and what goes wrong there |
//! | `cookie` | in the browser: the session cookie, opened from a request's jar, sealed into new cookies |
//! | `redis` | in Redis: the cookie is a [`Ticket`], the session a [`Record`] that all replicas share |

mod cookie;
mod redis;
mod revocations;
mod standing;
mod store;
mod wire;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::secret::Secret;

pub use cookie::CookieStore;
pub use redis::{Claim, Lock, Record, RedisStore, Ticket};
pub use revocations::{Ended, Revocations, Witness};
pub use standing::{Lifetimes, Standing};
pub use store::{Loaded, SetCookies, Store, StoreError};

/// A signed-in browser: who, and with which tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// The `[providers.NAME]` that signed the visitor in.
    pub provider: String,
    /// Who it is.
    pub identity: Identity,
    /// What the provider gave.
    pub tokens: Tokens,
    /// When the login was completed: the absolute lifetime counts from here.
    pub signed_in_at: Timestamp,
    /// When a request was last noted, for `idle_timeout`.
    pub seen_at: Timestamp,
}

/// What the provider says about the visitor, reduced to what the configuration uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The provider's own name for the visitor (`sub`, OpenID Connect Core §2), where there is one: refreshed claims must
    /// name the same.
    pub subject: Option<String>,
    /// The provider's session (`sid`, OpenID Connect Front-Channel Logout 1.0 §3).
    pub sid: Option<String>,
    /// The claim called `user`.
    pub user: Option<String>,
    /// The claim called `email`.
    pub email: Option<String>,
    /// `email_verified` was `true` or `"true"`.
    pub email_verified: bool,
    /// The claim called `groups`.
    pub groups: Vec<String>,
    /// The claim called `name`.
    pub name: Option<String>,
    /// Further claims that the configuration names, in its order.
    pub claims: Vec<(String, Vec<String>)>,
}

impl Identity {
    /// The values of the claim with this name in the configuration; empty where the visitor has none.
    pub fn claim(&self, name: &str) -> &[String] {
        match name {
            "user" => self.user.as_slice(),
            "email" => self.email.as_slice(),
            "name" => self.name.as_slice(),
            "groups" => &self.groups,
            _ => self
                .claims
                .iter()
                .find(|(own, _)| own == name)
                .map_or(&[], |(_, values)| values),
        }
    }

    /// A claim as a header carries it: its values with commas between; `None` where there are none, or too many.
    pub fn in_header(&self, name: &str) -> Option<String> {
        let values = self.claim(name);
        let text = (!values.is_empty()).then(|| values.join(","))?;
        (text.len() <= LONGEST_IN_HEADER).then_some(text)
    }
}

/// Longest claim that is put into a header, bytes: many servers refuse longer lines.
const LONGEST_IN_HEADER: usize = 8 * 1024;

/// The tokens of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tokens {
    /// RFC 6749 §1.4
    #[serde(with = "wire::secret")]
    pub access_token: Secret,
    /// RFC 6749 §1.5
    #[serde(with = "wire::optional_secret")]
    pub refresh_token: Option<Secret>,
    /// Kept only where a sign-out or a route needs it.
    #[serde(with = "wire::optional_secret")]
    pub id_token: Option<Secret>,
    /// When the access token was issued to us.
    pub obtained_at: Timestamp,
    /// When the access token ends; `None`: the provider did not say.
    pub expires_at: Option<Timestamp>,
    /// Random, fixed for these tokens: moves the refresh a little forward so that replicas seldom collide.
    pub jitter: u8,
    /// Whether the claims came from userinfo, and so are asked for again at a refresh.
    pub from_userinfo: bool,
}

/// What a request does to the browser's session cookies. Applied once, by one function, on whichever way the answer leaves.
#[derive(Debug, Default)]
pub enum SessionChange {
    /// Leave them as they are.
    #[default]
    Keep,
    /// Set them to this session.
    Store(Box<Session>),
    /// Set the one cookie to the ticket of a session that is in Redis.
    Issue(Ticket),
    /// Delete them.
    Clear,
}
