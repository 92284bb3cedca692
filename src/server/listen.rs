//! Addresses become listeners that stand, before anything is served: a service of Pingora's that cannot bind would
//! leave a process that runs and listens nowhere.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::listeners::tls::TlsSettings;
use pingora::listeners::{ListenerConfig, TcpSocketOptions, TlsAccept};
use pingora::protocols::TcpKeepalive;
use pingora::protocols::l4::stream::L4BufferSettings;
use pingora::server::Fds;
use pingora::services::listening::Service;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::StartError;
use crate::config::{Listen, Server, Tls};

/// Owner and group may connect to a Unix socket.
const SOCKET_MODE: u32 = 0o660;

/// Pingora's 64 KiB for reading are most of what an idle connection costs. Records of TLS are read from a buffer; heads
/// and bodies are read into buffers of their own (see `arrival`).
const TLS_BUFFER: L4BufferSettings = buffer(8 * 1024);
const PLAIN_BUFFER: L4BufferSettings = buffer(0);

const fn buffer(read: usize) -> L4BufferSettings {
    L4BufferSettings {
        read: Some(read),
        write: None,
    }
}

/// A peer that vanished, under a tunnel that may be silent for long, is noticed after about two minutes.
fn socket_options() -> TcpSocketOptions {
    let mut options = TcpSocketOptions::default();
    options.tcp_keepalive = Some(TcpKeepalive {
        idle: Duration::from_secs(60),
        interval: Duration::from_secs(15),
        count: 4,
        user_timeout: Duration::ZERO,
    });
    options
}

/// A TCP listener and where it really listens.
pub(super) struct Bound {
    pub(super) address: SocketAddr,
    listener: TcpListener,
}

/// All listeners of a service.
#[derive(Default)]
pub(super) struct Listeners {
    tcp: Vec<Bound>,
    unix: Vec<(PathBuf, UnixListener)>,
}

/// Binds every address of `[server] listen`.
pub(super) fn bind_all(server: &Server) -> Result<Listeners, StartError> {
    let mut bound = Listeners::default();
    for listen in &server.listen {
        match listen {
            Listen::Tcp(address) => bound.tcp.push(bind_tcp(*address)?),
            Listen::Unix(path) => bound.unix.push((path.clone(), bind_unix(path)?)),
        }
    }
    Ok(bound)
}

/// Binds one address; port 0 takes any.
pub(super) fn bind_tcp(address: SocketAddr) -> Result<Bound, StartError> {
    let failed = |cause| StartError::Bind {
        address: address.to_string(),
        cause,
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(Bound {
        address: listener.local_addr().map_err(failed)?,
        listener,
    })
}

fn bind_unix(path: &Path) -> Result<UnixListener, StartError> {
    let failed = |cause| StartError::Bind {
        address: format!("unix:{}", path.display()),
        cause,
    };
    // A socket that nobody answers on is left over from a gateway that was killed. Anything else stays.
    let left_over = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
        && std::os::unix::net::UnixStream::connect(path).is_err();
    if left_over {
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

impl Listeners {
    pub(super) fn one(bound: Bound) -> Self {
        Self {
            tcp: vec![bound],
            unix: Vec::new(),
        }
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.tcp.iter().map(|bound| bound.address).collect()
    }

    /// Hands the listeners to a service; TLS is for TCP only.
    pub(super) fn add_to<A>(self, service: &mut Service<A>, tls: Option<&Arc<Certificate>>) -> Result<Fds, StartError> {
        let mut fds = Fds::new();
        for bound in self.tcp {
            let name = bound.address.to_string();
            fds.add(name.clone(), bound.listener.into_raw_fd());
            let listener = ListenerConfig::tcp(name).tcp_socket_options(socket_options());
            service.add_listener(match tls {
                Some(certificate) => listener.tls(settings(certificate)?).l4_buffer(TLS_BUFFER),
                None => listener.l4_buffer(PLAIN_BUFFER),
            });
        }
        for (path, listener) in self.unix {
            let name = path
                .to_str()
                .ok_or_else(|| StartError::Unusable(format!("{}: the path is no text", path.display())))?;
            fds.add(name.to_owned(), listener.into_raw_fd());
            let mode = std::fs::Permissions::from_mode(SOCKET_MODE);
            service.add_listener(ListenerConfig::uds(name).permissions(mode).l4_buffer(PLAIN_BUFFER));
        }
        Ok(fds)
    }
}

/// The certificate that every TLS listener shows (TLS 1.2 and 1.3).
#[derive(Debug)]
pub(super) struct Certificate(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Nothing is asked for after a handshake.
struct NoCallbacks;

impl TlsAccept for NoCallbacks {}

impl Certificate {
    /// Shows what is read now from the next handshake on.
    pub(super) fn replace(&self, certified: CertifiedKey) {
        self.0.store(Arc::new(certified));
    }
}

/// Reads certificate and key.
pub(super) fn certificate(config: &Tls) -> Result<Arc<Certificate>, StartError> {
    read_certificate(config).map(|certified| Arc::new(Certificate(ArcSwap::from_pointee(certified))))
}

/// The same for a reload.
pub(super) fn read_certificate(config: &Tls) -> Result<CertifiedKey, StartError> {
    let unusable = |path: &Path, cause: String| StartError::Unusable(format!("{}: {cause}", path.display()));
    let chain = CertificateDer::pem_file_iter(&config.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|cause| unusable(&config.certificate, cause.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|cause| unusable(&config.key, cause.to_string()))?;
    let certified = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
        .map_err(|cause| unusable(&config.certificate, cause.to_string()))?;
    Ok(certified)
}

/// HTTP/2 and HTTP/1.1 by ALPN (RFC 7301).
fn settings(certificate: &Arc<Certificate>) -> Result<TlsSettings, StartError> {
    let unusable = |_| StartError::Unusable("TLS cannot be set up".to_owned());
    let mut settings = TlsSettings::with_callbacks(Box::new(NoCallbacks)).map_err(unusable)?;
    settings.set_cert_resolver(Arc::clone(certificate) as Arc<dyn ResolvesServerCert>);
    settings.enable_h2();
    Ok(settings)
}
