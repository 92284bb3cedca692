//! What is refused, what is judged, and that nothing in between slips through.

use proptest::prelude::*;

use super::*;

/// Target and its refusal. The same tricks as in published bypasses of Tomcat, IIS, nginx, Envoy and Spring.
const REFUSED: &[(&str, TargetError)] = &[
    ("", TargetError::NotAPath),
    ("*", TargetError::NotAPath),
    ("admin", TargetError::NotAPath),
    ("?/admin", TargetError::NotAPath),
    ("http://app.example.com/", TargetError::NotAPath),
    ("HTTPS://app.example.com/x?y", TargetError::NotAPath),
    ("app.example.com:443", TargetError::NotAPath),
    ("\\admin", TargetError::NotAPath),
    (" /admin", TargetError::NotAPath),
    ("/#", TargetError::Fragment),
    ("/a#b", TargetError::Fragment),
    ("/public#/../admin", TargetError::Fragment),
    ("/a?b#c", TargetError::Fragment),
    ("/.", TargetError::DotSegment),
    ("/..", TargetError::DotSegment),
    ("/./", TargetError::DotSegment),
    ("/../admin", TargetError::DotSegment),
    ("/a/./b", TargetError::DotSegment),
    ("/a/../b", TargetError::DotSegment),
    ("/a/b/..", TargetError::DotSegment),
    ("/a/.", TargetError::DotSegment),
    ("//..//admin", TargetError::DotSegment),
    ("/.//evil.example", TargetError::DotSegment),
    ("/%2e", TargetError::DotSegment),
    ("/%2e%2e/admin", TargetError::DotSegment),
    ("/%2E%2E/admin", TargetError::DotSegment),
    ("/.%2e/admin", TargetError::DotSegment),
    ("/%2e./admin", TargetError::DotSegment),
    ("/a/%2e/b", TargetError::DotSegment),
    ("/..;/admin", TargetError::DotSegment),
    ("/..;x=y/admin", TargetError::DotSegment),
    ("/public/..;/..;/admin", TargetError::DotSegment),
    ("/.;x/admin", TargetError::DotSegment),
    ("/.;/admin", TargetError::DotSegment),
    ("/%2e%2e;/admin", TargetError::DotSegment),
    ("/..%3b/admin", TargetError::DotSegment),
    ("/..%3Bx/admin", TargetError::DotSegment),
    ("/..%3f/admin", TargetError::DotSegment),
    ("/a/..%23", TargetError::DotSegment),
    ("/public%3f/../admin", TargetError::DotSegment),
    ("/a/..%2fadmin", TargetError::DotSegment),
    ("/a%2f..%2fadmin", TargetError::DotSegment),
    ("/a%2F%2e%2e%2Fadmin", TargetError::DotSegment),
    ("/%252e%252e/admin", TargetError::DotSegment),
    ("/%252e/admin", TargetError::DotSegment),
    ("/.%252e/admin", TargetError::DotSegment),
    ("/%25252e%25252e/admin", TargetError::DotSegment),
    ("/%2525252e/admin", TargetError::DotSegment),
    ("/%25%32%65%25%32%65/admin", TargetError::DotSegment),
    ("/%%32%65/admin", TargetError::BadEscape),
    ("/a%252f..%252fadmin", TargetError::DotSegment),
    ("/..%253b/admin", TargetError::DotSegment),
    ("/a\\b", TargetError::Backslash),
    ("/\\evil.example", TargetError::Backslash),
    ("/..\\admin", TargetError::Backslash),
    ("/%5cevil.example", TargetError::Backslash),
    ("/a%5Cb", TargetError::Backslash),
    ("/..%5cadmin", TargetError::Backslash),
    ("/a%255cb", TargetError::Backslash),
    ("/a%25%35%63b", TargetError::Backslash),
    ("/a b", TargetError::Control),
    ("/a\tb", TargetError::Control),
    ("/a\r\nX: y", TargetError::Control),
    ("/a\0", TargetError::Control),
    ("/a\u{7f}", TargetError::Control),
    ("/a?b c", TargetError::Control),
    ("/a?b\nc", TargetError::Control),
    ("/%00", TargetError::Control),
    ("/admin%00.png", TargetError::Control),
    ("/%09/evil.example", TargetError::Control),
    ("/a%0d%0aX:%20y", TargetError::Control),
    ("/a%0a", TargetError::Control),
    ("/a%1f", TargetError::Control),
    ("/a%7f", TargetError::Control),
    ("/a%7F", TargetError::Control),
    ("/a%C2%85", TargetError::Control),
    ("/a%2500", TargetError::Control),
    ("/a%250d%250a", TargetError::Control),
    ("/caf\u{e9}", TargetError::NotAscii),
    ("/\u{ff0e}\u{ff0e}/admin", TargetError::NotAscii),
    ("/\u{2215}admin", TargetError::NotAscii),
    ("/%", TargetError::BadEscape),
    ("/%4", TargetError::BadEscape),
    ("/%zz", TargetError::BadEscape),
    ("/%4g", TargetError::BadEscape),
    ("/%+1", TargetError::BadEscape),
    ("/%%", TargetError::BadEscape),
    ("/a%u002e", TargetError::BadEscape),
    ("/100%/x", TargetError::BadEscape),
    ("/%c0%ae%c0%ae/admin", TargetError::NotUtf8),
    ("/%c0%afadmin", TargetError::NotUtf8),
    ("/%e0%80%af", TargetError::NotUtf8),
    ("/%f0%80%80%ae", TargetError::NotUtf8),
    ("/caf%E9", TargetError::NotUtf8),
    ("/%ff", TargetError::NotUtf8),
    ("/%ed%a0%80", TargetError::NotUtf8),
    ("/%25c0%25ae", TargetError::NotUtf8),
];

#[test]
fn what_servers_read_in_different_ways_is_refused() {
    for (raw, error) in REFUSED {
        assert_eq!(Target::parse(raw), Err(*error), "{raw:?}");
    }
}

/// Target, judged path, whether it has an encoded slash.
const JUDGED: &[(&str, &str, bool)] = &[
    ("/", "/", false),
    ("/?", "/", false),
    ("/a", "/a", false),
    ("/a/", "/a/", false),
    ("/a?b=/../\\%00%zz&c=//d?e", "/a", false),
    ("/a?n=caf\u{e9}", "/a", false),
    ("/.well-known/x", "/.well-known/x", false),
    ("/..a/...", "/..a/...", false),
    ("/a.b/.c", "/a.b/.c", false),
    ("/a:b@c!$&'()*+,=~-_", "/a:b@c!$&'()*+,=~-_", false),
    ("//", "/", false),
    ("//admin", "/admin", false),
    ("/a//b///c//", "/a/b/c/", false),
    ("/%61dmin", "/admin", false),
    ("/%41", "/A", false),
    ("/Admin", "/Admin", false),
    ("/caf%C3%A9", "/caf\u{e9}", false),
    ("/a%20b", "/a b", false),
    ("/a%3Fb", "/a?b", false),
    ("/c%23", "/c#", false),
    ("/100%25", "/100%", false),
    ("/100%25/x", "/100%/x", false),
    ("/%2541", "/%41", false),
    ("/admin;x=1", "/admin", false),
    ("/admin;", "/admin", false),
    ("/a;x/b;y;z/c", "/a/b/c", false),
    ("/a%3Bx", "/a", false),
    ("/;/admin", "/admin", false),
    ("/;x", "/", false),
    ("/;a/;b/", "/", false),
    ("/a%2Fb", "/a/b", true),
    ("/a%2fb", "/a/b", true),
    ("/%2fadmin", "/admin", true),
    ("/a%2f", "/a/", true),
    ("/job/feature%252Fx", "/job/feature%2Fx", true),
    ("/[a]^|{b}`\"<>", "/[a]^|{b}`\"<>", false),
];

#[test]
fn rules_see_the_path_decoded_once_without_parameters_and_empty_segments() {
    for (raw, judged, encoded_slash) in JUDGED {
        let target = Target::parse(raw).unwrap();
        assert_eq!(
            (target.judged(), target.has_encoded_slash()),
            (*judged, *encoded_slash),
            "{raw:?}"
        );
    }
}

#[test]
fn path_and_query_stay_as_they_came() {
    let target = Target::parse("/%61//b;c?d=%2e%2e/&e?f").unwrap();
    assert_eq!((target.raw_path, target.query), ("/%61//b;c", Some("d=%2e%2e/&e?f")));
    assert_eq!(Target::parse("/a").unwrap().query, None);
    assert_eq!(Target::parse("/a?").unwrap().query, Some(""));
}

#[test]
fn a_plain_path_is_borrowed() {
    for raw in ["/", "/a/b.c/", "/.well-known/openid-configuration?x", "/~u/a:b@c,d=e"] {
        let target = Target::parse(raw).unwrap();
        assert!(target.is_plain() && target.others.capacity() == 0, "{raw}");
    }
}

#[test]
fn deep_nesting_of_escapes_takes_no_time() {
    let harmless = format!("/%{}zz", "25".repeat(200_000));
    assert_eq!(Target::parse(&harmless).unwrap().other_readings(), ["/%zz"]);
    let nested = format!("/%{}2e/admin", "25".repeat(200_000));
    assert_eq!(Target::parse(&nested), Err(TargetError::DotSegment));
}

#[test]
fn own_endpoints_have_one_spelling() {
    let table = [
        ("/oauth2", Beneath::Yes),
        ("/oauth2/", Beneath::Yes),
        ("/oauth2/callback?code=x", Beneath::Yes),
        ("/oauth2/auth;x", Beneath::Yes),
        ("/oauth2x/start", Beneath::No),
        ("/", Beneath::No),
        ("/a/oauth2", Beneath::No),
        ("/OAuth2/start", Beneath::No),
        ("/%6fauth2/start", Beneath::Ambiguous),
        ("//oauth2/start", Beneath::Ambiguous),
        ("/oauth2;x/start", Beneath::Ambiguous),
        ("/oauth2%2fstart", Beneath::Ambiguous),
        ("/oauth2%3fx", Beneath::Ambiguous),
        ("/%256fauth2/start", Beneath::Ambiguous),
    ];
    for (raw, beneath) in table {
        assert_eq!(Target::parse(raw).unwrap().beneath("/oauth2"), beneath, "{raw}");
    }
}

#[test]
fn the_rest_below_a_route_keeps_its_bytes() {
    let table = [
        ("/app", "/app", ""),
        ("/app?q", "/app", ""),
        ("/app/", "/app", "/"),
        ("/app/x//y%20z;w?q", "/app", "/x//y%20z;w"),
        ("/app/x", "/app/", "/x"),
        ("/app//x", "/app", "//x"),
        ("/a/b/c", "/a/b", "/c"),
        ("/a/b", "/", "/a/b"),
        ("/caf%C3%A9/x", "/caf\u{e9}", "/x"),
    ];
    for (raw, route, rest) in table {
        assert_eq!(Target::parse(raw).unwrap().below(route), rest, "{raw} below {route}");
    }
}

/// Text made of the pieces that attacks are made of.
fn hostile_path() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "/", "//", ".", "..", "%2e", "%2E", "%252e", "%25", "25", "2e", "2f", "%2f", "%252f", "\\", "%5c", "%255c",
        ";", "%3b", "?", "%3f", "#", "%23", "%00", "%2500", "a", "admin", "%61", "%2561", "%C3%A9", "%c0", "%ae", " ",
        "%20", "%", "x",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..12).prop_map(|parts| format!("/{}", parts.concat()))
}

proptest! {
    #[test]
    fn what_is_accepted_is_clean(raw in prop_oneof![hostile_path(), any::<String>()]) {
        if let Ok(target) = Target::parse(&raw) {
            let whole = target.query.map_or(target.raw_path.to_owned(), |query| format!("{}?{query}", target.raw_path));
            prop_assert_eq!(&whole, &raw);
            for path in target.others.iter().map(String::as_str).chain([target.judged()]) {
                prop_assert!(path.starts_with('/') && !path.contains("//") && !path.contains(['\\', ';']));
                prop_assert!(!path.chars().any(char::is_control));
                prop_assert!(!path.split('/').any(|segment| segment == "." || segment == ".."));
            }
        }
    }

    #[test]
    fn a_browser_and_we_see_the_same_path(raw in hostile_path()) {
        if let Ok(target) = Target::parse(&raw) && !target.raw_path.starts_with("//") {
            let url = url::Url::parse("https://app.example.com/").unwrap().join(&raw).unwrap();
            prop_assert_eq!(url.path(), target.raw_path);
        }
    }
}
