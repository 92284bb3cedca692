//! The options of oauth2-proxy, taken one by one.

use toml::{Table, Value};

/// What is left of the file.
pub(super) struct Old(Table);

impl Old {
    /// Reads the file. The parser's own words would quote the line, and a secret may stand in it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start).min(text.len());
            let line = text.get(..at).unwrap_or(text).matches('\n').count() + 1;
            format!(
                "line {line} is not TOML; import reads oauth2-proxy's --config file, not its alpha configuration (YAML)"
            )
        })
    }

    /// Text that is not empty.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let text = match self.0.remove(key)? {
            Value::String(text) => text,
            Value::Table(_) | Value::Array(_) => return None,
            other => other.to_string(),
        };
        Some(text).filter(|text| !text.trim().is_empty())
    }

    /// `true`, or `"true"`, as oauth2-proxy takes both.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        match self.0.remove(key)? {
            Value::Boolean(truth) => Some(truth),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A list, or text with commas.
    pub(super) fn list(&mut self, key: &str) -> Vec<String> {
        let parts = match self.0.remove(key) {
            Some(Value::Array(values)) => values
                .into_iter()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect(),
            Some(Value::String(text)) => text.split(',').map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let trimmed = parts.into_iter().map(|part: String| part.trim().to_owned());
        trimmed.filter(|part| !part.is_empty()).collect()
    }

    /// Seconds of a Go duration: `168h`, `1h30m`, `15m0s`. `Err` where there is one that cannot be read.
    pub(super) fn seconds(&mut self, key: &str) -> Result<Option<u64>, ()> {
        self.text(key).map(|text| go_seconds(&text).ok_or(())).transpose()
    }

    /// The options that nobody took, sorted; those that say nothing (empty, false) left out.
    pub(super) fn untouched(&self) -> Vec<&str> {
        let says_nothing = |value: &Value| match value {
            Value::String(text) => text.trim().is_empty(),
            Value::Array(values) => values.is_empty(),
            Value::Boolean(truth) => !truth,
            _ => false,
        };
        let left = self.0.iter().filter(|(_, value)| !says_nothing(value));
        left.map(|(key, _)| key.as_str()).collect()
    }
}

fn go_seconds(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut milliseconds = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|char: char| !char.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            // Zero needs no unit.
            "" if number == "0" => 0,
            _ => return None,
        };
        milliseconds = milliseconds.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = after;
    }
    Some(milliseconds.div_ceil(1_000))
}
