//! The store in this process: it answers while Redis is unavailable.
//!
//! Strictly bounded in entries and in bytes ([`budget`]) at every moment. The least valuable
//! entries are evicted (S3-FIFO: an entry that was read again outlives one that was read once).
//! Entries expire by the clock when they are read, and [`MemoryStore::sweep`] removes the others.

pub mod budget;
pub mod bus;
mod clock;
mod entry;
mod invalid_entries;
pub mod locks;
pub mod presence;
pub mod rate_limits;
mod removal;
pub mod steps;
mod tags;

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::mem;
use std::sync::Arc;

use ::bytes::Bytes;
use quick_cache::unsync;

use budget::{Account, Budget, MemoryKind};
pub use clock::Clock;
use entry::{EntryWeight, Evictions, Look, MemoryEntry, bytes};
use removal::LOOK_BYTES;
use steps::Passes;

use super::glob::matches_in;
use crate::mutex::{Mutex, MutexGuard};
use tags::Tags;

use super::{Fetched, FillLease, Json, Key, Lifetime, Pattern, Result, Store, Ttl};

#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub max_entries: u64,
    pub max_bytes: u64,
}

/// The room for values grows and shrinks in steps of this fraction of the whole.
const STEPS: u64 = 64;

type Cache = unsync::Cache<Key, MemoryEntry, EntryWeight, RandomState, Evictions>;

pub struct MemoryStore {
    cache: Arc<Mutex<Cache>>,
    weight: EntryWeight,
    max_bytes: u64,
    values: Account,
    tags: Mutex<Tags>,
    passes: Passes,
    clock: Clock,
}

fn new_cache(entries: usize, max_bytes: u64, weight: EntryWeight, values: Account) -> Cache {
    let evictions = Evictions(values);
    Cache::with(
        entries,
        max_bytes,
        weight,
        RandomState::default(),
        evictions,
    )
}

impl MemoryStore {
    /// With a budget of its own.
    pub fn new(bounds: Bounds, clock: Clock) -> Self {
        Self::within(&Budget::new(bounds.max_bytes), bounds.max_entries, clock)
    }

    pub fn within(budget: &Arc<Budget>, max_entries: u64, clock: Clock) -> Self {
        let max_bytes = budget.max();
        let weight = EntryWeight {
            // An entry that takes nearly all of it is not admitted, and one entry must be.
            min_bytes: max_bytes.div_ceil(max_entries).min(max_bytes / 16 * 15),
        };
        let values = budget.account(MemoryKind::Values);
        // An estimate for the first allocation only; the tables grow with the stored data.
        let estimated_entries = max_entries.min(1024) as usize;
        Self {
            cache: Arc::new(Mutex::new(new_cache(
                estimated_entries,
                max_bytes,
                weight.clone(),
                values.clone(),
            ))),
            weight,
            max_bytes,
            values,
            tags: Mutex::new(Tags::new(budget.account(MemoryKind::Tags))),
            passes: Passes::default(),
            clock,
        }
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held, as accounted: keys, texts and the additional cost of an entry.
    pub fn bytes(&self) -> u64 {
        self.values.bytes()
    }

    pub fn clear(&self) {
        self.clear_tags();
        let mut cache = self.lock();
        let (weight, values) = (self.weight.clone(), self.values.clone());
        let gone = mem::replace(&mut *cache, new_cache(0, self.max_bytes, weight, values));
        self.values.set(0);
        drop(cache);
        steps::let_go_of_cache(gone, |entry| entry.text.len());
    }

    /// Makes values make room for other data.
    pub fn make_room(&self) {
        self.shrink(&mut self.lock());
    }

    /// Enough that it need not be repeated soon.
    fn shrink(&self, cache: &mut Cache) {
        let room = self.values.most().saturating_sub(self.max_bytes / STEPS);
        if room < cache.capacity() {
            cache.set_capacity(room);
        }
    }

    /// Gives values the room that others have left.
    fn spread(&self, cache: &mut Cache) {
        let (room, capacity) = (self.values.most(), cache.capacity());
        if capacity < self.max_bytes && capacity + 2 * self.max_bytes / STEPS <= room {
            cache.set_capacity(room);
        }
    }

    /// Returns whether it was stored.
    pub fn put(&self, key: &Key, text: &Json, ttl: Ttl) -> bool {
        let gone_at = self.clock.now_ms() + ttl.as_millis();
        let entry = MemoryEntry {
            // A copy: the slice would keep the whole batch of calls alive that it came with.
            text: Bytes::copy_from_slice(text),
            fresh_until: gone_at,
            gone_at,
            lease: 0,
            look: Look::default(),
        };
        self.keep(&mut self.lock(), key, entry)
    }

    pub fn take_out(&self, key: &Key) {
        self.drop_from(&mut self.lock(), key);
    }

    /// The entry under `key`, and its remaining TTL.
    pub fn remaining(&self, key: &Key) -> Option<(Json, Ttl)> {
        let now = self.clock.now_ms();
        let entry = self.live(&mut self.lock(), key, now)?;
        Some((entry.text, Ttl::from_whole_millis(entry.gone_at - now)))
    }

    /// Drops expired entries, in steps. O(entries).
    pub async fn sweep(&self) {
        let now = self.clock.now_ms();
        let looks = |_: &Key| LOOK_BYTES;
        self.remove_in_steps(looks, |_, entry| !entry.is_alive(now))
            .await;
        self.sweep_tags().await;
    }

    /// Drops expired entries at once: for callers with a thread of their own.
    pub fn sweep_now(&self) {
        let now = self.clock.now_ms();
        let freed = Cell::new(0);
        self.lock().retain(|key, entry| {
            let stays = entry.is_alive(now);
            freed.set(freed.get() + bytes(key, &entry.text) * u64::from(!stays));
            stays
        });
        self.values.sub(freed.get());
    }

    /// A panic cannot leave the cache half changed: nothing that can panic runs under the lock.
    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock()
    }

    /// Must be locked before the cache, if both are.
    fn tags(&self) -> MutexGuard<'_, Tags> {
        self.tags.lock()
    }

    /// The entry under `key` if it has not expired; an expired one is dropped.
    fn live(&self, cache: &mut Cache, key: &Key, now: u64) -> Option<MemoryEntry> {
        let entry = cache.get(key)?.clone();
        if entry.is_alive(now) {
            return Some(entry);
        }
        self.drop_from(cache, key);
        None
    }

    fn drop_from(&self, cache: &mut Cache, key: &Key) {
        if let Some((key, entry)) = cache.remove(key) {
            self.values.sub(bytes(&key, &entry.text));
        }
    }

    fn keep(&self, cache: &mut Cache, key: &Key, mut entry: MemoryEntry) -> bool {
        entry.look.number = self.passes.entry();
        self.spread(cache);
        if self.weight.of(key, &entry.text) > cache.capacity() {
            self.drop_from(cache, key);
            return false;
        }
        self.values.add(bytes(key, &entry.text));
        cache.insert(key.clone(), entry);
        if self.values.is_over() {
            self.shrink(cache);
        }
        // An entry nearly as large as the whole is not admitted.
        cache.peek(key).is_some()
    }

    fn lease(&self, cache: &mut Cache, key: &Key, gone_at: u64) -> FillLease {
        let lease = FillLease::unique();
        let placeholder = MemoryEntry {
            text: Bytes::new(),
            fresh_until: 0,
            gone_at,
            lease: lease.0,
            look: Look::default(),
        };
        self.keep(cache, key, placeholder);
        lease
    }
}

impl Store for MemoryStore {
    async fn get(&self, key: &Key) -> Result<Option<Json>> {
        let now = self.clock.now_ms();
        let entry = self.live(&mut self.lock(), key, now);
        Ok(entry.filter(|entry| entry.is_fresh(now)).map(|e| e.text))
    }

    async fn set(&self, key: &Key, value: Json, ttl: Ttl) -> Result<bool> {
        Ok(self.put(key, &value, ttl))
    }

    async fn get_timed(&self, key: &Key) -> Result<Option<(Json, Ttl)>> {
        let now = self.clock.now_ms();
        let entry = self
            .live(&mut self.lock(), key, now)
            .filter(|entry| entry.is_fresh(now));
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
            self.drop_from(&mut cache, key);
        }
        Ok(())
    }

    async fn delete_matching(&self, spaces: &[&Key], patterns: &[Pattern]) -> Result<u64> {
        let looks = |key: &Key| LOOK_BYTES + key.as_bytes().len();
        let goes = |key: &Key, _: &MemoryEntry| matches_in(spaces, patterns, key.as_bytes());
        Ok(self.remove_in_steps(looks, goes).await)
    }

    async fn fetch(&self, key: &Key, lease_ttl: Ttl) -> Result<Fetched> {
        let now = self.clock.now_ms();
        let mut cache = self.lock();
        Ok(match self.live(&mut cache, key, now) {
            Some(entry) if entry.is_fresh(now) => Fetched::Fresh(entry.text),
            Some(entry) if entry.text.is_empty() => Fetched::Absent(FillLease(entry.lease)),
            Some(entry) => Fetched::Stale(entry.text, FillLease(entry.lease)),
            None => Fetched::Absent(self.lease(&mut cache, key, now + lease_ttl.as_millis())),
        })
    }

    async fn fill(
        &self,
        key: &Key,
        lease: &FillLease,
        value: Json,
        lifetime: Lifetime,
    ) -> Result<bool> {
        let now = self.clock.now_ms();
        let mut cache = self.lock();
        let holds = |entry: MemoryEntry| entry.lease == lease.0;
        // A value that was set has no lease either.
        if *lease == FillLease::NONE || !self.live(&mut cache, key, now).is_some_and(holds) {
            return Ok(false);
        }
        let fresh_until = now + lifetime.fresh.as_millis();
        let entry = MemoryEntry {
            text: Bytes::copy_from_slice(&value),
            fresh_until,
            gone_at: fresh_until + lifetime.stale_ms,
            lease: if lifetime.stale_ms > 0 {
                FillLease::unique().0
            } else {
                0
            },
            look: Look::default(),
        };
        Ok(self.keep(&mut cache, key, entry))
    }

    async fn abandon(&self, key: &Key, lease: &FillLease) -> Result<()> {
        let mut cache = self.lock();
        let is_it = |entry: &MemoryEntry| entry.lease == lease.0 && entry.text.is_empty();
        if cache.peek(key).is_some_and(is_it) {
            self.drop_from(&mut cache, key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
