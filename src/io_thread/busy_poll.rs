//! Polling instead of sleeping, while a single caller goes back and forth.
//!
//! With one call at a time, nothing costs as much as waking a thread: this one when the call comes,
//! and again when Redis answers. So while few calls are in flight and recent events have come soon,
//! the thread polls the kernel for the next one, and yields in between to any other thread that
//! wants the core. When events come late, or many calls are in flight, it sleeps as usual; an idle
//! process costs nothing. (The idea of the kernel's adaptive mutexes and of SO_BUSY_POLL.)

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use once_cell::sync::Lazy;
use tokio::sync::Notify;

/// The next event is polled for if it is expected within this time, and no longer.
const PATIENCE: Duration = Duration::from_micros(120);
/// With more calls in flight than this, the thread is busy anyway.
const FEW_CALLS: u32 = 32;
/// Weight of a new gap in the running mean: 1/8.
const MEAN_SHIFT: u32 = 3;
/// Longer gaps are all treated alike, and are forgotten after some dozens of short ones.
const LONGEST_GAP: Duration = Duration::from_millis(1);

/// Written only by the I/O thread.
struct PollState {
    born: Instant,
    calls: AtomicU32,
    last_event_ns: AtomicU64,
    /// From a submission to the next completion.
    answer_gap: MeanGap,
    /// From a completion to the next submission.
    think_gap: MeanGap,
    last_was_completion: AtomicBool,
    event: Notify,
}

struct MeanGap(AtomicU64);

static WATCH: Lazy<PollState> = Lazy::new(|| PollState {
    born: Instant::now(),
    calls: AtomicU32::new(0),
    last_event_ns: AtomicU64::new(0),
    answer_gap: MeanGap::long(),
    think_gap: MeanGap::long(),
    last_was_completion: AtomicBool::new(true),
    event: Notify::const_new(),
});

pub fn submission_came(calls: u32) {
    WATCH.calls.fetch_add(calls, Relaxed);
    WATCH.happened(false);
}

pub fn completion_left(calls: u32) {
    WATCH.calls.fetch_sub(calls, Relaxed);
    WATCH.happened(true);
}

/// Keeps the runtime polling while that is worthwhile. Never ends.
pub async fn run() {
    loop {
        WATCH.event.notified().await;
        while WATCH.is_next_event_near() {
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
    }
}

impl PollState {
    fn happened(&self, is_completion: bool) {
        let now = self.now_ns();
        let gap = now.saturating_sub(self.last_event_ns.swap(now, Relaxed));
        self.current_gap().learn(gap);
        self.last_was_completion.store(is_completion, Relaxed);
        self.event.notify_one();
    }

    fn is_next_event_near(&self) -> bool {
        let since = self
            .now_ns()
            .saturating_sub(self.last_event_ns.load(Relaxed));
        self.calls.load(Relaxed) <= FEW_CALLS
            && since < nanos(PATIENCE)
            && self.current_gap().mean() < nanos(PATIENCE)
    }

    /// The kind of the current gap.
    fn current_gap(&self) -> &MeanGap {
        if self.last_was_completion.load(Relaxed) {
            &self.think_gap
        } else {
            &self.answer_gap
        }
    }

    fn now_ns(&self) -> u64 {
        nanos(self.born.elapsed())
    }
}

impl MeanGap {
    const fn long() -> Self {
        Self(AtomicU64::new(LONGEST_GAP.as_nanos() as u64))
    }

    fn mean(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn learn(&self, gap: u64) {
        let mean = self.mean();
        let gap = gap.min(nanos(LONGEST_GAP));
        self.0
            .store(mean - (mean >> MEAN_SHIFT) + (gap >> MEAN_SHIFT), Relaxed);
    }
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_gaps_are_learnt_and_long_ones_remembered() {
        let gap = MeanGap::long();
        for _ in 0..40 {
            gap.learn(50_000);
        }
        assert!(gap.mean() < nanos(PATIENCE), "{}", gap.mean());
        for _ in 0..3 {
            gap.learn(u64::MAX);
        }
        assert!(gap.mean() > nanos(PATIENCE), "{}", gap.mean());
    }
}
