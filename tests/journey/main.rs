//! The journey of a visitor – login, request, refresh, revocation, sign-out – through the running program against three
//! real authorization servers, which `tests/providers` installs and starts. `tests/run.sh` runs it.
//!
//! | file | what it is |
//! |---|---|
//! | [`openid`] | panva oidc-provider: OpenID Connect, confidential and public clients |
//! | [`plain`] | django-oauth-toolkit and Authlib: plain OAuth2 by named endpoints |
//! | [`race`] | many requests with one session that is over, where a reused refresh token ends the grant |
//! | [`stage`] | provider, app and gateway of one test |
//! | [`provider`] | a real authorization server as a process |
//! | [`program`] | the gateway as a process, and what it logged |
//! | [`visitor`] | a person at a browser, who fills in the provider's own forms |
//! | [`process`] | a child process read line by line |
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod openid;
mod plain;
mod process;
mod program;
mod provider;
mod race;
mod stage;
#[path = "../gateway/support/mod.rs"]
mod support;
mod visitor;
