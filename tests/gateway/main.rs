//! Integration tests: the gateway in this process, between a scriptable authorization server and a scriptable app, all
//! on loopback and on ephemeral ports.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod hostile;
mod hostile_login;
mod login;
mod logout;
mod model;
mod slow;
mod support;
mod support_works;
