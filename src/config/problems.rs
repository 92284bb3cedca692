//! What is wrong with a configuration: all of it at once, in the words of the person who has to mend it.
//!
//! A problem never holds a value of the file, only names of keys and files: a secret can stand in any wrong place.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `routes[0].access`, the name of an environment variable, or a place in the file.
    pub key: String,
    /// What is wrong and, after a semicolon, what to write instead.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.text)
    }
}

/// Everything that is wrong, in the order of the reference file; never empty. `Display` is one problem a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// The only problem there is.
    pub(super) fn one(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self(vec![Problem {
            key: key.into(),
            text: text.into(),
        }])
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            // A key in quotes may hold a line break; a problem is one line all the same.
            f.write_str(&problem.to_string().replace(char::is_control, "?"))?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The candidate that is most like `name`; `None` only without candidates.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |candidate: &&str| strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase());
    candidates
        .into_iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// Whether `name` looks like a slip of the finger for `candidate`.
pub(super) fn resembles(name: &str, candidate: &str) -> bool {
    strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase()) >= 0.8
}

/// `"a", "b" or "c"`
pub(super) fn alternatives<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("\"{name}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
