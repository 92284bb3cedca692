//! The gateway as its user runs it: the binary, a configuration file, JSON lines on stdout, SIGTERM.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::Process;
use crate::support::browser::Browser;

/// A running `sidegate run --config FILE`.
pub struct Program {
    process: Process,
    log: Vec<String>,
    admin: String,
    _directory: TempDir,
}

impl Program {
    /// Starts with this configuration and waits until `/readyz` says so. `admin`: its admin listener.
    pub async fn start(toml: &str, admin: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("sidegate.toml");
        std::fs::write(&file, toml).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
        // Nothing of the environment: neither a proxy nor a SIDEGATE_ variable may decide a test.
        let process = Process::start(command.env_clear().args(["run", "--config"]).arg(&file));
        let mut program = Self {
            process,
            log: Vec::new(),
            admin: format!("http://{admin}"),
            _directory: directory,
        };
        program.until_logged("sidegate serves").await;
        let ready = Browser::new(&program.admin).request("GET", "/readyz").send().await;
        assert_eq!((ready.status, ready.text().as_str()), (200, "ready\n"));
        program
    }

    async fn until_logged(&mut self, message: &str) {
        loop {
            let Some(line) = self.process.line(message).await else {
                panic!("the gateway ended: {:?} {:?}", self.process.ended(), self.log);
            };
            let found = line.contains(message);
            self.log.push(line);
            if found {
                return;
            }
        }
    }

    /// The sum of a metric's lines, by their beginnings: `sidegate_refreshes_total{`.
    pub async fn metric(&self, beginning: &str) -> f64 {
        let page = Browser::new(&self.admin).request("GET", "/metrics").send().await.text();
        page.lines()
            .filter(|line| line.starts_with(beginning))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Stops it as an orchestrator does and holds it to its promises: exit 0, nothing on stderr, one JSON object a line,
    /// none of `secrets` in any of them. What it logged.
    pub async fn stop(mut self, secrets: &BTreeSet<String>) -> Log {
        self.process.terminate();
        while let Some(line) = self.process.line("the end of the gateway").await {
            self.log.push(line);
        }
        let (status, errors) = self.process.ended();
        assert_eq!((status.code(), errors.as_str()), (Some(0), ""), "{:#?}", self.log);
        for line in &self.log {
            let told = secrets.iter().find(|secret| line.contains(secret.as_str()));
            assert_eq!(told, None, "a secret was logged: {line}");
        }
        let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Log(self.log.iter().map(parse).collect())
    }
}

/// What the gateway logged, one object a line.
pub struct Log(Vec<Value>);

impl Log {
    /// The outcomes of an event in their order; an event without one has its kind.
    pub fn outcomes(&self, event: &str) -> Vec<&str> {
        let lines = self.0.iter().filter(|line| line["event"] == event);
        lines
            .map(|line| line["outcome"].as_str().or(line["kind"].as_str()).unwrap_or_default())
            .collect()
    }

    /// The `auth` of every access line for this path.
    pub fn auth(&self, path: &str) -> Vec<&str> {
        let lines = self.0.iter().filter(|line| line["path"] == path);
        lines.filter_map(|line| line["auth"].as_str()).collect()
    }
}

/// An address that nobody listens on. The provider has to know it before the gateway starts, so it cannot be port 0; it
/// lies below the range that systems give out by themselves, where nobody takes it in between.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = (std::process::id() % 1_000) as u16 * 20;
    loop {
        let port = 10_000 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
