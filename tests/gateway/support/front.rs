//! An HTTP/1.1 server that can go down and come back on its port.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

type Answering = Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Result<Response<Body>, Dropped>> + Send + Sync>;

/// The connection is closed without an answer.
#[derive(Debug)]
pub struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

/// The server; ends with the value.
pub struct Front {
    addr: SocketAddr,
    answering: Answering,
    running: Mutex<Option<JoinHandle<()>>>,
}

impl Front {
    /// A listener on an ephemeral port of 127.0.0.1: first the address, then whoever answers there.
    pub async fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        (listener, addr)
    }

    pub fn serve(
        listener: TcpListener,
        answer: impl Fn(Request<Body>) -> BoxFuture<'static, Result<Response<Body>, Dropped>> + Send + Sync + 'static,
    ) -> Self {
        let addr = listener.local_addr().unwrap();
        let answering: Answering = Arc::new(answer);
        let running = Mutex::new(Some(tokio::spawn(accept(listener, answering.clone()))));
        Self {
            addr,
            answering,
            running,
        }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops listening and cuts every connection: clients are refused from now on.
    pub async fn down(&self) {
        let running = self.running.lock().take();
        if let Some(task) = running {
            task.abort();
            // The listener and the connections live in the task: once it is gone, so are they.
            let _ = task.await;
        }
    }

    /// Listens again on the same port.
    pub async fn up(&self) {
        let listener = TcpListener::bind(self.addr).await.unwrap();
        *self.running.lock() = Some(tokio::spawn(accept(listener, self.answering.clone())));
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(task) = self.running.get_mut() {
            task.abort();
        }
    }
}

async fn accept(listener: TcpListener, answering: Answering) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(converse(stream, answering.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, answering: Answering) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| answering(request.map(Body::new)));
    // An error here is a connection that somebody cut, usually this test.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}
