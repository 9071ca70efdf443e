//! What long work in steps needs: numbers for what it has looked at, and letting go of much.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Handle;

use crate::io_thread::steps::{AT_ONCE, for_each};

/// Drops items, on the I/O thread in steps: whoever asked for it need not wait.
pub fn let_go<T: 'static>(items: impl ExactSizeIterator<Item = T> + Send + 'static) {
    match Handle::try_current() {
        Ok(thread) if items.len() > AT_ONCE => drop(thread.spawn(for_each(items, drop))),
        _ => drop(items),
    }
}

/// Numbers what is looked at, so that what has been looked at once in a pass is not again, and what came after it
/// began is not at all.
#[derive(Default)]
pub struct Passes {
    entries: AtomicU64,
    passes: AtomicU64,
    /// Two passes at a time would not know what the other has looked at.
    alone: tokio::sync::Mutex<()>,
}

pub struct Pass<'a> {
    number: u64,
    /// Of the first entry that came after it began.
    before: u64,
    _alone: tokio::sync::MutexGuard<'a, ()>,
}

impl Passes {
    /// For something that is kept from now on.
    pub fn entry(&self) -> u64 {
        self.entries.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits for those before.
    pub async fn begin(&self) -> Pass<'_> {
        let before = self.entries.load(Ordering::Relaxed);
        let alone = self.alone.lock().await;
        Pass {
            number: self.passes.fetch_add(1, Ordering::Relaxed) + 1,
            before,
            _alone: alone,
        }
    }
}

impl Pass<'_> {
    /// Whether an entry is to be looked at, which is noted in `looked`.
    pub fn is_next(&self, entry: u64, looked: u64) -> bool {
        entry < self.before && looked != self.number
    }

    pub fn number(&self) -> u64 {
        self.number
    }
}
