//! Where a browser ends up, judged by a URL parser that works as browsers do.

use proptest::prelude::*;

use super::*;
use crate::policy::fixtures::{allowed, local, public};

mod payloads;

fn parse(rd: &str) -> Option<String> {
    ReturnTo::parse(rd, &public(), &allowed()).map(|target| target.as_str().to_owned())
}

/// The origin at which a browser at `public_url` ends up.
fn lands_on(location: &str) -> String {
    let base = Url::parse("https://app.example.com/oauth2/callback?code=x").unwrap();
    base.join(location).unwrap().origin().ascii_serialization()
}

fn is_fit_for_a_header(location: &str) -> bool {
    location.len() <= ReturnTo::LONGEST && location.bytes().all(|byte| byte.is_ascii_graphic())
}

#[test]
fn hundreds_of_payloads_lead_nowhere() {
    assert!(payloads::PAYLOADS.len() > 400);
    for rd in payloads::PAYLOADS {
        assert_eq!(parse(rd), None, "{rd:?}");
    }
}

#[test]
fn payloads_behind_our_own_path_stay_here() {
    for payload in payloads::PAYLOADS {
        for front in ["/", "/a", "/a/", "/?", "/a?next=", "/#", "/a#", "/@", "/;", "/~"] {
            if let Some(location) = parse(&format!("{front}{payload}")) {
                assert_eq!(lands_on(&location), "https://app.example.com", "{location:?}");
                assert!(is_fit_for_a_header(&location), "{location:?}");
            }
        }
    }
}

#[test]
fn payloads_behind_an_allowed_origin_stay_there() {
    let fronts = [
        "https://app.example.com",
        "https://other.example.com",
        "https://a.apps.example.com",
        "http://dev.example.com:8080",
    ];
    for payload in payloads::PAYLOADS {
        for front in fronts {
            for middle in ["", "/", "?", "#", "/a?"] {
                if let Some(location) = parse(&format!("{front}{middle}{payload}")) {
                    let origin = lands_on(&location);
                    assert!(
                        fronts.contains(&&*origin) || origin.ends_with(".apps.example.com"),
                        "{location:?}"
                    );
                    assert!(is_fit_for_a_header(&location), "{location:?}");
                }
            }
        }
    }
}

#[test]
fn a_path_is_kept_byte_for_byte() {
    let kept = [
        "/",
        "/?",
        "/#",
        "/a",
        "/a/",
        "/a/b.c?d=e&f=g%20h+i",
        "/a?next=https://evil.example/%0d%0a//..\\x",
        "/a?b#c/../d//e",
        "/a#/inbox?x=1",
        "/a//b",
        "/web/2020/https://example.org/x",
        "/a;b=c/d",
        "/@me",
        "/~jo/:x",
        "/...",
        "/..a/b..",
        "/.well-known/x",
        "/caf%C3%A9",
        "/a%20b",
        "/wiki/Who%3F",
        "/c%23",
        "/100%25",
        "/group%2Fproject/tree",
        "/job/feature%252Fx",
        "/[x]|{y}^",
        "/a?q=\"<x>'`",
    ];
    for rd in kept {
        assert_eq!(parse(rd).as_deref(), Some(rd));
        assert_eq!(lands_on(rd), "https://app.example.com");
    }
}

#[test]
fn a_target_that_was_not_escaped_is_escaped() {
    let table = [
        ("/caf\u{e9}?n=\u{4e16}", "/caf%C3%A9?n=%E4%B8%96"),
        ("/my files/x?q=a b#c d", "/my%20files/x?q=a%20b#c%20d"),
        ("/ /evil.example", "/%20/evil.example"),
        ("/a ", "/a%20"),
        ("/\u{2215}evil.example", "/%E2%88%95evil.example"),
        ("/\u{ff0f}evil.example", "/%EF%BC%8Fevil.example"),
        ("/\u{feff}/evil.example", "/%EF%BB%BF/evil.example"),
    ];
    for (rd, location) in table {
        assert_eq!(parse(rd).as_deref(), Some(location));
        assert_eq!(lands_on(location), "https://app.example.com");
    }
}

#[test]
fn absolute_urls_of_allowed_origins_come_out_as_they_were_understood() {
    let table = [
        ("https://app.example.com", "https://app.example.com/"),
        ("https://app.example.com:443/a?b#c", "https://app.example.com/a?b#c"),
        ("HTTPS://APP.EXAMPLE.COM/A", "https://app.example.com/A"),
        (
            "https://app.example.com//evil.example",
            "https://app.example.com//evil.example",
        ),
        (
            "https://app.example.com?@evil.example",
            "https://app.example.com/?@evil.example",
        ),
        (
            "https://app.example.com#@evil.example",
            "https://app.example.com/#@evil.example",
        ),
        (
            "https://app.example.com/@evil.example",
            "https://app.example.com/@evil.example",
        ),
        (
            "https://app.example.com/\\evil.example",
            "https://app.example.com//evil.example",
        ),
        (
            "https://app.example.com/.//evil.example",
            "https://app.example.com//evil.example",
        ),
        ("https://other.example.com/x?y=z", "https://other.example.com/x?y=z"),
        (
            "https://a.apps.example.com/caf\u{e9}",
            "https://a.apps.example.com/caf%C3%A9",
        ),
        ("https://a.b.apps.example.com", "https://a.b.apps.example.com/"),
        ("http://dev.example.com:8080/x y", "http://dev.example.com:8080/x%20y"),
    ];
    for (rd, location) in table {
        assert_eq!(parse(rd).as_deref(), Some(location));
    }
    assert!(ReturnTo::parse("http://localhost:4180/x", &local(), &[]).is_some());
    assert!(ReturnTo::parse("http://localhost/x", &local(), &[]).is_none());
    assert!(ReturnTo::parse("https://other.example.com/", &local(), &[]).is_none());
}

#[test]
fn the_page_that_was_asked_for_is_kept_or_made_safe() {
    let table = [
        ("/", "/"),
        ("/a?b=c%2F&d=/../\\%00", "/a?b=c%2F&d=/../\\%00"),
        ("/a?", "/a?"),
        ("/a//b;c", "/a//b;c"),
        ("/%61dmin", "/%61dmin"),
        ("/a?n=caf\u{e9}", "/a?n=caf%C3%A9"),
        ("/group%2Fproject", "/group%2Fproject"),
        ("//", "/"),
        ("//evil.example", "/evil.example"),
        ("////evil.example/x?y", "/evil.example/x?y"),
        ("//evil.example@app.example.com", "/evil.example@app.example.com"),
        ("//?//evil.example", "/?//evil.example"),
        ("/%2fevil.example", "/"),
        ("//%2fevil.example", "/"),
        ("/%252fevil.example", "/"),
    ];
    for (raw, location) in table {
        let target = ReturnTo::of_request(&Target::parse(raw).unwrap());
        assert_eq!(target.as_str(), location, "{raw}");
    }
}

#[test]
fn what_is_too_long_becomes_the_front_page() {
    let longest = format!("/a?{}", "x".repeat(ReturnTo::LONGEST - 3));
    let longer = format!("{longest}x");
    let accented = format!("/a?{}", "\u{e9}".repeat(1000));
    assert_eq!(
        ReturnTo::of_request(&Target::parse(&longest).unwrap()).as_str(),
        longest
    );
    assert_eq!(parse(&longest), Some(longest));
    assert_eq!(ReturnTo::of_request(&Target::parse(&longer).unwrap()), ReturnTo::root());
    assert_eq!((parse(&longer), parse(&accented)), (None, None));
    assert_eq!(parse(&format!("https://app.example.com/?{accented}")), None);
}

#[test]
fn targets_at_our_own_endpoints_are_known() {
    let table = [
        ("/oauth2/start?rd=/", true),
        ("/oauth2", true),
        ("/oauth2#x", true),
        ("/%6fauth2/sign_out", true),
        ("/oauth2;x/sign_out", true),
        ("https://app.example.com/oauth2/start", true),
        ("https://app.example.com//oauth2/start", true),
        ("https://other.example.com/oauth2/start", false),
        ("/oauth2x", false),
        ("/?x=/oauth2/start", false),
        ("/", false),
    ];
    for (rd, own) in table {
        let target = ReturnTo::parse(rd, &public(), &allowed()).unwrap();
        assert_eq!(target.is_beneath("/oauth2", &public()), own, "{rd}");
    }
}

/// Text made of the pieces that attacks are made of.
fn hostile() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "/",
        "//",
        "\\",
        "/\\",
        "http://",
        "https://",
        "HTTPS:",
        ":",
        "@",
        "?",
        "#",
        ";",
        ".",
        "..",
        "%2e",
        "%2f",
        "%252f",
        "%5c",
        "%09",
        "%00",
        "%",
        "\t",
        "\n",
        "\r",
        " ",
        "\0",
        "app.example.com",
        "other.example.com",
        "apps.example.com",
        "a.",
        "x",
        "dev.example.com:8080",
        ":443",
        ":8080",
        "evil.example",
        "javascript:",
        "\u{e9}",
        "\u{3002}",
        "\u{ff0f}",
        "[::1]",
        "&",
        "=",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..9).prop_map(|parts| parts.concat())
}

fn any_rd() -> impl Strategy<Value = String> {
    prop_oneof![
        hostile(),
        hostile().prop_map(|text| format!("/{text}")),
        hostile().prop_map(|text| format!("https://{text}")),
        hostile().prop_map(|text| format!("https://app.example.com{text}")),
        "\\PC*",
        any::<String>(),
    ]
}

fn is_allowed(location: &str) -> bool {
    let origin = lands_on(location);
    let origin = Origin::parse(&origin).unwrap();
    origin.is_public(&public()) || allowed().iter().any(|pattern| origin.matches(pattern))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_browser_always_lands_on_an_allowed_origin(rd in any_rd()) {
        if let Some(location) = parse(&rd) {
            prop_assert!(is_allowed(&location), "{}", location);
            prop_assert!(is_fit_for_a_header(&location), "{}", location);
            prop_assert_eq!(parse(&location), Some(location.clone()), "parsing again changes nothing");
        }
    }

    #[test]
    fn a_requested_page_is_always_on_our_own_origin(rd in any_rd()) {
        if let Ok(target) = Target::parse(&rd) {
            let location = ReturnTo::of_request(&target).as_str().to_owned();
            prop_assert_eq!(lands_on(&location), "https://app.example.com");
            prop_assert!(is_fit_for_a_header(&location), "{}", location);
            prop_assert_eq!(parse(&location), Some(location.clone()));
        }
    }
}
