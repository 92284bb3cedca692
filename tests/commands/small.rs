//! `keygen`, `completions`, `--help`, `--version`.

use crate::process::{Folder, config, public, sidegate};

#[test]
fn a_key_has_43_characters_is_another_each_time_and_is_good() {
    let keys: Vec<String> = (0..3)
        .map(|_| sidegate(&["keygen"]).out.trim_end().to_owned())
        .collect();
    for key in &keys {
        assert_eq!(key.len(), 43, "{key}");
        assert!(
            key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
            "{key}"
        );
        let text = config("", &public("http://127.0.0.1:9")).replace(crate::support::gateway::KEY, key);
        let (_folder, file) = Folder::with(&text);
        assert_eq!(sidegate(&["check", "--config", &file]).code, 0);
    }
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
}

#[test]
fn every_shell_gets_completions_that_know_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = sidegate(&["completions", shell]);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{shell}");
        for command in ["run", "check", "explain", "keygen", "import", "healthcheck"] {
            assert!(ended.out.contains(command), "{shell}: {command}");
        }
    }
    let ended = sidegate(&["completions", "tcsh"]);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(ended.err.contains("possible values: bash"), "{}", ended.err);
}

#[test]
fn version_and_help_say_what_this_is() {
    let version = sidegate(&["--version"]);
    assert_eq!(
        (version.code, version.out.as_str()),
        (0, concat!("sidegate ", env!("CARGO_PKG_VERSION"), "\n"))
    );
    let help = sidegate(&["--help"]);
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    for command in [
        "run",
        "check",
        "explain",
        "keygen",
        "import",
        "healthcheck",
        "demo",
        "completions",
    ] {
        let listed = help
            .out
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("{command} ")));
        assert!(listed, "{command}: {}", help.out);
    }
}

#[test]
fn a_command_that_does_not_exist_is_no_success() {
    for arguments in [&["rnu"][..], &[], &["run"], &["check", "--config"], &["keygen", "more"]] {
        let ended = sidegate(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ended.err.contains("--help"), "{}", ended.err);
    }
}
