//! `sidegate import FILE`: an oauth2-proxy configuration becomes one of sidegate's.
//!
//! | file | what it is |
//! |---|---|
//! | `old` | the options of oauth2-proxy, taken one by one: what nobody took is told |
//! | `new` | the TOML that is printed |
//! | `server` | addresses, proxies, TLS, admin listener |
//! | `provider` | kinds of providers, endpoints, client, claims |
//! | `session` | cookie secret, cookie, lifetimes |
//! | `routes` | upstreams, who may in, what needs no login, headers |
//! | `rest` | options without a counterpart, and what to do instead |
//!
//! Where a restriction has no counterpart the routes are closed (`access = "deny"`): a gateway that lets in more people
//! than the one before would be noticed too late.

mod new;
mod old;
mod provider;
mod rest;
mod routes;
mod server;
mod session;

use std::path::Path;
use std::process::ExitCode;

use new::New;
use old::Old;

pub(super) fn run(file: &Path) -> ExitCode {
    match read(file).and_then(|text| translate(&text, file)) {
        Ok(text) => super::print(text.trim_end()),
        Err(cause) => {
            super::complain(&format!("{}: {cause}", file.display()));
            ExitCode::from(super::BAD_CONFIG)
        }
    }
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("cannot be read: {error}"))
}

/// The whole translation; file names in the text start from `file`'s folder only where they are read here.
fn translate(text: &str, file: &Path) -> Result<String, String> {
    let mut old = Old::parse(text)?;
    let mut new = New::default();
    new.note("From an oauth2-proxy configuration. `sidegate check --config FILE` says what is left to do.");
    server::write(&mut old, &mut new);
    let unverified_email = provider::write(&mut old, &mut new);
    session::write(&mut old, &mut new, file);
    routes::write(&mut old, &mut new, unverified_email, file);
    rest::write(&mut old, &mut new);
    Ok(new.into_text())
}
