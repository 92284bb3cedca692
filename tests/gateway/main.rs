//! Integration tests: the gateway in this process, between a scriptable authorization server and a scriptable app, all
//! on loopback and on ephemeral ports.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod login;
mod redis;
mod support;
mod support_works;
