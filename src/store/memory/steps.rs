//! Tools for long work in steps: numbers for the entries looked at, and the release of large data.

use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::unsync::Cache;
use quick_cache::{Lifecycle, Weighter};
use tokio::runtime::Handle;

use crate::io_thread::steps::for_each_of_cost;

/// Freeing large data takes time: this many bytes count as one small item.
const BYTES_AS_AN_ITEM: usize = 4096;

/// Drops items, on the I/O thread in steps: the caller need not wait.
pub fn let_go<T: 'static>(items: impl Iterator<Item = T> + Send + 'static) {
    later(items, |item| {
        drop(item);
        1
    });
}

/// Runs a function on items, which returns its cost, in the way in which [`let_go`] drops them.
/// Without an I/O thread it runs at once.
pub fn later<T: 'static>(
    items: impl Iterator<Item = T> + Send + 'static,
    mut act: impl FnMut(T) -> usize + Send + 'static,
) {
    match Handle::try_current() {
        Ok(thread) => drop(thread.spawn(for_each_of_cost(items, act))),
        Err(_) => items.for_each(|item| _ = act(item)),
    }
}

/// Drops a cache as [`let_go`] drops items. `bytes`: of the content of an entry.
pub fn let_go_of_cache<K, V, W, B, L>(mut cache: Cache<K, V, W, B, L>, bytes: fn(&V) -> usize)
where
    K: Eq + Hash + Send + 'static,
    V: Send + 'static,
    W: Weighter<K, V> + Send + 'static,
    B: BuildHasher + Send + 'static,
    L: Lifecycle<K, V> + Send + 'static,
{
    let Ok(thread) = Handle::try_current() else {
        return;
    };
    thread.spawn(async move {
        let drop = |(_, value)| 1 + bytes(&value) / BYTES_AS_AN_ITEM;
        for_each_of_cost(cache.drain(), drop).await;
    });
}

/// Numbers entries, so that an entry is looked at only once in a pass, and an entry that came after
/// the pass began is not looked at.
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

    /// Waits for the earlier passes.
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
    /// Whether an entry has to be looked at, which is noted in `looked`.
    pub fn is_next(&self, entry: u64, looked: u64) -> bool {
        entry < self.before && looked != self.number
    }

    pub fn number(&self) -> u64 {
        self.number
    }
}
