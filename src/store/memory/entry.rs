//! One entry of the in-memory store, and its weight.

use std::cell::Cell;

use quick_cache::{Lifecycle, Weighter};

use super::budget::{Account, allocated};
use crate::store::{Json, Key};

/// The cost of an entry beside its key and its text: the entry itself, its slot, and its place in
/// the two queues of the cache, which has room for a third more entries than there are.
const OVERHEAD_BYTES: usize = 192;

#[derive(Clone, Debug)]
pub struct MemoryEntry {
    /// Empty: there is no value, only a lease on it.
    pub text: Json,
    /// Milliseconds of the store's clock.
    pub fresh_until: u64,
    pub gone_at: u64,
    /// 0: none.
    pub lease: u64,
    pub look: Look,
}

/// What a pass through all entries needs to know ([`super::steps::Passes`]).
#[derive(Clone, Debug, Default)]
pub struct Look {
    pub number: u64,
    pub looked: Cell<u64>,
}

impl MemoryEntry {
    pub fn is_alive(&self, now: u64) -> bool {
        now < self.gone_at
    }

    pub fn is_fresh(&self, now: u64) -> bool {
        now < self.fresh_until && !self.text.is_empty()
    }
}

/// The memory of an entry.
pub fn bytes(key: &Key, text: &Json) -> u64 {
    (allocated(key.as_bytes().len()) + allocated(text.len()) + OVERHEAD_BYTES) as u64
}

/// Bounds bytes and entries by one weight: an entry weighs its bytes, and never less than an equal
/// share of the whole.
#[derive(Clone, Debug)]
pub struct EntryWeight {
    pub min_bytes: u64,
}

impl EntryWeight {
    pub fn of(&self, key: &Key, text: &Json) -> u64 {
        bytes(key, text).max(self.min_bytes)
    }
}

impl Weighter<Key, MemoryEntry> for EntryWeight {
    fn weight(&self, key: &Key, entry: &MemoryEntry) -> u64 {
        self.of(key, &entry.text)
    }
}

/// Gives back the bytes of entries that are evicted, replaced, or not admitted.
#[derive(Clone)]
pub struct Evictions(pub Account);

impl Lifecycle<Key, MemoryEntry> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), key: Key, entry: MemoryEntry) {
        self.0.sub(bytes(&key, &entry.text));
    }
}
