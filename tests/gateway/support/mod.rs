//! What the tests are made of.
//!
//! | file | what it is |
//! |---|---|
//! | [`idp`] | the embedded provider under a script: fails, waits, lies, goes down when told |
//! | [`answer`] | what the script of the authorization server can say |
//! | [`upstream`] | an app behind the gateway that echoes, and does what it is told |
//! | [`browser`] | a client with cookies that follows redirects one step at a time |
//! | [`form`] | the forms on the way through a login |
//! | [`wire`] | bytes on a socket, and responses read from it |
//! | [`http2`] | HTTP/2 over TLS, well-formed and as no library would send it
//! | [`front`] | an HTTP server that can go down and come back on its port |
//! | [`seen`] | what a server was asked, and waiting until it was |
//! | [`gateway`] | the gateway between the two |
//! | [`gate`] | something a server waits for until the test lets it go on |
#![allow(dead_code, reason = "a vocabulary: not every test uses every word")]

pub mod answer;
pub mod browser;
pub mod form;
pub mod front;
pub mod gate;
pub mod gateway;
pub mod http2;
pub mod idp;
pub mod seen;
pub mod upstream;
pub mod wire;

use std::time::Duration;

/// How long anything may take before a test counts as stuck. Generous: no test waits this long when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `future`; panics with `what` when it takes longer than the tests' patience.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} took longer than {PATIENCE:?}"),
    }
}
