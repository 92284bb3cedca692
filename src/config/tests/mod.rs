//! What an operator is promised: every mistake at once, in words that help, and never a secret among them.

mod environment;
mod refusals;
mod resolved;
mod secrecy;

use std::path::Path;

use tempfile::TempDir;
use toml::{Table, Value};

use super::{Config, Problems};

/// The least that works, with the files that it names.
const LEAST: &str = r#"
[server]
public_url = "http://localhost:4180"
[providers.main]
issuer = "https://id.example.com"
client_id = "legacy-app"
client_secret = { file = "client-secret" }
[session]
keys = [{ file = "session-key" }]
[[routes]]
path = "/"
upstream = "http://127.0.0.1:8080"
"#;

/// A good key; `B` makes another.
const KEY_A: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const KEY_B: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// A directory with a configuration's files.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        for (name, text) in [
            ("client-secret", "s3cr3t\n"),
            ("session-key", &format!("{KEY_A}\n")),
            ("tls.crt", include_str!("tls.crt")),
            ("tls.key", include_str!("tls.key")),
            ("other.key", include_str!("other.key")),
            ("empty", ""),
        ] {
            std::fs::write(place.path().join(name), text).unwrap();
        }
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Reads the text with these variables.
    fn read(&self, text: &str, env: &[(&str, &str)]) -> Result<Config, Problems> {
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::parse(text, self.path(), env)
    }

    /// Reads [`LEAST`] with `change` laid over it.
    fn with(&self, change: &str) -> Result<Config, Problems> {
        self.read(&changed(change), &[])
    }

    /// The problems, one a line, with the directory left out.
    fn problems(&self, result: Result<Config, Problems>) -> String {
        let text = result.map_or_else(|problems| problems.to_string(), |_| String::new());
        text.replace(&format!("{}/", self.path().display()), "")
    }
}

/// [`LEAST`] with `change` laid over it, table by table.
fn changed(change: &str) -> String {
    let mut table: Table = LEAST.parse().unwrap();
    merge(&mut table, change.parse().unwrap());
    toml::to_string(&table).unwrap()
}

fn merge(table: &mut Table, change: Table) {
    for (key, value) in change {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) if !old.contains_key("file") => merge(old, new),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}
