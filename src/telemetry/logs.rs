//! Which levels which crates may use, and the way of every line to the output.
//!
//! Only this crate is held to the configured level. All others are capped at WARN at every level: Pingora prints whole
//! request headers at DEBUG and TRACE, `Authorization` and `Cookie` included, and HTTP clients do the like. The cap
//! holds twice, here and in the `log` crate's own maximum, below which such lines are not even formatted.

use std::borrow::Cow;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::line::{Line, LogFormat};
use super::output::Output;

/// `target` of access lines.
pub(super) const ACCESS_TARGET: &str = "access";
/// The most that other crates may say.
const FOREIGN: LevelFilter = LevelFilter::WARN;
/// Where Pingora reports connections that fail in TLS, as errors: port scans, health checks, old clients.
const LISTENING: &str = "pingora_core::services::listening";
const HANDSHAKE: &str = "Downstream handshake";
/// How Pingora's error texts begin to tell bytes.
const BYTES: &str = "buf: ";

static LOGS: OnceLock<Logs> = OnceLock::new();

/// Format and level, which a reload may change, and the way out.
struct Logs {
    settings: Settings,
    output: Output,
}

/// Starts logging to stdout; called again (a reload), changes format and level.
/// Takes effect for the whole process: `tracing` and the `log` crate end here too.
pub fn init_logs(format: LogFormat, level: LevelFilter) {
    init_logs_to(format, level, stdout);
}

/// [`init_logs`] to another place: for tests that read what was logged. `sink` is called the first time only.
pub fn init_logs_to<W: Write + Send + 'static>(format: LogFormat, level: LevelFilter, sink: impl FnOnce() -> W) {
    let mut first = false;
    let logs = LOGS.get_or_init(|| {
        first = true;
        Logs {
            settings: Settings::new(format, level),
            output: Output::new(Box::new(sink()), lost),
        }
    });
    if first {
        let subscriber = tracing_subscriber::registry().with(Bridge { logs });
        // An embedding program may have set its own before: then that one gets those lines.
        let _ = tracing::subscriber::set_global_default(subscriber);
        let _ = tracing_log::LogTracer::init_with_filter(tracing_log::log::LevelFilter::Warn);
    } else {
        logs.settings.change(format, level);
        tracing::callsite::rebuild_interest_cache();
    }
}

/// Waits until every line is written, at most `within`: before the process exits. Whether all were.
pub fn flush_logs(within: Duration) -> bool {
    LOGS.get().is_none_or(|logs| logs.output.flush(within))
}

/// Writes one of our own lines, made only if it will be written.
pub(super) fn write(level: Level, line: impl FnOnce(LogFormat) -> String) {
    if let Some(logs) = LOGS.get()
        && level <= logs.settings.level()
    {
        logs.output.push(&line(logs.settings.format()));
    }
}

/// A handle of our own on stdout: a line buffer and a lock that others share would only be in the way.
#[cfg(unix)]
fn stdout() -> Box<dyn Write + Send> {
    use std::os::fd::AsFd;
    match std::io::stdout().as_fd().try_clone_to_owned() {
        Ok(fd) => Box::new(std::fs::File::from(fd)),
        Err(_) => Box::new(std::io::sink()),
    }
}

#[cfg(not(unix))]
fn stdout() -> Box<dyn Write + Send> {
    Box::new(std::io::stdout())
}

/// The line that tells the reader what it missed.
fn lost(lines: u64) -> String {
    let format = LOGS.get().map_or(LogFormat::Json, |logs| logs.settings.format());
    let mut line = Line::new(format, Level::WARN);
    line.message("log lines were dropped: whoever reads stdout is too slow");
    line.plain("dropped", lines);
    line.finish()
}

/// Format and level, readable without a lock.
struct Settings {
    text: AtomicU8,
    level: AtomicU8,
}

/// A level's place here is its value in [`Settings::level`].
const LEVELS: [LevelFilter; 6] = [
    LevelFilter::OFF,
    LevelFilter::ERROR,
    LevelFilter::WARN,
    LevelFilter::INFO,
    LevelFilter::DEBUG,
    LevelFilter::TRACE,
];

impl Settings {
    fn new(format: LogFormat, level: LevelFilter) -> Self {
        let settings = Self {
            text: AtomicU8::new(0),
            level: AtomicU8::new(0),
        };
        settings.change(format, level);
        settings
    }

    fn change(&self, format: LogFormat, level: LevelFilter) {
        let place = LEVELS.iter().position(|l| *l == level).unwrap_or_default();
        self.text.store(u8::from(format == LogFormat::Text), Ordering::Relaxed);
        self.level.store(place as u8, Ordering::Relaxed);
    }

    fn format(&self) -> LogFormat {
        if self.text.load(Ordering::Relaxed) == 1 {
            LogFormat::Text
        } else {
            LogFormat::Json
        }
    }

    fn level(&self) -> LevelFilter {
        let place = usize::from(self.level.load(Ordering::Relaxed));
        LEVELS.get(place).copied().unwrap_or(LevelFilter::INFO)
    }

    /// The least severe level that code under this target may write.
    fn level_of(&self, target: &str) -> LevelFilter {
        let ours = target == "sidegate" || target.starts_with("sidegate::");
        if ours { self.level() } else { self.level().min(FOREIGN) }
    }
}

/// From `tracing`, and through it from the `log` crate, to the output.
struct Bridge<'a> {
    logs: &'a Logs,
}

impl<S: Subscriber> Layer<S> for Bridge<'static> {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= self.logs.settings.level_of(metadata.target())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.logs.settings.level())
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(line) = fields.line(&self.logs.settings, metadata) {
            self.logs.output.push(&line);
        }
    }
}

/// The fields of one event, as text or as JSON values.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, FieldValue)>,
}

enum FieldValue {
    Text(String),
    Plain(String),
}

impl Fields {
    fn line(&self, settings: &Settings, metadata: &Metadata<'_>) -> Option<String> {
        let noise = metadata.target() == LISTENING && self.message.starts_with(HANDSHAKE);
        if noise && settings.level() < LevelFilter::DEBUG {
            return None;
        }
        let mut line = Line::new(settings.format(), *metadata.level());
        line.text("target", metadata.target());
        line.message(&without_bytes(&self.message));
        for (key, value) in &self.others {
            match value {
                FieldValue::Text(text) => line.text(key, text),
                FieldValue::Plain(text) => line.plain(key, text),
            }
        }
        Some(line.finish())
    }

    fn add(&mut self, field: &Field, value: FieldValue) {
        match (field.name(), value) {
            ("message", FieldValue::Text(text) | FieldValue::Plain(text)) => self.message = text,
            // What `tracing-log` adds about the source of a line from the `log` crate.
            (name, _) if name.starts_with("log.") => {}
            (name, value) => self.others.push((name, value)),
        }
    }
}

/// Pingora names what it could not parse: the whole head of a request or a response, cookies and `Authorization`
/// included, after `buf: `. Nothing of it is kept.
fn without_bytes(message: &str) -> Cow<'_, str> {
    match message.split_once(BYTES) {
        Some((before, _)) => Cow::Owned(format!("{before}{BYTES}[not logged]")),
        None => Cow::Borrowed(message),
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.add(field, FieldValue::Text(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, FieldValue::Text(value.to_owned()));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, FieldValue::Plain(value.to_string()));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, FieldValue::Plain(value.to_string()));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, FieldValue::Plain(value.to_string()));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity.
        self.add(
            field,
            FieldValue::Plain(if value.is_finite() {
                value.to_string()
            } else {
                "null".into()
            }),
        );
    }
}

#[cfg(test)]
mod tests;
