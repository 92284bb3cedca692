//! No problem ever shows a secret, whatever else is wrong around it.

use super::{LEAST, Place};

const MARKER: &str = "MARKER-ddf1c3";

/// Everywhere that a secret can stand, and places where one may end up by mistake.
const POSITIONS: &[&str] = &[
    "providers.main.client_secret = \"MARKER\"",
    "providers.main.client_secret = \"MARKER\"\nproviders.main.client_auth = \"MARKER\"",
    "providers.main.client_secret = { file = \"marker\", env = \"MARKER\" }",
    "providers.main.client_secret = { env = \"MARKER\" }",
    "providers.main.client_secret = [\"MARKER\"]",
    "providers.main.client_secret = { MARKER = \"MARKER\" }",
    "session.keys = [\"MARKER\"]",
    "session.keys = [\"MARKER\", \"MARKER\"]",
    "session.keys = \"MARKER\"",
    "session.keys = [{ file = \"marker\" }]",
    "session.keys = [{ env = \"HOLDS_IT\" }]",
    "session.keys = [{ MARKER = 1 }]",
    "routes = [{ path = \"/\", authorization = \"basic\", basic_password = \"MARKER\" }]",
    "routes = [{ path = \"/\", upstream = \"http://u:MARKER@127.0.0.1\", basic_password = \"MARKER\" }]",
    "routes = [{ path = \"/\", upstream = \"MARKER\", request_headers = { x = \"{MARKER}\\n\" } }]",
    "routes = [{ path = \"/%MARKER\", access = \"MARKER\", rewrite = \"MARKER\" }]",
    "providers.main.issuer = \"https://u:MARKER@id.example.com\"",
    "providers.main.token_params = { client_secret = \"MARKER\" }",
    "server.public_url = \"https://MARKER:MARKER@app.example.com/MARKER\"",
    "session.lifetime = \"MARKER\"\nserver.threads = \"MARKER\"\nserver.listen = [\"MARKER\"]",
];

#[test]
fn no_problem_shows_a_secret() {
    let place = Place::new();
    std::fs::write(place.path().join("marker"), MARKER).unwrap();
    for position in POSITIONS {
        let change = format!(
            "server.nonsense = 1\nserver.limits.request_body = 7\n{}",
            position.replace("MARKER", MARKER)
        );
        let result = place.read(&super::changed(&change), &[("HOLDS_IT", MARKER)]);
        let problems = place.problems(result);
        assert!(problems.contains("server.nonsense"), "{position}");
        assert!(!problems.contains("MARKER"), "{position}: {problems}");
    }
}

#[test]
fn no_syntax_error_shows_a_secret() {
    let place = Place::new();
    let text = LEAST
        .replace("{ file = \"client-secret\" }", &format!("\"{MARKER}\""))
        .replace("{ file = \"session-key\" }", &format!("\"{MARKER}\""));
    // Each byte in turn is lost, or has another in its place.
    for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
        for stray in ["", "\"", "'", "]", "=", "\\", "\n", ".", "{", "#"] {
            let broken = format!("{}{stray}{}", &text[..at], &text[at + 1..]);
            let problems = place.problems(place.read(&broken, &[]));
            assert!(!problems.contains("MARKER"), "{problems}\nin {broken}");
        }
    }
}

#[test]
fn no_variable_shows_its_secret() {
    let place = Place::new();
    for name in [
        "SIDEGATE_PROVIDERS__MAIN__CLIENT_SECRT",
        "SIDEGATE_SESSION__KEYS",
        "SIDEGATE_PROVIDERS__MAIN__PKCE",
    ] {
        for value in [
            MARKER,
            "[\"MARKER-ddf1c3\"",
            "[\"MARKER-ddf1c3\"]",
            "{ MARKER-ddf1c3 = 1 }",
        ] {
            let problems = place.problems(place.read(LEAST, &[(name, value)]));
            assert!(
                !problems.is_empty() && !problems.contains("MARKER"),
                "{name} {value}: {problems}"
            );
        }
    }
}

#[test]
fn debug_of_the_configuration_shows_no_secret() {
    let place = Place::new();
    let text = LEAST.replace("{ file = \"client-secret\" }", &format!("\"{MARKER}\""));
    assert!(!format!("{:?}", place.read(&text, &[]).unwrap()).contains("MARKER"));
}
