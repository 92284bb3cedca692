//! Begin · complete · refresh · sign out: what the gateway does at a provider. Knows no browser request.
//!
//! | file | what it is |
//! |---|---|
//! | `login` | [`PendingLogin`] and [`State`], and [`begin`] |
//! | `callback` | what the provider sent the browser back with |
//! | `complete` | a granted callback becomes a session |
//! | `identity` | claims become an [`crate::session::Identity`] |
//! | `refresh` | [`Refresher`]: one token request per refresh token, its result for everybody who waits |
//! | `known` | what became of refresh tokens that were sent |
//! | `replicas` | the same over all replicas, with a lock in Redis |
//! | `renew` | one refresh: token request, claims, the new session |
//! | `sign_out` | revocation and the way to the end-session endpoint |
//! | `turns` | manners towards a provider: how many refreshes at once, and none while it is down |
//! | `form` | [`KeptForm`]: a form that waits in the browser for a login |
//! | `spent` | what may be used once and was: logins, kept forms |

mod callback;
mod complete;
mod form;
mod identity;
mod known;
mod login;
mod refresh;
mod renew;
mod replicas;
mod sign_out;
mod spent;
mod turns;

pub use callback::{Callback, CallbackError, Granted};
pub use complete::{LoginError, check_issuer, complete};
pub use form::{Account, KeptForm, fresh_id};
pub use identity::{UnusableUser, identity};
pub use login::{Beginning, Begun, PendingLogin, State, begin};
pub use refresh::{Outcome, Refresher, Renewal};
pub use sign_out::{Goodbye, revoke, sign_out_url};
pub use spent::Spent;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// 256 random bits as 43 base64url characters: for `nonce` and ids.
fn random_text<const BYTES: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
