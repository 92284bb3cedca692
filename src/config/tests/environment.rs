//! The environment wins over the file.

use std::time::Duration;

use super::{KEY_B, LEAST, Place};

#[test]
fn variables_win_over_the_file() {
    let config = Place::new().read(
        LEAST,
        &[
            ("SIDEGATE_SERVER__PUBLIC_URL", "https://env.example.com"),
            ("SIDEGATE_SERVER__THREADS", "3"),
            ("SIDEGATE_SERVER__HSTS", "false"),
            ("SIDEGATE_SERVER__HOSTS", "[\"a.example.com\", \"b.example.com\"]"),
            ("SIDEGATE_SERVER__LIMITS__IDLE_TIMEOUT", "5m"),
            ("SIDEGATE_PROVIDERS__MAIN__CLIENT_SECRET__ENV", "APP_SECRET"),
            ("SIDEGATE_IDENTITY_HEADERS__REMOTE_NAME", "name"),
            ("SIDEGATE_LOG__LEVEL", "debug"),
            ("SIDEGATE_CONFIG", "/etc/sidegate.toml"),
            ("SIDEGATE_SERVICE_HOST", "10.0.0.1"),
            ("APP_SECRET", "from elsewhere"),
        ],
    );
    let config = config.unwrap();
    assert_eq!(config.server.public_url.origin, "https://env.example.com");
    assert_eq!((config.server.threads, config.server.hsts), (3, false));
    assert_eq!(config.server.hosts, ["a.example.com", "b.example.com"]);
    assert_eq!(config.server.idle_timeout, Duration::from_secs(300));
    assert_eq!(
        config.providers[0].client_secret.as_ref().unwrap().reveal(),
        "from elsewhere"
    );
    assert_eq!(
        config.identity_headers,
        [("remote-name".parse().unwrap(), "name".to_owned())]
    );
    assert_eq!(config.log.level, tracing::level_filters::LevelFilter::DEBUG);
}

#[test]
fn text_that_looks_like_a_number_is_still_text_where_text_is_asked_for() {
    let env = [
        ("SIDEGATE_PROVIDERS__MAIN__CLIENT_ID", "1234"),
        ("SIDEGATE_PROVIDERS__MAIN__CLIENT_SECRET", "5e6"),
    ];
    let provider = Place::new().read(LEAST, &env).unwrap().providers.remove(0);
    assert_eq!(
        (provider.client_id.as_str(), provider.client_secret.unwrap().reveal()),
        ("1234", "5e6")
    );
}

#[test]
fn names_with_capitals_and_hyphens_can_be_addressed() {
    let text = LEAST.replace("[providers.main]", "[providers.My-Login]");
    let config = Place::new()
        .read(&text, &[("SIDEGATE_PROVIDERS__MY_LOGIN__CLIENT_ID", "other")])
        .unwrap();
    assert_eq!(
        (config.providers.len(), config.providers[0].client_id.as_str()),
        (1, "other")
    );
}

#[test]
fn the_environment_alone_can_make_a_provider() {
    let env = [
        ("SIDEGATE_PROVIDERS__MAIN__ISSUER", "https://id.example.com"),
        ("SIDEGATE_PROVIDERS__MAIN__CLIENT_ID", "legacy-app"),
        ("SIDEGATE_SESSION__KEYS", &format!("[\"{KEY_B}\"]")),
        ("SIDEGATE_SERVER__PUBLIC_URL", "http://localhost:4180"),
    ];
    let routes = "[[routes]]\npath = \"/\"\nupstream = \"http://127.0.0.1:8080\"";
    assert_eq!(Place::new().read(routes, &env).unwrap().providers.len(), 1);
}

#[test]
fn mistakes_name_the_variable() {
    let list = "a list of tables cannot be set from the environment; write routes in the file";
    for (variable, value, expected) in [
        (
            "SIDEGATE_SERVER__PUBLC_URL",
            "x",
            "SIDEGATE_SERVER__PUBLC_URL: unknown key; write SIDEGATE_SERVER__PUBLIC_URL",
        ),
        (
            "SIDEGATE_SERVR__PUBLIC_URL",
            "x",
            "SIDEGATE_SERVR__PUBLIC_URL: unknown key; write SIDEGATE_SERVER__PUBLIC_URL",
        ),
        (
            "SIDEGATE_PROVIDERS__MAIN__CLIENTID",
            "x",
            "SIDEGATE_PROVIDERS__MAIN__CLIENTID: unknown key; write SIDEGATE_PROVIDERS__MAIN__CLIENT_ID",
        ),
        (
            "SIDEGATE_PROVIDERS__MAIN__DPOP",
            "true",
            "SIDEGATE_PROVIDERS__MAIN__DPOP: this version does not have it yet; remove it",
        ),
        (
            "SIDEGATE_ROUTES__0__PATH",
            "/x",
            &format!("SIDEGATE_ROUTES__0__PATH: {list}"),
        ),
        (
            "SIDEGATE_SERVER_PUBLIC_URL",
            "x",
            "SIDEGATE_SERVER_PUBLIC_URL: has one underscore between levels; write SIDEGATE_SERVER__PUBLIC_URL",
        ),
        (
            "SIDEGATE_SESSION__LIFETIME",
            "12",
            "session.lifetime: is not a duration; write for example \"30s\", \"5m\", \"12h\" or \"7d\" \
             (set by SIDEGATE_SESSION__LIFETIME)",
        ),
    ] {
        let place = Place::new();
        assert_eq!(place.problems(place.read(LEAST, &[(variable, value)])), expected);
    }
}
