//! The connection to Redis, made anew whenever it fails.
//!
//! The crate's own `ConnectionManager` keeps a connection on which nothing is answered any more, and it knows no Sentinel
//! and no cluster. Here any sign of trouble drops the connection, one task makes the next, and nobody waits long: while
//! Redis is known to be down a request waits a quarter of a second for that task, at most.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use tokio::sync::watch;

use super::dial::{ANSWER, Connection, Servers};
use crate::session::StoreError;

/// How long the first request waits for a connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// And every other while there is none.
const PATIENCE_WHILE_DOWN: Duration = Duration::from_millis(250);
/// Between attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// The one connection of a process to Redis.
pub(super) struct Link {
    servers: Arc<tokio::sync::Mutex<Servers>>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Tells one connection from the next.
    serial: u64,
    connection: Option<Connection>,
    /// The attempt that is under way; its sender goes once it is over.
    attempt: Option<watch::Receiver<()>>,
    failed_at: Option<Instant>,
    /// Told to the log, and not taken back yet.
    down: bool,
}

impl Link {
    pub(super) fn new(servers: Servers) -> Self {
        Self {
            servers: Arc::new(tokio::sync::Mutex::new(servers)),
            state: Arc::default(),
        }
    }

    /// Sends a command that may be sent twice, and waits for its answer.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let mut again = true;
        loop {
            let (serial, mut connection) = self.connection().await?;
            let error = match tokio::time::timeout(ANSWER, connection.ask(command)).await {
                Ok(Ok(answer)) => {
                    self.is_up();
                    return Ok(answer);
                }
                Ok(Err(error)) => error,
                Err(_) => RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)),
            };
            if is_lost(&error) {
                self.drop_connection(serial);
            }
            // It was cut while nobody looked, or its server is no master any more: the next may be good.
            if again && is_lost(&error) && !is_silence(&error) {
                again = false;
                continue;
            }
            self.is_down(&error);
            return Err(StoreError::Unreachable);
        }
    }

    async fn connection(&self) -> Result<(u64, Connection), StoreError> {
        let (mut attempt, patience) = {
            let mut state = self.state.lock();
            if let Some(connection) = &state.connection {
                return Ok((state.serial, connection.clone()));
            }
            let patience = if state.down { PATIENCE_WHILE_DOWN } else { PATIENCE };
            match &state.attempt {
                Some(attempt) => (attempt.clone(), patience),
                None if state.failed_at.is_some_and(|at| at.elapsed() < PAUSE) => return Err(StoreError::Unreachable),
                None => (self.attempt(&mut state), patience),
            }
        };
        // The sender says nothing: it goes.
        drop(tokio::time::timeout(patience, attempt.changed()).await);
        let state = self.state.lock();
        let connection = state.connection.clone().ok_or(StoreError::Unreachable)?;
        Ok((state.serial, connection))
    }

    /// Connects in a task of its own: requests that go away take nothing with them.
    fn attempt(&self, state: &mut State) -> watch::Receiver<()> {
        let (sender, receiver) = watch::channel(());
        state.attempt = Some(receiver.clone());
        let (servers, shared) = (Arc::clone(&self.servers), Arc::clone(&self.state));
        tokio::spawn(async move {
            let mut over = Over {
                state: shared,
                connected: None,
                _sender: sender,
            };
            over.connected = Some(servers.lock().await.connect().await);
        });
        receiver
    }

    fn drop_connection(&self, serial: u64) {
        let mut state = self.state.lock();
        if state.serial == serial {
            state.connection = None;
        }
    }

    fn is_up(&self) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.down, false) {
            tracing::info!("Redis answers again");
        }
    }

    fn is_down(&self, error: &RedisError) {
        self.state.lock().is_down(error);
    }
}

impl State {
    fn is_down(&mut self, error: &RedisError) {
        if !std::mem::replace(&mut self.down, true) {
            tracing::error!(cause = %cause(error), "Redis does not answer; until it does, who has a session gets a 503");
        }
    }
}

/// Ends an attempt, also where its task is dropped.
struct Over {
    state: Arc<Mutex<State>>,
    connected: Option<Result<Connection, RedisError>>,
    _sender: watch::Sender<()>,
}

impl Drop for Over {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        state.attempt = None;
        match self.connected.take() {
            Some(Ok(connection)) => {
                state.serial += 1;
                state.connection = Some(connection);
                state.failed_at = None;
            }
            Some(Err(error)) => {
                state.failed_at = Some(Instant::now());
                state.is_down(&error);
            }
            None => {}
        }
    }
}

/// Whether another connection may do better.
fn is_lost(error: &RedisError) -> bool {
    let moved = matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::ReadOnly
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::BusyLoading
        )
    );
    moved || error.is_io_error() || error.is_unrecoverable_error()
}

/// Whether the time for an answer was over: once is enough for a request.
fn is_silence(error: &RedisError) -> bool {
    error.is_io_error() && !error.is_connection_dropped() || error.is_timeout()
}

/// The error in words that hold no value.
fn cause(error: &RedisError) -> String {
    if error.is_io_error() {
        return error.to_string();
    }
    format!("{} {}", error.category(), error.code().unwrap_or_default())
}
