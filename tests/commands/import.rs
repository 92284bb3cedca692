//! `import`: an oauth2-proxy configuration becomes one of sidegate's that `check` takes.

use toml::{Table, Value};

use crate::process::{Ended, Folder, command, end_of, sidegate};

const SECRET: &str = "OQINaROshtE9TcZkNAm-5Zs2Pv3xaWytBmc5W7sPX7w=";

/// What every oauth2-proxy file has, and `more`.
fn usual(more: &str) -> String {
    let base = [
        ("redirect_url", "\"https://app.example.com/oauth2/callback\""),
        ("provider", "\"oidc\""),
        ("oidc_issuer_url", "\"https://id.example.com\""),
        ("client_id", "\"app\""),
        ("client_secret", "\"s3cret-of-client\""),
        ("cookie_secret", &format!("\"{SECRET}\"")),
        ("email_domains", "[\"*\"]"),
        ("upstreams", "[\"http://127.0.0.1:8080/\"]"),
    ];
    let given = |key: &str| more.lines().any(|line| line.split('=').next().unwrap().trim() == key);
    let lines = base
        .iter()
        .filter(|(key, _)| !given(key))
        .map(|(key, value)| format!("{key} = {value}\n"));
    lines.collect::<String>() + more
}

/// The translation, which `check` has taken.
fn imported(more: &str) -> (Table, String) {
    let folder = Folder::new();
    let file = folder.write("oauth2-proxy.cfg", &usual(more));
    let Ended { code, out, err } = sidegate(&["import", &file]);
    assert_eq!((code, err.as_str()), (0, ""), "{more}");
    let new = folder.write("sidegate.toml", &out);
    let checked = sidegate(&["check", "--config", &new]);
    assert_eq!((checked.code, checked.err.as_str()), (0, ""), "{more}\n{out}");
    (out.parse().unwrap(), out)
}

/// A value by its way: `routes.0.path`.
fn at(table: &Table, way: &str) -> String {
    let mut value = &Value::Table(table.clone());
    for step in way.split('.') {
        let next = match value {
            Value::Array(list) => list.get(step.parse::<usize>().unwrap()),
            other => other.get(step),
        };
        match next {
            Some(next) => value = next,
            None => return "absent".to_owned(),
        }
    }
    value.to_string()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_option_becomes_what_does_the_same() {
    for (more, way, expected) in [
        ("", "server.public_url", "\"https://app.example.com\""),
        ("", "server.listen", "[\"127.0.0.1:4180\"]"),
        ("http_address = \"http://:8000\"", "server.listen", "[\"0.0.0.0:8000\"]"),
        (
            "http_address = \"unix:///run/o.sock\"",
            "server.listen",
            "[\"unix:/run/o.sock\"]",
        ),
        ("proxy_prefix = \"/auth\"", "server.prefix", "\"/auth\""),
        ("reverse_proxy = true", "server.trusted_proxies", "[]"),
        (
            "trusted_proxy_ips = [\"10.0.0.0/8\"]",
            "server.trusted_proxies",
            "[\"10.0.0.0/8\"]",
        ),
        (
            "metrics_address = \"127.0.0.1:9100\"",
            "admin.listen",
            "\"127.0.0.1:9100\"",
        ),
        (
            "whitelist_domains = [\".example.com\", \"b.example.org:8443\"]",
            "redirects.allowed",
            "[\"https://*.example.com\", \"https://b.example.org:8443\"]",
        ),
        ("", "providers.main.issuer", "\"https://id.example.com\""),
        ("", "providers.main.client_secret", "\"s3cret-of-client\""),
        (
            "scope = \"openid a b\"",
            "providers.main.scopes",
            "[\"openid\", \"a\", \"b\"]",
        ),
        (
            "provider_display_name = \"Corp\"",
            "providers.main.display_name",
            "\"Corp\"",
        ),
        (
            "oidc_groups_claim = \"roles\"",
            "providers.main.claims.groups",
            "\"roles\"",
        ),
        (
            "prompt = \"login\"",
            "providers.main.authorization_params.prompt",
            "\"login\"",
        ),
        (
            "insecure_oidc_allow_unverified_email = true",
            "providers.main.insecure_allow_unverified_email",
            "true",
        ),
        (
            "skip_oidc_discovery = true\nlogin_url = \"https://id.example.com/a\"\nredeem_url = \"https://id.example.com/t\"\n\
          oidc_jwks_url = \"https://id.example.com/k\"",
            "providers.main.jwks_uri",
            "\"https://id.example.com/k\"",
        ),
        (
            "provider = \"google\"\noidc_issuer_url = \"\"",
            "providers.main.issuer",
            "\"https://accounts.google.com\"",
        ),
        (
            "provider = \"github\"\noidc_issuer_url = \"\"",
            "providers.main.token_endpoint",
            "\"https://github.com/login/oauth/access_token\"",
        ),
        (
            "provider = \"azure\"\noidc_issuer_url = \"\"\nazure_tenant = \"t\"",
            "providers.main.issuer",
            "\"https://login.microsoftonline.com/t/v2.0\"",
        ),
        ("", "session.keys.0", "\"OQINaROshtE9TcZkNAm-5Zs2Pv3xaWytBmc5W7sPX7w\""),
        ("cookie_name = \"__Host-x\"", "session.cookie_name", "\"x\""),
        ("cookie_expire = \"1h30m\"", "session.lifetime", "\"90m\""),
        ("", "session.lifetime", "\"7d\""),
        ("cookie_expire = \"0s\"", "session.persistent", "false"),
        ("cookie_samesite = \"strict\"", "session.same_site", "\"strict\""),
        (
            "cookie_domains = [\".example.com\"]",
            "session.cookie_domain",
            "\"example.com\"",
        ),
        ("upstream_timeout = \"90s\"", "upstreams.app.read_timeout", "\"90s\""),
        (
            "upstreams = [\"unix:///run/app.sock\"]",
            "upstreams.app.servers",
            "[\"unix:/run/app.sock\"]",
        ),
        (
            "upstreams = [\"http://a:1/\", \"http://b:2/api/\"]",
            "routes.1.path",
            "\"/api\"",
        ),
        (
            "email_domains = [\"example.com\"]",
            "routes.0.allow.email_domains",
            "[\"example.com\"]",
        ),
        (
            "allowed_groups = [\"a\", \"b\"]",
            "routes.0.allow.groups",
            "[\"a\", \"b\"]",
        ),
        ("", "routes.0.authorization", "\"none\""),
        ("pass_access_token = true", "routes.0.authorization", "\"access_token\""),
        (
            "pass_authorization_header = true",
            "routes.0.authorization",
            "\"id_token\"",
        ),
        ("basic_auth_password = \"pw\"", "routes.0.authorization", "\"basic\""),
        ("pass_host_header = false", "routes.0.host_header", "\"upstream\""),
        ("pass_user_headers = false", "identity_headers", "{}"),
        (
            "prefer_email_to_user = true",
            "identity_headers.X-Forwarded-User",
            "\"email\"",
        ),
        ("skip_auth_routes = [\"^/static/\"]", "routes.1.path", "\"/static\""),
        ("skip_auth_routes = [\"^/static/\"]", "routes.1.access", "\"public\""),
        (
            "skip_auth_routes = [\"^/static/\"]",
            "routes.1.authorization",
            "\"keep\"",
        ),
        ("api_routes = [\"^/api\"]", "routes.1.unauthenticated", "\"401\""),
        ("skip_auth_preflight = true", "routes.1.methods", "[\"OPTIONS\"]"),
        ("request_logging = false", "log.access", "false"),
    ] {
        assert_eq!(at(&imported(more).0, way), expected, "{more}: {way}");
    }
}

#[test]
fn a_route_that_is_open_for_one_method_leaves_the_others_behind_the_login() {
    let (table, _) = imported("skip_auth_routes = [\"GET=^/feed\"]\nallowed_groups = [\"a\"]");
    assert_eq!(at(&table, "routes.1.methods"), "[\"GET\"]");
    assert_eq!(
        (at(&table, "routes.2.path"), at(&table, "routes.2.access")),
        ("\"/feed\"".into(), "absent".into())
    );
    assert_eq!(at(&table, "routes.2.allow.groups"), "[\"a\"]");
}

#[test]
fn preflights_pass_on_every_path_that_has_routes_of_its_own() {
    let (table, _) = imported("api_routes = [\"^/api\"]\nskip_auth_preflight = true\nskip_auth_routes = [\"^/open\"]");
    let routes = table["routes"].as_array().unwrap().iter();
    let open = routes.filter(|route| {
        route
            .get("methods")
            .is_some_and(|methods| methods.to_string() == "[\"OPTIONS\"]")
    });
    let paths: Vec<_> = open.map(|route| route["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/", "/api"]);
}

#[test]
fn nothing_is_opened_that_was_closed() {
    for more in [
        "skip_auth_routes = [\"^/health$\"]",
        "skip_auth_routes = [\"GET=^/health$\", \"/x\", \"^/(a|b)\", \"POST!=^/c\"]",
        "skip_auth_regex = [\".*\\\\.css$\"]",
        "trusted_ips = [\"10.0.0.0/8\"]",
    ] {
        let (table, text) = imported(more);
        assert_eq!(at(&table, "routes.1"), "absent", "{more}");
        assert!(
            text.contains(more.split(' ').next().unwrap().trim_end_matches("_regex")),
            "{text}"
        );
    }
}

#[test]
fn a_restriction_without_a_counterpart_closes_the_routes_and_says_so() {
    for (more, option) in [
        (
            "provider = \"github\"\noidc_issuer_url = \"\"\ngithub_org = \"acme\"",
            "github_org",
        ),
        ("google_groups = [\"a@example.com\"]", "google_groups"),
        ("allowed_roles = [\"a\", \"b\"]", "allowed_roles"),
        ("email_domains = [\".example.com\"]", "email_domains"),
        ("email_domains = []", "email_domains"),
        (
            "email_domains = []\nauthenticated_emails_file = \"missing\"",
            "authenticated_emails_file",
        ),
        (
            "email_domains = [\"example.com\"]\nauthenticated_emails_file = \"missing\"",
            "authenticated_emails_file",
        ),
    ] {
        let (table, text) = imported(more);
        assert_eq!(at(&table, "routes.0.access"), "\"deny\"", "{more}");
        let told = text
            .lines()
            .any(|line| line.starts_with("# CLOSED: ") && line.contains(option));
        assert!(told, "{more}: {text}");
    }
}

#[test]
fn a_cookie_secret_that_cannot_become_a_key_gets_a_comment_and_a_fresh_key() {
    for secret in ["short", "0123456789abcdef", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ""] {
        let more = format!("cookie_secret = \"{secret}\"");
        let (first, second) = (imported(&more), imported(&more));
        assert!(first.1.contains("this is a fresh key"), "{}", first.1);
        assert_ne!(at(&first.0, "session.keys.0"), at(&second.0, "session.keys.0"));
    }
    let (_, kept) = imported("cookie_secret = \"0123456789abcdefghijklmnopqrstuv\"");
    assert!(!kept.contains("fresh key"), "{kept}");
}

#[test]
fn every_option_without_a_counterpart_has_a_comment_and_its_value_is_not_shown() {
    for option in [
        "redis_connection_url",
        "redis_password",
        "htpasswd_file",
        "skip_jwt_bearer_tokens",
        "signature_key",
        "banner",
        "oidc_extra_audiences",
        "insecure_oidc_skip_nonce",
        "some_option_of_tomorrow",
    ] {
        let (_, text) = imported(&format!("{option} = \"hunter2\""));
        assert!(text.contains(&format!("# {option}: ")), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn what_is_missing_is_named_and_the_rest_is_good() {
    let folder = Folder::new();
    let old = "oidc_issuer_url = \"https://id.example.com\"\nprovider = \"oidc\"\nemail_domains = \"*\"\nupstreams = \"http://127.0.0.1:1\"\n";
    let file = folder.write("old.cfg", old);
    let new = folder.write("new.toml", &sidegate(&["import", &file]).out);
    let ended = sidegate(&["check", "--config", &new]);
    let keys: Vec<&str> = ended
        .err_lines()
        .into_iter()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "server.public_url",
            "providers.main.client_id",
            "providers.main.client_secret"
        ]
    );
    let mut filled = command(&["check", "--config", &new]);
    filled
        .env("SIDEGATE_SERVER__PUBLIC_URL", "https://app.example.com")
        .env("SIDEGATE_PROVIDERS__MAIN__CLIENT_ID", "app")
        .env("OAUTH2_PROXY_CLIENT_SECRET", "s");
    assert_eq!(end_of(filled).code, 0);
}

#[test]
fn what_is_no_such_file_is_refused_without_showing_it() {
    let folder = Folder::new();
    let yaml = folder.write("alpha.yaml", "injectRequestHeaders:\n  - secret: hunter2\n");
    let ended = sidegate(&["import", &yaml]);
    assert_eq!((ended.code, ended.out.as_str(), ended.err_lines().len()), (64, "", 1));
    assert!(
        ended.err.contains("line 1 is not TOML") && !ended.err.contains("hunter2"),
        "{}",
        ended.err
    );
    assert_eq!(sidegate(&["import", "there-is-no-such-file"]).code, 64);
}
