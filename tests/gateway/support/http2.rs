//! HTTP/2 over TLS: a client that says what it is told, and frames that no client library would send.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use rcgen::CertifiedKey;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::wire::Response;
use super::within;

/// A certificate for `localhost`, on disk for the gateway and trusted by its clients.
pub struct Tls {
    dir: TempDir,
    root: CertificateDer<'static>,
}

impl Tls {
    pub fn new() -> Self {
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tls.crt"), cert.pem()).unwrap();
        std::fs::write(dir.path().join("tls.key"), signing_key.serialize_pem()).unwrap();
        Self {
            dir,
            root: cert.der().clone(),
        }
    }

    /// `[server.tls]` for this certificate.
    pub fn server(&self) -> String {
        let path = |name| self.dir.path().join(name).display().to_string();
        format!(
            "[server.tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
            path("tls.crt"),
            path("tls.key")
        )
    }

    async fn connect(&self, addr: SocketAddr) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tcp = TcpStream::connect(addr).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        stream
    }

    /// One request by a client library on a connection of its own; status 0: refused by the protocol.
    pub async fn send(&self, addr: SocketAddr, request: Request<()>, body: &[u8]) -> Response {
        let (mut sender, connection) = h2::client::handshake(self.connect(addr).await).await.unwrap();
        let driver = tokio::spawn(connection);
        let url = request.uri().to_string();
        let answer = within("an answer over HTTP/2", answer(&mut sender, request, body)).await;
        driver.abort();
        let mut response = answer.unwrap_or_else(|_| refused());
        response.url = url;
        response
    }

    /// One request of these fields, in this order and as they are, on a connection of its own: its status; 0: refused
    /// by the protocol.
    pub async fn send_fields(&self, addr: SocketAddr, fields: &[(&str, &str)]) -> u16 {
        let mut stream = self.connect(addr).await;
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(SETTINGS, 0, 0, &[]));
        let block: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, 1, &block));
        stream.write_all(&bytes).await.unwrap();
        within("an answer in frames", status(&mut stream)).await
    }
}

fn refused() -> Response {
    Response {
        url: String::new(),
        initiator: None,
        status: 0,
        lines: Vec::new(),
        body: Vec::new(),
    }
}

async fn answer(sender: &mut SendRequest<Bytes>, request: Request<()>, body: &[u8]) -> Result<Response, h2::Error> {
    std::future::poll_fn(|context| sender.poll_ready(context)).await?;
    let (answer, mut stream) = sender.send_request(request, body.is_empty())?;
    if !body.is_empty() {
        stream.send_data(Bytes::copy_from_slice(body), true)?;
    }
    let (head, mut data) = answer.await?.into_parts();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let lines = head.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
    let mut response = Response {
        status: head.status.as_u16(),
        lines: lines.collect(),
        ..refused()
    };
    while let Some(chunk) = data.data().await {
        response.body.extend_from_slice(&chunk?);
    }
    Ok(response)
}

// RFC 9113 §6
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// RFC 7541 §6.2.2: a literal that is in no table, not compressed.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        assert!(text.len() < 127, "longer needs a continued length");
        bytes.push(u8::try_from(text.len()).unwrap());
        bytes.extend(text.as_bytes());
    }
    bytes
}

async fn status(stream: &mut TlsStream<TcpStream>) -> u16 {
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        if stream.read_exact(&mut payload).await.is_err() {
            break;
        }
        match head[3] {
            HEADERS => return status_of(&payload),
            RST_STREAM | GOAWAY => return 0,
            _ => {}
        }
    }
    0
}

/// The status at the beginning of a header block: an index of the static table, or a literal, perhaps compressed
/// (RFC 7541, appendices A and B; digits only).
fn status_of(block: &[u8]) -> u16 {
    let table = [200, 204, 206, 304, 400, 404, 500];
    match block[0] {
        indexed @ 0x88..=0x8e => table[usize::from(indexed - 0x88)],
        _ => {
            let (length, compressed) = (usize::from(block[1] & 0x7f), block[1] & 0x80 != 0);
            let text = &block[2..2 + length];
            let digits = if compressed {
                digits(text)
            } else {
                String::from_utf8_lossy(text).into_owned()
            };
            digits.parse().unwrap()
        }
    }
}

fn digits(compressed: &[u8]) -> String {
    let bits: String = compressed.iter().map(|byte| format!("{byte:08b}")).collect();
    let codes = [
        "00000", "00001", "00010", "011001", "011010", "011011", "011100", "011101", "011110", "011111",
    ];
    let (mut text, mut rest) = (String::new(), bits.as_str());
    while text.len() < 3 {
        let digit = codes.iter().position(|code| rest.starts_with(code)).unwrap();
        rest = &rest[codes[digit].len()..];
        text.push_str(&digit.to_string());
    }
    text
}
