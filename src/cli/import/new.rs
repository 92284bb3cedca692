//! The TOML that is printed: keys, tables and comments, in the order they were written.

use toml::Value;

/// Longest line of a comment.
const WIDTH: usize = 110;

/// What is printed.
#[derive(Default)]
pub(super) struct New(String);

impl New {
    /// A comment, in as many lines as it needs.
    pub(super) fn note(&mut self, text: &str) {
        let mut line = String::from("#");
        for word in text.split_whitespace() {
            if line.len() > 1 && line.chars().count() + word.chars().count() >= WIDTH {
                self.line(&line);
                line = String::from("#");
            }
            line.push(' ');
            // A comment may hold what came from the file, but no control character (TOML 1.0).
            line.extend(word.chars().filter(|char| !char.is_control()));
        }
        self.line(&line);
    }

    /// An empty line and a table's name: `[server]`.
    pub(super) fn table(&mut self, name: &str) {
        self.0.push('\n');
        self.line(name);
    }

    /// `key = value`; nothing for an empty list.
    pub(super) fn key(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        if value.as_array().is_none_or(|list| !list.is_empty()) {
            self.line(&format!("{key} = {value}"));
        }
    }

    /// The same, where there is a value.
    pub(super) fn optional(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.key(key, value);
        }
    }

    /// A line as it is.
    pub(super) fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// A table of one key: `{ file = "…" }`.
pub(super) fn inline(key: &str, value: impl Into<Value>) -> Value {
    Value::Table([(key.to_owned(), value.into())].into_iter().collect())
}

/// Seconds as sidegate writes durations, in the largest unit that fits: `"12h"`.
pub(super) fn duration(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let fits = units
        .into_iter()
        .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    match fits {
        Some((unit, name)) => format!("{}{name}", seconds / unit),
        None => format!("{seconds}s"),
    }
}
