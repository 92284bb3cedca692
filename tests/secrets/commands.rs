//! What the commands print of a configuration with secrets in it, above all where it is wrong.

use std::io::Write as _;
use std::process::Command;

/// Everything that a command prints on both ways out, with this configuration.
fn printed(command: &[&str], config: &str, env: &[(&str, &str)]) -> (String, Option<i32>) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(config.as_bytes()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(command)
        .arg("--config")
        .arg(file.path())
        .env_clear()
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (String::from_utf8(printed).unwrap(), output.status.code())
}

const GOOD: &str = r#"
[server]
public_url = "http://localhost:4180"
listen = ["127.0.0.1:1"]
[providers.main]
issuer = "https://id.example.com"
client_id = "app"
client_secret = "tripwire-client-secret"
[session]
keys = ["3q2-796tvu_erb7v3q2-796tvu_erb7v3q2-796tvu8"]
[[routes]]
path = "/"
upstream = "http://127.0.0.1:8080"
authorization = "basic"
basic_password = "tripwire-basic-password"
"#;
const SECRETS: [&str; 4] = [
    "tripwire-client-secret",
    "tripwire-basic-password",
    "3q2-796tvu_erb7v3q2-796tvu_erb7v3q2-796tvu8",
    "tripwire-from-the-environment",
];

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn check_never_prints_a_secret_wherever_it_stands_wrongly() {
    let mistakes = [
        ("", "", 0),
        (r#"client_secret = "tripwire"#, r#"client_secret = 5 # "tripwire"#, 64),
        (r#"client_secret = "tripwire"#, r#"client_secret "tripwire"#, 64),
        (
            r#"client_secret = "tripwire"#,
            r#"client_secret = "tripwire-client-secret" "tripwire"#,
            64,
        ),
        (
            r#"client_secret = "tripwire-client-secret""#,
            r#"client_secret = ["tripwire-client-secret"]"#,
            64,
        ),
        (
            r#"client_secret = "tripwire-client-secret""#,
            r#"client_secret = { value = "tripwire-client-secret" }"#,
            64,
        ),
        (
            r#"client_secret = "tripwire-client-secret""#,
            r#"client_secret = { file = "x", env = "tripwire-client-secret" }"#,
            64,
        ),
        (r#"client_secret = "tripwire"#, r#"client_secert = "tripwire"#, 64),
        (r#"client_id = "app""#, "client_auth = \"none\"\nclient_id = 7", 64),
        (r#"keys = ["3q2"#, r#"keys = ["short", "3q2"#, 64),
        (
            r#"tvu8"]"#,
            r#"tvu8", "3q2-796tvu_erb7v3q2-796tvu_erb7v3q2-796tvu8"]"#,
            64,
        ),
        (r#"tvu8"]"#, r#"tvu8!"]"#, 64),
        (
            r#"keys = ["3q2-796tvu_erb7v3q2-796tvu_erb7v3q2-796tvu8"]"#,
            r#"keys = "3q2-796tvu_erb7v3q2-796tvu_erb7v3q2-796tvu8""#,
            64,
        ),
        (r#"keys = ["#, r#"keys = [["#, 64),
        (r#"basic_password = "tripwire"#, r#"basic_password = tripwire"#, 64),
        (
            r#"basic_password = "tripwire-basic-password""#,
            r#"basic_password = { tripwire-basic-password = 1 "#,
            64,
        ),
        (r#"authorization = "basic""#, r#"authorization = "tripwire""#, 64),
    ];
    for (from, to, expected) in mistakes {
        let config = GOOD.replacen(from, to, 1);
        let (text, code) = printed(&["check"], &config, &[]);
        assert_eq!(code, Some(expected), "{to}: {text}");
        let found = SECRETS.iter().find(|secret| text.contains(**secret));
        assert_eq!(found, None, "{to}: {text}");
    }
}

#[test]
fn check_and_run_never_print_a_secret_that_the_environment_sets_wrongly() {
    for (name, value) in [
        (
            "SIDEGATE_PROVIDERS__MAIN__CLIENT_SECRET",
            "[\"tripwire-from-the-environment\"]",
        ),
        (
            "SIDEGATE_PROVIDERS__MAIN__CLIENT_SECERT",
            "tripwire-from-the-environment",
        ),
        ("SIDEGATE_SESSION__KEYS", "[\"tripwire-from-the-environment\"]"),
        ("SIDEGATE_SESSION__KEYS", "tripwire-from-the-environment"),
    ] {
        for command in ["check", "run"] {
            let (text, code) = printed(&[command], GOOD, &[(name, value)]);
            assert_eq!(code, Some(64), "{name}: {text}");
            let found = SECRETS.iter().find(|secret| text.contains(**secret));
            assert_eq!(found, None, "{name}: {text}");
        }
    }
}

#[test]
fn a_gateway_that_cannot_start_says_so_at_level_trace_without_its_secrets() {
    let config = GOOD.replace("127.0.0.1:1", "192.0.2.1:1") + "[log]\nlevel = \"trace\"\n";
    let (text, code) = printed(&["run"], &config, &[]);
    assert!(code != Some(0) && text.contains("192.0.2.1:1"), "{text}");
    assert_eq!(SECRETS.iter().find(|secret| text.contains(**secret)), None, "{text}");
}
