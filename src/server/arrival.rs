//! The head of a request over HTTP/1, read before Pingora sees it: so that a connection which waits costs next to
//! nothing, the head as a whole has a deadline, and nobody makes us keep more of it than the limit.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};

/// RFC 9113 §3.4
pub(super) const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes taken from the socket at once; a body may follow the head in the same ones.
const CHUNK: usize = 8 * 1024;
/// A head past the limit that still fits here goes to the request path, whose answer is a page; past it nothing is kept.
const SLACK: usize = CHUNK;
/// How long the rest of what a client sends is taken and thrown away, so that it can read our answer.
const LINGER: Duration = Duration::from_secs(2);

/// What a connection brought.
pub(super) enum Arrival {
    /// A whole head, and what came with it; or something that can be none.
    Head(BytesMut),
    /// HTTP/2 by prior knowledge: its preface, and what came with it.
    Http2(BytesMut),
    /// The client left, or sent nothing in time, or we are stopping.
    Gone,
    /// A part of a head in all the time there was.
    Slow,
    /// More than the limit.
    TooLarge,
}

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Until the first byte.
    pub(super) patience: Duration,
    /// From the first byte to the end of the head; on a new connection from its beginning.
    pub(super) header: Duration,
    /// Bytes.
    pub(super) limit: usize,
    /// Whether HTTP/2 may begin here.
    pub(super) http2: bool,
}

/// Waits for the head of the next request.
pub(super) async fn next(stream: &mut Stream, bounds: Bounds, shutdown: &ShutdownWatch) -> Arrival {
    let mut head = BytesMut::new();
    let mut deadline = Instant::now() + bounds.patience;
    let mut scanned = 0;
    loop {
        let waiting = head.is_empty();
        let read = timeout_at(deadline, std::future::poll_fn(|cx| poll_some(stream, &mut head, cx)));
        let read = if waiting {
            // Only who is in the middle of a request is waited for when we stop.
            let mut stopping = shutdown.clone();
            tokio::select! {
                biased;
                read = read => read,
                _ = stopping.wait_for(|stopping| *stopping) => return Arrival::Gone,
            }
        } else {
            read.await
        };
        match read {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) => return Arrival::Gone,
            Err(_) if head.is_empty() => return Arrival::Gone,
            Err(_) => return Arrival::Slow,
        }
        if waiting && bounds.patience != bounds.header {
            deadline = Instant::now() + bounds.header;
        }
        if bounds.http2 && (head.starts_with(H2_PREFACE) || H2_PREFACE.starts_with(&head)) {
            if head.len() >= H2_PREFACE.len() {
                return Arrival::Http2(head);
            }
        } else if is_whole(&head, &mut scanned) {
            return Arrival::Head(head);
        } else if head.len() > bounds.limit.saturating_add(SLACK) {
            return Arrival::TooLarge;
        }
    }
}

/// Answers, and closes so that the client can read it.
pub(super) async fn close_with(stream: &mut Stream, answer: &[u8]) {
    let said = async {
        stream.write_all(answer).await?;
        stream.flush().await?;
        AsyncWriteExt::shutdown(stream).await?;
        // A socket that is closed with unread bytes is reset, and the answer with it.
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Whoever does not read it does without.
    drop(timeout(LINGER, said).await);
}

/// The chunk is on the stack: a connection that waits has no buffer.
fn poll_some(stream: &mut Stream, head: &mut BytesMut, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
    let mut chunk = [const { MaybeUninit::uninit() }; CHUNK];
    let mut chunk = ReadBuf::uninit(&mut chunk);
    ready!(Pin::new(stream).poll_read(cx, &mut chunk))?;
    head.extend_from_slice(chunk.filled());
    Poll::Ready(Ok(chunk.filled().len()))
}

/// Whether the empty line that ends a head is there (RFC 9112 §2.2: lines may end with a bare LF, and empty ones before
/// the request line do not count). What cannot be a request at all is not waited for: Pingora refuses it. `scanned`:
/// where to go on.
fn is_whole(head: &[u8], scanned: &mut usize) -> bool {
    let Some(start) = head.iter().position(|byte| !matches!(byte, b'\r' | b'\n')) else {
        return false;
    };
    if !head[start].is_ascii_graphic() {
        return true;
    }
    let from = (*scanned).max(start);
    for at in memchr::memchr_iter(b'\n', &head[from..]).map(|at| from + at) {
        match &head[at + 1..] {
            [b'\n', ..] | [b'\r', b'\n', ..] => return true,
            // The next bytes decide.
            [] | [b'\r'] => {
                *scanned = at;
                return false;
            }
            _ => {}
        }
    }
    *scanned = head.len();
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_its_first_empty_line_however_it_is_cut() {
        for (bytes, whole) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
            ("GET / HTTP/1.1\nHost: a\n\n", true),
            ("GET / HTTP/1.1\r\nHost: a\n\r\nbody", true),
            ("\r\n\r\nGET / HTTP/1.1\r\n\r\n", true),
            ("\r\n\r\n\n\n", false),
            ("\r\n\r\nGET / HTTP/1.1\r\n", false),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r", false),
            ("GET / HTTP/1.1\r\nHost: a\r\n x: b\r\n", false),
            ("\u{16}\u{3}\u{1}", true),
            ("", false),
        ] {
            let mut scanned = 0;
            assert_eq!(is_whole(bytes.as_bytes(), &mut scanned), whole, "{bytes:?} at once");
            let mut scanned = 0;
            let ends = (1..=bytes.len()).find(|end| is_whole(&bytes.as_bytes()[..*end], &mut scanned));
            assert_eq!(ends.is_some(), whole, "{bytes:?} byte by byte");
        }
    }
}
