//! Logs and metrics; knows nothing of requests.
//!
//! | file | what it is |
//! |---|---|
//! | `line` | one log line, as JSON or for people: the only place that escapes |
//! | `output` | a bounded queue and a thread that writes: nobody ever waits for stdout |
//! | `logs` | [`init_logs`], which levels which crates may use, the bridge from `tracing` and `log` |
//! | `access` | [`AccessLine`]: one line a request |
//! | `event` | [`Event`]: logins, refreshes, sign-outs, denials, reloads |
//! | `outcome` | how those end, in the words of logs and metrics |
//! | `metrics` | [`Metrics`]: what `/metrics` shows |
//!
//! No value of a token, code, verifier, cookie or key may be passed to anything here: nothing in this room could tell
//! it from other text.

mod access;
mod event;
mod line;
mod logs;
mod metrics;
mod outcome;
mod output;

pub use access::{AccessLine, Auth, access};
pub use event::Event;
pub use line::LogFormat;
pub use logs::{flush_logs, init_logs, init_logs_to};
pub use metrics::{Metrics, RouteMetrics};
pub use outcome::{LoginOutcome, RefreshOutcome, ReloadOutcome, SignOutKind};
