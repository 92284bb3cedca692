//! `[server]` and `[admin]`: where the gateway listens and what browsers call it.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use toml::Value;
use url::Url;

use super::files::key_pair;
use super::reader::{Reader, Source};
use super::values::{Parsed, authority, bare_origin, duration, number, size, span, string, web_url};

/// The origin that browsers use (RFC 6454 §4): scheme, host and port of `public_url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    /// Whether the scheme is https: decides `Secure`, `__Host-` and HSTS.
    pub https: bool,
    /// Host as it stands in a `Host` header, lower case, IPv6 in brackets.
    pub host: String,
    /// Port, the scheme's default filled in.
    pub port: u16,
    /// The origin as browsers write it, no trailing slash, no default port: `https://app.example.com`.
    pub origin: String,
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct Server {
    /// Where the gateway listens; never empty.
    pub listen: Vec<Listen>,
    /// The origin that browsers use.
    pub public_url: PublicUrl,
    /// Where the gateway's own endpoints live: `/oauth2`, no trailing slash.
    pub prefix: String,
    /// Worker threads; 0: one per core.
    pub threads: usize,
    /// Peers whose `X-Forwarded-*` and `X-Request-Id` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether Unix-socket peers are trusted too (`"unix"` in `trusted_proxies`).
    pub trust_unix: bool,
    /// Every connection begins with a PROXY protocol header, and only trusted peers may connect.
    pub proxy_protocol: bool,
    /// HTTP/2 without TLS, by prior knowledge (RFC 9113 §3.3).
    pub h2c: bool,
    /// After SIGTERM: not ready at once, still accepting this long.
    pub shutdown_delay: Duration,
    /// How long in-flight requests get after that.
    pub shutdown_timeout: Duration,
    /// `Host` values accepted besides `public_url`'s and the routes' own, lower case, with or without a port.
    pub hosts: Vec<String>,
    /// `hosts = ["*"]`
    pub any_host: bool,
    /// `Strict-Transport-Security` on own answers (https only).
    pub hsts: bool,
    /// A small page keeps the `#fragment` over the login.
    pub keep_fragment: bool,
    /// `[server.tls]`; `None`: plain HTTP.
    pub tls: Option<Tls>,
    /// Largest request header, bytes.
    pub request_header_limit: usize,
    /// Largest request body, bytes; 0: no limit.
    pub request_body_limit: u64,
    /// How long the head of a request may take, the TLS handshake left out.
    pub header_timeout: Duration,
    /// How long a keep-alive connection may be idle, a body or its reader silent.
    pub idle_timeout: Duration,
    /// Connections at a time; 0: no limit.
    pub max_connections: usize,
}

/// One listening address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `host:port` or `[v6]:port`, resolved.
    Tcp(SocketAddr),
    /// `unix:/path`
    Unix(PathBuf),
}

/// `[server.tls]`: PEM files, read and parsed once while checking.
#[derive(Clone, Debug)]
pub struct Tls {
    /// PEM certificate chain.
    pub certificate: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
}

impl PublicUrl {
    /// Stands in where there is none, so that reading can go on: it makes no other check complain.
    fn unknown() -> Self {
        Self {
            https: true,
            host: String::new(),
            port: 443,
            origin: String::new(),
        }
    }

    fn of(url: &Url) -> Self {
        Self {
            https: url.scheme() == "https",
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port_or_known_default().unwrap_or_default(),
            origin: url.origin().ascii_serialization(),
        }
    }
}

/// Reads `[server]`.
pub(super) fn read(r: &mut Reader<'_>) -> Server {
    let source = r.source;
    let listen = listen(r);
    let public_url = r.required(
        "public_url",
        "the address that browsers use, \"https://app.example.com\"",
        |value| {
            let url = web_url(value)?;
            bare_origin(&url)?;
            super::values::host_name(url.host_str().unwrap_or_default())
                .ok_or_else(|| "names no host; write for example \"https://app.example.com\"".to_owned())?;
            Ok(PublicUrl::of(&url))
        },
    );
    let prefix = r.or("prefix", "/oauth2".to_owned(), prefix);
    let threads = r.or("threads", 0, number(1024));
    let peers = r.list("trusted_proxies", peer);
    let proxy_protocol = proxy_protocol(r, &peers);
    let h2c = r.flag("h2c", false);
    let shutdown_delay = r.or("shutdown_delay", Duration::ZERO, duration);
    let shutdown_timeout = r.or("shutdown_timeout", Duration::from_secs(30), duration);
    let hosts = r.list("hosts", |value| match value.as_str() {
        Some("*") => Ok(None),
        _ => authority(value).map(Some),
    });
    let hsts = r.flag("hsts", true);
    let keep_fragment = r.flag("keep_fragment", false);
    let tls = r.table("tls").and_then(|mut tls| read_tls(&mut tls, source));
    let mut limits = r.section("limits");
    Server {
        listen,
        public_url: public_url.unwrap_or_else(PublicUrl::unknown),
        prefix,
        threads,
        trust_unix: peers.contains(&None),
        trusted_proxies: peers.into_iter().flatten().collect(),
        proxy_protocol,
        h2c,
        shutdown_delay,
        shutdown_timeout,
        any_host: hosts.contains(&None),
        hosts: hosts.into_iter().flatten().collect(),
        hsts,
        keep_fragment,
        tls,
        request_header_limit: limits.or("request_header", 64 << 10, header_size),
        request_body_limit: limits.or("request_body", 0, size),
        header_timeout: limits.or("header_timeout", Duration::from_secs(10), span),
        idle_timeout: limits.or("idle_timeout", Duration::from_secs(60), span),
        max_connections: limits.or("max_connections", 0, number(10_000_000)),
    }
}

/// Whether it is spoken, and by whom.
fn proxy_protocol(r: &mut Reader<'_>, peers: &[Option<IpNet>]) -> bool {
    let spoken = r.flag("proxy_protocol", false);
    if spoken && peers.is_empty() && !r.failed("trusted_proxies") {
        r.problem(
            "proxy_protocol",
            "lets nobody in: only trusted peers may speak it; name them in trusted_proxies",
        );
    }
    spoken
}

fn header_size(value: &Value) -> Parsed<usize> {
    match size(value)? {
        small if small < 1024 => Err("leaves no room for a request; write at least \"1KiB\"".to_owned()),
        bytes => usize::try_from(bytes).map_err(|_| "is larger than memory; write for example \"64KiB\"".into()),
    }
}

/// Reads `[admin]`: where it listens, if it does.
pub(super) fn read_admin(r: &mut Reader<'_>, server: &Server) -> Option<SocketAddr> {
    let admin = admin_listen(r);
    let taken = |admin| server.listen.iter().any(|listen| collide(listen, &Listen::Tcp(admin)));
    if admin.is_some_and(taken) {
        r.problem("listen", "is an address of server.listen too; write another port");
    }
    admin
}

/// `[admin] listen` by itself.
pub(super) fn admin_listen(r: &mut Reader<'_>) -> Option<SocketAddr> {
    let default = SocketAddr::from(([127, 0, 0, 1], 4181));
    r.or("listen", Some(default), |value| match value.as_str() {
        Some("") => Ok(None),
        _ => tcp(&string(value)?).map(Some),
    })
}

fn listen(r: &mut Reader<'_>) -> Vec<Listen> {
    let default = || vec![Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 4180)))];
    if !r.has("listen") {
        r.take("listen");
        return default();
    }
    let source = r.source;
    let members = r.members("listen", |value| {
        let text = string(value)?;
        match text.strip_prefix("unix:") {
            Some("") => Err("names no socket; write for example \"unix:/run/sidegate.sock\"".to_owned()),
            Some(path) => Ok(Listen::Unix(source.place(path))),
            None => tcp(&text).map(Listen::Tcp),
        }
    });
    for (at, (index, address)) in members.iter().enumerate() {
        if members[..at].iter().any(|(_, earlier)| collide(earlier, address)) {
            r.problem(
                &format!("listen[{index}]"),
                "is an address that stands here already; remove one of the two",
            );
        }
    }
    if members.is_empty() && !r.failed("listen") {
        r.problem("listen", "names no address; write for example [\"127.0.0.1:4180\"]");
    }
    members.into_iter().map(|(_, address)| address).collect()
}

/// Whether the second cannot be bound beside the first. Port 0 is a fresh port each time.
fn collide(one: &Listen, other: &Listen) -> bool {
    match (one, other) {
        (Listen::Unix(one), Listen::Unix(other)) => one == other,
        (Listen::Tcp(one), Listen::Tcp(other)) => {
            let every = one.ip().is_unspecified() || other.ip().is_unspecified();
            let same_host = one.ip() == other.ip() || (every && one.is_ipv4() == other.is_ipv4());
            one.port() != 0 && one.port() == other.port() && same_host
        }
        _ => false,
    }
}

/// `host:port`; a name is resolved once, here.
fn tcp(text: &str) -> Parsed<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port = text
        .rsplit_once(':')
        .filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if port.is_none() {
        return Err(
            "is not an address to listen on; write for example \"127.0.0.1:4180\" or \"[::1]:4180\"".to_owned(),
        );
    }
    let resolved = text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    resolved.ok_or_else(|| "names a host that does not resolve; write an IP address".to_owned())
}

/// A network, one address, or `unix` (`None`).
fn peer(value: &Value) -> Parsed<Option<IpNet>> {
    let text = string(value)?;
    if text == "unix" {
        return Ok(None);
    }
    let network = text
        .parse()
        .or_else(|_| text.parse().map(|address: std::net::IpAddr| IpNet::from(address)));
    network
        .map(Some)
        .map_err(|_| "is not a network; write for example \"10.0.0.0/8\" or \"unix\"".to_owned())
}

fn prefix(value: &Value) -> Parsed<String> {
    let text = string(value)?;
    let segments = text
        .strip_prefix('/')
        .map(|rest| rest.split('/').collect::<Vec<_>>())
        .unwrap_or_default();
    let plain = |segment: &&str| {
        !matches!(*segment, "" | "." | "..")
            && segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    };
    match text.as_str() {
        "/" => Err("would take every path from the application; write for example \"/oauth2\"".to_owned()),
        _ if segments.is_empty() || !segments.iter().all(plain) => {
            Err("is not a plain path; write for example \"/oauth2\", no slash at the end".to_owned())
        }
        _ => Ok(text),
    }
}

fn read_tls(r: &mut Reader<'_>, source: &Source) -> Option<Tls> {
    let file = |value: &Value| Ok(source.file(&string(value)?));
    let certificate = r.required("certificate", "the name of a PEM file with the certificate chain", file);
    let key = r.required("key", "the name of a PEM file with the private key", file);
    let tls = Tls {
        certificate: certificate?,
        key: key?,
    };
    for (key, text) in key_pair(&tls.certificate, &tls.key) {
        r.problem(key, text);
    }
    Some(tls)
}
