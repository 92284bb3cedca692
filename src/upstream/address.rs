//! A server's address: fixed, or a name that is looked up again and again, so that a service that moved is found.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

/// A lookup is good for this long; then the next request starts another beside itself.
const GOOD_FOR: Duration = Duration::from_secs(10);

/// Where a server listens.
pub(super) enum Address {
    Unix(PathBuf),
    Inet(Inet),
}

/// A host and port.
pub(super) enum Inet {
    Fixed(SocketAddr),
    Named(Arc<Name>),
}

pub(super) struct Name {
    host: String,
    port: u16,
    last: ArcSwapOption<Lookup>,
    under_way: AtomicBool,
    turn: AtomicUsize,
}

struct Lookup {
    addresses: Vec<SocketAddr>,
    at: Instant,
}

impl Address {
    pub(super) fn new(host: &str, port: u16) -> Self {
        Self::Inet(match host.parse::<IpAddr>() {
            Ok(ip) => Inet::Fixed(SocketAddr::new(ip, port)),
            Err(_) => Inet::Named(Arc::new(Name {
                host: host.to_owned(),
                port,
                last: ArcSwapOption::empty(),
                under_way: AtomicBool::new(false),
                turn: AtomicUsize::new(0),
            })),
        })
    }
}

impl Inet {
    /// The current address refused a connection.
    pub(super) fn turn(&self) {
        if let Self::Named(name) = self {
            name.turn.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An address to connect to now. Waits for a lookup only where there has been none.
    pub(super) async fn current(&self) -> std::io::Result<SocketAddr> {
        let name = match self {
            Self::Fixed(address) => return Ok(*address),
            Self::Named(name) => name,
        };
        if let Some(known) = &*name.last.load() {
            if known.at.elapsed() >= GOOD_FOR && !name.under_way.swap(true, Ordering::AcqRel) {
                let name = Arc::clone(name);
                tokio::spawn(async move {
                    if let Err(cause) = name.look_up().await {
                        tracing::warn!(host = %name.host, %cause, "an upstream's name could not be looked up again; the old address stays");
                    }
                    name.under_way.store(false, Ordering::Release);
                });
            }
            return Ok(name.pick(known));
        }
        name.look_up().await.map(|found| name.pick(&found))
    }
}

impl Name {
    async fn look_up(&self) -> std::io::Result<Arc<Lookup>> {
        let addresses: Vec<_> = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await?
            .collect();
        if addresses.is_empty() {
            return Err(std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "the name has no address",
            ));
        }
        let found = Arc::new(Lookup {
            addresses,
            at: Instant::now(),
        });
        self.last.store(Some(Arc::clone(&found)));
        Ok(found)
    }

    /// The same address until it refuses a connection, then the next: `localhost` has two, and often one that answers.
    fn pick(&self, lookup: &Lookup) -> SocketAddr {
        lookup.addresses[self.turn.load(Ordering::Relaxed) % lookup.addresses.len()]
    }
}
