//! `check`, and that a bad configuration never starts.

use crate::process::{Folder, command, config, end_of, public, sidegate};
use crate::support::gateway::KEY;

const SECRET: &str = "hunter2-hunter2";

/// Four things wrong in four places, secrets in three of them.
fn bad() -> String {
    format!(
        "[server]\npublic_url = \"http://localhost:4180\"\nlistne = [\"127.0.0.1:0\"]\n\
         [providers.main]\nissuer = \"http://127.0.0.1:9\"\nclient_id = \"app\"\nclient_secret = [\"{SECRET}\"]\n\
         [session]\nkeys = [\"{SECRET}\"]\n\
         [[routes]]\npath = \"/\"\nupstream = \"http://u:{SECRET}@127.0.0.1:8080\"\naccess = \"lgoin\"\n"
    )
}

#[test]
fn a_good_file_is_called_good_in_one_line() {
    let (_folder, file) = Folder::with(&config("", &public("http://127.0.0.1:9")));
    let ended = sidegate(&["check", "--config", &file]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_eq!(ended.out, format!("{file}: good (1 route, 1 provider)\n"));
}

#[test]
fn every_problem_has_a_line_of_its_own_and_no_secret_is_in_it() {
    let (_folder, file) = Folder::with(&bad());
    let ended = sidegate(&["check", "--config", &file]);
    assert_eq!((ended.code, ended.out.as_str()), (64, ""));
    let keys: Vec<&str> = ended
        .err_lines()
        .into_iter()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    let expected = [
        "server.listne",
        "providers.main.client_secret",
        "session.keys[0]",
        "routes[0].access",
        "routes[0].upstream",
    ];
    let sorted = |list: &[&str]| {
        let mut list: Vec<String> = list.iter().map(|key| (*key).to_owned()).collect();
        list.sort();
        list
    };
    assert_eq!(sorted(&keys), sorted(&expected), "{}", ended.err);
    assert!(
        ended.err_lines().iter().all(|line| line.contains("; ")),
        "{}",
        ended.err
    );
    assert!(!ended.err.contains("hunter2"), "{}", ended.err);
}

#[test]
fn what_is_no_toml_is_told_by_its_place_and_not_by_its_text() {
    let (_folder, file) = Folder::with(&format!("[session]\nkeys = [\"{SECRET}\n"));
    let ended = sidegate(&["check", "--config", &file]);
    assert_eq!(ended.code, 64);
    assert!(ended.err.starts_with("line 2, column "), "{}", ended.err);
    assert!(!ended.err.contains("hunter2"), "{}", ended.err);
}

#[test]
fn a_bad_configuration_never_starts() {
    let (folder, file) = Folder::with(&bad());
    let checked = sidegate(&["check", "--config", &file]);
    for arguments in [["run", "--config", &file], ["explain", "--config", &file]] {
        let more: &[&str] = if arguments[0] == "explain" { &["GET", "/"] } else { &[] };
        let ended = sidegate(&[&arguments[..], more].concat());
        assert_eq!((ended.code, ended.out.as_str()), (64, ""), "{arguments:?}");
        assert_eq!(ended.err, checked.err, "{arguments:?}");
    }
    let missing = folder.path().join("missing.toml");
    let ended = sidegate(&["run", "--config", missing.to_str().unwrap()]);
    assert_eq!((ended.code, ended.out.as_str(), ended.err_lines().len()), (64, "", 1));
    assert!(ended.err.contains("missing.toml"), "{}", ended.err);
}

#[test]
fn the_environment_names_the_file_and_overrides_what_is_in_it() {
    let (_folder, file) = Folder::with(&config("", &public("http://127.0.0.1:9")));
    let with = |name: &str, value: &str| {
        let mut check = command(&["check"]);
        check.env("SIDEGATE_CONFIG", &file).env(name, value);
        end_of(check)
    };
    assert_eq!(with("SIDEGATE_LOG__LEVEL", "debug").code, 0);
    let ended = with("SIDEGATE_LOG__LEVLE", "debug");
    assert_eq!(ended.code, 64);
    assert!(ended.err.contains("SIDEGATE_LOG__LEVEL"), "{}", ended.err);
    let ended = with("SIDEGATE_SESSION__KEYS", &format!("[\"{KEY}\", \"{KEY}\"]"));
    assert_eq!(ended.code, 64);
    assert!(
        ended.err.contains("same key") && !ended.err.contains(KEY),
        "{}",
        ended.err
    );
}

#[test]
fn the_shipped_reference_lacks_nothing_but_its_secrets() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/sidegate.toml");
    let mut check = command(&["check", "--config", file]);
    check
        .env("SIDEGATE_PROVIDERS__MAIN__CLIENT_SECRET", "s")
        .env("SIDEGATE_SESSION__KEYS", format!("[\"{KEY}\"]"));
    let ended = end_of(check);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
}
