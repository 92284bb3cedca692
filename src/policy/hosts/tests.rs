//! Which Host values are valid, and which are ours.

use super::*;
use crate::policy::fixtures::{local, public};

fn hosts(public: &PublicUrl, named: &[&str], any: bool) -> Hosts {
    let named: Vec<_> = named.iter().map(|&host| host.to_owned()).collect();
    Hosts::of(public, named.iter(), any)
}

const INVALID: &[&str] = &[
    "",
    " ",
    ".",
    ":",
    ":443",
    "a@app.example.com",
    "app.example.com@",
    "user:pass@app.example.com",
    "app.example.com ",
    " app.example.com",
    "app.example.com\t",
    "app example.com",
    "app.example.com/",
    "app.example.com/evil?x",
    "app.example.com?x",
    "app.example.com#x",
    "app.example.com\\x",
    "https://app.example.com",
    "app.example.com, evil.example",
    "app.example.com,evil.example",
    "app..example.com",
    ".app.example.com",
    "app.example.com..",
    "app.example.com:",
    "app.example.com:x",
    "app.example.com:+443",
    "app.example.com:-1",
    "app.example.com:65536",
    "app.example.com:000443",
    "app.example.com:443:443",
    "app.example.com:443 ",
    "app%2eexample.com",
    "*",
    "*.example.com",
    "b\u{fc}cher.example",
    "app.example.com\0",
    "app.example.com\r\nX: y",
    "::1",
    "[::1",
    "::1]",
    "[]",
    "[::1]x",
    "[::1]:",
    "[::1]:x",
    "[::1%25eth0]",
    "[127.0.0.1]",
    "[v1.x]",
    "a'b.example",
    "<script>",
];

#[test]
fn what_is_not_a_host_is_invalid_even_where_any_host_is_ours() {
    let hosts = hosts(&public(), &[], true);
    for host in INVALID {
        assert_eq!(hosts.standing(host), HostStanding::Invalid, "{host:?}");
    }
    assert_eq!(hosts.standing(&"a".repeat(300)), HostStanding::Invalid);
}

#[test]
fn any_valid_host_is_ours_with_a_star() {
    let hosts = hosts(&public(), &[], true);
    for host in [
        "x",
        "evil.example:1",
        "127.0.0.1",
        "[::1]:80",
        "a_b.example",
        "xn--bcher-kva.example",
        "evil.example.",
    ] {
        assert!(hosts.accepts(host), "{host}");
    }
}

#[test]
fn public_url_is_ours_with_and_without_its_default_port() {
    let hosts = hosts(&public(), &[], false);
    for host in ["app.example.com", "APP.Example.COM", "app.example.com:443"] {
        assert_eq!(hosts.standing(host), HostStanding::Ours, "{host}");
    }
    let foreign = [
        "app.example.com:80",
        "app.example.com:8443",
        "app.example.com.",
        "example.com",
        "evil.example",
        "app.example.com.evil.example",
        "xapp.example.com",
        "127.0.0.1",
        "[::1]",
    ];
    for host in foreign {
        assert_eq!(hosts.standing(host), HostStanding::Foreign, "{host}");
    }
}

#[test]
fn a_port_that_is_not_the_default_must_be_named() {
    let hosts = hosts(&local(), &[], false);
    assert!(hosts.accepts("localhost:4180") && hosts.accepts("LOCALHOST:4180"));
    assert!(!hosts.accepts("localhost") && !hosts.accepts("localhost:80") && !hosts.accepts("127.0.0.1:4180"));
}

#[test]
fn configured_hosts_are_ours() {
    let hosts = hosts(
        &public(),
        &[
            "b.example",
            "c.example:8443",
            "d.example:443",
            "[::1]:9000",
            "10.0.0.1",
            "c.example:1",
        ],
        false,
    );
    let table = [
        ("b.example", true),
        ("B.EXAMPLE:1234", true),
        ("c.example:8443", true),
        ("c.example:1", true),
        ("c.example", false),
        ("c.example:443", false),
        ("d.example", true),
        ("d.example:443", true),
        ("d.example:80", false),
        ("[::1]:9000", true),
        ("[::1]", false),
        ("10.0.0.1:80", true),
        ("10.0.0.10", false),
        ("app.example.com", true),
        ("e.example", false),
    ];
    for (host, ours) in table {
        assert_eq!(hosts.accepts(host), ours, "{host}");
    }
}
