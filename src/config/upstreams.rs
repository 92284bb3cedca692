//! `[upstreams.*]` and the URLs that routes give: the servers behind the gateway.

use std::path::PathBuf;
use std::time::Duration;

use toml::Value;
use url::{Host, Url};

use super::problems::{alternatives, nearest};
use super::reader::{Reader, Source};
use super::values::{Parsed, host_name, span, string};

/// A group of servers that serve the same application.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The NAME in `[upstreams.NAME]`, or the URL that a route gave.
    pub name: String,
    /// Never empty.
    pub servers: Vec<UpstreamServer>,
    /// Connecting, TLS included.
    pub connect_timeout: Duration,
    /// Between two reads; does not apply to WebSockets and event streams.
    pub read_timeout: Duration,
    /// CA certificates (PEM) trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Name asked for and verified by TLS; the server's host where it is absent.
    pub server_name: Option<String>,
    /// TLS certificates are not verified.
    pub insecure_skip_verify: bool,
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamServer {
    /// `http://host:port` or `https://host:port`
    Tcp {
        /// https
        tls: bool,
        /// Host name or address, IPv6 without brackets.
        host: String,
        /// Port, the scheme's default filled in.
        port: u16,
    },
    /// `unix:/path`
    Unix(PathBuf),
}

/// Every upstream that is named, and of those the ones that routes use.
pub(super) struct Upstreams {
    named: Vec<Upstream>,
    used: Vec<Upstream>,
}

impl Upstreams {
    /// Reads every `[upstreams.NAME]`.
    pub(super) fn read(root: &mut Reader<'_>) -> Self {
        let named = root
            .named("upstreams")
            .into_iter()
            .map(|(name, mut r)| read(name, &mut r))
            .collect();
        Self {
            named,
            used: Vec::new(),
        }
    }

    /// The index of what a route says: a name or a URL.
    pub(super) fn index(&mut self, text: &str, source: &Source) -> Parsed<usize> {
        if let Some(index) = self.used.iter().position(|upstream| upstream.name == text) {
            return Ok(index);
        }
        let named = self.named.iter().find(|upstream| upstream.name == text).cloned();
        let upstream = match named {
            Some(upstream) => upstream,
            None if text.contains("://") || text.starts_with("unix:") => direct(text, server(text, source)?),
            None => {
                let near = nearest(text, self.named.iter().map(|upstream| upstream.name.as_str()));
                let write = near
                    .map(|near| format!("{} or ", alternatives([near])))
                    .unwrap_or_default();
                return Err(format!(
                    "names no upstream; write {write}an address, \"http://127.0.0.1:8080\""
                ));
            }
        };
        self.used.push(upstream);
        Ok(self.used.len() - 1)
    }

    /// Those that routes use, by their indexes.
    pub(super) fn into_used(self) -> Vec<Upstream> {
        self.used
    }
}

/// An upstream of one server and defaults.
fn direct(name: &str, server: UpstreamServer) -> Upstream {
    Upstream {
        name: name.to_owned(),
        servers: vec![server],
        connect_timeout: CONNECT_TIMEOUT,
        read_timeout: READ_TIMEOUT,
        ca_file: None,
        server_name: None,
        insecure_skip_verify: false,
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const READ_TIMEOUT: Duration = Duration::from_secs(60);

fn read(name: String, r: &mut Reader<'_>) -> Upstream {
    let source = r.source;
    let missing = !r.has("servers");
    let servers = r.members("servers", |value| server(&string(value)?, source));
    for (at, (index, address)) in servers.iter().enumerate() {
        if servers[..at].iter().any(|(_, earlier)| earlier == address) {
            r.problem(
                &format!("servers[{index}]"),
                "is a server that stands here already; remove one of the two",
            );
        }
    }
    if servers.is_empty() && !r.failed("servers") {
        let what = if missing { "is missing" } else { "is empty" };
        r.problem(
            "servers",
            format!("{what}; write for example [\"http://127.0.0.1:8080\"]"),
        );
    }
    r.choice("balance", &[("round_robin", ())]);
    Upstream {
        name,
        servers: servers.into_iter().map(|(_, server)| server).collect(),
        connect_timeout: r.or("connect_timeout", CONNECT_TIMEOUT, span),
        read_timeout: r.or("read_timeout", READ_TIMEOUT, span),
        ca_file: r.ca_file("ca_file"),
        server_name: r.optional("server_name", server_name),
        insecure_skip_verify: r.flag("insecure_skip_verify", false),
    }
}

/// `http://host:port`, `https://host:port` or `unix:/path`.
fn server(text: &str, source: &Source) -> Parsed<UpstreamServer> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match path {
            "" => Err("names no socket; write for example \"unix:/run/app.sock\"".to_owned()),
            path => Ok(UpstreamServer::Unix(source.place(path))),
        };
    }
    let wrong = || "is not a server; write for example \"http://127.0.0.1:8080\" or \"unix:/run/app.sock\"".to_owned();
    let url = Url::parse(text).map_err(|_| wrong())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or password; write the address without them".to_owned());
    }
    if url.scheme() == "h2c" {
        return Err("this version does not speak h2c to upstreams yet; write \"http://…\"".to_owned());
    }
    let tls = match url.scheme() {
        "http" => false,
        "https" => true,
        _ => return Err(wrong()),
    };
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("has a path; write scheme, host and port only, and `rewrite` in the route".to_owned());
    }
    let host = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host_name(&host.to_string()).ok_or_else(wrong)?,
        None => return Err(wrong()),
    };
    Ok(UpstreamServer::Tcp {
        tls,
        host,
        port: url.port_or_known_default().ok_or_else(wrong)?,
    })
}

fn server_name(value: &Value) -> Parsed<String> {
    let text = string(value)?;
    match rustls::pki_types::ServerName::try_from(text.as_str()) {
        Ok(_) => Ok(text),
        Err(_) => Err("is not a name for TLS; write for example \"app.internal\"".to_owned()),
    }
}
