//! `rd`: whatever is accepted leads a browser to this origin or an allowed one, and nowhere else.
#![no_main]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a fuzz target fails by panicking"
)]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sidegate::config::Config;
use sidegate::policy::{ReturnTo, Target};
use url::Url;

static CONFIG: LazyLock<Config> = LazyLock::new(|| sidegate_fuzz::config("https://id.example.com"));

fuzz_target!(|rd: &str| {
    let public = &CONFIG.server.public_url;
    // `url` is the WHATWG algorithm: what it makes of a Location is what browsers make of it.
    let lands = |to: &ReturnTo| {
        let base = Url::parse("https://app.example.com/some/page").unwrap();
        base.join(to.as_str()).expect("a Location that no browser reads")
    };
    if let Some(to) = ReturnTo::parse(rd, public, &CONFIG.allowed_redirects) {
        let url = lands(&to);
        let host = url.host_str().unwrap();
        assert!(
            matches!(host, "app.example.com" | "other.example.com") || host.ends_with(".wild.example.com"),
            "{rd:?} leads to {url}"
        );
        assert!(url.scheme() == "https" && url.port().is_none() && url.username().is_empty());
        assert!(to.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
        let again = ReturnTo::parse(to.as_str(), public, &CONFIG.allowed_redirects);
        assert_eq!(again.as_ref(), Some(&to), "it does not survive its own sealing");
        let _ = to.is_beneath("/oauth2", public);
    }
    if let Ok(target) = Target::parse(rd) {
        assert_eq!(
            lands(&ReturnTo::of_request(&target)).host_str(),
            Some("app.example.com")
        );
    }
});
