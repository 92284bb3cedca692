//! `[pages]` and `[log]`: what people and operators get to see.

use std::path::PathBuf;

use tracing::level_filters::LevelFilter;

use super::reader::Reader;
use super::values::string;
use crate::telemetry::LogFormat;

/// `[pages]`
#[derive(Clone, Debug)]
pub struct Pages {
    /// Own templates.
    pub dir: Option<PathBuf>,
    /// Title of the sign-in page.
    pub title: String,
    /// Whom to ask, shown on error pages.
    pub contact: String,
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct Log {
    /// `json` or `text`.
    pub format: LogFormat,
    /// Least severe level that is written.
    pub level: LevelFilter,
    /// Whether access lines are written.
    pub access: bool,
}
/// Reads `[pages]`.
pub(super) fn read(r: &mut Reader<'_>) -> Pages {
    let source = r.source;
    let dir = r.optional("dir", |value| Ok(source.place(&string(value)?)));
    if let Some(dir) = dir.as_ref().filter(|dir| !dir.is_dir()) {
        r.problem(
            "dir",
            format!("{} is not a directory; create it or name another", dir.display()),
        );
    }
    Pages {
        dir,
        title: r.or("title", "Sign in".to_owned(), string),
        contact: r.or("contact", String::new(), string),
    }
}

/// Reads `[log]`.
pub(super) fn read_log(r: &mut Reader<'_>) -> Log {
    let levels = [
        ("info", LevelFilter::INFO),
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ];
    Log {
        format: r
            .choice("format", &[("json", LogFormat::Json), ("text", LogFormat::Text)])
            .unwrap_or(LogFormat::Json),
        level: r.choice("level", &levels).unwrap_or(LevelFilter::INFO),
        access: r.flag("access", true),
    }
}
