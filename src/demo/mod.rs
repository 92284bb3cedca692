//! The embedded OpenID provider and the sample app behind `sidegate demo` (cargo feature `demo`).
//!
//! For looking and for development only, never in a release image: the provider knows no passwords. The integration
//! tests script the same provider, so that what the demo shows is what the tests run.

mod page;
pub mod provider;
pub mod sample;
