//! The progress on a connection: a connection with much data in flight is slow, not dead.
//!
//! Progress is counted in steps of [`STEP`] bytes, so that a trickling connection counts as silent.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::bandwidth::Bandwidth;
use crate::mutex::{Mutex, MutexGuard};

/// A connection moves when this many of its bytes have moved. Anything slower than this per
/// deadline counts as silence.
const STEP: u64 = 16 * 1024;
/// A call lasts at most this many deadlines, however its data moves.
pub const MOST_DEADLINES: u32 = 30;
/// How much of a request intermediate systems may hold without reporting it, and how slowly they
/// may deliver it, bytes and bytes per second.
const HIDDEN: u64 = 1024 * 1024;
const SLOWEST: u64 = 2_000_000;
/// How much is read without yielding the I/O thread.
const READ_AT_ONCE: usize = 512 * 1024;

/// When the successive connections of one lane last moved.
pub struct Progress {
    born: Instant,
    read: AtomicU64,
    wrote: AtomicU64,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            born: Instant::now(),
            read: AtomicU64::new(0),
            wrote: AtomicU64::new(0),
        }
    }
}

impl Progress {
    pub fn last_read(&self) -> Instant {
        self.born + Duration::from_nanos(self.read.load(Relaxed))
    }

    fn last_write(&self) -> Instant {
        self.born + Duration::from_nanos(self.wrote.load(Relaxed))
    }

    /// Something has been answered.
    pub fn answered(&self) {
        self.stamp(&self.read, Instant::now());
    }

    fn stamp(&self, at: &AtomicU64, now: Instant) {
        let since = now.saturating_duration_since(self.born);
        at.store(since.as_nanos() as u64, Relaxed);
    }
}

/// One connection's bytes.
pub struct Flow {
    pub progress: Arc<Progress>,
    pub bandwidth: Arc<Bandwidth>,
    read: AtomicU64,
    written: AtomicU64,
    has_marks: AtomicBool,
    marks: Mutex<VecDeque<(u64, Arc<Transit>)>>,
}

impl Flow {
    pub fn new(progress: Arc<Progress>, bandwidth: Arc<Bandwidth>) -> Arc<Self> {
        Arc::new(Self {
            progress,
            bandwidth,
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            has_marks: AtomicBool::new(false),
            marks: Mutex::default(),
        })
    }

    /// Bytes received.
    pub fn read(&self) -> u64 {
        self.read.load(Relaxed)
    }

    /// Bytes that the system has accepted.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Tells `transit` when the connection has accepted the byte before `end`, of which the last
    /// `owed` have no answer.
    pub fn mark(&self, end: u64, owed: u64, transit: Arc<Transit>) {
        transit.owed.store(owed, Relaxed);
        let mut marks = self.marks();
        if marks.is_empty() {
            let _ = transit.begun.set(Instant::now());
        }
        marks.push_back((end, transit));
        self.has_marks.store(true, Relaxed);
    }

    fn moved_out(&self, bytes: u64) {
        let written = self.written.fetch_add(bytes, Relaxed) + bytes;
        if !self.has_marks.load(Relaxed) {
            return;
        }
        let now = Instant::now();
        if (written - bytes) / STEP != written / STEP {
            self.progress.stamp(&self.progress.wrote, now);
        }
        let mut marks = self.marks();
        while marks.front().is_some_and(|(end, _)| *end <= written) {
            if let Some((_, transit)) = marks.pop_front() {
                let _ = transit.written.set(now);
                if let Some((_, next)) = marks.front() {
                    let _ = next.begun.set(now);
                }
            }
        }
        self.has_marks.store(!marks.is_empty(), Relaxed);
    }

    fn marks(&self) -> MutexGuard<'_, VecDeque<(u64, Arc<Transit>)>> {
        self.marks.lock()
    }
}

/// One request of the lane for long work, from the queue to its answer.
pub struct Transit {
    progress: Arc<Progress>,
    queued: Instant,
    /// Bytes up to its last one that had no answer.
    owed: AtomicU64,
    /// Its first byte could be written.
    begun: OnceLock<Instant>,
    /// Its last byte was written.
    written: OnceLock<Instant>,
}

impl Transit {
    pub fn new(progress: Arc<Progress>) -> Arc<Self> {
        Arc::new(Self {
            progress,
            queued: Instant::now(),
            owed: AtomicU64::new(0),
            begun: OnceLock::new(),
            written: OnceLock::new(),
        })
    }

    /// Until when it may still complete, if its data or the data ahead of it has moved, or may have
    /// moved.
    pub fn until(&self, deadline: Duration) -> Option<Instant> {
        let read = self.progress.last_read();
        let out = match self.written.get() {
            None => self.progress.last_write(),
            Some(written) => *written + self.unseen(*written, deadline),
        };
        let moved = read.max(out);
        (moved > self.queued + deadline / 10 || read > self.queued).then_some(moved + deadline)
    }

    /// How long data that the system has accepted may be in transit: intermediate systems hold
    /// megabytes and report nothing. As long again as it took to be accepted, or as long as its
    /// length explains.
    fn unseen(&self, written: Instant, deadline: Duration) -> Duration {
        let took = written - *self.begun.get().unwrap_or(&self.queued);
        let took = if took < deadline / 10 {
            Duration::ZERO
        } else {
            took
        };
        let more = self.owed.load(Relaxed).saturating_sub(HIDDEN);
        took.max(Duration::from_millis(more * 1000 / SLOWEST))
    }

    /// Whether it was accepted slowly, and moved.
    pub fn was_slow(&self, deadline: Duration) -> bool {
        self.until(deadline).is_some() && self.queued.elapsed() >= deadline / 10
    }
}

/// A stream that reports its progress.
pub struct Metered<S> {
    stream: S,
    flow: Arc<Flow>,
    step: u64,
    /// Since another task had the thread.
    at_once: usize,
}

impl<S> Metered<S> {
    pub fn new(stream: S, flow: Arc<Flow>) -> Self {
        Self {
            stream,
            flow,
            step: 0,
            at_once: 0,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.at_once >= READ_AT_ONCE {
            self.at_once = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_pending() {
            self.at_once = 0;
            return polled;
        }
        let bytes = buffer.filled().len() - before;
        self.at_once += bytes;
        self.flow.read.fetch_add(bytes as u64, Relaxed);
        self.step += bytes as u64;
        if self.step >= STEP {
            let now = Instant::now();
            let progress = &self.flow.progress;
            progress.stamp(&progress.read, now);
            self.flow.bandwidth.came(self.step, now);
            self.step = 0;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            self.flow.moved_out(written as u64);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
