//! One entry of the in-memory store, and what it weighs.

use quick_cache::Weighter;

use crate::store::{Json, Key};

/// What an entry costs beside its key and its text: the entry itself, its slot, its place in
/// the two queues of the cache, and the allocator's share.
const OVERHEAD_BYTES: u64 = 160;

#[derive(Clone, Debug)]
pub struct Entry {
    /// Empty: there is no value, only a lease on it.
    pub text: Json,
    /// Milliseconds of the store's clock.
    pub fresh_until: u64,
    pub gone_at: u64,
    /// 0: none.
    pub lease: u64,
}

impl Entry {
    pub fn is_alive(&self, now: u64) -> bool {
        now < self.gone_at
    }

    pub fn is_fresh(&self, now: u64) -> bool {
        now < self.fresh_until && !self.text.is_empty()
    }
}

/// Bounds bytes and entries by one weight: an entry weighs its bytes, and never less than an
/// equal share of the whole.
#[derive(Clone, Debug)]
pub struct Weight {
    pub min_bytes: u64,
}

impl Weight {
    pub fn of(&self, key: &Key, text: &Json) -> u64 {
        let bytes = key.as_bytes().len() as u64 + text.len() as u64 + OVERHEAD_BYTES;
        bytes.max(self.min_bytes)
    }
}

impl Weighter<Key, Entry> for Weight {
    fn weight(&self, key: &Key, entry: &Entry) -> u64 {
        self.of(key, &entry.text)
    }
}
