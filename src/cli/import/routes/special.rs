//! Routes for patterns: open without a login, or without a redirect.

use super::super::new::New;
use super::paths::{Pattern, pattern};
use super::{Every, Upstream};

/// A route that is printed.
pub(super) struct Printed<'u> {
    pub(super) path: String,
    pub(super) method: Option<String>,
    pub(super) public: bool,
    pub(super) upstream: &'u Upstream,
}

impl Printed<'_> {
    /// Its lines; `line` is what makes it special.
    fn text(&self, every: &Every, line: &str) -> New {
        let mut route = New::default();
        route.line("[[routes]]");
        route.key("path", self.path.as_str());
        route.optional("methods", self.method.clone().map(|method| vec![method]));
        route.line(line);
        if !self.public {
            every.rules.write(&mut route);
        }
        every.write(&mut route, self.upstream, self.public);
        route
    }
}

/// A route for a pattern; a comment where it has no path.
pub(super) fn special<'u>(
    new: &mut New,
    every: &Every,
    upstreams: &'u [Upstream],
    printed: &mut Vec<Printed<'u>>,
    text: &str,
    public: bool,
) {
    let (option, line) = if public {
        ("skip_auth_routes", "access = \"public\"")
    } else {
        ("api_routes", "unauthenticated = \"401\"")
    };
    new.line("");
    let Some(Pattern { method, path, exact }) = pattern(text) else {
        new.note(&format!(
            "{option}: {text:?} is no plain path; write [[routes]] with path and {line} for what it matches."
        ));
        return;
    };
    let Some(upstream) = closest(upstreams, &path) else {
        return;
    };
    if printed.iter().any(|route| route.path == path && route.method == method) {
        new.note(&format!(
            "{option}: {text:?} is the path of a route above; write {line} there if all of it is meant."
        ));
        return;
    }
    let found = Printed {
        path,
        method,
        public,
        upstream,
    };
    let mut route = found.text(every, line);
    if public && exact {
        if found.method.is_some() {
            others(&mut route, every, std::slice::from_ref(&found));
        }
        new.note(&format!(
            "{option}: {text:?} was this one path; a route is for everything below it too. Take the comment signs \
             away if all of that may be public."
        ));
        for line in route.into_text().lines().filter(|line| !line.is_empty()) {
            new.line(&format!("#{line}"));
        }
    } else {
        new.note(&format!("{option}: {text:?}"));
        new.line(route.into_text().trim_end());
        printed.push(found);
    }
}

/// The upstream that requests to this path go to.
fn closest<'u>(upstreams: &'u [Upstream], path: &str) -> Option<&'u Upstream> {
    let under = |upstream: &&Upstream| {
        let base = upstream.path.trim_end_matches('/');
        path == upstream.path || path.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'))
    };
    upstreams
        .iter()
        .filter(under)
        .max_by_key(|upstream| upstream.path.len())
}

/// A method is looked for among the routes of the path only: where a path is open for one, the others would get 405.
pub(super) fn others(new: &mut New, every: &Every, printed: &[Printed<'_>]) {
    for route in by_path(printed, |path| {
        printed.iter().any(|route| route.path == path && route.method.is_none())
    }) {
        new.table("[[routes]]");
        new.key("path", route.path.as_str());
        every.rules.write(new);
        every.write(new, route.upstream, false);
    }
}

/// `OPTIONS` without a login, wherever it is not open already.
pub(super) fn preflight(new: &mut New, every: &Every, printed: &[Printed<'_>]) {
    let open = |route: &Printed<'_>| route.public && route.method.as_deref().is_none_or(|method| method == "OPTIONS");
    for route in by_path(printed, |path| {
        printed.iter().any(|route| route.path == path && open(route))
    }) {
        new.table("[[routes]]");
        new.key("path", route.path.as_str());
        new.key("methods", vec!["OPTIONS"]);
        new.key("access", "public");
        every.write(new, route.upstream, true);
    }
}

/// One route for each path that is not `done`.
fn by_path<'p, 'u>(printed: &'p [Printed<'u>], done: impl Fn(&str) -> bool) -> Vec<&'p Printed<'u>> {
    let mut paths: Vec<_> = printed.iter().filter(|route| !done(&route.path)).collect();
    paths.sort_by(|one, other| one.path.cmp(&other.path));
    paths.dedup_by(|one, other| one.path == other.path);
    paths
}
