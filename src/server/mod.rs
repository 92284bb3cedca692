//! A [`Config`] becomes listeners and services; used by `main` and by tests.
//!
//! | file | what it is |
//! |---|---|
//! | `mod` | [`start`] and [`Running`]: everything is bound before anything is served |
//! | `listen` | addresses become listeners that stand |
//! | `front` | what stands between a listener and the request path |
//! | `arrival` | the head of a request over HTTP/1, within its time and size |
//! | `http2` | the bounds of an HTTP/2 connection |
//! | `seats` | the connection limit |
//! | `proxy_protocol` | PROXY protocol, versions 1 and 2 |
//! | `admin` | `/livez`, `/readyz`, `/metrics` |
//! | `reload` | [`Reloader`]: a new configuration while it serves, whole or not at all |
//! | `drain` | stopping without cutting anybody off |

mod admin;
mod arrival;
mod drain;
mod front;
mod http2;
mod listen;
mod proxy_protocol;
mod reload;
mod seats;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use pingora::apps::http_app::HttpServer;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use pingora::services::Service as _;
use pingora::services::listening::Service;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::Config;
use crate::proxy::{Gateway, Load, Site};
use crate::telemetry::Metrics;

use front::{Front, Gate};
use reload::Fixed;
pub use reload::Reloader;

/// Idle connections to upstreams that are kept, over all of them.
const UPSTREAM_POOL: usize = 256;

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken, or not ours to take.
    #[error("{address}: cannot listen there: {cause}; free the address or name another")]
    Bind {
        /// As configured.
        address: String,
        /// The system's words.
        cause: std::io::Error,
    },
    /// A file that the configuration names cannot be used.
    #[error("{0}")]
    Unusable(String),
}

/// A gateway that serves.
pub struct Running {
    /// Where it listens, ports filled in; Unix sockets left out.
    pub addresses: Vec<SocketAddr>,
    /// Where the admin listener listens.
    pub admin: Option<SocketAddr>,
    /// Takes a new configuration while this serves.
    pub reloader: Reloader,
    ready: Arc<AtomicBool>,
    load: Load,
    /// The gateway's listeners stop first, the admin's last.
    stop: watch::Sender<bool>,
    stop_admin: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Requests and refreshes under way.
    pub fn busy(&self) -> usize {
        self.load.busy()
    }
}

/// Starts a gateway on the current Tokio runtime. Every listener stands when this returns.
///
/// # Errors
/// See [`StartError`].
pub async fn start(config: Config, clock: Clock) -> Result<Running, StartError> {
    prepare_tls()?;
    let metrics = Arc::new(Metrics::new());
    let listeners = listen::bind_all(&config.server)?;
    let admin_listener = config.admin.map(listen::bind_tcp).transpose()?;
    let tls = config.server.tls.as_ref().map(listen::certificate).transpose()?;
    let fixed = Fixed::of(&config);
    let site = Site::new(config, None, &metrics).map_err(StartError::Unusable)?;
    let gateway = Gateway::new(site, clock, Arc::clone(&metrics));
    let load = gateway.load();
    let reloader = Reloader::new(gateway.site(), fixed, tls.clone(), Arc::clone(&metrics));

    let watching = tokio::spawn(gateway.watch());
    let mut service = proxy_service(gateway);
    let addresses = listeners.addresses();
    let fds = listeners.add_to(&mut service, tls.as_ref())?;
    let (stop, stopped) = watch::channel(false);
    let mut tasks = vec![watching, serve(service, fds, stopped)];

    let ready = Arc::new(AtomicBool::new(true));
    let (stop_admin, admin_stopped) = watch::channel(false);
    let mut admin = None;
    if let Some(listener) = admin_listener {
        admin = Some(listener.address);
        let app = HttpServer::new_app(admin::Admin::new(metrics, Arc::clone(&ready)));
        let mut service = Service::new("admin".to_owned(), app);
        let fds = listen::Listeners::one(listener).add_to(&mut service, None)?;
        tasks.push(serve(service, fds, admin_stopped));
    }
    Ok(Running {
        addresses,
        admin,
        reloader,
        ready,
        load,
        stop,
        stop_admin,
        tasks,
    })
}

fn proxy_service(gateway: Gateway) -> Service<Front> {
    let conf = ServerConf {
        max_retries: 3,
        upstream_keepalive_pool_size: UPSTREAM_POOL,
        ..ServerConf::default()
    };
    let gate = Gate::new(gateway.site());
    let proxy = http_proxy(&Arc::new(conf), gateway);
    let mut service = Service::new("gateway".to_owned(), Front::new(proxy, gate.clone()));
    service.endpoints().set_pre_tls_callback(Arc::new(gate));
    service
}

fn serve<A>(mut service: Service<A>, fds: pingora::server::Fds, stopped: watch::Receiver<bool>) -> JoinHandle<()>
where
    A: pingora::apps::ServerApp + Send + Sync + 'static,
{
    tokio::spawn(async move { service.start_service(Some(Arc::new(Mutex::new(fds))), stopped, 1).await })
}

/// Chooses the TLS library's cryptography, once for the process, and looks whether Pingora can begin with it. Before
/// anything connects or listens.
///
/// # Errors
/// [`StartError::Unusable`] where the system's CA certificates cannot be read.
pub fn prepare_tls() -> Result<(), StartError> {
    // Pingora's TLS uses it too; a second time is no error.
    drop(rustls::crypto::ring::default_provider().install_default());
    check_roots()
}

/// Pingora reads the system's CA certificates when it starts and panics where a file that `SSL_CERT_FILE` names is not
/// there.
fn check_roots() -> Result<(), StartError> {
    let found = rustls_native_certs::load_native_certs();
    match found.errors.first() {
        Some(error) if found.certs.is_empty() && std::env::var_os("SSL_CERT_FILE").is_some() => {
            Err(StartError::Unusable(format!(
                "the system's CA certificates cannot be read: {error}; let SSL_CERT_FILE name a PEM file or unset it"
            )))
        }
        _ => Ok(()),
    }
}
