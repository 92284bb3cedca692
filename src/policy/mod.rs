//! Which route, what access, who is allowed, where a visitor may be sent. Pure: no I/O, no clock, no Pingora.
//!
//! | file | question it answers |
//! |---|---|
//! | `target` | is this request target one that every server reads in the same way? ([`Target`], else 400) |
//! | `hosts` | is this `Host` valid, and is it ours? ([`Hosts`], else 400 or 421) |
//! | `router` | which route does the target fall under, whichever way it is read? ([`Router`], [`Found`]) |
//! | `return_to` | where may the browser be sent afterwards? ([`ReturnTo`]) |
//! | `allow` | may this person use this route? ([`allows`], [`Denial`]) |
//! | `origin` | which page sent this request, and is it a page load? ([`initiator`], [`wants_page`]) |
//!
//! The principle behind the first three: rules and upstream must see the same thing. What is forwarded are the bytes
//! that came, so nothing is repaired here; whatever two servers could read in two ways is refused.

mod allow;
mod hosts;
mod origin;
mod return_to;
mod router;
mod target;

#[cfg(test)]
mod fixtures;

pub use allow::{Denial, Identity, allows};
pub use hosts::{Authority, HostStanding, Hosts};
pub use origin::{Initiator, Origin, Sent, initiator, is_unsafe, submits_form, wants_page};
pub use return_to::ReturnTo;
pub use router::{Found, Router};
pub use target::{Beneath, Target, TargetError};
