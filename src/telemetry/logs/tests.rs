//! What is written at which level, and that no foreign crate can say more than it may.

use super::*;
use std::sync::Arc;

use parking_lot::Mutex;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that `say` logs, with this format and level. Touches no global logger.
fn logged(format: LogFormat, level: LevelFilter, say: impl FnOnce()) -> String {
    let kept = Kept::default();
    let output = Output::new(Box::new(kept.clone()), lost);
    let logs: &'static Logs = Box::leak(Box::new(Logs {
        settings: Settings::new(format, level),
        output,
    }));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(Bridge { logs }), say);
    assert!(logs.output.flush(Duration::from_secs(10)));
    String::from_utf8(kept.0.lock().clone()).unwrap()
}

/// What the `log` crate's bridge does with a record.
fn log_record(target: &str, level: tracing_log::log::Level, message: &str) {
    use tracing_log::log::{Log, Record};
    let tracer = tracing_log::LogTracer::new();
    tracer.log(
        &Record::builder()
            .target(target)
            .level(level)
            .args(format_args!("{message}"))
            .build(),
    );
}

#[test]
fn headers_that_pingora_traces_are_never_printed() {
    use tracing_log::log::Level;
    let text = logged(LogFormat::Json, LevelFilter::TRACE, || {
        for target in [
            "pingora_proxy",
            "pingora_core::protocols::http::v1::client",
            "h2::codec",
            "hyper_util",
            "reqwest",
        ] {
            log_record(target, Level::Trace, "Cookie: trace-secret");
            log_record(target, Level::Debug, "Authorization: debug-secret");
            log_record(target, Level::Info, "info-secret");
            log_record(target, Level::Warn, "warned");
        }
        tracing::debug!(target: "h2::frame", "tracing-secret");
    });
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(text.matches("warned").count(), 5);
    assert!(
        text.contains("\"target\":\"pingora_proxy\"") && !text.contains("log.target"),
        "{text}"
    );
}

#[test]
fn failed_handshakes_are_for_those_who_debug() {
    let say = || {
        log_record(
            LISTENING,
            tracing_log::log::Level::Error,
            "Downstream handshake error: eof",
        );
        log_record(LISTENING, tracing_log::log::Level::Error, "Accept() failed");
    };
    let text = logged(LogFormat::Json, LevelFilter::INFO, say);
    assert!(
        !text.contains("handshake") && text.contains("Accept() failed"),
        "{text}"
    );
    assert!(logged(LogFormat::Json, LevelFilter::DEBUG, say).contains("handshake"));
}

#[test]
fn our_own_lines_obey_the_level() {
    let say = || {
        tracing::debug!("quiet");
        tracing::info!(
            port = 4180,
            ready = true,
            name = "a\nb",
            ratio = f64::NAN,
            "listening on {}",
            "x"
        );
        tracing::error!("loud");
    };
    let text = logged(LogFormat::Json, LevelFilter::INFO, say);
    let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["message"], "listening on x");
    assert_eq!(lines[0]["port"], 4180);
    assert_eq!(lines[0]["ready"], true);
    assert_eq!(lines[0]["name"], "a\nb");
    assert_eq!(lines[0]["ratio"], serde_json::Value::Null);
    assert_eq!(lines[1]["level"], "ERROR");
    assert_eq!(logged(LogFormat::Json, LevelFilter::OFF, say), "");
    let text = logged(LogFormat::Text, LevelFilter::INFO, say);
    assert!(
        text.contains("INFO target=sidegate::telemetry::logs::tests listening on x port=4180"),
        "{text}"
    );
}

#[test]
fn a_reload_changes_format_and_level() {
    let settings = Settings::new(LogFormat::Json, LevelFilter::INFO);
    for level in LEVELS {
        settings.change(LogFormat::Text, level);
        assert_eq!((settings.format(), settings.level()), (LogFormat::Text, level));
    }
    assert_eq!(settings.level_of("sidegate::flow"), LevelFilter::TRACE);
    assert_eq!(settings.level_of("sidegated"), LevelFilter::WARN);
}
