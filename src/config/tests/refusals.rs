//! Every mistake and the exact words for it.

use super::Place;

#[test]
fn every_mistake_has_its_words() {
    let place = Place::new();
    let mut wrong = String::new();
    let blocks = include_str!("refusals.txt").split("\n\n");
    for block in blocks.filter(|block| !block.starts_with('#')) {
        let (expected, change): (Vec<&str>, Vec<&str>) = block.lines().partition(|line| line.starts_with("> "));
        let expected = expected.join("\n").replace("> ", "");
        let problems = place.problems(place.with(&change.join("\n")));
        if problems != expected {
            wrong.push_str(&format!("{}\nis {problems}\nbut {expected}\n\n", change.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
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
