//! Which page sent a request, and what is a page load.

use super::*;
use crate::policy::fixtures::{allowed, local, public};

#[test]
fn an_origin_is_scheme_host_and_port() {
    let ours = [
        "https://app.example.com",
        "https://app.example.com:443",
        "HTTPS://APP.example.com",
        "https://app.example.com/",
    ];
    for text in ours {
        assert!(
            Origin::parse(text).is_some_and(|origin| origin.is_public(&public())),
            "{text}"
        );
    }
    let foreign = [
        "null",
        "",
        "app.example.com",
        "//app.example.com",
        "http://app.example.com",
        "http://app.example.com:443",
        "https://app.example.com:8443",
        "https://app.example.com.",
        "https://app.example.com//",
        "https://app.example.com/x",
        "https://app.example.com@evil.example",
        "https://evil.example@app.example.com",
        "https://app.example.com.evil.example",
        "https://evilapp.example.com",
        "https://example.com",
        "https://*.example.com",
        "file://app.example.com",
        "moz-extension://app.example.com",
        "https://app.example.com https://evil.example",
    ];
    for text in foreign {
        assert!(
            !Origin::parse(text).is_some_and(|origin| origin.is_public(&public())),
            "{text}"
        );
    }
    assert!(Origin::parse("http://localhost:4180").unwrap().is_public(&local()));
    assert!(!Origin::parse("http://localhost").unwrap().is_public(&local()));
}

#[test]
fn a_pattern_takes_subdomains_but_not_the_domain() {
    let table = [
        ("https://other.example.com", true),
        ("https://x.other.example.com", false),
        ("https://a.apps.example.com", true),
        ("https://a.b.apps.example.com", true),
        ("https://A.APPS.example.com", true),
        ("https://apps.example.com", false),
        ("https://evilapps.example.com", false),
        ("https://a.apps.example.com:8443", false),
        ("https://a.apps.example.com.evil.example", false),
        ("http://a.apps.example.com", false),
        ("http://dev.example.com:8080", true),
        ("http://dev.example.com", false),
        ("https://dev.example.com:8080", false),
    ];
    for (text, matches) in table {
        let origin = Origin::parse(text).unwrap();
        assert_eq!(
            allowed().iter().any(|pattern| origin.matches(pattern)),
            matches,
            "{text}"
        );
    }
}

const OWN: Option<&str> = Some("https://app.example.com");
const EVIL: Option<&str> = Some("https://evil.example");
const FRIEND: Option<&str> = Some("https://friend.example");

/// `Sec-Fetch-Site`, `Origin`, verdict, at our own host; `https://friend.example` is allowed.
const SENT: &[(Option<&str>, Option<&str>, Initiator)] = &[
    (None, None, Initiator::SameOrigin),
    (None, OWN, Initiator::SameOrigin),
    (None, EVIL, Initiator::CrossSite),
    (None, FRIEND, Initiator::Allowed),
    (None, Some("null"), Initiator::CrossSite),
    (None, Some(""), Initiator::CrossSite),
    (None, Some("http://app.example.com"), Initiator::CrossSite),
    (None, Some("https://app.example.com.evil.example"), Initiator::CrossSite),
    (Some("same-origin"), None, Initiator::SameOrigin),
    (Some("same-origin"), OWN, Initiator::SameOrigin),
    (Some("same-origin"), Some("null"), Initiator::SameOrigin),
    (Some("same-origin"), EVIL, Initiator::CrossSite),
    (Some("none"), None, Initiator::SameOrigin),
    (Some("none"), Some("null"), Initiator::SameOrigin),
    (Some("none"), EVIL, Initiator::CrossSite),
    (Some("same-site"), None, Initiator::CrossSite),
    (Some("same-site"), Some("null"), Initiator::CrossSite),
    (Some("same-site"), Some("https://sub.example.com"), Initiator::CrossSite),
    (Some("same-site"), FRIEND, Initiator::Allowed),
    (Some("cross-site"), None, Initiator::CrossSite),
    (Some("cross-site"), OWN, Initiator::CrossSite),
    (Some("cross-site"), EVIL, Initiator::CrossSite),
    (Some("cross-site"), Some("null"), Initiator::CrossSite),
    (Some("cross-site"), FRIEND, Initiator::Allowed),
    (Some("Same-Origin"), None, Initiator::CrossSite),
    (Some("garbage"), OWN, Initiator::CrossSite),
    (Some(""), None, Initiator::CrossSite),
];

#[test]
fn other_origins_are_foreign_unless_allowed() {
    let friends = vec![
        "https://friend.example".to_owned(),
        "null".to_owned(),
        "https://*.evil.example".to_owned(),
    ];
    for host in [None, Some("app.example.com"), Some("app.example.com:443")] {
        for (site, origin, verdict) in SENT {
            let sent = Sent {
                site: *site,
                origin: *origin,
                host,
            };
            assert_eq!(initiator(&sent, &public(), &friends), *verdict, "{sent:?}");
        }
    }
}

#[test]
fn a_second_host_of_ours_is_its_own_origin_and_open_to_public_url() {
    let alias = Some("alias.example.com");
    let table = [
        (None, Some("https://alias.example.com"), Initiator::SameOrigin),
        (None, Some("http://alias.example.com"), Initiator::CrossSite),
        (
            Some("same-origin"),
            Some("https://alias.example.com"),
            Initiator::SameOrigin,
        ),
        (None, OWN, Initiator::Allowed),
        (Some("same-site"), OWN, Initiator::Allowed),
        (
            Some("same-site"),
            Some("https://third.example.com"),
            Initiator::CrossSite,
        ),
        (None, EVIL, Initiator::CrossSite),
    ];
    for (site, origin, verdict) in table {
        assert_eq!(
            initiator(
                &Sent {
                    site,
                    origin,
                    host: alias
                },
                &public(),
                &[]
            ),
            verdict,
            "{site:?} {origin:?}"
        );
    }
}

#[test]
fn only_reading_methods_are_safe() {
    for name in ["POST", "PUT", "PATCH", "DELETE", "PURGE", "get", "CONNECT"] {
        assert!(is_unsafe(&Method::from_bytes(name.as_bytes()).unwrap()), "{name}");
    }
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        assert!(!is_unsafe(&method), "{method}");
    }
}

#[test]
fn a_page_load_is_a_navigation() {
    const BROWSER: Option<&str> = Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
    let table = [
        (Some("navigate"), None, Method::GET, true),
        (Some("navigate"), BROWSER, Method::POST, true),
        (Some("cors"), BROWSER, Method::GET, false),
        (Some("no-cors"), BROWSER, Method::GET, false),
        (Some("same-origin"), Some("*/*"), Method::GET, false),
        (Some("websocket"), BROWSER, Method::GET, false),
        (Some(""), BROWSER, Method::GET, false),
        (None, BROWSER, Method::GET, true),
        (None, BROWSER, Method::HEAD, true),
        (None, BROWSER, Method::POST, false),
        (None, None, Method::GET, false),
        (None, Some(""), Method::GET, false),
        (None, Some("*/*"), Method::GET, false),
        (None, Some("text/*"), Method::GET, false),
        (None, Some("application/json"), Method::GET, false),
        (None, Some("application/json, TEXT/HTML ; q=0.1"), Method::GET, true),
        (None, Some("text/html;level=1"), Method::GET, true),
        (None, Some("text/html;q=0"), Method::GET, false),
        (None, Some("text/html; Q=0.000, */*"), Method::GET, false),
        (None, Some("text/htmlx"), Method::GET, false),
        (None, Some("application/text/html"), Method::GET, false),
    ];
    for (mode, accept, method, page) in table {
        assert_eq!(wants_page(mode, accept, &method), page, "{mode:?} {accept:?} {method}");
    }
}

#[test]
fn a_form_is_told_from_what_a_script_sends() {
    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let ours = Some("https://app.example.com");
    for (origin, mode, accept, form) in [
        (ours, Some("navigate"), Some(BROWSER), true),
        (None, Some("navigate"), None, true),
        (ours, Some("cors"), Some(BROWSER), false),
        (ours, Some("same-origin"), Some("text/html"), false),
        // Browsers without Fetch Metadata.
        (ours, None, Some(BROWSER), true),
        (Some("null"), None, Some(BROWSER), true),
        (None, None, Some(BROWSER), false),
        (ours, None, Some("text/html, */*; q=0.01"), false),
        (ours, None, Some("*/*"), false),
        (ours, None, None, false),
    ] {
        let sent = Sent {
            origin,
            ..Sent::default()
        };
        assert_eq!(
            submits_form(&sent, mode, accept),
            form,
            "{origin:?} {mode:?} {accept:?}"
        );
    }
}
