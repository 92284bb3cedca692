//! A real `redis-server` on an ephemeral port, with nothing on disk but what the test asks for.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{Client, FromRedisValue};
use tempfile::TempDir;

use crate::support::within;

/// A server; ends with the value.
pub struct Server {
    pub port: u16,
    dir: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// One that forgets everything when it goes down.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// One that knows after a restart what it knew before.
    pub async fn lasting() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).await
    }

    /// With further arguments; `PORT` in them is a port of its own.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let mut server = Self::prepared(arguments);
        server.up().await;
        server
    }

    /// Not running yet.
    pub fn prepared(arguments: &[&str]) -> Self {
        let arguments = arguments
            .iter()
            .map(|own| own.replace("PORT", &free_port().to_string()));
        Self {
            port: free_port(),
            dir: TempDir::new().unwrap(),
            arguments: arguments.collect(),
            child: None,
        }
    }

    /// A file of the server's own.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it, on the same port, and waits until it answers.
    pub async fn up(&mut self) {
        let own = ["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""].map(str::to_owned);
        let arguments: Vec<_> = own.into_iter().chain(self.arguments.clone()).collect();
        self.child = Some(run(self.dir.path(), &arguments));
        self.answers().await;
    }

    /// As a Sentinel with this configuration.
    pub async fn up_as_sentinel(&mut self, text: &str) {
        let file = self.file("sentinel.conf");
        std::fs::write(&file, format!("port {}\nbind 127.0.0.1\n{text}\n", self.port)).unwrap();
        let arguments = [file.display().to_string(), "--sentinel".to_owned()];
        self.child = Some(run(self.dir.path(), &arguments));
        self.answers().await;
    }

    /// Kills it: connections are cut, new ones refused.
    pub fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// It hangs: connections are taken, and nothing is answered.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// What it answers to a command.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let client = Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await.unwrap()
    }

    /// Until it takes connections.
    async fn answers(&self) {
        let client = Client::open(self.url()).unwrap();
        eventually("redis-server", async || {
            client.get_multiplexed_async_connection().await.is_ok()
        })
        .await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.down();
    }
}

/// Asks again and again until it is so: for what happens in another process.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(what, asking).await;
}

fn run(dir: &Path, arguments: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(arguments).current_dir(dir).stdout(Stdio::null());
    command.spawn().unwrap_or_else(|error| {
        panic!("redis-server: {error}; tests/run.sh installs it, on Debian: apt-get install redis-server")
    })
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
