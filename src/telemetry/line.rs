//! One log line. Everything that is written passes here, so this is the only place that escapes.
//!
//! JSON and text escape the same characters: quotes, backslashes and every control character, DEL and C1 included, so
//! that no value can end its line early or drive the terminal that shows it.

use std::fmt::Write as _;

use tracing::Level;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// A line under way; fields come out in the order of the calls.
pub(super) struct Line {
    text: String,
    format: LogFormat,
}

impl Line {
    /// Begins a line with its time (RFC 3339, UTC, microseconds) and level.
    pub(super) fn new(format: LogFormat, level: Level) -> Self {
        let mut line = Self {
            text: String::with_capacity(320),
            format,
        };
        if format == LogFormat::Json {
            line.text.push_str("{\"timestamp\":\"");
        }
        // Neither a clock out of range nor a String that refuses text occurs; a line without a time beats no line.
        let _ = SystemTime.format_time(&mut Writer::new(&mut line.text));
        line.text.push_str(if format == LogFormat::Json {
            "\",\"level\":\""
        } else {
            " "
        });
        line.text.push_str(level.as_str());
        if format == LogFormat::Json {
            line.text.push('"');
        }
        line
    }

    /// A text field.
    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        if self.format == LogFormat::Text && is_word(value) {
            self.text.push_str(value);
        } else {
            self.text.push('"');
            escape(value, &mut self.text);
            self.text.push('"');
        }
    }

    /// A text field that may be absent: `null` in JSON, `-` in text.
    pub(super) fn optional(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(key, value),
            None => {
                self.key(key);
                self.text
                    .push_str(if self.format == LogFormat::Json { "null" } else { "-" });
            }
        }
    }

    /// A number or a boolean, written as it displays itself: that must be JSON.
    pub(super) fn plain(&mut self, key: &str, value: impl std::fmt::Display) {
        self.key(key);
        let _ = write!(self.text, "{value}");
    }

    /// What the line says; text shows it without its key.
    pub(super) fn message(&mut self, message: &str) {
        if self.format == LogFormat::Json {
            self.text("message", message);
        } else {
            self.text.push(' ');
            escape(message, &mut self.text);
        }
    }

    /// Ends the line.
    pub(super) fn finish(mut self) -> String {
        self.text
            .push_str(if self.format == LogFormat::Json { "}\n" } else { "\n" });
        self.text
    }

    fn key(&mut self, key: &str) {
        if self.format == LogFormat::Json {
            self.text.push_str(",\"");
            escape(key, &mut self.text);
            self.text.push_str("\":");
        } else {
            self.text.push(' ');
            escape(key, &mut self.text);
            self.text.push('=');
        }
    }
}

/// Whether text output can show `value` without quotes and nobody reads it as two fields or as an absent one.
fn is_word(value: &str) -> bool {
    value != "-"
        && !value.is_empty()
        && value
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'='))
}

/// RFC 8259 §7, and DEL and C1 too.
fn escape(value: &str, out: &mut String) {
    if value
        .bytes()
        .all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\'))
    {
        return out.push_str(value);
    }
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(line: Line) -> String {
        let line = line.finish();
        line.split_once("INFO").unwrap().1.to_owned()
    }

    #[test]
    fn json_is_one_flat_object() {
        let mut line = Line::new(LogFormat::Json, Level::INFO);
        line.text("event", "login");
        line.optional("user", None);
        line.plain("status", 200);
        line.message("a \"b\"");
        let line = line.finish();
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["level"], "INFO");
        assert_eq!(value["event"], "login");
        assert_eq!(value["user"], serde_json::Value::Null);
        assert_eq!(value["status"], 200);
        assert_eq!(value["message"], "a \"b\"");
        let time = value["timestamp"].as_str().unwrap();
        assert!(
            time.starts_with("20") && time.ends_with('Z') && time.as_bytes()[10] == b'T',
            "{time}"
        );
    }

    #[test]
    fn text_is_quoted_only_where_it_must() {
        let mut line = Line::new(LogFormat::Text, Level::INFO);
        line.message("started\nagain");
        line.text("path", "/a");
        line.text("user", "J. Doe");
        line.text("dash", "-");
        line.text("pair", "a=b");
        line.optional("none", None);
        assert_eq!(
            tail(line),
            " started\\nagain path=/a user=\"J. Doe\" dash=\"-\" pair=\"a=b\" none=-\n"
        );
    }

    #[test]
    fn no_value_reaches_the_terminal_or_the_next_line() {
        for format in [LogFormat::Json, LogFormat::Text] {
            let mut line = Line::new(format, Level::INFO);
            line.text("path", "\u{1b}[2J\u{7f}\u{9b}31m\r\n{\"level\":\"INFO\"}");
            let line = line.finish();
            assert!(!line.trim_end_matches('\n').chars().any(char::is_control), "{line}");
        }
    }
}
