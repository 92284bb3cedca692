//! A child process whose output is read line by line as it comes.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::support::within;

/// The process; killed when the value goes away before its end.
pub struct Process {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    errors: Option<JoinHandle<String>>,
}

impl Process {
    /// Its stdin is a pipe that stays open as long as the value lives.
    pub fn start(command: &mut Command) -> Self {
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // The test may be over and care no more; the pipe is read on, so that the process does not block.
                let _ = sender.send(line);
            }
        });
        let errors = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = err.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Self {
            child,
            lines,
            errors: Some(errors),
        }
    }

    /// The next line of its stdout; `None`: it has closed stdout, so it is ending.
    pub async fn line(&mut self, what: &str) -> Option<String> {
        within(what, self.lines.recv()).await
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        // The shell's own `kill`: a bare machine has no other.
        let pid = self.child.id().to_string();
        let status = Command::new("sh")
            .args(["-c", "kill -TERM \"$1\"", "sh", &pid])
            .status();
        assert!(status.is_ok_and(|status| status.success()), "no SIGTERM to {pid}");
    }

    /// Its exit and its stderr; asked for once [`Process::line`] has said `None`.
    pub fn ended(&mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        let errors = self.errors.take().and_then(|thread| thread.join().ok());
        (status, errors.unwrap_or_default())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error here means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
