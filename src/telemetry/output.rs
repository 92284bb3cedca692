//! A bounded queue and a thread that writes it: nobody ever waits for stdout.
//!
//! Lines are copied into one buffer under a short lock. Idle, the thread writes a line at once; busy, it gathers lines
//! for [`GATHER`] and writes them with one call, so that a request costs no system call. A reader that stalls fills the
//! buffer up to [`LIMIT`]; lines past it are counted and dropped. A reader that is gone costs its lines, nothing more.

use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Most bytes that wait for a slow reader: some 10,000 access lines.
const LIMIT: usize = 4 << 20;
/// How much room a buffer keeps after a burst, bytes.
const KEEP: usize = 256 << 10;
/// How long a busy writer gathers lines for one write.
const GATHER: Duration = Duration::from_millis(5);
/// How long to leave a full non-blocking pipe alone.
const FULL_PIPE: Duration = Duration::from_millis(10);

/// The way out for log lines. Clones share the queue.
#[derive(Clone)]
pub(super) struct Output(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// Wakes the writer.
    work: Condvar,
    /// Wakes those who flush.
    written: Condvar,
}

#[derive(Default)]
struct Queue {
    pending: Vec<u8>,
    dropped: u64,
    writer: Writer,
    flushing: bool,
}

/// What the writing thread is doing.
#[derive(Default, PartialEq, Eq)]
enum Writer {
    /// Writing, or gathering before the next write: it will look at the queue again by itself.
    #[default]
    Busy,
    /// Asleep until somebody wakes it.
    Idle,
}

impl Output {
    /// Starts the thread. `lost` makes the line that tells how many were dropped.
    /// Where the system grants no thread, nothing is logged.
    pub(super) fn new(sink: Box<dyn Write + Send>, lost: impl Fn(u64) -> String + Send + 'static) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            work: Condvar::new(),
            written: Condvar::new(),
        });
        let writer = Arc::clone(&shared);
        // The error is nothing that could be logged.
        let _ = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || writer.write_forever(sink, lost));
        Self(shared)
    }

    /// Queues one line, its newline included. Never blocks on the sink, never fails.
    pub(super) fn push(&self, line: &str) {
        let mut queue = self.0.queue.lock();
        if queue.pending.len() + line.len() > LIMIT {
            queue.dropped += 1;
            return;
        }
        queue.pending.extend_from_slice(line.as_bytes());
        if queue.writer == Writer::Idle {
            queue.writer = Writer::Busy;
            drop(queue);
            self.0.work.notify_one();
        }
    }

    /// Waits until all that was queued is written, but not longer than `within`. Whether it is.
    pub(super) fn flush(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut queue = self.0.queue.lock();
        queue.flushing = true;
        self.0.work.notify_one();
        while queue.writer == Writer::Busy || !queue.pending.is_empty() {
            if self.0.written.wait_until(&mut queue, deadline).timed_out() {
                break;
            }
        }
        queue.flushing = false;
        queue.writer == Writer::Idle && queue.pending.is_empty()
    }
}

impl Shared {
    fn write_forever(&self, mut sink: Box<dyn Write + Send>, lost: impl Fn(u64) -> String) {
        let mut batch = Vec::new();
        loop {
            let dropped = self.next_batch(&mut batch);
            write_all(&mut sink, &batch);
            if dropped > 0 {
                write_all(&mut sink, lost(dropped).as_bytes());
            }
            batch.clear();
            batch.shrink_to(KEEP);
            let mut queue = self.queue.lock();
            if !queue.flushing {
                self.work.wait_for(&mut queue, GATHER);
            }
        }
    }

    /// Sleeps until there is something to write, swaps it into `batch`, returns how many lines were dropped meanwhile.
    fn next_batch(&self, batch: &mut Vec<u8>) -> u64 {
        let mut queue = self.queue.lock();
        while queue.pending.is_empty() {
            queue.writer = Writer::Idle;
            self.written.notify_all();
            self.work.wait(&mut queue);
        }
        queue.writer = Writer::Busy;
        std::mem::swap(batch, &mut queue.pending);
        std::mem::take(&mut queue.dropped)
    }
}

/// Writes what can be written. A full pipe that does not block is waited for; any other error costs the rest of `bytes`.
fn write_all(sink: &mut dyn Write, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => return,
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(FULL_PIPE),
            Err(_) => return,
        }
    }
    let _ = sink.flush();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const PATIENCE: Duration = Duration::from_secs(10);

    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Writes nothing until it is told to, then everything; sends what it wrote.
    struct Gate(Receiver<()>, Sender<String>);
    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_costs_lines_and_nothing_else() {
        let output = Output::new(Box::new(Closed), |n| n.to_string());
        for _ in 0..100 {
            output.push("line\n");
        }
        assert!(output.flush(PATIENCE));
    }

    #[test]
    fn a_stalled_reader_never_holds_a_request_up_and_learns_what_it_missed() {
        let (open, gate) = channel();
        let (tell, told) = channel();
        let output = Output::new(Box::new(Gate(gate, tell)), |n| format!("lost {n}\n"));
        let line = format!("{}\n", "x".repeat(1023));
        let pushed = 3 * LIMIT / line.len();
        for _ in 0..pushed {
            output.push(&line);
        }
        assert!(!output.flush(Duration::ZERO));
        drop(open);
        assert!(output.flush(PATIENCE));
        drop(output);
        let all: String = told.try_iter().collect();
        let written = all.lines().filter(|l| l.starts_with('x')).count();
        let lost: usize = all
            .lines()
            .find_map(|l| l.strip_prefix("lost "))
            .unwrap()
            .parse()
            .unwrap();
        assert!(written <= 2 * LIMIT / line.len());
        assert_eq!(written + lost, pushed);
    }

    #[test]
    fn lines_come_out_in_order_and_a_flush_leaves_none_behind() {
        let (open, gate) = channel();
        let (tell, told) = channel();
        drop(open);
        let output = Output::new(Box::new(Gate(gate, tell)), |n| n.to_string());
        let lines: Vec<String> = (0..1000).map(|n| format!("{n}\n")).collect();
        lines.iter().for_each(|line| output.push(line));
        assert!(output.flush(PATIENCE));
        assert_eq!(told.try_iter().collect::<String>(), lines.concat());
    }
}
