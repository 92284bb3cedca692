//! Every mistake and the exact words for it.

use super::{KEY_A, KEY_B, Place};

/// Lays each change over the least that works and compares the problems, word for word.
fn refuses(cases: &[(&str, &[&str])]) {
    let place = Place::new();
    for (change, expected) in cases {
        let change = change.replace("KEY_A", KEY_A).replace("KEY_B", KEY_B);
        assert_eq!(place.problems(place.with(&change)), expected.join("\n"), "{change}");
    }
}

/// A route with these further keys.
fn refuses_in_a_route(cases: &[(&str, &str)]) {
    let place = Place::new();
    for (keys, expected) in cases {
        let change = format!("[[routes]]\npath = \"/a\"\nupstream = \"http://127.0.0.1:8080\"\n{keys}");
        let change = change.replacen(
            "path = \"/a\"\n",
            if keys.starts_with("path =") {
                ""
            } else {
                "path = \"/a\"\n"
            },
            1,
        );
        assert_eq!(place.problems(place.with(&change)), *expected, "{keys}");
    }
}

#[test]
fn an_empty_file_names_everything_that_is_missing() {
    let place = Place::new();
    let expected = "\
server.public_url: is missing; write the address that browsers use, \"https://app.example.com\"
providers: is missing; write [providers.main] with issuer and client_id
session.keys: is missing; write [{ file = \"session-key\" }] and make the file with `sidegate keygen`
routes: is missing; write [[routes]] with path = \"/\" and upstream = \"http://127.0.0.1:8080\"";
    assert_eq!(place.problems(place.read("", &[])), expected);
}

#[test]
fn what_is_not_toml_is_named_by_its_place() {
    let place = Place::new();
    let expected = "line 2, column 8: is not TOML, string values must be quoted, expected literal string; \
                    write it as https://toml.io says";
    assert_eq!(place.problems(place.read("[log]\nlevel =hello\n", &[])), expected);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let place = Place::new();
    let result = crate::config::Config::load(&place.path().join("absent.toml"), std::iter::empty());
    assert_eq!(
        place.problems(result),
        "absent.toml: absent.toml does not exist; create it or name another"
    );
}

#[test]
fn unknown_keys_name_the_nearest() {
    refuses(&[
        (
            "server.publc_url = 1",
            &["server.publc_url: unknown key; write \"public_url\""],
        ),
        (
            "server.zzz = 1",
            &["server.zzz: unknown key; remove it, the nearest known is \"limits\""],
        ),
        ("sesion.keys = []", &["sesion: unknown key; write \"session\""]),
        (
            "server.h2c = true",
            &["server.h2c: this version does not have it yet; remove it"],
        ),
        (
            "session.redis.url = \"redis://x\"",
            &["session.redis: this version does not have it yet; remove it"],
        ),
        (
            "server.limits.request_bdy = \"1KiB\"",
            &["server.limits.request_bdy: unknown key; write \"request_body\""],
        ),
    ]);
    refuses_in_a_route(&[
        ("acces = \"login\"", "routes[0].acces: unknown key; write \"access\""),
        (
            "bearer = \"jwt\"",
            "routes[0].bearer: this version does not have it yet; remove it",
        ),
        (
            "allow = { acr = [\"x\"] }",
            "routes[0].allow.acr: this version does not have it yet; remove it",
        ),
        (
            "allow = { group = [\"x\"] }",
            "routes[0].allow.group: unknown key; write \"groups\"",
        ),
    ]);
}

#[test]
fn wrong_types_are_found_all_at_once() {
    refuses(&[(
        r#"
        server.threads = "four"
        server.hsts = "yes"
        server.trusted_proxies = "10.0.0.0/8"
        server.shutdown_timeout = "soon"
        server.limits = { request_header = "64KB", request_body = -1 }
        admin = "127.0.0.1:1"
        log.level = "loud"
        "#,
        &[
            "server.threads: is not a whole number from 0 to 1024; write one without quotes",
            "server.trusted_proxies: is not a list; write it in brackets, [\"…\"]",
            "server.shutdown_timeout: is not a duration; write for example \"30s\", \"5m\", \"12h\" or \"7d\"",
            "server.hsts: is neither true nor false; write true or false without quotes",
            "server.limits.request_header: is not a size; write for example \"64KiB\", \"10MiB\" or \"0\"",
            "server.limits.request_body: is not a size; write for example \"64KiB\", \"10MiB\" or \"0\"",
            "admin: is not a table; write [admin] above its keys",
            "log.level: unknown value; write \"info\", \"error\", \"warn\", \"debug\" or \"trace\"",
        ],
    )]);
}

#[test]
fn server() {
    let address = "is not an address to listen on; write for example \"127.0.0.1:4180\" or \"[::1]:4180\"";
    refuses(&[
        (
            "server.public_url = \"https://a.example.com/app\"",
            &["server.public_url: has a path; write \"https://a.example.com\""],
        ),
        (
            "server.public_url = \"app.example.com\"",
            &["server.public_url: is not a web address; write for example \"https://id.example.com/token\""],
        ),
        (
            "server.listen = []",
            &["server.listen: names no address; write for example [\"127.0.0.1:4180\"]"],
        ),
        (
            "server.listen = [\"127.0.0.1\"]",
            &[&format!("server.listen[0]: {address}")],
        ),
        (
            "server.listen = [\":4180\"]",
            &[&format!("server.listen[0]: {address}")],
        ),
        (
            "server.listen = [\"nowhere.invalid:80\"]",
            &["server.listen[0]: names a host that does not resolve; write an IP address"],
        ),
        (
            "server.listen = [\"127.0.0.1:80\", \"0.0.0.0:80\"]",
            &["server.listen[1]: is an address that stands here already; remove one of the two"],
        ),
        (
            "server.listen = [\"127.0.0.1:4181\"]",
            &["admin.listen: is an address of server.listen too; write another port"],
        ),
        (
            "server.prefix = \"/\"",
            &["server.prefix: would take every path from the application; write for example \"/oauth2\""],
        ),
        (
            "server.prefix = \"/oauth2/\"",
            &["server.prefix: is not a plain path; write for example \"/oauth2\", no slash at the end"],
        ),
        (
            "server.trusted_proxies = [\"all\"]",
            &["server.trusted_proxies[0]: is not a network; write for example \"10.0.0.0/8\" or \"unix\""],
        ),
        (
            "server.hosts = [\"*.example.com\"]",
            &["server.hosts[0]: is not a host; write for example \"app.example.com\" or \"app.example.com:8443\""],
        ),
        (
            "server.limits.request_header = \"0\"",
            &["server.limits.request_header: leaves no room for a request; write at least \"1KiB\""],
        ),
    ]);
}

#[test]
fn tls() {
    refuses(&[
        (
            "server.tls.certificate = \"tls.crt\"",
            &["server.tls.key: is missing; write the name of a PEM file with the private key"],
        ),
        (
            "server.tls = { certificate = \"absent\", key = \"empty\" }",
            &[
                "server.tls.certificate: absent does not exist; create it or name another",
                "server.tls.key: empty holds no private key; name a PEM file with one",
            ],
        ),
        (
            "server.tls = { certificate = \"tls.crt\", key = \"other.key\" }",
            &["server.tls.key: does not belong to tls.crt; name the certificate's own key"],
        ),
        (
            "server.tls = { certificate = \"tls.key\", key = \"tls.key\" }",
            &["server.tls.certificate: tls.key holds no certificate; name a PEM file with one"],
        ),
        (
            "providers.main.ca_file = \"empty\"",
            &["providers.main.ca_file: empty holds no usable certificate; name a PEM file of CA certificates"],
        ),
    ]);
}

#[test]
fn secrets() {
    let secret = "is not a secret; write a string, { file = \"path\" } or { env = \"NAME\" }";
    refuses(&[
        (
            "providers.main.client_secret = { path = \"x\" }",
            &[&format!("providers.main.client_secret: {secret}")],
        ),
        (
            "providers.main.client_secret = 7",
            &[&format!("providers.main.client_secret: {secret}")],
        ),
        (
            "providers.main.client_secret = { file = \"absent\" }",
            &["providers.main.client_secret: absent does not exist; create it or name another"],
        ),
        (
            "providers.main.client_secret = { file = \"empty\" }",
            &["providers.main.client_secret: is empty; put the secret there"],
        ),
        (
            "providers.main.client_secret = { env = \"ABSENT\" }",
            &["providers.main.client_secret: the environment variable ABSENT is not set; set it or name another"],
        ),
    ]);
}

#[test]
fn session_keys() {
    let wrong = "is not a key of 32 bytes in base64url; make one with `sidegate keygen`";
    refuses(&[
        (
            "session.keys = []",
            &["session.keys: is empty; write [{ file = \"session-key\" }] and make the file with `sidegate keygen`"],
        ),
        ("session.keys = [\"short\"]", &[&format!("session.keys[0]: {wrong}")]),
        (
            "session.keys = [\"KEY_B\", \"KEY_A\", \"KEY_A=\"]",
            &["session.keys[2]: is the same key as one before it; remove it"],
        ),
        (
            "session.keys = [\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"]",
            &["session.keys[0]: is one byte over and over; make a key with `sidegate keygen`"],
        ),
        (
            "session.keys = [\"c2lkZWdhdGUtZXhhbXBsZS1rZXktZG8tbm90LXVzZSE\"]",
            &["session.keys[0]: is the example from the documentation; make a key with `sidegate keygen`"],
        ),
    ]);
}

#[test]
fn session() {
    refuses(&[
        (
            "session.same_site = \"none\"",
            &["session.same_site: needs https, browsers drop the cookie; write \"lax\" or an https public_url"],
        ),
        (
            "session.partitioned = true",
            &["session.partitioned: needs https, browsers drop the cookie; write false or an https public_url"],
        ),
        (
            "session.store = \"redis\"",
            &["session.store: this version does not have that yet; write \"cookie\""],
        ),
        (
            "session.cookie_name = \"a b\"",
            &["session.cookie_name: cannot name a cookie; write letters, digits, \"-\" and \"_\" only"],
        ),
        (
            "session.cookie_name = \"__Host-a\"",
            &["session.cookie_name: has a prefix that is added by itself; write the name without it"],
        ),
        (
            "server.public_url = \"https://app.example.com\"\nsession.cookie_domain = \"example.org\"",
            &[
                "session.cookie_domain: is not a parent of app.example.com in server.public_url; \
             write a domain that app.example.com is in",
            ],
        ),
        (
            "server.public_url = \"https://app.example.com\"\nsession.cookie_domain = \"com\"",
            &["session.cookie_domain: is not a domain that browsers share cookies under; remove it"],
        ),
        (
            "session.lifetime = \"0s\"",
            &["session.lifetime: is less than a second; write for example \"30s\""],
        ),
        (
            "session.lifetime = \"9999d\"",
            &["session.lifetime: is longer than ten years; write at most \"3650d\""],
        ),
    ]);
}

#[test]
fn providers() {
    let http = "is plain http; write https, or insecure_allow_http = true for a test network";
    refuses(&[
        (
            "providers.main.issuer = \"\"",
            &[
                "providers.main.issuer: is missing; write the provider's issuer, \"https://id.example.com\", \
             or authorization_endpoint and token_endpoint",
            ],
        ),
        (
            "providers.main = { issuer = \"\", token_endpoint = \"https://id.example.com/token\" }",
            &["providers.main.authorization_endpoint: is missing; write its address, or the provider's issuer"],
        ),
        (
            "providers.main.client_id = \"\"",
            &["providers.main.client_id: is missing; write the name that the provider gave this client"],
        ),
        (
            "providers.main.issuer = \"http://id.example.com\"",
            &[&format!("providers.main.issuer: {http}")],
        ),
        (
            "providers.main.jwks_uri = \"http://localhost.evil.com/k\"",
            &[&format!("providers.main.jwks_uri: {http}")],
        ),
        (
            "providers.main.pkce = \"off\"",
            &["providers.main.pkce: is off; write \"S256\", or insecure_disable_pkce = true as well"],
        ),
        (
            "providers.main.client_auth = \"private_key_jwt\"",
            &["providers.main.client_auth: this version does not have that yet; \
             write \"auto\", \"basic\", \"post\" or \"none\""],
        ),
        (
            "providers.main.client_auth = \"post\"\nproviders.main.client_secret = \"\"",
            &["providers.main.client_auth: needs client_secret; add it, or write \"none\" for a public client"],
        ),
        (
            "providers.main.response_mode = \"form_post\"",
            &["providers.main.response_mode: this version does not have that yet; write \"query\""],
        ),
        (
            "providers.main.authorization_params = { state = \"x\" }",
            &["providers.main.authorization_params.state: is set by sidegate itself; remove it"],
        ),
        (
            "providers.main.token_params = { grant_type = \"x\" }",
            &["providers.main.token_params.grant_type: is set by sidegate itself; remove it"],
        ),
        (
            "providers.main.scopes = [\"openid email\"]",
            &["providers.main.scopes[0]: is not one scope; write each in quotes of its own, [\"openid\", \"email\"]"],
        ),
        (
            "providers.main.signing_algs = [\"none\"]",
            &["providers.main.signing_algs[0]: accepts anything unsigned; remove it"],
        ),
        (
            "providers.main.claims = { groups = \"a..b\" }",
            &["providers.main.claims.groups: is not a claim; write for example \"groups\" or \"realm_access.roles\""],
        ),
        (
            "providers.main.timeout = \"0s\"",
            &["providers.main.timeout: is zero; write for example \"30s\""],
        ),
        (
            "providers.\"a b\" = { issuer = \"https://i.example.com\", client_id = \"c\" }",
            &["providers.a b: is not a name; write letters, digits, \"-\" and \"_\" only"],
        ),
    ]);
}

#[test]
fn upstreams() {
    refuses(&[
        (
            "upstreams.app = {}",
            &["upstreams.app.servers: is missing; write for example [\"http://127.0.0.1:8080\"]"],
        ),
        (
            "upstreams.app.servers = [\"http://a:1\", \"http://a:1\"]",
            &["upstreams.app.servers[1]: is a server that stands here already; remove one of the two"],
        ),
        (
            "upstreams.app.servers = [\"http://a/b\"]",
            &["upstreams.app.servers[0]: has a path; write scheme, host and port only, and `rewrite` in the route"],
        ),
        (
            "upstreams.app = { servers = [\"http://a\"], balance = \"hash\" }",
            &["upstreams.app.balance: this version does not have that yet; write \"round_robin\""],
        ),
        (
            "upstreams.app.servers = [\"http://a\"]\nroutes = [{ path = \"/\", upstream = \"ap\" }]",
            &["routes[0].upstream: names no upstream; write \"app\" or an address, \"http://127.0.0.1:8080\""],
        ),
    ]);
}

#[test]
fn route_paths() {
    refuses_in_a_route(&[
        (
            "path = \"a\"",
            "routes[0].path: does not begin with \"/\"; write for example \"/api\"",
        ),
        (
            "path = \"/a/../b\"",
            "routes[0].path: has the segment \"..\"; write the path that it leads to",
        ),
        (
            "path = \"/./b\"",
            "routes[0].path: has the segment \".\"; write the path that it leads to",
        ),
        (
            "path = \"/%61\"",
            "routes[0].path: has \"%\" in it; write the character itself, paths are compared decoded",
        ),
        (
            "path = \"/a?b\"",
            "routes[0].path: has \"?\" in it; write the path alone",
        ),
        (
            "path = \"/a/*\"",
            "routes[0].path: has \"*\" in it; write the path before it, a route covers everything below its path",
        ),
        (
            "path = \"//a\"",
            "routes[0].path: has an empty segment; write single slashes",
        ),
        (
            "path = \"/oauth2/x\"",
            "routes[0].path: lies under server.prefix, which is the gateway's own; write another path",
        ),
        (
            "path = \"\"",
            "routes[0].path: is missing; write \"/\" or for example \"/api\"",
        ),
    ]);
}

#[test]
fn routes() {
    let twin = "is the same route as routes[0]; give it another path, host or method, or remove it";
    let route = |keys: &str| format!("{{ path = \"/a\", upstream = \"http://a\", {keys} }}");
    refuses(&[
        (
            "routes = []",
            &["routes: is missing; write [[routes]] with path = \"/\" and upstream = \"http://127.0.0.1:8080\""],
        ),
        (
            "routes = [{ path = \"/\" }]",
            &["routes[0].upstream: is missing; write for example \"http://127.0.0.1:8080\", or access = \"deny\""],
        ),
        (
            &format!("routes = [{}, {}]", route("csrf = true"), route("csrf = false")),
            &[&format!("routes[1].path: {twin}")],
        ),
        (
            &format!(
                "routes = [{}, {}]",
                route("methods = [\"GET\"]"),
                route("hosts = [\"b.example.com\"]")
            ),
            &[],
        ),
        (
            &format!(
                "routes = [{}, {}]",
                route("methods = [\"GET\"]"),
                route("methods = [\"PUT\", \"GET\"]")
            ),
            &[&format!("routes[1].path: {twin}")],
        ),
    ]);
    refuses_in_a_route(&[
        (
            "access = \"lgin\"",
            "routes[0].access: unknown value; write \"login\", \"optional\", \"public\" or \"deny\"",
        ),
        (
            "methods = [\"get\"]",
            "routes[0].methods[0]: is not a method; write it in capitals, for example \"GET\"",
        ),
        (
            "methods = [\"TRACE\"]",
            "routes[0].methods[0]: is never forwarded; remove it",
        ),
        (
            "providers = [\"mian\"]",
            "routes[0].providers[0]: names no provider; write \"main\"",
        ),
        (
            "allow = { groups = [\"\"] }",
            "routes[0].allow.groups[0]: is empty; write something or remove it",
        ),
        (
            "allow = { claims = { a = \"\" } }",
            "routes[0].allow.claims.a: is empty; write something or remove it",
        ),
        (
            "allow = { emails = [\"ada\"] }",
            "routes[0].allow.emails[0]: is not an e-mail address; write for example \"ada@example.com\"",
        ),
        (
            "access = \"public\"\nallow = { groups = [\"a\"] }",
            "routes[0].allow: asks who a visitor is, but access lets nobody be asked; write access = \"login\"",
        ),
        (
            "authorization = \"basic\"",
            "routes[0].basic_password: is missing; write the password that the upstream expects, { file = \"path\" }",
        ),
        (
            "basic_password = \"x\"",
            "routes[0].basic_password: is not used; write authorization = \"basic\" or remove it",
        ),
        (
            "authorization = \"client_credentials\"",
            "routes[0].authorization: this version does not have that yet; \
             write \"access_token\", \"id_token\", \"basic\", \"none\" or \"keep\"",
        ),
        (
            "rewrite = \"a\"",
            "routes[0].rewrite: is not a path; write for example \"/\" or \"/app\"",
        ),
        (
            "rewrite = \"/a\"\nstrip_path = true",
            "routes[0].strip_path: means rewrite = \"/\", but rewrite says something else; remove one of the two",
        ),
        (
            "host_header = \"preserv\"",
            "routes[0].host_header: unknown value; write \"preserve\" or a host",
        ),
        (
            "websocket_origins = [\"*\"]",
            "routes[0].websocket_origins[0]: is not a web address; write for example \"https://id.example.com/token\"",
        ),
    ]);
}

#[test]
fn headers() {
    let own = "is set by the gateway itself";
    refuses(&[
        (
            "identity_headers = { X-User = \"usr\" }",
            &[
                "identity_headers.X-User: is a claim that no provider sets; write \"user\", \
             or name the claim in the provider's claims",
            ],
        ),
        (
            "identity_headers = { authorization = \"user\" }",
            &[&format!(
                "identity_headers.authorization: {own}; use `authorization` of the route instead"
            )],
        ),
        (
            "identity_headers = { X-User = \"user\", x_user = \"name\" }",
            &["identity_headers.x_user: is the same header as one before it; remove one of the two"],
        ),
    ]);
    refuses_in_a_route(&[
        (
            "request_headers = { \"a b\" = \"x\" }",
            "routes[0].request_headers.a b: is not a header name; write for example \"X-Forwarded-User\"",
        ),
        (
            "request_headers = { Host = \"x\" }",
            &format!("routes[0].request_headers.Host: {own}; use `host_header` of the route instead"),
        ),
        (
            "request_headers = { Content_Length = \"1\" }",
            &format!("routes[0].request_headers.Content_Length: {own}; choose another name"),
        ),
        (
            "request_headers = { Cookie = \"x\" }",
            &format!("routes[0].request_headers.Cookie: {own}; choose another name"),
        ),
        (
            "request_headers = { x-forwarded-user = \"x\" }",
            "routes[0].request_headers.x-forwarded-user: is an identity header; remove it here or there",
        ),
        (
            "request_headers = { X-A = \"{user}\" }",
            "routes[0].request_headers.X-A: has braces that are filled from nothing; write \"{claim.NAME}\"",
        ),
        (
            "request_headers = { X-A = \"{claim.user\" }",
            "routes[0].request_headers.X-A: has \"{claim.\" without an end; write \"{claim.NAME}\"",
        ),
        (
            "response_headers = { Set-Cookie = \"a=b\" }",
            "routes[0].response_headers.Set-Cookie: is not for a route to set; remove it",
        ),
        (
            "response_headers = { X-A = \"a\\nb\" }",
            "routes[0].response_headers.X-A: cannot stand in a header; write ASCII text on one line",
        ),
        (
            "remove_request_headers = [\"Host\"]",
            "routes[0].remove_request_headers[0]: is needed by the connection; remove it from the list",
        ),
    ]);
}

#[test]
fn redirects_and_pages() {
    let anybody = "redirects.allowed[0]: lets anybody's site in; name the origins, \"https://*.example.com\"";
    refuses(&[
        ("redirects.allowed = [\"*\"]", &[anybody]),
        ("redirects.allowed = [\"https://*\"]", &[anybody]),
        (
            "redirects.allowed = [\"https://*.com\"]",
            &["redirects.allowed[0]: covers more than one owner's sites; write for example \"https://*.example.com\""],
        ),
        (
            "redirects.allowed = [\"https://a.example.com/b\"]",
            &["redirects.allowed[0]: has a path; write scheme, host and port only"],
        ),
        (
            "redirects.allowed = [\"other.example.com\"]",
            &["redirects.allowed[0]: is not an origin; write for example \"https://other.example.com\""],
        ),
        (
            "pages.dir = \"absent\"",
            &["pages.dir: absent is not a directory; create it or name another"],
        ),
    ]);
}
