//! The servers behind the gateway.
//!
//! | file | what it is |
//! |---|---|
//! | `mod` | [`Upstreams`]: which server a request goes to, and how to connect to it |
//! | `address` | a server's address: fixed, or a name that is looked up again and again |
//! | `probe` | for `sidegate check --live` |

mod address;
mod probe;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::{WrappedX509, parse_x509};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::{self, UpstreamServer};
use crate::telemetry::Metrics;
use address::Address;
pub use probe::Probe;

/// A server that refused a connection is passed over this long, where there is another.
const PASSED_OVER: Duration = Duration::from_secs(5);
/// Idle connections are closed before common servers close them (gunicorn after 2 s is the shortest known).
const POOL_IDLE: Duration = Duration::from_millis(1_500);

/// All upstreams of a configuration, in its order.
pub struct Upstreams {
    all: Vec<Upstream>,
    started: Instant,
    metrics: Arc<Metrics>,
}

struct Upstream {
    config: config::Upstream,
    servers: Vec<Server>,
    next: AtomicUsize,
    /// CA certificates instead of the system's, and a number for them that keeps connections apart in the pool.
    ca: Option<(Arc<[WrappedX509]>, u64)>,
}

struct Server {
    label: String,
    address: Address,
    tls: bool,
    sni: String,
    /// As in a `Host` header.
    authority: String,
    /// Milliseconds since start until which it is passed over.
    passed_over_until: AtomicU64,
}

/// A server chosen for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    upstream: usize,
    server: usize,
}

/// Why there is no way to a server.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Its name does not resolve.
    #[error("{server} cannot be looked up: {cause}")]
    Unresolved {
        /// The server as configured.
        server: String,
        /// The resolver's words.
        cause: std::io::Error,
    },
    /// The socket path does not fit into a socket address.
    #[error("{server} is no usable socket path")]
    BadSocket {
        /// The server as configured.
        server: String,
    },
}

impl Upstreams {
    /// Prepares every upstream.
    ///
    /// # Errors
    /// In the operator's words, where a CA file cannot be read.
    pub fn new(config: &[config::Upstream], metrics: Arc<Metrics>) -> Result<Self, String> {
        let all = config.iter().map(Upstream::new).collect::<Result<Vec<_>, _>>()?;
        for upstream in &all {
            for server in &upstream.servers {
                metrics.upstream_up(&upstream.config.name, &server.label, true);
            }
        }
        Ok(Self {
            all,
            started: Instant::now(),
            metrics,
        })
    }

    /// The next server of an upstream, by turns; one that refused a connection just now only where all did.
    pub fn choose(&self, upstream: usize) -> Choice {
        let chosen = &self.all[upstream];
        let (count, first) = (chosen.servers.len(), chosen.next.fetch_add(1, Ordering::Relaxed));
        let now = self.millis();
        let up = (0..count)
            .map(|step| first.wrapping_add(step) % count)
            .find(|index| chosen.servers[*index].passed_over_until.load(Ordering::Relaxed) <= now);
        Choice {
            upstream,
            server: up.unwrap_or(first % count),
        }
    }

    /// Takes servers out of the metrics that were in an older configuration and are not in this one.
    pub fn forget_those_of(&self, before: &Self, metrics: &Metrics) {
        let known: Vec<_> = self.labels().collect();
        for gone in before.labels().filter(|label| !known.contains(label)) {
            metrics.upstream_gone(gone.0, gone.1);
        }
    }

    fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all.iter().flat_map(|upstream| {
            upstream
                .servers
                .iter()
                .map(|server| (upstream.config.name.as_str(), server.label.as_str()))
        })
    }

    /// How many servers an upstream has: that many connections are worth a try.
    pub fn servers(&self, upstream: usize) -> usize {
        self.all[upstream].servers.len()
    }

    /// The servers of an upstream as logs and metrics name them.
    pub fn named(&self, upstream: usize) -> impl Iterator<Item = &str> {
        self.all[upstream].servers.iter().map(|server| server.label.as_str())
    }

    /// `Host` of a server.
    pub fn authority(&self, choice: Choice) -> &str {
        &self.server(choice).authority
    }

    /// How to connect. `patient`: for WebSockets and event streams, which may be silent for long.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    pub async fn peer(&self, choice: Choice, patient: bool) -> Result<Box<HttpPeer>, UpstreamError> {
        let (upstream, server) = (&self.all[choice.upstream], self.server(choice));
        let mut peer = match &server.address {
            Address::Unix(path) => {
                let path = path.to_str().unwrap_or_default();
                let bad = |_| UpstreamError::BadSocket {
                    server: server.label.clone(),
                };
                HttpPeer::new_uds(path, server.tls, server.sni.clone()).map_err(bad)?
            }
            Address::Inet(inet) => {
                let unresolved = |cause| UpstreamError::Unresolved {
                    server: server.label.clone(),
                    cause,
                };
                let address: SocketAddr = inet.current().await.map_err(unresolved)?;
                HttpPeer::new(address, server.tls, server.sni.clone())
            }
        };
        let config = &upstream.config;
        peer.options.connection_timeout = Some(config.connect_timeout);
        peer.options.total_connection_timeout = Some(config.connect_timeout);
        peer.options.read_timeout = (!patient).then_some(config.read_timeout);
        peer.options.write_timeout = Some(config.read_timeout);
        peer.options.idle_timeout = Some(POOL_IDLE);
        peer.options.verify_cert = !config.insecure_skip_verify;
        peer.options.verify_hostname = !config.insecure_skip_verify;
        if let Some((ca, number)) = &upstream.ca {
            peer.options.ca = Some(Arc::clone(ca));
            peer.group_key = *number;
        }
        Ok(Box::new(peer))
    }

    /// A connection to the server stood, or could not be made.
    pub fn reached(&self, choice: Choice, up: bool) {
        let (upstream, server) = (&self.all[choice.upstream], self.server(choice));
        let span = u64::try_from(PASSED_OVER.as_millis()).unwrap_or(u64::MAX);
        let until = if up { 0 } else { self.millis().saturating_add(span) };
        // Told only when it changes, so that a request to a server in good health writes nothing shared.
        if up && server.passed_over_until.load(Ordering::Relaxed) == 0 {
            return;
        }
        server.passed_over_until.store(until, Ordering::Relaxed);
        if let (false, Address::Inet(inet)) = (up, &server.address) {
            inet.turn();
        }
        self.metrics.upstream_up(&upstream.config.name, &server.label, up);
    }

    fn server(&self, choice: Choice) -> &Server {
        &self.all[choice.upstream].servers[choice.server]
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Upstream {
    fn new(config: &config::Upstream) -> Result<Self, String> {
        let ca = config
            .ca_file
            .as_ref()
            .map(|path| read_ca(path).map(|ca| (ca, fingerprint(path))))
            .transpose()?;
        let servers = config
            .servers
            .iter()
            .map(|server| Server::new(server, config.server_name.as_deref()))
            .collect();
        Ok(Self {
            config: config.clone(),
            servers,
            next: AtomicUsize::new(0),
            ca,
        })
    }
}

impl Server {
    fn new(config: &UpstreamServer, server_name: Option<&str>) -> Self {
        let (label, address, tls, sni, authority) = match config {
            UpstreamServer::Unix(path) => {
                let label = format!("unix:{}", path.display());
                (
                    label,
                    Address::Unix(path.clone()),
                    false,
                    String::new(),
                    "localhost".to_owned(),
                )
            }
            UpstreamServer::Tcp { tls, host, port } => {
                let scheme = if *tls { "https" } else { "http" };
                let bracketed = if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) {
                    format!("[{host}]")
                } else {
                    host.clone()
                };
                let usual = *port == if *tls { 443 } else { 80 };
                let authority = if usual {
                    bracketed
                } else {
                    format!("{bracketed}:{port}")
                };
                (
                    format!("{scheme}://{authority}"),
                    Address::new(host, *port),
                    *tls,
                    host.clone(),
                    authority,
                )
            }
        };
        // An empty name would switch certificate verification off without a word.
        let sni = server_name.map_or(sni, str::to_owned);
        Self {
            label,
            address,
            tls,
            sni,
            authority,
            passed_over_until: AtomicU64::new(0),
        }
    }
}

fn read_ca(path: &std::path::Path) -> Result<Arc<[WrappedX509]>, String> {
    let shown = path.display();
    let read = CertificateDer::pem_file_iter(path).map_err(|error| format!("{shown}: {error}"))?;
    let mut certificates = Vec::new();
    for certificate in read {
        let der = certificate.map_err(|error| format!("{shown}: {error}"))?;
        // Pingora panics on a certificate that does not parse: rustls is asked first.
        let mut trial = rustls::RootCertStore::empty();
        trial.add(der.clone()).map_err(|error| format!("{shown}: {error}"))?;
        certificates.push(WrappedX509::new(der.to_vec(), parse_x509));
    }
    if certificates.is_empty() {
        Err(format!("{shown}: no certificate in it"))
    } else {
        Ok(certificates.into())
    }
}

/// Keeps pooled connections of upstreams with different CA files apart.
fn fingerprint(path: &std::path::Path) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstreams(servers: &[&str]) -> Upstreams {
        let servers = servers
            .iter()
            .map(|port| UpstreamServer::Tcp {
                tls: false,
                host: "127.0.0.1".into(),
                port: port.parse().unwrap(),
            })
            .collect();
        let secs = Duration::from_secs;
        let config = config::Upstream {
            name: "app".into(),
            servers,
            connect_timeout: secs(5),
            read_timeout: secs(60),
            ca_file: None,
            server_name: None,
            insecure_skip_verify: false,
        };
        Upstreams::new(&[config], Arc::new(Metrics::new())).unwrap()
    }

    #[test]
    fn servers_take_turns() {
        let upstreams = upstreams(&["1", "2", "3"]);
        let order: Vec<_> = (0..4).map(|_| upstreams.choose(0).server).collect();
        assert_eq!(order, [0, 1, 2, 0]);
    }

    #[test]
    fn a_server_that_refused_is_passed_over_until_it_is_the_last_one() {
        let upstreams = upstreams(&["1", "2"]);
        upstreams.reached(Choice { upstream: 0, server: 0 }, false);
        assert_eq!((upstreams.choose(0).server, upstreams.choose(0).server), (1, 1));
        upstreams.reached(Choice { upstream: 0, server: 1 }, false);
        let chosen = [upstreams.choose(0).server, upstreams.choose(0).server];
        assert!(chosen.contains(&0) && chosen.contains(&1));
        upstreams.reached(Choice { upstream: 0, server: 0 }, true);
        assert_eq!((upstreams.choose(0).server, upstreams.choose(0).server), (0, 0));
    }
}
