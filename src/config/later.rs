//! What the contract names and this version does not have yet: an unknown key from this list gets a better answer than
//! the nearest name. A key leaves the list in the commit that makes it work.

/// Keys; `*` stands for a name, `[]` for the place in a list.
const KEYS: &[&str] = &[
    "server.tls.client_ca",
    "providers.*.introspection_endpoint",
    "providers.*.pushed_authorization_request_endpoint",
    "providers.*.client_key",
    "providers.*.client_certificate",
    "providers.*.par",
    "providers.*.dpop",
    "providers.*.profile",
    "providers.*.proxy",
    "providers.*.insecure_password_grant",
    "upstreams.*.health_path",
    "upstreams.*.health_interval",
    "upstreams.*.client_certificate",
    "upstreams.*.client_key",
    "routes[].bearer",
    "routes[].bearer_audiences",
    "routes[].basic_login",
    "routes[].exchange",
    "routes[].allow.acr",
    "telemetry",
];

/// Values of keys that are there.
const VALUES: &[(&str, &[&str])] = &[
    ("providers.*.client_auth", &["private_key_jwt", "tls"]),
    ("providers.*.response_mode", &["form_post"]),
    ("upstreams.*.balance", &["least_connections", "hash"]),
    ("routes[].authorization", &["client_credentials"]),
];

/// Whether a later version has this key.
pub(super) fn key(shape: &str) -> bool {
    KEYS.contains(&shape)
}

/// Whether a later version has this value for the key.
pub(super) fn value(shape: &str, value: &str) -> bool {
    VALUES
        .iter()
        .any(|(key, values)| *key == shape && values.contains(&value))
}
