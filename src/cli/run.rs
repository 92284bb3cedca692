//! `sidegate run`: the gateway until SIGTERM or SIGINT.

use std::path::Path;
use std::process::ExitCode;

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::watch::Watch;
use crate::clock::Clock;
use crate::config::Config;
use crate::server::{self, Reloader, StartError};
use crate::telemetry::{self, Event, ReloadOutcome};

/// Longest wait for the log to be written at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub(super) fn run(file: &Path) -> ExitCode {
    let config = match super::load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    telemetry::init_logs(config.log.format, config.log.level);
    match serve(config, file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(cause = %error, "the gateway does not start");
            telemetry::flush_logs(LAST_WORDS);
            super::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn serve(config: Config, file: &Path) -> Result<(), StartError> {
    let runtime = runtime(config.server.threads).map_err(|cause| StartError::Unusable(cause.to_string()))?;
    let served = runtime.block_on(until_signal(config, Some(file), || {}));
    // What is left was cut off: it is not waited for again.
    runtime.shutdown_background();
    served
}

/// Serves until SIGTERM or SIGINT comes, then drains. With the `file` that the configuration came from, SIGHUP or a
/// change of any of its files reloads it. `ready` is called once everything listens.
pub(super) async fn until_signal(config: Config, file: Option<&Path>, ready: impl FnOnce()) -> Result<(), StartError> {
    let unusable = |cause: std::io::Error| StartError::Unusable(cause.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(unusable)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unusable)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(unusable)?;
    let origin = config.server.public_url.origin.clone();
    let mut watch = file.map(|file| Watch::new(file, &config.files));
    let running = server::start(config, Clock::default()).await?;
    let listening: Vec<_> = running.addresses.iter().map(ToString::to_string).collect();
    let admin = running.admin.map(|address| address.to_string()).unwrap_or_default();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), public_url = %origin, listening = %listening.join(", "), %admin,
        "sidegate serves");
    ready();
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {}
            () = changed(watch.as_mut()) => {}
        }
        if let Some(file) = file {
            watch = Some(reload_until_still(&running.reloader, file));
        }
    }
    tracing::info!("stopping: requests under way are finished");
    // Whoever asks a second time does not want to wait.
    let again = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    match running.drain_until(again).await {
        0 => tracing::info!("stopped"),
        cut_off => tracing::warn!(
            cut_off,
            "stopped; requests were cut off by shutdown_timeout or a second signal"
        ),
    }
    telemetry::flush_logs(LAST_WORDS);
    Ok(())
}

async fn changed(watch: Option<&mut Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// Reloads, again where something changed meanwhile, and watches what the configuration then names.
fn reload_until_still(reloader: &Reloader, file: &Path) -> Watch {
    loop {
        let before = Watch::new(file, &reloader.files());
        reload(reloader, file);
        let watch = Watch::new(file, &reloader.files());
        if !before.is_stale() {
            return watch;
        }
    }
}

/// Reads the configuration again; a bad one is refused with its problems, and the old one stays.
fn reload(reloader: &Reloader, file: &Path) {
    let loaded = Config::load(file, std::env::vars()).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join(" | ")
    });
    match loaded.and_then(|config| reloader.apply(config)) {
        Ok(()) => {
            reloader.metrics().config_reload(ReloadOutcome::Applied);
            Event::reload(ReloadOutcome::Applied).write();
        }
        Err(cause) => {
            reloader.metrics().config_reload(ReloadOutcome::Refused);
            Event::reload(ReloadOutcome::Refused).cause(&cause).write();
        }
    }
}

/// One worker a core where `threads` is 0.
pub(super) fn runtime(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if threads > 0 {
        builder.worker_threads(threads);
    }
    builder.enable_all().thread_name("sidegate").build()
}
