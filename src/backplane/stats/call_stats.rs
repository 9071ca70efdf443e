//! Statistics of calls: how many, how long, answered by whom. One series for each kind of call; the
//! binding defines the kinds.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use pin_project_lite::pin_project;

use crate::mutex::{Mutex, MutexGuard};

/// Percentiles cover the last one to two of these periods.
const SPAN: Duration = Duration::from_secs(30);
/// Only a lock is waited for that long.
const LONGEST: Duration = Duration::from_secs(3600);
/// Accurate to 1 % of each duration.
const DIGITS: u8 = 2;

thread_local! {
    /// The call that is currently polled.
    static ANSWERED_HERE: Cell<bool> = const { Cell::new(false) };
    static OVERDUE: Cell<bool> = const { Cell::new(false) };
}

/// Records that this process, not Redis, answers the current call.
pub(crate) fn answered_here() {
    ANSWERED_HERE.set(true);
}

/// Records that the current call has reached its deadline. A call that changes something is
/// answered now and continues.
pub(crate) fn overdue() {
    OVERDUE.set(true);
}

pin_project! {
    /// A call in progress. `done` receives its answer, and whether it was answered here. This is
    /// not an async block, which would hold the call twice; every call is copied when its task is
    /// created.
    pub struct MeasuredCall<F: Future, D, G> {
        #[pin]
        call: F,
        is_answered_here: bool,
        // The answer at the deadline of a call that continues anyway.
        when_overdue: Option<fn() -> F::Output>,
        done: Option<D>,
        under_way: G,
    }
}

impl<F: Future, D: FnOnce(F::Output, bool), G> MeasuredCall<F, D, G> {
    /// `under_way` is dropped when the call is over, which may be after its answer.
    pub fn new(call: F, when_overdue: Option<fn() -> F::Output>, done: D, under_way: G) -> Self {
        Self {
            call,
            is_answered_here: false,
            when_overdue,
            done: Some(done),
            under_way,
        }
    }
}

impl<F: Future, D: FnOnce(F::Output, bool), G> Future for MeasuredCall<F, D, G> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        ANSWERED_HERE.set(*this.is_answered_here);
        OVERDUE.set(false);
        let polled = this.call.poll(context);
        *this.is_answered_here = ANSWERED_HERE.get();
        let is_over = polled.is_ready();
        let (answer, is_from_memory) = match polled {
            Poll::Ready(answer) => (answer, *this.is_answered_here),
            Poll::Pending => match this.when_overdue.filter(|_| OVERDUE.get()) {
                Some(answer) => (answer(), true),
                None => return Poll::Pending,
            },
        };
        if let Some(done) = this.done.take() {
            done(answer, is_from_memory);
        }
        match is_over {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

/// The outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    Found,
    /// The caller asked for something that does not exist.
    Missing,
    Failed,
}

pub struct CallStats(Box<[Mutex<CallSeries>]>);

#[derive(Default)]
struct CallSeries {
    counts: CallTotals,
    recent: Option<RecentDurations>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallTotals {
    pub calls: u64,
    pub failed: u64,
    pub missing: u64,
    pub from_memory: u64,
    /// Of the calls that were timed; those answered immediately are not.
    pub timed: u64,
    pub total: Duration,
}

/// Durations in µs.
struct RecentDurations {
    since: Instant,
    current: Histogram<u32>,
    previous: Histogram<u32>,
}

/// For the calls of the last 30 to 60 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    pub mean: Duration,
    pub p50: Duration,
    pub p90: Duration,
    pub p99: Duration,
    pub max: Duration,
}

impl CallStats {
    pub fn new(kinds: usize) -> Self {
        Self((0..kinds).map(|_| Mutex::default()).collect())
    }

    pub fn ended(&self, kind: usize, begun: Instant, outcome: CallOutcome, from_memory: bool) {
        let now = Instant::now();
        let Some(mut series) = self.series(kind) else {
            return;
        };
        series.count(outcome, from_memory);
        let duration = now - begun;
        series.counts.timed += 1;
        series.counts.total += duration;
        let recent = series
            .recent
            .get_or_insert_with(|| RecentDurations::new(now));
        recent.turn(now);
        recent.record(duration);
    }

    /// Counts a call that was answered immediately.
    pub fn answered_locally(&self, kind: usize) {
        if let Some(mut series) = self.series(kind) {
            series.count(CallOutcome::Found, true);
        }
    }

    /// Of every kind, in order.
    pub fn read(&self) -> Vec<(CallTotals, Option<Latency>)> {
        let now = Instant::now();
        let each = self.0.iter().map(Mutex::lock);
        each.map(|mut series| {
            let latency = series
                .recent
                .as_mut()
                .and_then(|recent| recent.latency(now));
            (series.counts, latency)
        })
        .collect()
    }

    fn series(&self, kind: usize) -> Option<MutexGuard<'_, CallSeries>> {
        self.0.get(kind).map(Mutex::lock)
    }
}

impl CallSeries {
    fn count(&mut self, outcome: CallOutcome, from_memory: bool) {
        self.counts.calls += 1;
        self.counts.failed += u64::from(outcome == CallOutcome::Failed);
        self.counts.missing += u64::from(outcome == CallOutcome::Missing);
        self.counts.from_memory += u64::from(from_memory);
    }
}

impl RecentDurations {
    fn new(now: Instant) -> Self {
        let histogram = Histogram::new(DIGITS).expect("a number of digits that histograms have");
        Self {
            since: now,
            current: histogram.clone(),
            previous: histogram,
        }
    }

    fn record(&mut self, duration: Duration) {
        let micros = duration.min(LONGEST).as_micros() as u64;
        // It resizes itself, so recording cannot fail.
        let _ = self.current.record(micros);
    }

    /// Drops what is too old.
    fn turn(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.since);
        if age < SPAN {
            return;
        }
        std::mem::swap(&mut self.current, &mut self.previous);
        self.current.reset();
        if age >= 2 * SPAN {
            self.previous.reset();
        }
        self.since = now;
    }

    fn latency(&mut self, now: Instant) -> Option<Latency> {
        self.turn(now);
        let mut all = self.current.clone();
        // Both grow by themselves.
        let _ = all.add(&self.previous);
        if all.is_empty() {
            return None;
        }
        let at = |quantile| Duration::from_micros(all.value_at_quantile(quantile));
        Some(Latency {
            mean: Duration::from_secs_f64(all.mean() / 1e6),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: Duration::from_micros(all.max()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(calls: &CallStats, kind: usize) -> (CallTotals, Option<Latency>) {
        calls.read()[kind]
    }

    #[test]
    fn counts_each_kind_by_itself() {
        let calls = CallStats::new(2);
        calls.ended(0, Instant::now(), CallOutcome::Found, false);
        calls.ended(0, Instant::now(), CallOutcome::Missing, true);
        calls.ended(0, Instant::now(), CallOutcome::Failed, false);
        calls.answered_locally(1);
        let (first, latency) = series(&calls, 0);
        let counted = (first.calls, first.missing, first.failed, first.from_memory);
        assert_eq!(counted, (3, 1, 1, 1));
        assert!(latency.is_some());
        let (second, latency) = series(&calls, 1);
        assert_eq!((second.calls, second.from_memory, second.timed), (1, 1, 0));
        assert_eq!(latency, None);
    }

    #[test]
    fn percentiles_are_within_a_hundredth() {
        let now = Instant::now();
        let mut recent = RecentDurations::new(now);
        for micros in 1..=100_000 {
            recent.record(Duration::from_micros(micros));
        }
        let latency = recent.latency(now).unwrap();
        for (is, should) in [
            (latency.p50, 50_000.0),
            (latency.p90, 90_000.0),
            (latency.p99, 99_000.0),
            (latency.max, 100_000.0),
            (latency.mean, 50_000.5),
        ] {
            let error = (is.as_micros() as f64 - should).abs() / should;
            assert!(error < 0.01, "{is:?} is not {should} µs");
        }
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let now = Instant::now();
        let mut recent = RecentDurations::new(now);
        recent.record(Duration::from_millis(1));
        assert!(recent.latency(now + SPAN).is_some());
        recent.record(Duration::from_millis(2));
        let both = recent.latency(now + SPAN).unwrap();
        assert!(both.p50 < Duration::from_millis(2));
        let second = recent.latency(now + 2 * SPAN).unwrap();
        assert!(second.p50 >= Duration::from_millis(2));
        assert!(recent.latency(now + 3 * SPAN).is_none());
        recent.record(Duration::MAX);
        assert!(recent.latency(now + 6 * SPAN).is_none());
    }

    #[tokio::test]
    async fn knows_who_answered() {
        let (mut here, mut there) = (None, None);
        let first = async {
            tokio::task::yield_now().await;
            answered_here();
            tokio::task::yield_now().await;
        };
        let second = async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(
            MeasuredCall::new(first, None, |(), is_here| here = Some(is_here), ()),
            MeasuredCall::new(second, None, |(), is_here| there = Some(is_here), ()),
        );
        assert_eq!((here, there), (Some(true), Some(false)));
    }

    #[tokio::test]
    async fn a_call_that_is_overdue_is_answered_once_and_goes_on() {
        let (mut answers, mut is_done) = (Vec::new(), false);
        let call = async {
            overdue();
            tokio::task::yield_now().await;
            is_done = true;
            "done"
        };
        let told: fn() -> &'static str = || "told";
        MeasuredCall::new(
            call,
            Some(told),
            |answer, is_here| answers.push((answer, is_here)),
            (),
        )
        .await;
        assert_eq!((answers, is_done), (vec![("told", true)], true));
    }
}
