//! oauth2-proxy's patterns (Go regular expressions, searched for in the path) become paths, where they can.

/// A pattern that is a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Only this method.
    pub(super) method: Option<String>,
    /// The path, whole segments.
    pub(super) path: String,
    /// Only the path itself, nothing below it.
    pub(super) exact: bool,
}

/// Reads `GET=^/path`, `^/path/`, `^/path$`, `^/path/.*` …; `None` where no path says the same or less.
///
/// `^/path` matches `/pathology` as well; the path is less than that, which is the safe side. Without `^` it could stand
/// anywhere.
pub(super) fn pattern(text: &str) -> Option<Pattern> {
    let (method, regex) = match text.split_once('=') {
        // `METHOD!=…`: every method but one.
        Some((method, _)) if method.ends_with('!') => return None,
        Some((method, regex)) if method.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            let method = (!method.is_empty()).then(|| method.to_ascii_uppercase());
            (method, regex)
        }
        _ => (None, text),
    };
    let body = regex.strip_prefix('^')?;
    let (body, ends) = match body.strip_suffix('$') {
        Some(body) => (body, true),
        None => (body, false),
    };
    let below = ["/.*", "(/.*)?", "(/|$)", "(?:/|$)", "/?.*"];
    let open = below.iter().find_map(|tail| body.strip_suffix(tail));
    let (path, exact) = match open {
        Some(path) => (path, false),
        None => (body, ends),
    };
    let path = plain(path)?;
    let path = match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    };
    let odd = !path.starts_with('/') || path.contains("//") || path.split('/').any(|part| matches!(part, "." | ".."));
    (!odd).then(|| Pattern {
        method,
        path: path.to_owned(),
        exact,
    })
}

/// The text that a regular expression without operators stands for. A dot that is not escaped is taken for a dot: that
/// is what was meant, and it is less than what it matches.
fn plain(regex: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = regex.chars();
    while let Some(char) = chars.next() {
        let literal = match char {
            '\\' => chars.next().filter(|next| matches!(next, '.' | '-' | '/' | '_'))?,
            '.' => match chars.as_str().chars().next() {
                Some('*' | '+' | '?') => return None,
                _ => '.',
            },
            char if char.is_ascii_alphanumeric() || "/-_~@:!,".contains(char) => char,
            _ => return None,
        };
        text.push(literal);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{Pattern, pattern};

    #[test]
    fn patterns_become_the_path_that_says_the_same_or_less() {
        for (text, expected) in [
            ("^/public", Some((None, "/public", false))),
            ("^/public/", Some((None, "/public", false))),
            ("^/health$", Some((None, "/health", true))),
            ("GET=^/api/v1\\.0$", Some((Some("GET"), "/api/v1.0", true))),
            ("get=^/static/.*", Some((Some("GET"), "/static", false))),
            ("^/static/.*$", Some((None, "/static", false))),
            ("^/a(/|$)", Some((None, "/a", false))),
            ("=^/a", Some((None, "/a", false))),
            ("^/", Some((None, "/", false))),
            ("^/$", Some((None, "/", true))),
            ("/public", None),
            ("GET!=^/public", None),
            ("^/(a|b)", None),
            ("^/a.*", None),
            ("^/.*\\.css$", None),
            ("^/a/../b", None),
            ("^/a[0-9]", None),
            ("", None),
        ] {
            let expected = expected.map(|(method, path, exact)| Pattern {
                method: method.map(str::to_owned),
                path: path.to_owned(),
                exact,
            });
            assert_eq!(pattern(text), expected, "{text}");
        }
    }
}
