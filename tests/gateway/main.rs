//! Integration tests: the gateway in this process, between a scriptable authorization server and a scriptable app, all
//! on loopback and on ephemeral ports.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod account;
mod admin;
mod forms;
mod hostile;
mod hostile_login;
mod in_chromium;
mod login;
mod logout;
mod model;
mod odd_providers;
mod plain_oauth2;
mod redis;
mod refresh;
mod refusals_at_refresh;
mod replies;
mod routes;
mod session;
mod sign_out;
mod slow;
mod support;
mod support_works;
mod troubled_providers;
mod upstream;
mod upstream_headers;
mod upstream_servers;
