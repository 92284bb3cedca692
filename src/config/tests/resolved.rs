//! What a good configuration becomes.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use toml::{Table, Value};

use super::{KEY_A, KEY_B, LEAST, Place};
use crate::config::session::EXAMPLE_KEY;
use crate::config::{
    Authorization, Config, HostHeader, Listen, OriginPattern, Template, TemplatePart, Unauthenticated, UpstreamServer,
};

const REFERENCE: &str = include_str!("../../../config/sidegate.toml");

/// The reference file with its secrets in this place.
fn reference(place: &Place) -> String {
    REFERENCE.replace("/run/secrets/", &format!("{}/", place.path().display()))
}

#[test]
fn the_reference_file_says_the_defaults() {
    let place = Place::new();
    let least = LEAST
        .replace("http://localhost:4180", "https://app.example.com")
        .replace(
            "\"http://127.0.0.1:8080\"",
            "\"app\"\n[upstreams.app]\nservers = [\"http://127.0.0.1:8080\"]",
        );
    let least = place.read(&least, &[]).unwrap();
    let reference = place.read(&reference(&place), &[]).unwrap();
    assert_eq!(format!("{reference:#?}"), format!("{least:#?}"));
}

#[test]
fn the_reference_file_has_every_key_and_no_other() {
    // Lines that are commented out count: "#key = value", while prose has a blank after "#".
    let uncommented: String = REFERENCE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(code) if code.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => format!("{code}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let mut shown = BTreeSet::new();
    shapes("", &Value::Table(uncommented.parse::<Table>().unwrap()), &mut shown);
    let (_, known) = Config::read(&uncommented, Place::new().path(), std::iter::empty());
    let own_names = ["identity_headers.", "providers.*.claims."];
    shown.retain(|shape| !own_names.iter().any(|table| shape.starts_with(table)));
    assert_eq!(shown, known);
}

/// Every key with `*` for the operator's names and `[]` for places in lists.
fn shapes(shape: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Table(table) if !table.contains_key("file") => {
            for (key, value) in table {
                let key = if matches!(shape, "providers" | "upstreams") {
                    "*"
                } else {
                    key
                };
                let inner = if shape.is_empty() {
                    key.to_owned()
                } else {
                    format!("{shape}.{key}")
                };
                if key != "*" {
                    found.insert(inner.clone());
                }
                shapes(&inner, value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| {
            if value.is_table() {
                shapes(&format!("{shape}[]"), value, found);
            }
        }),
        _ => {}
    }
}

#[test]
fn the_documented_example_key_is_the_one_that_is_refused() {
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(EXAMPLE_KEY);
    assert!(REFERENCE.contains(&format!("\"{text}\"")));
}

#[test]
fn the_least_that_works_gets_the_defaults_of_the_contract() {
    let config = Place::new().read(LEAST, &[]).unwrap();
    assert_eq!(config.server.listen, [Listen::Tcp("127.0.0.1:4180".parse().unwrap())]);
    assert_eq!(config.server.public_url.origin, "http://localhost:4180");
    assert_eq!(
        (config.server.public_url.https, config.server.public_url.port),
        (false, 4180)
    );
    assert_eq!(config.admin, Some("127.0.0.1:4181".parse().unwrap()));
    assert_eq!(config.providers[0].display_name, "main");
    assert_eq!(config.providers[0].client_secret.as_ref().unwrap().reveal(), "s3cr3t");
    assert_eq!(config.session.keys[0].0.as_slice(), (0..32).collect::<Vec<u8>>());
    assert_eq!(config.session.lifetime, Duration::from_secs(43_200));
    assert_eq!(config.upstreams[0].name, "http://127.0.0.1:8080");
    assert_eq!(config.routes[0].upstream, Some(0));
    assert_eq!(config.routes[0].providers, [0]);
    let headers: Vec<String> = config
        .identity_headers
        .iter()
        .map(|(h, claim)| format!("{h}={claim}"))
        .collect();
    let expected = [
        "x-forwarded-email=email",
        "x-forwarded-groups=groups",
        "x-forwarded-preferred-username=name",
        "x-forwarded-user=user",
    ];
    assert_eq!(headers, expected);
    let names: Vec<_> = config
        .files
        .iter()
        .filter_map(|path| path.file_name()?.to_str())
        .collect();
    assert_eq!(names, ["client-secret", "session-key"]);
}

#[test]
fn keys_are_read_with_padding_and_in_the_standard_alphabet() {
    let config = Place::new().with(&format!(
        "session.keys = [\"{KEY_A}\", \"{KEY_B}=\", \"+/+/{}\"]",
        "A".repeat(39)
    ));
    assert_eq!(config.unwrap().session.keys.len(), 3);
}

#[test]
fn claims_given_in_part_keep_the_other_defaults_and_routes_add_theirs() {
    let config = Place::new()
        .with(
            r#"
            providers.main.claims = { groups = "realm_access.roles", tenant = "https://example.com/tenant" }
            routes = [{ path = "/", upstream = "unix:/run/app.sock", allow.claims = { "org.id" = "7", tenant = "a" },
                request_headers = { X-Department = "d={claim.department};{claim.tenant}" } }]"#,
        )
        .unwrap();
    let claims: Vec<String> = config.providers[0]
        .claims
        .iter()
        .map(|(name, path)| format!("{name}: {}", path.join(" > ")))
        .collect();
    let expected = [
        "user: sub",
        "email: email",
        "groups: realm_access > roles",
        "name: preferred_username",
        "tenant: https://example.com/tenant",
        "department: department",
        "org.id: org > id",
    ];
    assert_eq!(claims, expected);
    let claim = |name: &str| TemplatePart::Claim(name.into());
    let text = |text: &str| TemplatePart::Text(text.into());
    let template = Template(vec![text("d="), claim("department"), text(";"), claim("tenant")]);
    assert_eq!(
        config.routes[0].request_headers,
        [("x-department".parse().unwrap(), template)]
    );
}

const ROUTES: &str = r#"
[upstreams.app]
servers = ["https://app.internal", "http://[::1]:81", "unix:/run/app.sock"]
[upstreams.unused]
servers = ["http://127.0.0.1:1"]
[providers.second]
issuer = "http://127.0.0.1:9000/realms/a"
client_id = "b"
[[routes]]
path = "/api"
upstream = "app"
providers = ["second"]
strip_path = true
host_header = "app.internal:8443"
unauthenticated = "401"
authorization = "basic"
basic_password = "hunter2"
max_body = "10MiB"
stash_post = "0"
hosts = ["API.example.com"]
[[routes]]
path = "/"
access = "deny"
"#;

#[test]
fn routes_resolve_what_they_name() {
    let config = Place::new().with(ROUTES).unwrap();
    assert_eq!(config.upstreams.len(), 1);
    let tcp = |tls, host: &str, port| UpstreamServer::Tcp {
        tls,
        host: host.into(),
        port,
    };
    let servers = [
        tcp(true, "app.internal", 443),
        tcp(false, "::1", 81),
        UpstreamServer::Unix("/run/app.sock".into()),
    ];
    assert_eq!(config.upstreams[0].servers, servers);
    let [api, rest] = config.routes.as_slice() else {
        panic!()
    };
    assert_eq!(
        (api.providers.as_slice(), rest.providers.as_slice()),
        ([1].as_slice(), [0, 1].as_slice())
    );
    assert_eq!(api.rewrite.as_deref(), Some("/"));
    assert_eq!(
        api.host_header,
        HostHeader::Literal("app.internal:8443".parse().unwrap())
    );
    assert_eq!(api.unauthenticated, Unauthenticated::Status401);
    assert!(matches!(&api.authorization, Authorization::Basic(password) if password.reveal() == "hunter2"));
    assert_eq!((api.max_body, rest.max_body), (Some(10 << 20), None));
    assert_eq!((api.stash_post, rest.stash_post), (0, 64 << 10));
    assert_eq!(api.hosts, ["api.example.com"]);
    assert_eq!(rest.upstream, None);
}

#[test]
fn server_lists_resolve() {
    let config = Place::new()
        .with(
            r#"
            server.listen = ["[::1]:0", "unix:run/gate.sock", "localhost:4180"]
            server.trusted_proxies = ["10.0.0.0/8", "192.0.2.1", "unix"]
            server.hosts = ["*", "Other.example.com:8443"]
            server.tls = { certificate = "tls.crt", key = "tls.key" }
            admin.listen = ""
            redirects.allowed = ["https://*.example.com", "http://localhost:3000"]"#,
        )
        .unwrap();
    assert!(
        matches!(&config.server.listen[1], Listen::Unix(path) if path.ends_with("run/gate.sock") && path.is_absolute())
    );
    assert!(matches!(&config.server.listen[2], Listen::Tcp(address) if address.ip().is_loopback()));
    assert_eq!(
        format!("{:?}", config.server.trusted_proxies),
        "[10.0.0.0/8, 192.0.2.1/32]"
    );
    assert!(config.server.trust_unix && config.server.any_host);
    assert_eq!(config.server.hosts, ["other.example.com:8443"]);
    assert_eq!(config.admin, None);
    let pattern = |https, host: &str, subdomains, port| OriginPattern {
        https,
        host: host.into(),
        subdomains,
        port,
    };
    let expected = [
        pattern(true, "example.com", true, 443),
        pattern(false, "localhost", false, 3000),
    ];
    assert_eq!(config.allowed_redirects, expected);
}
