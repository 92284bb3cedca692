//! sidegate: an OAuth 2.0 / OpenID Connect gateway in front of applications that have no login.
//!
//! This page is the architecture document. Read it once; every module's own first lines say the rest.
//!
//! # Layout
//!
//! A module names only modules **above** it in this list; `tests/tidy.rs` keeps the edges.
//!
//! | module | what it is |
//! |---|---|
//! | [`secret`] | text that never prints and is never compared by `==` |
//! | [`clock`] | the one place that reads the wall clock; [`clock::Timestamp`] is passed on as an argument |
//! | [`telemetry`] | logs and metrics; knows nothing of requests |
//! | [`config`] | what the operator said: one TOML file and the environment become an immutable [`config::Config`], or the list of all problems |
//! | [`policy`] | which route, what access, who is allowed, where a visitor may be sent; pure |
//! | [`seal`] | a value in a browser that only we can make or read: keyring, envelope (the only use of `aes-gcm`), cookies, chunks |
//! | [`provider`] | one authorization server: metadata, keys, client authentication, token requests, id_token, userinfo, revocation |
//! | [`session`] | a signed-in browser: [`session::Session`], its standing (a pure function of now), its cookie |
//! | [`flow`] | begin · complete · refresh · sign out; knows no browser request |
//! | [`upstream`] | the servers behind the gateway, balancing, TLS to them |
//! | [`pages`] | what a person sees |
//! | [`proxy`] | the request path on Pingora: one short method a phase |
//! | [`server`] | a `Config` becomes listeners and services; used by `main` and by tests |
//! | `demo` | the embedded provider and sample app (cargo feature `demo`, never in a release image) |
//! | [`cli`] | one file a command |
//!
//! Confined crates: `aes-gcm` and `hkdf` in `seal`; `redis` in `session`; Pingora in `proxy`, `upstream`, `server`; `toml` in
//! `config` and `cli::import`; `reqwest` and `jsonwebtoken` in `provider`.
//!
//! # Life of a request
//!
//! ```text
//! listener → server::front (limits, deadlines, PROXY protocol) → request_filter: target → route → session → standing → (refresh) → admit     every decision, once, with one `now`
//!    own answer ─► Reply ──────────────────────────────► Set-Cookie, exit 1
//!    forward    ─► upstream_peer → upstream_request_filter (apply only: strip, Bearer, identity)
//!                  response_filter ────────────────────► Set-Cookie, exit 2
//!                  fail_to_proxy ─► Reply ─────────────► Set-Cookie, exit 3   (or a rotated refresh token is lost)
//! logging: one line and the metrics; never a token
//! ```
//!
//! [`session::SessionChange`] is applied by one function, `proxy::cookies::apply`, called from those three exits. Later
//! phases open no cookie and ask no provider.
//!
//! # Life of a session
//!
//! `flow::begin` makes a [`flow::PendingLogin`] (its own sealed cookie) and a sealed `state` (the target, the provider,
//! the time). `flow::complete` takes both by value, redeems the code once and returns a [`session::Session`], which is
//! sealed into the session cookie. [`flow::Refresher`] renews it: one token request per refresh token at a time, in a task
//! of its own, its result kept for requests that still carry the old cookie.
//!
//! # Who is at fault
//!
//! Each layer has one error enum whose variants say who is at fault: visitor, operator, provider, upstream.
//! `proxy::reply` maps them to answers in one table. The browser gets fixed words; the log gets the cause and the request id.
#![warn(missing_docs)]

pub mod cli;
pub mod clock;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod flow;
pub mod pages;
pub mod policy;
pub mod provider;
pub mod proxy;
pub mod seal;
pub mod secret;
pub mod server;
pub mod session;
pub mod telemetry;
pub mod upstream;
