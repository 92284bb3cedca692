//! Longest path, host, method; and no way round a rule.

use proptest::prelude::*;

use super::*;
use crate::policy::fixtures::route;

fn router(lines: &[&str]) -> Router {
    Router::new(&lines.iter().map(|line| route(line)).collect::<Vec<_>>())
}

fn find(router: &Router, method: &str, host: &str, raw: &str) -> Found {
    router.find(
        &Target::parse(raw).unwrap(),
        host,
        &Method::from_bytes(method.as_bytes()).unwrap(),
    )
}

fn not_allowed(allow: &'static str) -> Found {
    Found::MethodNotAllowed(HeaderValue::from_static(allow))
}

#[test]
fn the_longest_path_wins_by_whole_segments() {
    let mut routes = ["/", "/admin", "/admin/users", "/app/", "/caf\u{e9}", "/my-files"].map(route);
    routes[5].path = "/my files".to_owned();
    let router = Router::new(&routes);
    let table = [
        ("/", 0),
        ("/adminx", 0),
        ("/Admin", 0),
        ("/x/admin", 0),
        ("/admin", 1),
        ("/admin?x=/", 1),
        ("/admin/", 1),
        ("/admin/x", 1),
        ("/admin/usersx", 1),
        ("/admin/users", 2),
        ("/admin/users/7/", 2),
        ("/app", 3),
        ("/app/", 3),
        ("/app/x", 3),
        ("/application", 0),
        ("/caf%C3%A9", 4),
        ("/caf%c3%a9/x", 4),
        ("/my%20files/x", 5),
        ("/admin/a;b/c%20d//e", 1),
        ("/x;y//z%41", 0),
    ];
    for (raw, index) in table {
        assert_eq!(
            find(&router, "GET", "app.example.com", raw),
            Found::Route(index),
            "{raw}"
        );
    }
}

#[test]
fn no_spelling_slips_past_a_rule() {
    let router = router(&["/", "/admin", "/public", "/public/secret"]);
    let spellings = [
        "/%61dmin",
        "/%61%64%6d%69%6e",
        "//admin",
        "///admin/",
        "/admin;x",
        "/admin;",
        "/admin;x/y",
        "/;/admin",
        "/;x=y/admin",
        "/admin%3bx",
        "/%2fadmin",
        "/admin%2f",
        "/admin%2fx",
        "/admin%3f",
        "/admin%3fx/y",
        "/admin%23",
        "/admi%6E/x",
        "/%2561dmin",
        "/%252561dmin",
        "/%252fadmin",
        "/admin%252f",
        "/admin%253f",
        "/admin%253bx",
        "/public//secret",
        "/public/;/secret",
        "/public/%73ecret",
        "/public%2fsecret",
        "/public/secret;x",
        "/public;x/secret",
        "/public;x/y",
        "/a;b%3fc/../admin",
    ];
    for raw in spellings {
        match Target::parse(raw) {
            Ok(target) => assert_eq!(router.find(&target, "h", &Method::GET), Found::Ambiguous, "{raw}"),
            Err(error) => assert_eq!(error, crate::policy::TargetError::DotSegment, "{raw}"),
        }
    }
}

#[test]
fn a_reading_of_another_kind_of_server_counts_too() {
    let router = router(&["/", "/a/d"]);
    for raw in ["/a;b%3fc/d", "/a/%64", "/a/d%3f", "/a%252fd", "/a;%252fd", "/a/%2564"] {
        assert_eq!(find(&router, "GET", "h", raw), Found::Ambiguous, "{raw}");
    }
}

#[test]
fn without_a_rule_around_it_the_same_spelling_passes() {
    let router = router(&["/"]);
    for raw in [
        "/%61dmin",
        "//admin",
        "/admin;x",
        "/admin%3fx",
        "/%2561dmin",
        "/wiki/Who%3F",
        "/tags/c%23",
    ] {
        assert_eq!(find(&router, "GET", "h", raw), Found::Route(0), "{raw}");
    }
}

#[test]
fn a_path_without_a_route_is_not_found() {
    let router = router(&["/app"]);
    for raw in ["/", "/appx", "/other", "/x/app", "/a%70", "/x//y;z"] {
        assert_eq!(find(&router, "GET", "h", raw), Found::NoRoute, "{raw}");
    }
    assert_eq!(find(&router, "GET", "h", "/a%70p"), Found::Ambiguous);
    assert_eq!(find(&Router::new(&[]), "GET", "h", "/"), Found::NoRoute);
}

#[test]
fn a_route_that_names_the_host_comes_first() {
    let router = router(&[
        "/ *",
        "/ a.example",
        "/api b.example,c.example:8443",
        "/api *",
        "/only d.example",
    ]);
    let table = [
        ("x.example", "/", Found::Route(0)),
        ("a.example", "/", Found::Route(1)),
        ("A.Example:8080", "/", Found::Route(1)),
        ("aa.example", "/", Found::Route(0)),
        ("b.example", "/api", Found::Route(2)),
        ("c.example:8443", "/api", Found::Route(2)),
        ("c.example", "/api", Found::Route(3)),
        ("c.example:8444", "/api", Found::Route(3)),
        ("a.example", "/api", Found::Route(3)),
        ("d.example", "/only/x", Found::Route(4)),
        // Routes of other hosts do not exist here: the shorter path counts.
        ("a.example", "/only/x", Found::Route(1)),
        ("x.example", "/only/x", Found::Route(0)),
        // Not a host: only routes for any.
        ("a.example/", "/", Found::Route(0)),
        ("", "/", Found::Route(0)),
    ];
    for (host, raw, found) in table {
        assert_eq!(find(&router, "GET", host, raw), found, "{host}{raw}");
    }
}

#[test]
fn routes_for_other_hosts_only_are_no_route() {
    let router = router(&["/ a.example", "/api b.example", "/api c.example"]);
    assert_eq!(find(&router, "GET", "x.example", "/"), Found::NoRoute);
    assert_eq!(find(&router, "GET", "x.example", "/api"), Found::NoRoute);
    assert_eq!(find(&router, "POST", "a.example", "/api"), Found::Route(0));
    // Where /api is nobody's rule, its odd spellings are harmless.
    assert_eq!(find(&router, "GET", "a.example", "/%61pi"), Found::Route(0));
    assert_eq!(find(&router, "GET", "b.example", "/%61pi"), Found::Ambiguous);
}

#[test]
fn methods_choose_among_the_routes_of_one_path() {
    let router = router(&[
        "/",
        "/read * GET",
        "/both * POST,PUT",
        "/both * GET",
        "/some * GET",
        "/some *",
        "/head * GET",
        "/head * HEAD",
        "/host a.example GET",
        "/host * POST",
    ]);
    let table = [
        ("GET", "/read", Found::Route(1)),
        ("HEAD", "/read", Found::Route(1)),
        ("POST", "/read", not_allowed("GET, HEAD")),
        ("get", "/read", not_allowed("GET, HEAD")),
        ("OPTIONS", "/read/x", not_allowed("GET, HEAD")),
        ("PUT", "/both", Found::Route(2)),
        ("HEAD", "/both", Found::Route(3)),
        ("DELETE", "/both", not_allowed("POST, PUT, GET, HEAD")),
        ("GET", "/some", Found::Route(4)),
        ("HEAD", "/some", Found::Route(4)),
        ("POST", "/some", Found::Route(5)),
        ("PURGE", "/some", Found::Route(5)),
        ("GET", "/head", Found::Route(6)),
        ("HEAD", "/head", Found::Route(7)),
        ("PUT", "/head", not_allowed("GET, HEAD")),
        ("POST", "/host", not_allowed("GET, HEAD")),
        ("PURGE", "/", Found::Route(0)),
    ];
    for (method, raw, found) in table {
        assert_eq!(find(&router, method, "a.example", raw), found, "{method} {raw}");
    }
    assert_eq!(find(&router, "POST", "b.example", "/host"), Found::Route(9));
}

#[test]
fn an_encoded_slash_needs_its_route() {
    let mut routes = [route("/"), route("/git"), route("/git/raw"), route("/get * GET")];
    routes[1].encoded_slash = true;
    let router = Router::new(&routes);
    let table = [
        ("/a%2Fb", Found::EncodedSlash),
        ("/a%252Fb", Found::EncodedSlash),
        ("/git/a%2Fb", Found::Route(1)),
        ("/git/a%252Fb", Found::Route(1)),
        ("/git/raw/a%2Fb", Found::EncodedSlash),
        ("/git%2Fa", Found::Ambiguous),
        ("/git/a%2F/raw", Found::Route(1)),
        ("/git/%2Fraw", Found::Ambiguous),
        ("/git%2Fraw", Found::Ambiguous),
        ("/git?a%2Fb", Found::Route(1)),
    ];
    for (raw, found) in table {
        assert_eq!(find(&router, "GET", "h", raw), found, "{raw}");
    }
}

#[test]
fn of_two_routes_that_say_the_same_the_first_counts() {
    let router = router(&["/a", "/a/", "/b * GET", "/b * GET,POST", "/c h.example", "/c h.example"]);
    assert_eq!(find(&router, "GET", "h.example", "/a/x"), Found::Route(0));
    assert_eq!(find(&router, "GET", "h.example", "/b"), Found::Route(2));
    assert_eq!(find(&router, "POST", "h.example", "/b"), Found::Route(3));
    assert_eq!(find(&router, "GET", "h.example", "/c"), Found::Route(4));
}

#[test]
fn hundreds_of_routes_find_their_own() {
    let lines: Vec<_> = (0..900).map(|n| format!("/t{n}/api h{}.example", n % 7)).collect();
    let router = Router::new(&lines.iter().map(|line| route(line)).collect::<Vec<_>>());
    for n in 0..900 {
        let found = find(&router, "GET", &format!("h{}.example", n % 7), &format!("/t{n}/api/x"));
        assert_eq!(found, Found::Route(n));
    }
}

/// What the plain rule would say: the longest route path that the path starts with, whole segments.
fn expected(paths: &[&str], path: &str) -> Option<usize> {
    let under = |prefix: &str| {
        let prefix = prefix.trim_end_matches('/');
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    (0..paths.len())
        .filter(|index| under(paths[*index]))
        .max_by_key(|index| paths[*index].len())
}

fn hostile_path() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "/", "/", "//", "a", "b", "/a", "/a/b", "/b", "%61", "%62", "%2561", ";", ";x", "%3b", "%2f", "%252f", "%3f",
        "%23", "x", "%20", "%25", "%C3%A9",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..9).prop_map(|parts| format!("/{}", parts.concat()))
}

proptest! {
    #[test]
    fn judged_and_raw_agree_or_the_target_is_ambiguous(raw in hostile_path(), with_root in any::<bool>()) {
        let paths = if with_root { vec!["/a", "/a/b", "/b/a", "/b", "/"] } else { vec!["/a", "/a/b", "/b/a"] };
        let mut routes: Vec<_> = paths.iter().map(|path| route(path)).collect();
        routes.iter_mut().for_each(|route| route.encoded_slash = true);
        let router = Router::new(&routes);
        if let Ok(target) = Target::parse(&raw) {
            let judged = expected(&paths, target.judged());
            match router.find(&target, "h", &Method::GET) {
                Found::Route(index) => {
                    prop_assert_eq!(judged, Some(index));
                    prop_assert_eq!(expected(&paths, target.raw_path), Some(index));
                    // What a server sees that decodes as long as it can, and one that then looks for a query.
                    for other in target.other_readings() {
                        prop_assert_eq!(expected(&paths, other), Some(index));
                    }
                    prop_assert!(target.below(paths[index]).is_empty() || target.below(paths[index]).starts_with('/'));
                    prop_assert!(target.raw_path.ends_with(target.below(paths[index])));
                }
                Found::NoRoute => prop_assert_eq!((judged, expected(&paths, target.raw_path)), (None, None)),
                Found::Ambiguous => {
                    let others: Vec<_> = target.other_readings().iter().map(|other| expected(&paths, other)).collect();
                    prop_assert!(expected(&paths, target.raw_path) != judged || others.iter().any(|other| *other != judged));
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
