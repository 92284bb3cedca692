//! What the targets share: one configuration, one provider on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a fuzz target fails by panicking"
)]

pub mod provider;

use std::path::Path;

use sidegate::clock::Timestamp;
use sidegate::config::Config;
use sidegate::seal::{CookieNames, Party, Sealer};
use sidegate::session::{CookieStore, Lifetimes};

/// The instant of every decision.
pub const NOW: Timestamp = Timestamp(1_000_000);
/// The instant that everything sealed here ends.
pub const LATER: Timestamp = Timestamp(2_000_000);
/// The client's secret, which no error and no problem may repeat.
pub const CLIENT_SECRET: &str = "tripwire-client-secret";

const SESSION_KEY: &str = "3q2-796tvu_erb7v3q2-796tvu_erb7v3q2-796tvu8";

/// Two providers, routes with rules at several depths, two further origins for `rd`.
pub fn config(issuer: &str) -> Config {
    let text = format!(
        r#"
[server]
public_url = "https://app.example.com"
[providers.main]
issuer = "{issuer}"
client_id = "app"
client_secret = "{CLIENT_SECRET}"
[session]
keys = ["{SESSION_KEY}"]
[redirects]
allowed = ["https://other.example.com", "https://*.wild.example.com"]
[[routes]]
path = "/"
access = "public"
upstream = "http://127.0.0.1:1"
[[routes]]
path = "/admin"
upstream = "http://127.0.0.1:1"
[[routes]]
path = "/admin/open"
access = "public"
upstream = "http://127.0.0.1:1"
[[routes]]
path = "/files"
encoded_slash = true
upstream = "http://127.0.0.1:1"
"#
    );
    Config::parse(&text, Path::new(""), std::iter::empty()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Everything that opens a cookie.
pub struct Seals {
    pub sealer: Sealer,
    pub names: CookieNames,
    pub store: CookieStore,
}

impl Seals {
    pub fn new() -> Self {
        let config = config("https://id.example.com");
        let party = Party {
            issuer: "https://id.example.com".into(),
            client_id: "app".into(),
        };
        let names = CookieNames::new(&config);
        Self {
            sealer: Sealer::new(&config.session.keys, &[party], "https://app.example.com"),
            store: CookieStore::new(names.clone(), Lifetimes::new(&config.session), vec!["main".into()]),
            names,
        }
    }
}

impl Default for Seals {
    fn default() -> Self {
        Self::new()
    }
}
