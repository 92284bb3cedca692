//! What the operator said: one TOML file and the environment become an immutable [`Config`], or the list of all problems.
//!
//! [`Config::parse`] lays the environment over the file (`environment.rs`), then each section's file takes its own table
//! apart with a `Reader` (`reader.rs`), which goes on after every problem. There is no second, raw set of types: what is
//! accepted, its default and what it becomes stand in one line.

mod allow;
mod environment;
mod files;
mod headers;
mod later;
mod pages;
mod problems;
mod providers;
mod reader;
mod redirects;
mod redis;
mod routes;
mod server;
mod session;
#[cfg(test)]
mod tests;
mod upstreams;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use http::HeaderName;
use toml::Table;

pub use allow::Allow;
pub use headers::{HostHeader, Template, TemplatePart};
pub use pages::{Log, Pages};
pub use problems::{Problem, Problems};
pub use providers::{ClientAuth, Provider, Userinfo};
pub use redirects::OriginPattern;
pub use redis::{Redis, RedisPlace, RedisServers};
pub use routes::{Access, Authorization, Route, Unauthenticated};
pub use server::{Listen, PublicUrl, Server, Tls};
pub use session::{SameSite, Session, SessionKey};
pub use upstreams::{Upstream, UpstreamServer};

use reader::{Reader, Source};

/// The whole configuration, checked and resolved. Never changed after it was made.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[admin] listen`; `None` turns the admin listener off.
    pub admin: Option<SocketAddr>,
    /// `[providers.*]`, sorted by name; never empty.
    pub providers: Vec<Provider>,
    /// `[session]`
    pub session: Session,
    /// Every upstream a route names; [`Route::upstream`] holds indexes into this list.
    pub upstreams: Vec<Upstream>,
    /// `[[routes]]` as written; never empty.
    pub routes: Vec<Route>,
    /// `[identity_headers]`, sorted: header and the claim (a key of [`Provider::claims`]) it carries.
    pub identity_headers: Vec<(HeaderName, String)>,
    /// `[redirects] allowed`
    pub allowed_redirects: Vec<OriginPattern>,
    /// `[pages]`
    pub pages: Pages,
    /// `[log]`
    pub log: Log,
    /// Every file that the configuration names (secrets, certificates), sorted: what a reload has to watch beside it.
    pub files: Vec<PathBuf>,
}

impl Config {
    /// Reads the file, lays the environment over it and checks everything.
    ///
    /// # Errors
    /// All problems at once; the file's own name is the key where it cannot be read.
    pub fn load(path: &Path, env: impl Iterator<Item = (String, String)>) -> Result<Self, Problems> {
        let name = || path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| Problems::one(name(), files::unreadable(path, &error)))?;
        let text =
            String::from_utf8(bytes).map_err(|_| Problems::one(name(), "is not UTF-8 text; save it as UTF-8"))?;
        Self::parse(&text, path.parent().unwrap_or(Path::new("")), env)
    }

    /// The same for a text; relative file names start from `base`.
    ///
    /// # Errors
    /// All problems at once, unless the text is not TOML: then where it stops being that.
    pub fn parse(text: &str, base: &Path, env: impl Iterator<Item = (String, String)>) -> Result<Self, Problems> {
        Self::read(text, base, env).0
    }

    /// Also returns the shape of every key that was asked for: what the reference file must show.
    fn read(
        text: &str,
        base: &Path,
        env: impl Iterator<Item = (String, String)>,
    ) -> (Result<Self, Problems>, BTreeSet<String>) {
        let mut table: Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return (Err(syntax(text, &error)), BTreeSet::new()),
        };
        let env: BTreeMap<String, String> = env.collect();
        let (overrides, mut problems) = environment::overlay(&mut table, &env);
        let source = Source::new(base, env, overrides);
        let config = sections(&source, table);
        let (found, known, files) = source.finish();
        problems.extend(found);
        let config = if problems.is_empty() {
            Ok(Self { files, ..config })
        } else {
            Err(Problems(problems))
        };
        (config, known)
    }
}

/// Only where the admin listener is, for whoever asks a running gateway: the rest of the file may be broken by now.
///
/// # Errors
/// Where the file or `admin.listen` cannot be read.
pub fn admin_address(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Option<SocketAddr>, Problems> {
    let mut table = Table::new();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problems::one(path.display().to_string(), files::unreadable(path, &error)))?;
        table = text.parse().map_err(|error| syntax(&text, &error))?;
    }
    let env: BTreeMap<String, String> = env.filter(|(name, _)| name.starts_with("SIDEGATE_ADMIN__")).collect();
    let (overrides, _) = environment::overlay(&mut table, &env);
    let source = Source::new(Path::new(""), env, overrides);
    let admin = match table.remove("admin") {
        Some(toml::Value::Table(admin)) => admin,
        _ => Table::new(),
    };
    let only = Table::from_iter([("admin".to_owned(), toml::Value::Table(admin))]);
    let mut root = Reader::root(&source, only);
    let listen = server::admin_listen(&mut root.section("admin"));
    drop(root);
    let (problems, ..) = source.finish();
    if problems.is_empty() {
        Ok(listen)
    } else {
        Err(Problems(problems))
    }
}

/// Reads section by section, in the order of the reference file.
fn sections(source: &Source, table: Table) -> Config {
    let root = &mut Reader::root(source, table);
    let server = server::read(&mut root.section("server"));
    let admin = server::read_admin(&mut root.section("admin"), &server);
    let mut providers: Vec<Provider> = root
        .named("providers")
        .into_iter()
        .map(|(name, mut r)| providers::read(name, &mut r))
        .collect();
    if providers.is_empty() && !root.failed("providers") {
        root.problem(
            "providers",
            "is missing; write [providers.main] with issuer and client_id",
        );
    }
    let session = session::read(&mut root.section("session"), &server.public_url);
    let upstreams = upstreams::Upstreams::read(root);
    let identity_headers = headers::identity_headers(root, &providers);
    let identity: Vec<HeaderName> = identity_headers.iter().map(|(name, _)| name.clone()).collect();
    let mut around = routes::Surroundings {
        prefix: &server.prefix,
        providers: &providers,
        upstreams,
        identity: &identity,
    };
    let routes = routes::read_all(root, &mut around);
    let upstreams = around.upstreams.into_used();
    add_claims(&mut providers, &routes);
    Config {
        admin,
        providers,
        session,
        upstreams,
        routes,
        identity_headers,
        allowed_redirects: redirects::read(&mut root.section("redirects")),
        pages: pages::read(&mut root.section("pages")),
        log: pages::read_log(&mut root.section("log")),
        files: Vec::new(),
        server,
    }
}

/// A claim that a route names by its path becomes a claim of every provider that has none of that name.
fn add_claims(providers: &mut [Provider], routes: &[Route]) {
    let templates = routes
        .iter()
        .flat_map(|route| route.request_headers.iter().flat_map(|(_, value)| value.claims()));
    let rules = routes
        .iter()
        .flat_map(|route| route.allow.claims.iter().map(|(name, _)| name.as_str()));
    let named: BTreeSet<&str> = templates.chain(rules).collect();
    for provider in providers {
        for name in &named {
            if provider.claims.iter().all(|(known, _)| known != name) {
                // The path was checked where it was read.
                provider
                    .claims
                    .extend(providers::claim_path(name).map(|path| ((*name).to_owned(), path)));
            }
        }
    }
}

/// Where the text stops being TOML. The parser's own `Display` prints the line, and a secret may stand in it.
fn syntax(text: &str, error: &toml::de::Error) -> Problems {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    // The message names what the grammar expects, never what it found; one line, so that a problem stays one.
    let message = error.message().replace('\n', " ");
    Problems::one(
        format!("line {line}, column {column}"),
        format!("is not TOML, {message}; write it as https://toml.io says"),
    )
}
