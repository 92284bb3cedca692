//! The real binary, started as a user starts it: what it prints, how it exits, what it does with signals.
//!
//! | file | what it is about |
//! |---|---|
//! | `process` | the binary: run to its end, or running |
//! | `check` | `check`, and that a bad configuration never starts |
//! | `live` | `check --live` |
//! | `run` | `run`: signals, logs, listeners |
//! | `healthcheck` | `healthcheck` |
//! | `explain` | `explain` |
//! | `import` | `import` |
//! | `demo` | `demo` |
//! | `small` | `keygen`, `completions`, `--help`, `--version` |
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod check;
mod demo;
mod explain;
mod healthcheck;
mod import;
mod live;
mod process;
mod run;
mod small;
#[path = "../gateway/support/mod.rs"]
mod support;
