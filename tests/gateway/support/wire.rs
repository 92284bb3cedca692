//! Bytes on a socket, and responses read from it: nothing is normalised on the way.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::within;

/// Sends bytes and reads until the other side closes: ask for `Connection: close`.
pub async fn raw(addr: SocketAddr, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut connection = Connection::open(addr).await;
    connection.send(bytes.as_ref()).await;
    let mut answer = Vec::new();
    // A reset after the answer counts as its end.
    let _ = within("an answer on a raw socket", connection.stream.read_to_end(&mut answer)).await;
    answer
}

/// Sends bytes that are one request and reads one response.
pub async fn exchange(addr: SocketAddr, bytes: impl AsRef<[u8]>) -> Response {
    let mut connection = Connection::open(addr).await;
    connection.send(bytes.as_ref()).await;
    connection.response(bytes.as_ref().starts_with(b"HEAD ")).await
}

/// A response as it came.
#[derive(Clone, Debug)]
pub struct Response {
    /// Of the request that this answers; empty where it was sent as bytes.
    pub url: String,
    /// The page that began this navigation; `None`: the address bar.
    pub initiator: Option<String>,
    /// 0: the connection was closed without an answer.
    pub status: u16,
    /// Header lines in order, names as they came.
    pub lines: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The first line of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).into_iter().next()
    }

    /// Every line of this name.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.lines
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub fn location(&self) -> &str {
        self.header("location")
            .unwrap_or_else(|| panic!("no Location: {self:?}"))
    }

    /// Every `Set-Cookie` line as it came.
    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers("set-cookie")
    }

    /// Whether the session cookie, of the usual name and in one piece, is set once and not deleted.
    pub fn sets_session(&self) -> bool {
        let lines = self.set_cookies();
        let lines: Vec<_> = lines.iter().filter(|line| line.starts_with("sidegate=")).collect();
        lines.len() == 1 && !lines[0].starts_with("sidegate=;")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// What an echoing app received under this header name: every line of it.
    pub fn echoed(&self, name: &str) -> Vec<String> {
        let json = self.json();
        let lines = json["headers"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        lines
            .filter(|line| text(&line[0]).eq_ignore_ascii_case(name))
            .map(|line| text(&line[1]))
            .collect()
    }
}

/// A connection of which the test reads as much as it wants.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub async fn open(addr: SocketAddr) -> Self {
        let stream = within("connecting", TcpStream::connect(addr))
            .await
            .unwrap_or_else(|e| panic!("{addr}: {e}"));
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        // A server may answer and close before it has read everything: the answer tells, not the write.
        let _ = self.stream.write_all(bytes).await;
    }

    /// Whether the other side has closed, or closes within the tests' patience, sending nothing more.
    pub async fn is_closed(&mut self) -> bool {
        within("the end of a connection", self.stream.read_u8()).await.is_err()
    }

    /// Everything up to and with `needle`, or up to the end.
    pub async fn until(&mut self, needle: &str) -> String {
        let mut text = Vec::new();
        while !text.ends_with(needle.as_bytes()) {
            match within(needle, self.stream.read_u8()).await {
                Ok(byte) => text.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The head of a response (interim ones but 101 are passed over); `None`: closed instead.
    pub async fn head(&mut self) -> Option<Response> {
        loop {
            let text = self.until("\r\n\r\n").await;
            let mut lines = text.lines();
            let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
            if (100..200).contains(&status) && status != 101 {
                continue;
            }
            let pair = |line: &str| line.split_once(':').map(|(k, v)| (k.to_owned(), v.trim().to_owned()));
            let lines = lines.filter_map(pair).collect();
            return Some(Response {
                url: String::new(),
                initiator: None,
                status,
                lines,
                body: Vec::new(),
            });
        }
    }

    /// A whole response; `to_head`: it answers a HEAD and has no body. Closed without one: status 0.
    pub async fn response(&mut self, to_head: bool) -> Response {
        let Some(mut response) = self.head().await else {
            return Response {
                url: String::new(),
                initiator: None,
                status: 0,
                lines: Vec::new(),
                body: Vec::new(),
            };
        };
        let length = response.header("content-length").and_then(|value| value.parse().ok());
        let chunked = response
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        response.body = match (chunked, length) {
            _ if to_head || matches!(response.status, 101 | 204 | 304) => Vec::new(),
            (true, _) => within("a chunked body", self.chunks()).await,
            (false, length) => within("a body", self.at_most(length.unwrap_or(u64::MAX))).await,
        };
        response
    }

    /// RFC 9112 §7.1; a body that is cut short ends where it was cut.
    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let mut line = String::new();
            let _ = self.stream.read_line(&mut line).await;
            let size = u64::from_str_radix(line.trim().split(';').next().unwrap_or_default(), 16).unwrap_or(0);
            body.extend(self.at_most(size).await);
            let _ = self.stream.read_line(&mut String::new()).await;
            if size == 0 {
                return body;
            }
        }
    }

    async fn at_most(&mut self, count: u64) -> Vec<u8> {
        let mut body = Vec::new();
        let _ = (&mut self.stream).take(count).read_to_end(&mut body).await;
        body
    }
}
