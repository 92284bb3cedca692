//! The binary: run to its end, or running while a test talks to it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use crate::support::gateway::KEY;
use crate::support::within;

/// A program that came to its end.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    pub fn out_lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }

    pub fn err_lines(&self) -> Vec<&str> {
        self.err.lines().collect()
    }
}

/// The binary with these arguments and no variable of ours in its environment.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SIDEGATE_")) {
        command.env_remove(name);
    }
    command
}

/// Runs to the end. A program that should end and does not is the test runner's to notice.
pub fn sidegate(arguments: &[&str]) -> Ended {
    end_of(command(arguments))
}

pub fn end_of(mut command: Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder with files, gone with the value.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With one configuration in it.
    pub fn with(config: &str) -> (Self, String) {
        let folder = Self::new();
        let file = folder.write("sidegate.toml", config);
        (folder, file)
    }

    /// Writes a file; its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A good configuration on ephemeral ports; `more` is put behind it, `server` into `[server]`.
pub fn config(server: &str, more: &str) -> String {
    format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\npublic_url = \"http://localhost:4180\"\nhosts = [\"*\"]\n{server}\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\
         [providers.main]\nissuer = \"http://127.0.0.1:9\"\nclient_id = \"app\"\nclient_secret = \"s3cret\"\n\
         [session]\nkeys = [\"{KEY}\"]\n{more}\n"
    )
}

/// A public route to an app.
pub fn public(app: &str) -> String {
    format!("[[routes]]\npath = \"/\"\nupstream = \"{app}\"\naccess = \"public\"\n")
}

/// A program that runs; killed with the value.
pub struct Process {
    child: Child,
    out: Lines,
    err: Lines,
}

/// What it wrote to one of its outputs so far.
struct Lines {
    so_far: Arc<Mutex<Vec<String>>>,
    changed: watch::Receiver<()>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self {
            child,
            out: Lines::of(out),
            err: Lines::of(err),
        }
    }

    /// `run` with a configuration, until it serves.
    pub async fn serving(file: &str) -> (Self, SocketAddr, SocketAddr) {
        let process = Self::start(command(&["run", "--config", file]));
        let line = process.line("sidegate serves").await;
        let serves: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        let address = |key: &str| {
            let text = serves[key].as_str().unwrap();
            text.parse().unwrap_or_else(|_| panic!("{key}: {text}"))
        };
        let (own, admin) = (address("listening"), address("admin"));
        (process, own, admin)
    }

    /// Until a line on stdout has this in it.
    pub async fn line(&self, needle: &str) -> String {
        self.out.with(needle).await
    }

    /// Until a line on stderr has this in it.
    pub async fn err_line(&self, needle: &str) -> String {
        self.err.with(needle).await
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id();
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status();
        assert!(sent.unwrap().success());
    }

    /// Until it has come to its end.
    pub async fn ended(mut self) -> Ended {
        let status = within("the end of sidegate", async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        });
        let status: ExitStatus = status.await;
        Ended {
            code: status.code().unwrap_or(-1),
            out: self.out.all(),
            err: self.err.all(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, changed) = watch::channel(());
        let so_far: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&so_far);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                kept.lock().push(line);
                sender.send_replace(());
            }
        });
        Self {
            so_far,
            changed,
            reader: Some(reader),
        }
    }

    async fn with(&self, needle: &str) -> String {
        let mut changed = self.changed.clone();
        within(needle, async {
            loop {
                if let Some(line) = self.so_far.lock().iter().find(|line| line.contains(needle)) {
                    return line.clone();
                }
                if changed.changed().await.is_err() {
                    panic!("it ended without {needle:?}: {:?}", self.so_far.lock());
                }
            }
        })
        .await
    }

    /// Everything; the program has ended.
    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.so_far.lock().iter().map(|line| format!("{line}\n")).collect()
    }
}
