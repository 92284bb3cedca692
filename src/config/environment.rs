//! `SIDEGATE_SERVER__PUBLIC_URL=…` over the file: the environment wins.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::problems::Problem;

/// Which keys the environment set: dotted path to what set it.
pub(super) type Overrides = BTreeMap<String, Override>;

/// One variable that set a key.
pub(super) struct Override {
    /// `SIDEGATE_SERVER__PUBLIC_URL`
    pub(super) variable: String,
    /// The text as it came, before it was read as TOML: a client secret of digits only is still a string.
    pub(super) raw: String,
}

const PREFIX: &str = "SIDEGATE_";
const LEVEL: &str = "__";

/// Lays the variables over `root`. What is unknown is found later, by the reader of its table.
pub(super) fn overlay(root: &mut Table, env: &BTreeMap<String, String>) -> (Overrides, Vec<Problem>) {
    let mut overrides = Overrides::new();
    let mut problems = Vec::new();
    for (variable, raw) in env {
        let Some(name) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        // Without `__` it is not ours to judge: Kubernetes sets SIDEGATE_SERVICE_HOST and the like.
        if !name.contains(LEVEL) {
            continue;
        }
        let segments: Vec<&str> = name.split(LEVEL).collect();
        match set(root, &segments, value(raw)) {
            Ok(path) => {
                overrides.insert(
                    path,
                    Override {
                        variable: variable.clone(),
                        raw: raw.clone(),
                    },
                );
            }
            Err(text) => problems.push(Problem {
                key: variable.clone(),
                text,
            }),
        }
    }
    (overrides, problems)
}

/// The variable for a key: `server.public_url` is `SIDEGATE_SERVER__PUBLIC_URL`.
pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', LEVEL).replace('-', "_").to_uppercase())
}

/// Variables that lack the double underscore: `SIDEGATE_SERVER_PUBLIC_URL` would be passed over in silence.
pub(super) fn near_misses<'a>(
    env: &'a BTreeMap<String, String>,
    known: impl IntoIterator<Item = &'a str>,
) -> Vec<Problem> {
    let known: BTreeMap<String, String> = (known.into_iter())
        .filter(|path| path.contains('.') && !path.contains(['*', '[']))
        .map(|path| (variable(path).replace(LEVEL, "_"), variable(path)))
        .collect();
    (env.keys())
        .filter_map(|name| known.get(name).map(|meant| (name, meant)))
        .map(|(name, meant)| Problem {
            key: name.clone(),
            text: format!("has one underscore between levels; write {meant}"),
        })
        .collect()
}

/// Reads as TOML, or is a string.
fn value(raw: &str) -> Value {
    raw.parse().unwrap_or_else(|_| Value::String(raw.to_owned()))
}

/// Puts `value` where the segments lead; returns the dotted path.
fn set(root: &mut Table, segments: &[&str], value: Value) -> Result<String, String> {
    let Some((last, levels)) = segments.split_last() else {
        return Ok(String::new());
    };
    let mut table = root;
    let mut path = String::new();
    for segment in levels {
        let key = existing(table, segment).unwrap_or_else(|| segment.to_lowercase());
        path.push_str(&key);
        // A secret is a string or a table of one key: FILE over a string or over `env` replaces it whole.
        let secret = key == "client_secret";
        let next = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
        if next.is_array() || path == "routes" {
            return Err(format!(
                "a list of tables cannot be set from the environment; write {path} in the file"
            ));
        }
        if secret || !next.is_table() {
            *next = Value::Table(Table::new());
        }
        let Value::Table(inner) = next else {
            return Err("is not in a table; remove it".to_owned());
        };
        table = inner;
        path.push('.');
    }
    let key = existing(table, last).unwrap_or_else(|| {
        let name = last.to_lowercase();
        if path == "identity_headers." {
            name.replace('_', "-")
        } else {
            name
        }
    });
    path.push_str(&key);
    table.insert(key, value);
    Ok(path)
}

/// The key of the table that the segment means: a name may have capitals and hyphens, a variable has not.
fn existing(table: &Table, segment: &str) -> Option<String> {
    let fold = |text: &str| text.to_lowercase().replace('-', "_");
    table.keys().find(|key| fold(key) == fold(segment)).cloned()
}
