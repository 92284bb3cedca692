//! A real authorization server of `tests/providers`, as a process.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process::Process;
use crate::support::browser::Browser;

/// Names the place where `tests/providers/install.sh` has put the servers.
const INSTALLED: &str = "SIDEGATE_TEST_PROVIDERS";

/// The server; ends with the value.
pub struct Provider {
    /// The line that it wrote when it listened: `tests/providers/README.md` says what is in it.
    pub ready: Value,
    _process: Process,
}

impl Provider {
    /// Starts `panva`, `django` or `authlib`. Fails where it is not installed: a journey is never skipped.
    pub async fn start(name: &str, options: &[String]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let installed = std::env::var_os(INSTALLED).map_or_else(|| root.join("target/providers"), PathBuf::from);
        assert!(
            installed.join(name).join("stamp").exists(),
            "the authorization server {name} is not installed in {}: run tests/run.sh, which installs it",
            installed.display()
        );
        let mut command = Command::new(root.join("tests/providers/start"));
        let mut process = Process::start(command.arg(name).args(options).env(INSTALLED, &installed));
        let Some(line) = process.line(&format!("the start of {name}")).await else {
            panic!("{name} did not start: {}", process.ended().1);
        };
        Self {
            ready: serde_json::from_str(&line).unwrap_or_else(|error| panic!("{name}: {error}: {line}")),
            _process: process,
        }
    }

    /// A text of the ready line; empty where it has none of this name.
    pub fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap_or_default()
    }

    /// What is filled in one after the other: `forms` at the login, `logout_forms` at the sign-out.
    pub fn forms(&self, name: &str) -> Vec<Value> {
        self.ready[name].as_array().cloned().unwrap_or_default()
    }

    /// Calls since the start.
    pub async fn counts(&self) -> Counts {
        let counts = self.get(self.text("count_endpoint"), None).await;
        assert_eq!(counts.0, 200);
        Counts(serde_json::from_slice(&counts.1).unwrap())
    }

    /// Whether the server itself takes this access token.
    pub async fn accepts(&self, access_token: &str) -> bool {
        let status = self.get(self.text("userinfo_endpoint"), Some(access_token)).await.0;
        assert!(matches!(status, 200 | 401 | 403), "{status}");
        status == 200
    }

    async fn get(&self, url: &str, bearer: Option<&str>) -> (u16, Vec<u8>) {
        let nobody = Browser::new(self.text("issuer"));
        let request = nobody.request("GET", url);
        let request = match bearer {
            Some(token) => request.header("Authorization", &format!("Bearer {token}")),
            None => request,
        };
        let response = request.send().await;
        (response.status, response.body)
    }
}

/// What a server counted.
#[derive(Debug)]
pub struct Counts(Value);

impl Counts {
    /// Token requests that carried a code.
    pub fn codes(&self) -> u64 {
        self.0["by_grant"]["authorization_code"].as_u64().unwrap_or(0)
    }

    /// Token requests that carried a refresh token.
    pub fn refreshes(&self) -> u64 {
        self.0["by_grant"]["refresh_token"].as_u64().unwrap_or(0)
    }

    /// Every token request.
    pub fn token(&self) -> u64 {
        self.0["token"].as_u64().unwrap()
    }

    pub fn revocations(&self) -> u64 {
        self.0["revoke"].as_u64().unwrap()
    }

    /// Whether any token request was refused.
    pub fn refused(&self) -> bool {
        self.0["refused"].as_object().is_none_or(|table| !table.is_empty())
    }
}
