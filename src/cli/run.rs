//! `sidegate run`: the gateway until SIGTERM or SIGINT.

use std::path::Path;
use std::process::ExitCode;

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::clock::Clock;
use crate::config::Config;
use crate::server::{self, StartError};
use crate::telemetry;

/// Longest wait for the log to be written at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub(super) fn run(file: &Path) -> ExitCode {
    let config = match super::load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    telemetry::init_logs(config.log.format, config.log.level);
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(cause = %error, "the gateway does not start");
            super::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn serve(config: Config) -> Result<(), StartError> {
    let runtime = runtime(config.server.threads).map_err(|cause| StartError::Unusable(cause.to_string()))?;
    let served = runtime.block_on(until_signal(config));
    // What is left was cut off: it is not waited for again.
    runtime.shutdown_background();
    served
}

/// Serves until SIGTERM or SIGINT comes, then drains.
pub(super) async fn until_signal(config: Config) -> Result<(), StartError> {
    let unusable = |cause: std::io::Error| StartError::Unusable(cause.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(unusable)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unusable)?;
    let origin = config.server.public_url.origin.clone();
    let running = server::start(config, Clock::default()).await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), public_url = %origin, listening = ?running.addresses,
        admin = ?running.admin, "sidegate serves");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: requests under way are finished");
    match running.drain().await {
        0 => tracing::info!("stopped"),
        cut_off => tracing::warn!(cut_off, "stopped; shutdown_timeout cut requests off"),
    }
    telemetry::flush_logs(LAST_WORDS);
    Ok(())
}

/// One worker a core where `threads` is 0.
pub(super) fn runtime(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if threads > 0 {
        builder.worker_threads(threads);
    }
    builder.enable_all().thread_name("sidegate").build()
}
