//! A hostile visitor, or a hostile provider, tries to get in, or to get at somebody's tokens. Each file is a table of what
//! such people send.
//!
//! | file | what is hostile |
//! |---|---|
//! | `cookies` | the cookies of a request: changed, moved, tossed, replayed, planted |
//! | `deployments` | a session of another deployment with the same key |
//! | `callback` | what a browser is sent back with |
//! | `token_endpoint` | the provider's token endpoint |
//! | `id_token` | the claims, in a login and in a refresh |

mod callback;
mod cookies;
mod deployments;
mod id_token;
mod token_endpoint;

use std::net::SocketAddr;

use crate::support::gateway::Gateway;
use crate::support::idp::Endpoint;
use crate::support::wire::{Connection, Response};

/// Asks who is signed in, with these header lines, over one connection after the other question.
struct Inquirer {
    connection: Connection,
    host: String,
}

impl Inquirer {
    async fn new(gateway: &Gateway) -> Self {
        Self {
            connection: Connection::open(gateway.address).await,
            host: host(gateway.address),
        }
    }

    /// The status of `userinfo` with these `Cookie` lines.
    async fn status(&mut self, cookie_lines: &[&str]) -> u16 {
        let lines: String = cookie_lines.iter().map(|line| format!("Cookie: {line}\r\n")).collect();
        let request = format!("GET /oauth2/userinfo HTTP/1.1\r\nHost: {}\r\n{lines}\r\n", self.host);
        self.connection.send(request.as_bytes()).await;
        self.connection.response(false).await.status
    }
}

fn host(address: SocketAddr) -> String {
    format!("localhost:{}", address.port())
}

/// The user that `userinfo` names for these `Cookie` lines; `None`: nobody.
async fn user(gateway: &Gateway, cookie_lines: &[&str]) -> Option<String> {
    let browser = gateway.browser();
    let mut request = browser.fetch("GET", "/oauth2/userinfo");
    for line in cookie_lines {
        request = request.header("Cookie", line);
    }
    let answer = request.send().await;
    (answer.status == 200).then(|| answer.json()["user"].as_str().unwrap().to_owned())
}

/// That nobody was signed in, that the app saw nothing, and how often the token endpoint was asked.
#[track_caller]
fn nobody_came_in(gateway: &Gateway, answer: &Response, token_requests: usize, what: &str) {
    let session = answer
        .set_cookies()
        .into_iter()
        .find(|line| line.starts_with("sidegate=") && !line.contains("Max-Age=0"));
    assert_eq!(session, None, "{what}");
    assert_eq!(gateway.app.seen().len(), 0, "{what}");
    assert_eq!(gateway.idp.count(Endpoint::Token), token_requests, "{what}");
}
