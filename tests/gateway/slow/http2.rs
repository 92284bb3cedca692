//! HTTP/2 frames by hand (RFC 9113): h2c, floods, idle connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{others_are_served, public};
use crate::support::answer::Answer;
use crate::support::gate::Gate;
use crate::support::gateway::{Gateway, Setup};
use crate::support::idp::Endpoint;
use crate::support::upstream::Reply;
use crate::support::wire::Connection;
use crate::support::within;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// §4.1
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block without dynamic entries (RFC 7541): `:method`, `:scheme http`, `:path /`, `:authority`.
fn block(gateway: &Gateway, method: u8) -> Vec<u8> {
    let host = gateway.origin.trim_start_matches("http://").as_bytes();
    [
        &[0x80 | method, 0x86, 0x84, 0x01, u8::try_from(host.len()).unwrap()],
        host,
    ]
    .concat()
}

/// `cookie` (static index 32) as a literal that is not indexed; lengths as in RFC 7541 §5.1.
fn cookie_entry(value: &str) -> Vec<u8> {
    let text = format!("sidegate={value}");
    let (mut entry, mut rest) = (vec![0x0f, 17, 0x7f], text.len() - 127);
    while rest >= 128 {
        entry.push(u8::try_from(rest % 128).unwrap() | 0x80);
        rest /= 128;
    }
    entry.push(u8::try_from(rest).unwrap());
    entry.extend(text.as_bytes());
    entry
}

const GET: u8 = 2;
const POST: u8 = 3;

struct Client(TcpStream);

impl Client {
    /// With preface and settings sent.
    async fn open(addr: SocketAddr) -> Self {
        let mut client = Self(TcpStream::connect(addr).await.unwrap());
        client.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        client
    }

    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// Type, stream and payload of the next frame; `None`: closed.
    async fn next(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        within("an HTTP/2 frame", self.0.read_exact(&mut head)).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some((head[3], stream, payload))
    }

    /// Until a frame of this type; `false`: closed before.
    async fn until(&mut self, kind: u8) -> bool {
        while let Some((found, _, _)) = self.next().await {
            if found == kind {
                return true;
            }
        }
        false
    }

    /// Whether the connection still answers a PING: what was sent before it was taken up.
    async fn pong(&mut self) -> bool {
        self.send(&frame(PING, 0, 0, &[7; 8])).await;
        while let Some((kind, ..)) = self.next().await {
            if kind == PING {
                return true;
            }
        }
        false
    }

    async fn is_closed(&mut self) -> bool {
        while self.next().await.is_some() {}
        true
    }
}

/// A request on an h2c connection that was answered.
async fn served(gateway: &Gateway) -> Client {
    let mut client = Client::open(gateway.address).await;
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(gateway, GET));
    client.send(&request).await;
    assert!(client.until(HEADERS).await && client.until(DATA).await);
    client
}

#[tokio::test]
async fn h2c_is_spoken_by_prior_knowledge_where_it_is_on_and_beside_http_1() {
    let gateway = public("h2c = true").await;
    served(&gateway).await;
    others_are_served(&gateway).await;
    assert_eq!(gateway.app.seen().len(), 2);
}

#[tokio::test]
async fn h2c_is_refused_where_it_is_off() {
    let gateway = public("").await;
    let mut connection = Connection::open(gateway.address).await;
    connection.send(PREFACE).await;
    assert_eq!(connection.response(false).await.status, 400);
}

#[tokio::test]
async fn a_connection_that_stops_within_or_after_its_preface_is_closed_in_time() {
    let gateway = public("h2c = true\n[server.limits]\nheader_timeout = \"300ms\"").await;
    let unfinished = frame(HEADERS, END_STREAM, 1, &block(&gateway, GET));
    let settings = frame(SETTINGS, 0, 0, &[]);
    for bytes in [
        &PREFACE[..10],
        PREFACE,
        &[PREFACE, &settings].concat(),
        &[PREFACE, &settings, &unfinished].concat(),
    ] {
        let mut client = Client(TcpStream::connect(gateway.address).await.unwrap());
        client.send(bytes).await;
        assert!(client.is_closed().await, "{}", bytes.escape_ascii());
    }
    assert!(gateway.app.seen().is_empty());
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let gateway = public("h2c = true\n[server.limits]\nidle_timeout = \"400ms\"").await;
    let mut client = served(&gateway).await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_body_that_stays_away_or_trickles_ends_its_stream() {
    let gateway = public("h2c = true\n[server.limits]\nidle_timeout = \"400ms\"").await;
    let mut silent = Client::open(gateway.address).await;
    silent
        .send(&frame(HEADERS, END_HEADERS, 1, &block(&gateway, POST)))
        .await;
    assert!(silent.until(RST_STREAM).await);

    let mut slow = Client::open(gateway.address).await;
    slow.send(&frame(HEADERS, END_HEADERS, 1, &block(&gateway, POST))).await;
    let answered = async {
        loop {
            tokio::select! {
                next = slow.next() => match next {
                    Some((HEADERS | RST_STREAM | GOAWAY, ..)) | None => return,
                    Some(_) => {}
                },
                () = tokio::time::sleep(super::PACE) => slow.send(&frame(DATA, 0, 1, b"a")).await,
            }
        }
    };
    within("the end of a slow body", answered).await;
    others_are_served(&gateway).await;
}

#[tokio::test]
async fn rapid_resets_start_a_bounded_amount_of_work_and_end_the_connection() {
    let gateway = public("h2c = true").await;
    // Whatever of it reaches the app stays there.
    gateway.app.script("/", (0..5_000).map(|_| Reply::Hang));
    let mut client = Client::open(gateway.address).await;
    let block = block(&gateway, GET);
    let mut bytes = Vec::new();
    for stream in (0..2_000).map(|n| 2 * n + 1) {
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
        bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    client.send(&bytes).await;
    assert!(client.is_closed().await);
    assert!(gateway.app.seen().len() <= 200, "{}", gateway.app.seen().len());
}

#[tokio::test]
async fn work_that_outlives_its_reset_streams_is_bounded() {
    let gateway = Gateway::start_with(Setup {
        server: "h2c = true".to_owned(),
        session: "lifetime = \"30d\"".to_owned(),
        ..Setup::default()
    })
    .await;
    let browser = gateway.browser();
    browser.login("/", "alice").await;
    let cookie = browser.cookie("sidegate").unwrap();
    // Its access token is over, and the provider does not answer: every request with it waits.
    let gate = Gate::shut();
    gateway.idp.script(Endpoint::Token, [Answer::held(&gate)]);
    gateway.advance(86_400);
    let block = [block(&gateway, GET), cookie_entry(&cookie)].concat();
    let mut client = Client::open(gateway.address).await;
    let mut reset = 0;
    // Fewer at a time than the h2 crate itself would mind, each taken up before it is reset.
    while reset < 600 && client.pong().await {
        for stream in (reset..reset + 10).map(|n| 2 * n + 1) {
            client
                .send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &block))
                .await;
        }
        if !client.pong().await {
            break;
        }
        for stream in (reset..reset + 10).map(|n| 2 * n + 1) {
            client.send(&frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())).await;
        }
        reset += 10;
    }
    assert!((100..600).contains(&reset), "closed after {reset} resets");
    assert_eq!(gateway.idp.count(Endpoint::Token), 2, "the login and one refresh");
    assert_eq!(
        gateway.browser().visit("/").send().await.status,
        302,
        "others are served"
    );
}

#[tokio::test]
async fn a_flood_of_continuations_ends_the_connection() {
    let gateway = public("h2c = true").await;
    let mut client = Client::open(gateway.address).await;
    client.send(&frame(HEADERS, END_STREAM, 1, &block(&gateway, GET))).await;
    // A literal header "a: bbb…" of 1,000 bytes, without end.
    let entry = [&[0, 1, b'a', 0x7f, 0xe9, 0x06], [b'b'; 1_000].as_slice()].concat();
    let more = frame(CONTINUATION, 0, 1, &entry);
    let began = Instant::now();
    for _ in 0..10_000 {
        if client.0.write_all(&more).await.is_err() {
            break;
        }
    }
    assert!(client.is_closed().await);
    assert!(began.elapsed() < Duration::from_secs(9), "not by header_timeout");
    assert!(gateway.app.seen().is_empty());
    others_are_served(&gateway).await;
}

#[tokio::test]
async fn a_header_list_past_the_limit_is_431() {
    let gateway = public("h2c = true\n[server.limits]\nrequest_header = \"4KiB\"").await;
    let mut client = Client::open(gateway.address).await;
    let entry = [&[0, 1, b'a', 0x7f, 0xe9, 0x06], [b'b'; 1_000].as_slice()].concat();
    let whole = [block(&gateway, GET), entry.repeat(6)].concat();
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &whole)).await;
    let answer = loop {
        match client.next().await {
            Some((HEADERS, 1, block)) => break block,
            Some(_) => {}
            None => panic!("closed without an answer"),
        }
    };
    // `:status` (static index 8) and its three digits in Huffman code (RFC 7541 Appendix B).
    assert!(
        answer.windows(3).any(|three| three == [0x69, 0x90, 0xff]),
        "{answer:02x?}"
    );
    assert!(gateway.app.seen().is_empty());
}
