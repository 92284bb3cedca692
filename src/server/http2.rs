//! One HTTP/2 connection's way to the proxy, and the bounds of what it may make us do.
//!
//! The `h2` crate bounds header lists, CONTINUATION frames and streams that are reset before they are taken up. What it
//! cannot see: a stream that is reset after that frees its place at once, while the work that it began goes on
//! (CVE-2023-44487). So that work is counted here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use tokio::sync::Notify;

use crate::config::Server;
use crate::proxy::{Gateway, tethered};

/// Requests at a time.
const STREAMS: usize = 100;
/// Requests that come while as many are still worked on are refused; a connection that goes on with it is closed.
const MOST_REFUSED: usize = 100;
/// Bytes of answers that wait for one stream's reader.
const SEND_BUFFER: usize = 128 * 1024;

/// One connection's.
pub(super) struct Door {
    proxy: Arc<HttpProxy<Gateway>>,
    options: HttpServerOptions,
    header_list: u32,
    used: AtomicBool,
    working: AtomicUsize,
    refused: AtomicUsize,
    flood: Notify,
}

impl Door {
    pub(super) fn new(proxy: Arc<HttpProxy<Gateway>>, server: &Server) -> Self {
        let mut options = HttpServerOptions::default();
        // Whether it is allowed was asked before.
        options.h2c = true;
        options.h2_idle_timeout = Some(server.idle_timeout);
        Self {
            proxy,
            options,
            header_list: u32::try_from(server.request_header_limit).unwrap_or(u32::MAX),
            used: AtomicBool::new(false),
            working: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            flood: Notify::new(),
        }
    }

    /// Whether a request ever came.
    pub(super) fn was_used(&self) -> bool {
        self.used.load(Ordering::Acquire)
    }

    /// When it is to be closed.
    pub(super) async fn flooded(&self) {
        self.flood.notified().await;
    }
}

/// A request that is worked on.
struct Working<'a>(&'a AtomicUsize);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[async_trait]
impl HttpServerApp for Door {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        self.used.store(true, Ordering::Release);
        let before = self.working.fetch_add(1, Ordering::AcqRel);
        let _working = Working(&self.working);
        if before >= STREAMS {
            // Dropped, the stream is reset.
            if self.refused.fetch_add(1, Ordering::AcqRel) >= MOST_REFUSED {
                self.flood.notify_one();
            }
            return None;
        }
        tethered(self.proxy.process_new_http(session, shutdown)).await
    }

    fn h2_options(&self) -> Option<H2Options> {
        let mut options = default_h2_options();
        options.max_header_list_size(self.header_list);
        options.max_concurrent_streams(u32::try_from(STREAMS).unwrap_or(u32::MAX));
        options.max_send_buffer_size(SEND_BUFFER);
        Some(options)
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }
}
