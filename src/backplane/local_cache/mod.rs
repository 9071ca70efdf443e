//! The local cache in front of Redis: what was read or written there is answered from here,
//! immediately and from any thread, until somebody changes it.
//!
//! Instances notify each other of changes. So the local cache holds only what was read while it
//! could receive the notifications of the others ([`invalidation_bus`]). A value that was read
//! before a notification is not kept after it.

pub mod invalidation_bus;

use std::collections::HashMap;

use crate::mutex::{Mutex, MutexGuard};
use crate::store::memory::{Bounds, Clock, MemoryStore};
use crate::store::{Json, Key, Ttl};

pub struct LocalCache {
    texts: MemoryStore,
    state: Mutex<LocalCacheState>,
}

#[derive(Default)]
struct LocalCacheState {
    /// Whether the changes of other instances are received.
    hears: bool,
    /// Keys that are being read or written on Redis and may be kept afterwards.
    pending: HashMap<Key, PendingPassages>,
}

#[derive(Default)]
struct PendingPassages {
    open: usize,
    /// How often the key has changed meanwhile. A passage that began after a change is valid.
    changes: u64,
}

impl LocalCache {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            texts: MemoryStore::new(bounds, Clock::system()),
            state: Mutex::default(),
        }
    }

    pub fn read(&self, key: &Key) -> Option<Json> {
        self.texts.remaining(key).map(|(text, _)| text)
    }

    pub fn len(&self) -> usize {
        self.texts.len()
    }

    pub fn bytes(&self) -> u64 {
        self.texts.bytes()
    }

    pub fn sweep(&self) {
        self.texts.sweep_now();
    }

    /// Must be called before Redis is asked for a key or told to change it.
    pub fn begin<'a>(&'a self, key: &'a Key) -> Passage<'a> {
        let mut state = self.state();
        let pending = state.pending.entry(key.clone()).or_default();
        pending.open += 1;
        Passage {
            layer: self,
            key,
            begun_at: pending.changes,
        }
    }

    /// Keeps a value that Redis will never see.
    pub fn put(&self, key: &Key, text: &Json, ttl: Ttl) {
        self.texts.put(key, text, ttl);
    }

    pub fn forget(&self, key: &Key) {
        let mut state = self.state();
        if let Some(pending) = state.pending.get_mut(key) {
            pending.changes += 1;
        }
        self.texts.take_out(key);
    }

    pub fn clear(&self) {
        self.empty(&mut self.state());
    }

    /// Sets whether the changes of others are received from now on. What was kept until now may be
    /// stale.
    pub fn hears(&self, hears: bool) {
        let mut state = self.state();
        state.hears = hears;
        self.empty(&mut state);
    }

    fn empty(&self, state: &mut LocalCacheState) {
        for pending in state.pending.values_mut() {
            pending.changes += 1;
        }
        self.texts.clear();
    }

    fn state(&self) -> MutexGuard<'_, LocalCacheState> {
        self.state.lock()
    }
}

/// One read or write of a key on Redis.
pub struct Passage<'a> {
    layer: &'a LocalCache,
    key: &'a Key,
    /// The number of changes of its key before it began.
    begun_at: u64,
}

impl Passage<'_> {
    /// Keeps a value read from Redis, unless the key has changed since or may have changed.
    pub fn keep(self, text: &Json, ttl: Ttl) {
        self.end(text, ttl, 0);
    }

    /// As `keep`, for a value that was written there: concurrent reads may have an older one.
    pub fn replace(self, text: &Json, ttl: Ttl) {
        self.end(text, ttl, 1);
    }

    fn end(self, text: &Json, ttl: Ttl, changes: u64) {
        let mut state = self.layer.state();
        let hears = state.hears;
        if let Some(pending) = state.pending.get_mut(self.key)
            && pending.changes == self.begun_at
            && hears
        {
            pending.changes += changes;
            self.layer.texts.put(self.key, text, ttl);
        }
        drop(state);
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        let mut state = self.layer.state();
        if let Some(pending) = state.pending.get_mut(self.key) {
            pending.open -= 1;
            if pending.open == 0 {
                state.pending.remove(self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Ttl = Ttl::from_whole_millis(60_000);

    fn layer() -> LocalCache {
        let layer = LocalCache::new(Bounds {
            max_entries: 10,
            max_bytes: 1 << 20,
        });
        layer.hears(true);
        layer
    }

    fn key() -> Key {
        Key::new(&[b"key"])
    }

    fn text() -> Json {
        Json::from_static(b"1")
    }

    #[test]
    fn what_was_read_is_there() {
        let (layer, key) = (layer(), key());
        layer.begin(&key).keep(&text(), TTL);
        assert_eq!(layer.read(&key), Some(text()));
        layer.forget(&key);
        assert_eq!(layer.read(&key), None);
        assert!(layer.state().pending.is_empty());
    }

    #[test]
    fn what_somebody_changed_meanwhile_is_not_kept() {
        let (layer, key) = (layer(), key());
        for change in [LocalCache::clear, |layer: &LocalCache| {
            layer.forget(&Key::new(&[b"key"]));
        }] {
            let passage = layer.begin(&key);
            change(&layer);
            passage.keep(&text(), TTL);
            assert_eq!(layer.read(&key), None);
            layer.begin(&key).keep(&text(), TTL);
            assert_eq!(layer.read(&key), Some(text()));
        }
    }

    #[test]
    fn a_reading_that_began_after_a_change_is_kept_while_older_ones_are_under_way() {
        let (layer, key) = (layer(), key());
        let before = layer.begin(&key);
        layer.forget(&key);
        let after = layer.begin(&key);
        before.keep(&Json::from_static(b"0"), TTL);
        assert_eq!(layer.read(&key), None);
        after.keep(&text(), TTL);
        assert_eq!(layer.read(&key), Some(text()));
    }

    #[test]
    fn what_was_read_before_a_write_does_not_take_its_place() {
        let (layer, key) = (layer(), key());
        let write = layer.begin(&key);
        let read = layer.begin(&key);
        write.replace(&text(), TTL);
        read.keep(&Json::from_static(b"0"), TTL);
        assert_eq!(layer.read(&key), Some(text()));
    }

    #[test]
    fn nothing_is_kept_while_the_others_are_not_heard() {
        let (layer, key) = (layer(), key());
        layer.begin(&key).keep(&text(), TTL);
        let passage = layer.begin(&key);
        layer.hears(false);
        assert_eq!(layer.read(&key), None);
        layer.hears(true);
        passage.keep(&text(), TTL);
        assert_eq!(layer.read(&key), None, "read before the silence");
    }
}
