//! The memory that a test keeps, as the allocator counts it.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use futures_util::poll;
use mimalloc::MiMalloc;
use tokio::runtime::Handle;
use tokio::task::yield_now;

use crate::io_thread::steps::AT_ONCE;
use crate::store::memory::budget::allocated;

/// Larger sizes are rounded up to pages, which is negligible.
const LARGE: usize = 64 * 1024;

/// Allocations that a step may free: some of each item.
pub const MOST_FREED: usize = 8 * AT_ONCE;

thread_local! {
    static KEPT: Cell<isize> = const { Cell::new(0) };
    static FREED: Cell<usize> = const { Cell::new(0) };
}

/// Counts what each thread allocates and frees.
pub struct Counting;

fn count(layout: Layout, sign: isize) {
    let size = layout.size();
    let takes = if size <= LARGE { allocated(size) } else { size };
    // A thread that ends no longer has a counter.
    let _ = KEPT.try_with(|kept| kept.set(kept.get() + sign * takes as isize));
}

// SAFETY: every call is handed on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout, 1);
        // SAFETY: the caller's promise is the same.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout, -1);
        let _ = FREED.try_with(|freed| freed.set(freed.get() + 1));
        // SAFETY: the caller's promise is the same.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }
}

/// How many more bytes are allocated after `act` than before, on this thread.
pub fn kept(act: impl FnOnce()) -> f64 {
    let before = KEPT.get();
    act();
    (KEPT.get() - before) as f64
}

/// Bytes that this thread has allocated and not freed, since any time.
pub fn taken() -> isize {
    KEPT.get()
}

/// Allocations that this thread has freed.
pub fn freed() -> usize {
    FREED.get()
}

/// Runs the work step by step, and a function after each step. Returns the most that one step
/// frees.
pub async fn step_by_step<T>(
    work: impl Future<Output = T>,
    mut between: impl FnMut(),
) -> (T, usize) {
    let (mut work, mut most) = (pin!(work), 0);
    loop {
        let before = freed();
        let polled = poll!(&mut work);
        most = most.max(freed() - before);
        between();
        if let Poll::Ready(done) = polled {
            return (done, most);
        }
        let before = freed();
        yield_now().await;
        most = most.max(freed() - before);
    }
}

/// Waits until everything else on this thread has ended. Returns the most that one turn frees.
pub async fn until_quiet() -> usize {
    let tasks = Handle::current().metrics();
    let quiet = async {
        while tasks.num_alive_tasks() > 0 {
            yield_now().await;
        }
    };
    step_by_step(quiet, || ()).await.1
}

/// Names from 1 to 60 KB, all different.
pub fn long_names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|at| format!("{at:0width$}", width = 1000 + at * 7919 % 59_000))
}

/// Short ones.
pub fn short_names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|at| format!("user:{at:06}:profile"))
}

/// Checks that what is counted is what is allocated: within a tenth for long names and, because
/// tables are between half full and full, within a third for short ones.
pub fn is_counted(counted: u64, taken: f64, most_off: f64) {
    let off = (counted as f64 - taken) / taken;
    assert!(
        off.abs() <= most_off,
        "counted {counted}, taken {taken}: {off:+.3}"
    );
}
