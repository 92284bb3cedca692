//! Keeps the layout that `src/lib.rs` promises: who may name whom, which crates stay in which room, how long a file is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of a source file without its tests.
const LONGEST: usize = 400;
/// Lines of a file of tests.
const LONGEST_TESTS: usize = 500;

/// Crates and the folders that may name them.
const CONFINED: &[(&str, &[&str])] = &[
    ("aes_gcm", &["seal/"]),
    ("hkdf", &["seal/"]),
    ("pingora", &["proxy/", "upstream/", "server/"]),
    ("toml", &["config/", "cli/import/"]),
    ("reqwest", &["provider/"]),
    ("jsonwebtoken", &["provider/"]),
    // `config` has a module of this name.
    ("redis", &["session/", "config/"]),
];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "types", "manager", "misc", "shared",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file that belongs to the project, from the root: what git tracks, or everything where there is no git.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output();
    match listed {
        Ok(listed) if listed.status.success() => String::from_utf8(listed.stdout)
            .unwrap()
            .split('\0')
            .filter(|name| !name.is_empty() && root().join(name).is_file())
            .map(PathBuf::from)
            .collect(),
        _ => {
            let mut found = Vec::new();
            walk(root(), &mut found);
            found
        }
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            if !matches!(name.to_str(), Some("target" | ".git" | "node_modules")) {
                walk(&path, found);
            }
        } else {
            found.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
}

/// A Rust file.
struct Source {
    /// From `src/` or, for tests, from the root.
    name: String,
    text: String,
}

fn rust(under: &str) -> Vec<Source> {
    let names = files();
    let names = names
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let sources: Vec<_> = names
        .filter_map(|path| {
            let name = path.to_str().unwrap().strip_prefix(under)?.to_owned();
            let text = std::fs::read_to_string(root().join(path)).unwrap();
            Some(Source { name, text })
        })
        .collect();
    assert!(!sources.is_empty(), "no Rust file under {under}");
    sources
}

impl Source {
    /// Code without comments; line numbers stay.
    fn code(&self) -> Vec<(usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(at, line)| (at + 1, line))
            .collect()
    }

    /// The module of the crate that it belongs to; `None` for `lib.rs` and `main.rs`.
    fn module(&self) -> Option<&str> {
        let first = self.name.split('/').next()?;
        let module = first.strip_suffix(".rs").unwrap_or(first);
        (!matches!(module, "lib" | "main")).then_some(module)
    }

    fn is_tests(&self) -> bool {
        self.name.contains("/tests/") || self.name.ends_with("/tests.rs")
    }

    /// Lines before the tests at its end.
    fn length(&self) -> usize {
        let inline = self.text.find("\n#[cfg(test)]\nmod tests {");
        self.text[..inline.unwrap_or(self.text.len())].lines().count()
    }
}

/// Names behind `crate::` on a line, those in braces too.
fn named(line: &str) -> Vec<&str> {
    let word = |text: &'_ str| {
        text.find(|char: char| !char.is_alphanumeric() && char != '_')
            .unwrap_or(text.len())
    };
    let mut names = Vec::new();
    for rest in line.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = group.split('}').next().unwrap_or_default();
                names.extend(group.split(',').map(str::trim).map(|name| &name[..word(name)]));
            }
            None => names.push(&rest[..word(rest)]),
        }
    }
    names
}

/// The modules in the order of the table in `src/lib.rs`.
fn order() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("//! | ")?.split(" |").next());
    let names = rows.map(|cell| cell.trim_matches(['[', ']', '`']).to_owned());
    names.filter(|name| name != "module").collect()
}

#[test]
fn a_module_names_only_modules_above_it_in_the_table() {
    let order = order();
    let place = |name: &str| order.iter().position(|own| own == name);
    let mut wrong = Vec::new();
    for source in rust("src/") {
        let Some(module) = source.module() else { continue };
        let own = place(module).unwrap_or_else(|| panic!("src/lib.rs has no row for {module}"));
        for (at, line) in source.code() {
            for name in named(line) {
                match place(name) {
                    Some(other) if other <= own => {}
                    Some(_) => wrong.push(format!("src/{}:{at}: {module} names {name}", source.name)),
                    // An item of the root, or a macro: there are none.
                    None => wrong.push(format!(
                        "src/{}:{at}: crate::{name} is no module of the table",
                        source.name
                    )),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_has_every_module_and_no_other() {
    let mut listed = order();
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let declared = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let mut declared: Vec<String> = declared.map(str::to_owned).collect();
    listed.sort();
    declared.sort();
    assert_eq!(listed, declared);
}

#[test]
fn confined_crates_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for source in rust("src/") {
        for (name, rooms) in CONFINED {
            let path = format!("{name}::");
            if rooms.iter().any(|room| source.name.starts_with(room)) {
                continue;
            }
            for (at, line) in source.code() {
                let mut ends = line.match_indices(&path);
                let whole = |(at, _): (usize, &str)| {
                    !line[..at].ends_with(|before: char| before.is_alphanumeric() || "_:\"".contains(before))
                };
                if ends.any(whole) {
                    wrong.push(format!("src/{}:{at}: {name}", source.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_is_too_long_to_read() {
    let src = rust("src/").into_iter().map(|source| {
        let most = if source.is_tests() { LONGEST_TESTS } else { LONGEST };
        (format!("src/{}", source.name), source.length(), most)
    });
    let tests = rust("tests/")
        .into_iter()
        .map(|source| (format!("tests/{}", source.name), source.length(), LONGEST_TESTS));
    let long: Vec<_> = src.chain(tests).filter(|(_, lines, most)| lines > most).collect();
    assert!(long.is_empty(), "name, lines, most: {long:#?}");
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    let all = rust("src/").into_iter().chain(rust("tests/"));
    let silent: Vec<_> = all
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.name)
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn names_say_something() {
    let empty: Vec<_> = files()
        .into_iter()
        .filter(|path| path.starts_with("src") || path.starts_with("tests"))
        .filter(|path| {
            let parts = path.iter().map(|part| part.to_str().unwrap());
            parts
                .into_iter()
                .any(|part| EMPTY_NAMES.contains(&part.split('.').next().unwrap()))
        })
        .collect();
    assert!(empty.is_empty(), "{empty:#?}");
}

#[test]
fn the_wall_clock_is_read_in_one_place() {
    let clocks = ["SystemTime::now", "now_utc()", "now_local()", "Utc::now"];
    let reads = |source: &Source| {
        source
            .code()
            .iter()
            .any(|(_, line)| clocks.iter().any(|clock| line.contains(clock)))
    };
    let found: Vec<_> = rust("src/")
        .into_iter()
        .filter(reads)
        .map(|source| source.name)
        .collect();
    assert_eq!(found, ["clock.rs"]);
}

#[test]
fn no_file_names_a_path_of_a_machine() {
    let homes = [
        ["/home", "/"].concat(),
        ["/Users", "/"].concat(),
        ["/work", "/wt/"].concat(),
    ];
    let here = format!("{}/", root().display());
    let mut wrong = Vec::new();
    for path in files() {
        // What is no text has no path that anybody would read.
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else {
            continue;
        };
        for (at, line) in text.lines().enumerate() {
            // A short one (a container's /src/) may well stand for something else.
            let own = here.len() > 10 && line.contains(&here);
            if own || homes.iter().any(|home| line.contains(home)) {
                wrong.push(format!("{}:{}", path.display(), at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn scripts_can_be_run() {
    let mut wrong = Vec::new();
    for path in files() {
        let Ok(text) = std::fs::read(root().join(&path)) else {
            continue;
        };
        // `#![…]` is Rust.
        let script = text.starts_with(b"#!/") || path.extension().is_some_and(|end| end == "sh");
        let mode = std::fs::metadata(root().join(&path)).unwrap().permissions().mode();
        if script && (mode & 0o111 == 0 || !text.starts_with(b"#!/")) {
            wrong.push(path);
        }
    }
    assert!(wrong.is_empty(), "not executable, or without #!: {wrong:#?}");
}
