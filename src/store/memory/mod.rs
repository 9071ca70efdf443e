//! The store in this process: what answers while Redis is away.
//!
//! Bounded in entries and in bytes, strictly, at every moment. The least valuable entries make
//! room (S3-FIFO: what was read again outlives what was read once). Entries expire by the clock
//! when they are looked at, and [`MemoryStore::sweep`] takes the others.

pub mod bus;
mod clock;
mod entry;
pub mod limits;
pub mod locks;
pub mod presence;
mod tags;

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use quick_cache::unsync::Cache;

pub use clock::Clock;
use entry::{Entry, Weight};
use tags::Tags;

use super::{Fetched, Json, Key, Lease, Lifetime, Pattern, Result, Store, Ttl};

#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub max_entries: u64,
    pub max_bytes: u64,
}

#[derive(Debug)]
pub struct MemoryStore {
    cache: Mutex<Cache<Key, Entry, Weight>>,
    weight: Weight,
    max_bytes: u64,
    max_entries: u64,
    tags: Mutex<Tags>,
    clock: Clock,
}

impl MemoryStore {
    pub fn new(bounds: Bounds, clock: Clock) -> Self {
        let weight = Weight {
            min_bytes: bounds.max_bytes.div_ceil(bounds.max_entries),
        };
        // An estimate for the first allocation only; the tables grow with what is stored.
        let estimated_entries = bounds.max_entries.min(1024) as usize;
        Self {
            cache: Mutex::new(Cache::with_weighter(
                estimated_entries,
                bounds.max_bytes,
                weight.clone(),
            )),
            weight,
            max_bytes: bounds.max_bytes,
            max_entries: bounds.max_entries,
            tags: Mutex::default(),
            clock,
        }
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held, as accounted: keys, texts and what an entry costs beside them.
    pub fn weight(&self) -> u64 {
        self.lock().weight()
    }

    pub fn clear(&self) {
        self.tags().clear();
        self.lock().clear();
    }

    /// Whether it was kept.
    pub fn put(&self, key: &Key, text: &Json, ttl: Ttl) -> bool {
        let gone_at = self.clock.now_ms() + ttl.as_millis();
        let entry = Entry {
            // A copy: the slice would keep the whole batch of calls alive that it came with.
            text: Bytes::copy_from_slice(text),
            fresh_until: gone_at,
            gone_at,
            lease: 0,
        };
        self.keep(&mut self.lock(), key, entry)
    }

    pub fn take_out(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// What is under `key`, and for how much longer.
    pub fn remaining(&self, key: &Key) -> Option<(Json, Ttl)> {
        let now = self.clock.now_ms();
        let entry = Self::live(&mut self.lock(), key, now)?;
        Some((entry.text, Ttl::from_whole_millis(entry.gone_at - now)))
    }

    /// Drops what has expired. O(entries).
    pub fn sweep(&self) {
        let now = self.clock.now_ms();
        self.lock().retain(|_, entry| entry.is_alive(now));
        self.sweep_tags();
    }

    /// A panic cannot leave the cache half changed: nothing that can panic runs under the lock.
    fn lock(&self) -> MutexGuard<'_, Cache<Key, Entry, Weight>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be taken before the cache, where both are.
    fn tags(&self) -> MutexGuard<'_, Tags> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry under `key` if its time has not come; one whose time has come is dropped.
    fn live(cache: &mut Cache<Key, Entry, Weight>, key: &Key, now: u64) -> Option<Entry> {
        let entry = cache.get(key)?.clone();
        if entry.is_alive(now) {
            return Some(entry);
        }
        cache.remove(key);
        None
    }

    fn keep(&self, cache: &mut Cache<Key, Entry, Weight>, key: &Key, entry: Entry) -> bool {
        if self.weight.of(key, &entry.text) > self.max_bytes {
            cache.remove(key);
            return false;
        }
        cache.insert(key.clone(), entry);
        true
    }

    fn lease(&self, cache: &mut Cache<Key, Entry, Weight>, key: &Key, gone_at: u64) -> Lease {
        let lease = Lease::unique();
        let placeholder = Entry {
            text: Bytes::new(),
            fresh_until: 0,
            gone_at,
            lease: lease.0,
        };
        self.keep(cache, key, placeholder);
        lease
    }
}

impl Store for MemoryStore {
    async fn get(&self, key: &Key) -> Result<Option<Json>> {
        let now = self.clock.now_ms();
        let entry = Self::live(&mut self.lock(), key, now);
        Ok(entry.filter(|entry| entry.is_fresh(now)).map(|e| e.text))
    }

    async fn set(&self, key: &Key, value: Json, ttl: Ttl) -> Result<bool> {
        Ok(self.put(key, &value, ttl))
    }

    async fn get_timed(&self, key: &Key) -> Result<Option<(Json, Ttl)>> {
        let now = self.clock.now_ms();
        let entry = Self::live(&mut self.lock(), key, now).filter(|entry| entry.is_fresh(now));
        Ok(entry.map(|entry| {
            let left = Ttl::from_whole_millis(entry.fresh_until - now);
            (entry.text, left)
        }))
    }

    async fn time_left(&self, key: &Key) -> Result<Option<Ttl>> {
        Ok(self.remaining(key).map(|(_, ttl)| ttl))
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.take_out(key);
        Ok(())
    }

    async fn delete_all(&self, keys: &[Key]) -> Result<()> {
        let mut cache = self.lock();
        for key in keys {
            cache.remove(key);
        }
        Ok(())
    }

    async fn delete_matching(&self, space: &Key, patterns: &[Pattern]) -> Result<u64> {
        let now = self.clock.now_ms();
        let removed = Cell::new(0);
        self.lock().retain(|key, entry| {
            let rest = key.as_bytes().strip_prefix(space.as_bytes());
            let hit = rest.is_some_and(|rest| patterns.iter().any(|pattern| pattern.matches(rest)));
            removed.set(removed.get() + u64::from(hit && entry.is_alive(now)));
            !hit
        });
        Ok(removed.get())
    }

    async fn fetch(&self, key: &Key, lease_ttl: Ttl) -> Result<Fetched> {
        let now = self.clock.now_ms();
        let mut cache = self.lock();
        Ok(match Self::live(&mut cache, key, now) {
            Some(entry) if entry.is_fresh(now) => Fetched::Fresh(entry.text),
            Some(entry) if entry.text.is_empty() => Fetched::Absent(Lease(entry.lease)),
            Some(entry) => Fetched::Stale(entry.text, Lease(entry.lease)),
            None => Fetched::Absent(self.lease(&mut cache, key, now + lease_ttl.as_millis())),
        })
    }

    async fn fill(
        &self,
        key: &Key,
        lease: &Lease,
        value: Json,
        lifetime: Lifetime,
    ) -> Result<bool> {
        let now = self.clock.now_ms();
        let mut cache = self.lock();
        let holds = Self::live(&mut cache, key, now).is_some_and(|entry| entry.lease == lease.0);
        if !holds {
            return Ok(false);
        }
        let fresh_until = now + lifetime.fresh.as_millis();
        let entry = Entry {
            text: Bytes::copy_from_slice(&value),
            fresh_until,
            gone_at: fresh_until + lifetime.stale_ms,
            lease: if lifetime.stale_ms > 0 {
                Lease::unique().0
            } else {
                0
            },
        };
        Ok(self.keep(&mut cache, key, entry))
    }

    async fn abandon(&self, key: &Key, lease: &Lease) -> Result<()> {
        self.lock()
            .remove_if(key, |entry| entry.lease == lease.0 && entry.text.is_empty());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
