//! Which route a request falls under: the longest path by whole segments, then host, then method.
//!
//! - A route's path is a prefix of whole segments: `/admin` has `/admin`, `/admin/` and `/admin/x`, never `/adminx`.
//!   `/admin/` says the same as `/admin`: a rule for a folder that left the folder's own name open would be a trap.
//! - Routes of other hosts do not exist for a request: where the longest path is another host's, the next shorter one
//!   counts. At one path, a route that names the host hides those for any host.
//! - Methods choose only among the routes of that path and host, never a shorter path: 405, so that a rule for
//!   `POST /api` cannot be slipped past through `/`. A route that lists the method comes before one for all methods;
//!   `HEAD` goes where `GET` goes unless a route lists it. Where rules tell methods apart, one with small letters falls
//!   under none that does not list it as it is.
//! - All readings of the target (see [`Target`]) must fall under one route.

use http::{HeaderValue, Method};

use super::hosts::{Authority, HostEntry};
use super::target::{Target, escaped_byte};
use crate::config::Route;

/// The routes, compiled once. A tree of path segments; each node has the routes of one path.
#[derive(Clone, Debug)]
pub struct Router {
    /// The first is `/`.
    nodes: Vec<Node>,
    choices: Vec<Choice>,
    /// By route: whether it lets an encoded slash through.
    encoded_slash: Vec<bool>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// Segment and node, sorted by segment.
    children: Vec<(Box<str>, usize)>,
    /// Host and choice, sorted by [`HostEntry::order`].
    hosts: Vec<(HostEntry, usize)>,
    /// The choice for any host.
    any_host: Option<usize>,
}

/// The routes of one path and host, told apart by method.
#[derive(Clone, Debug)]
struct Choice {
    methods: Vec<(Method, usize)>,
    any_method: Option<usize>,
    allow: HeaderValue,
}

/// What [`Router::find`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The index of the route.
    Route(usize),
    /// No route has this path on this host: 404.
    NoRoute,
    /// A route has it, but not for this method: 405, with this `Allow` (RFC 9110 §10.2.1).
    MethodNotAllowed(HeaderValue),
    /// The path as judged and the bytes as they came fall under different routes: 400.
    Ambiguous,
    /// The path has an encoded slash and the route does not allow it: 400.
    EncodedSlash,
}

impl Router {
    /// Compiles the routes. Of two that say the same, the first counts (configuration refuses such).
    #[must_use]
    pub fn new(routes: &[Route]) -> Self {
        let encoded_slash = routes.iter().map(|route| route.encoded_slash).collect();
        let mut router = Self {
            nodes: vec![Node::default()],
            choices: Vec::new(),
            encoded_slash,
        };
        for (index, route) in routes.iter().enumerate() {
            let node = router.node_for(&route.path);
            if route.hosts.is_empty() {
                let choice = *router.nodes[node].any_host.get_or_insert(router.choices.len());
                router.add(choice, route, index);
            }
            for entry in route.hosts.iter().filter_map(|host| HostEntry::parse(host)) {
                let choice = router.nodes[node].choice_for(entry, router.choices.len());
                router.add(choice, route, index);
            }
        }
        router
    }

    /// Finds the route of a request. `host` is the `Host` value as it came. Allocates nothing.
    #[must_use]
    pub fn find(&self, target: &Target<'_>, host: &str, method: &Method) -> Found {
        let host = Authority::parse(host);
        let chosen = self.choose(target.judged(), host, str::bytes);
        if !target.is_plain() {
            let as_it_came = self.choose(target.raw_path, host, as_configured);
            let mut others = target.other_readings().iter();
            if as_it_came != chosen || others.any(|other| self.choose(other, host, str::bytes) != chosen) {
                return Found::Ambiguous;
            }
        }
        let Some(choice) = chosen.map(|choice| &self.choices[choice]) else {
            return Found::NoRoute;
        };
        match choice.route(method) {
            None => Found::MethodNotAllowed(choice.allow.clone()),
            Some(route) if target.has_encoded_slash() && !self.encoded_slash[route] => Found::EncodedSlash,
            Some(route) => Found::Route(route),
        }
    }

    /// The choice at the longest path that applies to the host. `spell` turns a segment into bytes to compare.
    fn choose<'p, B>(&self, path: &'p str, host: Option<Authority<'_>>, spell: impl Fn(&'p str) -> B) -> Option<usize>
    where
        B: Iterator<Item = u8>,
    {
        let mut node = &self.nodes[0];
        let mut chosen = node.choice(host);
        for segment in path.split('/').skip(1) {
            let Ok(at) = node
                .children
                .binary_search_by(|(name, _)| name.bytes().cmp(spell(segment)))
            else {
                break;
            };
            node = &self.nodes[node.children[at].1];
            chosen = node.choice(host).or(chosen);
        }
        chosen
    }

    /// The node of a route's path, made where it is missing.
    fn node_for(&mut self, path: &str) -> usize {
        let mut node = 0;
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            let next = self.nodes.len();
            let children = &mut self.nodes[node].children;
            node = match children.binary_search_by(|(name, _)| (**name).cmp(segment)) {
                Ok(at) => children[at].1,
                Err(at) => {
                    children.insert(at, (segment.into(), next));
                    self.nodes.push(Node::default());
                    next
                }
            };
        }
        node
    }

    /// Adds a route to a choice; a number one past the last makes a new one.
    fn add(&mut self, choice: usize, route: &Route, index: usize) {
        if choice == self.choices.len() {
            self.choices.push(Choice::default());
        }
        self.choices[choice].add(route, index);
    }
}

impl Node {
    fn choice_for(&mut self, entry: HostEntry, next: usize) -> usize {
        match self.hosts.binary_search_by(|(other, _)| other.order(&entry)) {
            Ok(at) => self.hosts[at].1,
            Err(at) => {
                self.hosts.insert(at, (entry, next));
                next
            }
        }
    }

    /// The choice for a host: one that names it, else the one for any.
    fn choice(&self, host: Option<Authority<'_>>) -> Option<usize> {
        host.and_then(|authority| self.named(authority)).or(self.any_host)
    }

    fn named(&self, authority: Authority<'_>) -> Option<usize> {
        let first = self
            .hosts
            .partition_point(|(entry, _)| entry.compare_host(authority.host).is_lt());
        let mut same = self.hosts[first..]
            .iter()
            .take_while(|(entry, _)| entry.compare_host(authority.host).is_eq());
        same.find(|(entry, _)| entry.takes_port(authority.port))
            .map(|(_, choice)| *choice)
    }
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            methods: Vec::new(),
            any_method: None,
            allow: HeaderValue::from_static(""),
        }
    }
}

impl Choice {
    fn add(&mut self, route: &Route, index: usize) {
        if route.methods.is_empty() {
            self.any_method.get_or_insert(index);
        }
        for method in &route.methods {
            if self.listed(method).is_none() {
                self.methods.push((method.clone(), index));
            }
        }
        let mut allow: Vec<_> = self.methods.iter().map(|(method, _)| method.as_str()).collect();
        if allow.contains(&"GET") && !allow.contains(&"HEAD") {
            allow.push("HEAD");
        }
        // A method is a token (RFC 9110 §9.1), so this cannot fail; an empty `Allow` would still be a valid answer.
        self.allow = HeaderValue::try_from(allow.join(", ")).unwrap_or(HeaderValue::from_static(""));
    }

    fn route(&self, method: &Method) -> Option<usize> {
        let as_get = || {
            if method == Method::HEAD {
                self.listed(&Method::GET)
            } else {
                None
            }
        };
        // `delete` is another method than `DELETE`, but not for every application.
        let misspelt = !self.methods.is_empty() && method.as_str().contains(|char: char| char.is_ascii_lowercase());
        self.listed(method)
            .or_else(as_get)
            .or(self.any_method.filter(|_| !misspelt))
    }

    fn listed(&self, method: &Method) -> Option<usize> {
        self.methods
            .iter()
            .find(|(listed, _)| listed == method)
            .map(|(_, route)| *route)
    }
}

/// A segment as it came, spelled as an operator would: a byte that has no lawful spelling but its escape (a space, `é`)
/// is decoded. Anything that could have been written plainly stays as it came: `%61` is not `a` here.
fn as_configured(segment: &str) -> impl Iterator<Item = u8> {
    let mut rest = segment.as_bytes();
    std::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        match escaped_byte(rest) {
            Some(byte) if byte >= 0x80 || b" \"<>[]^`{|}".contains(&byte) => {
                rest = &rest[3..];
                Some(byte)
            }
            _ => {
                rest = tail;
                Some(first)
            }
        }
    })
}

#[cfg(test)]
mod tests;
