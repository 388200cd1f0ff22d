//! Log lines to stderr, by a thread of their own: whoever reads them may stop reading (a pipe into a program that hangs), and
//! that must not stop the daemon.
//!
//! Before it: tracing's formatter, which hands over a whole line. After it: stderr. Invariants: nobody waits for stderr but this
//! thread; no more than [`MOST`] lines wait, and that others were dropped is a line of its own as soon as there is room.
//! tracing-appender does as much, and brings files and dates with it of which nothing is needed here.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait; what is beyond them is dropped.
const MOST: usize = 2_048;

/// How long the end of the program waits for the last lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where lines are left.
#[derive(Clone, Debug)]
pub(super) struct Stderr {
    queue: SyncSender<Op>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Op {
    Line(Vec<u8>),
    /// Everything before it has been written.
    Written(SyncSender<()>),
}

impl Stderr {
    /// Starts the thread, which ends with the program.
    #[expect(clippy::disallowed_methods, reason = "the door of stderr: whoever reads it may hang")]
    pub(super) fn start() -> io::Result<Self> {
        let (queue, lines) = sync_channel(MOST);
        let stderr = Self { queue, dropped: Arc::default() };
        let dropped = Arc::clone(&stderr.dropped);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write(&lines, &dropped))?;
        Ok(stderr)
    }

    /// Waits for the lines so far, for [`PATIENCE`] at most.
    pub(super) fn flush(&self) {
        let (written, told) = sync_channel(1);
        // Where the queue is full nobody reads.
        if self.queue.try_send(Op::Written(written)).is_ok() {
            let _unread = told.recv_timeout(PATIENCE);
        }
    }
}

fn write(lines: &Receiver<Op>, dropped: &AtomicU64) {
    while let Ok(op) = lines.recv() {
        match op {
            // Where stderr is closed there is nobody to tell.
            Op::Line(line) => drop(io::stderr().lock().write_all(&line)),
            Op::Written(written) => drop(written.send(())),
        }
        let number = dropped.swap(0, Ordering::Relaxed);
        if number > 0 {
            tracing::warn!(lines = number, "log lines were dropped: nobody read stderr");
        }
    }
}

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Op::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}
