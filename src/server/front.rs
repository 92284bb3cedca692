//! What stands between a listener and the request path: who may connect, how long they may take, and what they speak.
//!
//! Pingora gives every connection its whole state from the first moment, waits for ever for a head that comes byte by
//! byte, and counts nobody. So connections come here first.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ServerApp};
use pingora::listeners::PreTlsProcess;
use pingora::prelude::{Error, ErrorType, Result};
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::{ALPN, Stream};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;

use super::arrival::{self, Arrival, Bounds};
use super::http2::Door;
use super::proxy_protocol;
use super::seats::Seats;
use crate::config::Server;
use crate::proxy::{Gateway, Site, Unread, answer_unread, tethered};

/// Requests on one connection; then it is closed, so that memory kept for it is given back.
const REQUESTS_A_CONNECTION: u32 = 10_000;

/// Who may come in, of plain and TLS listeners alike.
#[derive(Clone)]
pub(super) struct Gate {
    site: Arc<ArcSwap<Site>>,
    seats: Seats,
}

/// In front of the proxy.
pub(super) struct Front {
    proxy: Arc<HttpProxy<Gateway>>,
    gate: Gate,
}

impl Gate {
    pub(super) fn new(site: Arc<ArcSwap<Site>>) -> Self {
        Self {
            site,
            seats: Seats::new(),
        }
    }

    /// Takes a seat for the connection, to its end, and lets it be its source's where a balancer says so. `None`: it is
    /// to be closed.
    async fn admit(&self, stream: &mut L4Stream) -> Option<()> {
        let site = self.site.load_full();
        let server = &site.config().server;
        let seat = self.seats.take(server.max_connections)?;
        stream.tracer = Some(seat.keep());
        if server.proxy_protocol {
            let accepted = tokio::time::timeout(server.header_timeout, proxy_protocol::accept(stream, server)).await;
            let told = accepted.map_err(|_| "its PROXY header did not come in time".to_owned());
            let told = told.and_then(|accepted| accepted.map_err(|error| error.to_string()));
            told.inspect_err(|cause| tracing::debug!(%cause, "a connection was closed"))
                .ok()?;
        }
        Some(())
    }
}

/// On TLS listeners, before the handshake: handshakes count as connections.
#[async_trait]
impl PreTlsProcess for Gate {
    async fn process(&self, stream: &mut L4Stream) -> Result<()> {
        let admitted = self.admit(stream).await;
        admitted.ok_or_else(|| Error::explain(ErrorType::ConnectError, "not let in"))
    }
}

impl Front {
    pub(super) fn new(proxy: HttpProxy<Gateway>, gate: Gate) -> Self {
        Self {
            proxy: Arc::new(proxy),
            gate,
        }
    }

    async fn http2(&self, stream: Stream, site: &Site, shutdown: &ShutdownWatch) {
        let server = &site.config().server;
        let door = Arc::new(Door::new(Arc::clone(&self.proxy), server));
        tokio::select! {
            _ = ServerApp::process_new(&door, stream, shutdown) => {}
            () = no_request(&door, server.header_timeout) => {}
            () = door.flooded() => tracing::info!("an HTTP/2 connection was closed: it gave up more requests than it waited for"),
        }
    }

    async fn http1(&self, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<()> {
        let mut kept: Option<HttpPersistentSettings> = None;
        loop {
            let since = Instant::now();
            let site = self.gate.site.load_full();
            let server = &site.config().server;
            let first = kept.is_none();
            let bounds = bounds(server, first, stream.get_ssl_digest().is_some());
            let head = match arrival::next(&mut stream, bounds, shutdown).await {
                Arrival::Head(head) => head,
                Arrival::Http2(preface) => {
                    let stream = rewound(stream, &preface)?;
                    self.http2(stream, &site, shutdown).await;
                    return None;
                }
                Arrival::Gone => return None,
                Arrival::Slow => return refuse(&mut stream, &site, Unread::Slow, since).await,
                Arrival::TooLarge => return refuse(&mut stream, &site, Unread::TooLarge, since).await,
            };
            let idle = server.idle_timeout.as_secs().max(1);
            drop(site);
            let mut session = ServerSession::new_http1(stream);
            match kept.take() {
                Some(settings) => settings.apply_to_session(&mut session),
                None => {
                    session.set_keepalive((!*shutdown.borrow()).then_some(idle));
                    session.set_keepalive_reuses_remaining(Some(REQUESTS_A_CONNECTION));
                }
            }
            session.set_pipelined_prefix(head);
            let (next, settings) = tethered(self.proxy.process_new_http(session, shutdown))
                .await?
                .consume();
            (stream, kept) = (next, settings);
        }
    }
}

/// A new connection brings its first request's head within `header_timeout`; later ones may be awaited for
/// `idle_timeout`.
fn bounds(server: &Server, first: bool, tls: bool) -> Bounds {
    Bounds {
        patience: if first {
            server.header_timeout
        } else {
            server.idle_timeout
        },
        header: server.header_timeout,
        limit: server.request_header_limit,
        // Over TLS it is agreed upon by ALPN, never by prior knowledge.
        http2: first && server.h2c && !tls,
    }
}

async fn refuse(stream: &mut Stream, site: &Site, why: Unread, since: Instant) -> Option<()> {
    arrival::close_with(stream, &answer_unread(site, why, since)).await;
    None
}

/// The bytes are put back for Pingora to read.
fn rewound(stream: Stream, bytes: &[u8]) -> Option<Stream> {
    let mut stream = stream.into_any().downcast::<L4Stream>().ok()?;
    stream.rewind(bytes);
    Some(stream)
}

/// Pingora waits for ever for an HTTP/2 preface, and for the first request.
async fn no_request(door: &Door, within: Duration) {
    tokio::time::sleep(within).await;
    if door.was_used() {
        pending().await
    }
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        // Over TLS it was let in before the handshake.
        let stream = if stream.get_ssl_digest().is_none() {
            let mut stream = stream.into_any().downcast::<L4Stream>().ok()?;
            self.gate.admit(&mut stream).await?;
            stream
        } else {
            stream
        };
        if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
            let site = self.gate.site.load_full();
            self.http2(stream, &site, shutdown).await;
        } else {
            self.http1(stream, shutdown).await;
        }
        None
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}
