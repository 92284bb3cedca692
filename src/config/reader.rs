//! Takes a TOML table apart, key by key: what nobody takes is unknown, what does not fit is a problem, and reading goes
//! on after every problem so that all of them are found at once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::environment::{self, Overrides};
use super::later;
use super::problems::{Problem, alternatives, nearest, resembles};
use super::values::{self, Parsed};

/// What all readers of one configuration share.
pub(super) struct Source {
    base: PathBuf,
    env: BTreeMap<String, String>,
    overrides: Overrides,
    problems: RefCell<Vec<Problem>>,
    known: RefCell<BTreeSet<String>>,
    files: RefCell<BTreeSet<PathBuf>>,
}

impl Source {
    /// `base` is the directory that relative file names start from.
    pub(super) fn new(base: &Path, env: BTreeMap<String, String>, overrides: Overrides) -> Self {
        Self {
            base: base.to_owned(),
            env,
            overrides,
            problems: RefCell::default(),
            known: RefCell::default(),
            files: RefCell::default(),
        }
    }

    /// Notes a problem at a dotted path.
    pub(super) fn problem(&self, path: &str, text: impl Into<String>) {
        let mut text = text.into();
        let over = |set: &str| {
            path.strip_prefix(set)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if let Some((_, by)) = self.overrides.iter().find(|(set, _)| over(set)) {
            text.push_str(&format!(" (set by {})", by.variable));
        }
        self.problems.borrow_mut().push(Problem {
            key: path.to_owned(),
            text,
        });
    }

    /// The file that a name in the configuration means.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        let path = self.base.join(name);
        self.files.borrow_mut().insert(path.clone());
        path
    }

    /// A path that is not watched: a socket, a directory.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }

    /// A variable of the environment.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str)
    }

    /// Ends reading: the problems, the shapes of all keys that were asked for, the files that were named.
    pub(super) fn finish(self) -> (Vec<Problem>, BTreeSet<String>, Vec<PathBuf>) {
        let known = self.known.into_inner();
        let mut problems = self.problems.into_inner();
        problems.extend(environment::near_misses(&self.env, known.iter().map(String::as_str)));
        (problems, known, self.files.into_inner().into_iter().collect())
    }
}

/// One table. Dropping it reports the keys that nobody took, so that no table can forget to.
pub(super) struct Reader<'s> {
    pub(super) source: &'s Source,
    /// `providers.main`; empty for the root.
    path: String,
    /// `providers.*`: the path with names and places left open.
    shape: String,
    table: Table,
    known: Vec<String>,
}

impl<'s> Reader<'s> {
    /// The whole file.
    pub(super) fn root(source: &'s Source, table: Table) -> Self {
        Self {
            source,
            path: String::new(),
            shape: String::new(),
            table,
            known: Vec::new(),
        }
    }

    /// Where `key` stands in the file.
    pub(super) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Notes a problem with `key`.
    pub(super) fn problem(&self, key: &str, text: impl Into<String>) {
        self.source.problem(&self.path_of(key), text);
    }

    /// Whether a problem with `key`, or with something in it, is noted already: then it is not missing as well.
    pub(super) fn failed(&self, key: &str) -> bool {
        let path = self.path_of(key);
        let inside = |key: &str| {
            key.strip_prefix(&path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.source.problems.borrow().iter().any(|problem| inside(&problem.key))
    }

    /// Whether the file or the environment has the key and nobody took it yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Takes the value as it is.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.known.push(key.to_owned());
        self.source.known.borrow_mut().insert(join(&self.shape, key));
        self.table.remove(key)
    }

    /// A key that may be absent; `""` is absent too.
    pub(super) fn optional<T>(&mut self, key: &str, parse: impl Fn(&Value) -> Parsed<T>) -> Option<T> {
        let value = self.take(key)?;
        if value.as_str() == Some("") {
            None
        } else {
            self.parsed(key, &value, parse)
        }
    }

    /// A key with a default.
    pub(super) fn or<T>(&mut self, key: &str, default: T, parse: impl Fn(&Value) -> Parsed<T>) -> T {
        self.take(key)
            .and_then(|value| self.parsed(key, &value, parse))
            .unwrap_or(default)
    }

    /// A key that must be there; `write` says what to write where it is not.
    pub(super) fn required<T>(&mut self, key: &str, write: &str, parse: impl Fn(&Value) -> Parsed<T>) -> Option<T> {
        match self.take(key) {
            Some(value) if value.as_str() != Some("") => self.parsed(key, &value, parse),
            _ => {
                self.problem(key, format!("is missing; write {write}"));
                None
            }
        }
    }

    /// true or false.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> bool {
        self.or(key, default, values::boolean)
    }

    /// One of a few words; the first is the default.
    pub(super) fn choice<T: Clone>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let Some(value) = self.take(key) else {
            return choices.first().map(|(_, choice)| choice.clone());
        };
        let shape = join(&self.shape, key);
        self.parsed(key, &value, |value| {
            let word = values::string(value)?;
            if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word) {
                return Ok(choice.clone());
            }
            let write = alternatives(choices.iter().map(|(name, _)| *name));
            let what = if later::value(&shape, &word) {
                "this version does not have that yet"
            } else {
                "unknown value"
            };
            Err(format!("{what}; write {write}"))
        })
    }

    /// A list; every member that does not fit is a problem of its own. With the place of each.
    pub(super) fn members<T>(&mut self, key: &str, parse: impl Fn(&Value) -> Parsed<T>) -> Vec<(usize, T)> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let Value::Array(list) = value else {
            self.problem(key, "is not a list; write it in brackets, [\"…\"]");
            return Vec::new();
        };
        let parsed = |(index, value)| Some((index, self.parsed(&format!("{key}[{index}]"), value, &parse)?));
        list.iter().enumerate().filter_map(parsed).collect()
    }

    /// A list without the places.
    pub(super) fn list<T>(&mut self, key: &str, parse: impl Fn(&Value) -> Parsed<T>) -> Vec<T> {
        self.members(key, parse).into_iter().map(|(_, member)| member).collect()
    }

    /// A table whose keys are the operator's own names.
    pub(super) fn pairs<T>(&mut self, key: &str, parse: impl Fn(&str, &Value) -> Parsed<T>) -> Vec<(String, T)> {
        let Some(Value::Table(table)) = self.table_value(key) else {
            return Vec::new();
        };
        let parsed = |(name, value): (&String, _)| {
            Some((
                name.clone(),
                self.parsed(&join(key, name), value, |value| parse(name, value))?,
            ))
        };
        table.iter().filter_map(parsed).collect()
    }

    /// A table that may be absent.
    pub(super) fn table(&mut self, key: &str) -> Option<Self> {
        match self.table_value(key)? {
            Value::Table(table) => Some(self.inner(self.path_of(key), join(&self.shape, key), table)),
            _ => None,
        }
    }

    /// A table that reads as empty where it is absent, so that its missing keys are found.
    pub(super) fn section(&mut self, key: &str) -> Self {
        let table = self.table(key);
        table.unwrap_or_else(|| self.inner(self.path_of(key), join(&self.shape, key), Table::new()))
    }

    /// A table of tables with names of the operator's: `[providers.main]`.
    pub(super) fn named(&mut self, key: &str) -> Vec<(String, Self)> {
        let Some(Value::Table(table)) = self.table_value(key) else {
            return Vec::new();
        };
        let mut named = Vec::new();
        for (name, value) in table {
            let path = self.path_of(&join(key, &name));
            if !values::is_name(&name) {
                self.source
                    .problem(&path, "is not a name; write letters, digits, \"-\" and \"_\" only");
            }
            match value {
                Value::Table(table) => {
                    let shape = join(&join(&self.shape, key), "*");
                    named.push((name, self.inner(path, shape, table)));
                }
                _ => self
                    .source
                    .problem(&path, format!("is not a table; write [{key}.NAME] above its keys")),
            }
        }
        named
    }

    /// A list of tables: `[[routes]]`.
    pub(super) fn tables(&mut self, key: &str) -> Vec<Self> {
        let wrong = format!("is not a list of tables; write [[{key}]] above each");
        let Some(value) = self.take(key) else { return Vec::new() };
        let Value::Array(list) = value else {
            self.problem(key, wrong);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (index, value) in list.into_iter().enumerate() {
            let path = self.path_of(&format!("{key}[{index}]"));
            match value {
                Value::Table(table) => tables.push(self.inner(path, format!("{}[]", join(&self.shape, key)), table)),
                _ => self.source.problem(&path, wrong.clone()),
            }
        }
        tables
    }

    /// Reads `value`, which stands at `key`; a problem where it does not fit.
    pub(super) fn parsed<T>(&self, key: &str, value: &Value, parse: impl Fn(&Value) -> Parsed<T>) -> Option<T> {
        let path = self.path_of(key);
        // A variable of the environment has no quotes: where its text happens to read as a number, it may be meant as text.
        let raw = || {
            let scalar = !(value.is_str() || value.is_array() || value.is_table());
            let set = self.source.overrides.get(&path).filter(|_| scalar)?;
            parse(&Value::String(set.raw.clone())).ok()
        };
        match parse(value) {
            Ok(parsed) => Some(parsed),
            Err(text) => raw().or_else(|| {
                self.source.problem(&path, text);
                None
            }),
        }
    }

    fn table_value(&mut self, key: &str) -> Option<Value> {
        let value = self.take(key)?;
        if !value.is_table() {
            self.problem(
                key,
                format!("is not a table; write [{}] above its keys", self.path_of(key)),
            );
        }
        Some(value)
    }

    fn inner(&self, path: String, shape: String, table: Table) -> Self {
        Self {
            source: self.source,
            path,
            shape,
            table,
            known: Vec::new(),
        }
    }

    /// What to say about a key that nobody took.
    fn unknown(&self, key: &str) {
        let path = self.path_of(key);
        let near = nearest(key, self.known.iter().map(String::as_str));
        let from_env = |set: &String| *set == path || set.starts_with(&format!("{path}."));
        let text = |write: &dyn Fn(&str) -> String| match near {
            _ if later::key(&join(&self.shape, key)) => "this version does not have it yet; remove it".to_owned(),
            Some(near) if resembles(key, near) => format!("unknown key; write {}", write(near)),
            Some(near) => format!("unknown key; remove it, the nearest known is {}", write(near)),
            None => "unknown key; remove it".to_owned(),
        };
        let mut problems = self.source.problems.borrow_mut();
        let before = problems.len();
        for (set, by) in self.source.overrides.iter().filter(|(set, _)| from_env(set)) {
            let rest = set.strip_prefix(&path).unwrap_or_default();
            let text = text(&|near| environment::variable(&format!("{}{rest}", self.path_of(near))));
            problems.push(Problem {
                key: by.variable.clone(),
                text,
            });
        }
        if problems.len() == before {
            problems.push(Problem {
                key: path,
                text: text(&|near| format!("\"{near}\"")),
            });
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        for key in std::mem::take(&mut self.table).keys() {
            self.unknown(key);
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
