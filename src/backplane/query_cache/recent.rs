//! Recently remembered items, bounded in bytes, and whether any had to be dropped.

use std::collections::HashMap;
use std::mem;
use std::time::{Duration, Instant};

use crate::store::memory::budget::{allocated, slot};
use crate::store::memory::steps;
use crate::store::{Key, Version};

/// What is remembered for an entry, beside its name.
pub trait Remembered {
    fn versions(&self) -> usize;
}

/// A map that drops its older half when it is full.
pub struct RecentMap<V> {
    young: HashMap<Key, V>,
    old: HashMap<Key, V>,
    young_bytes: usize,
    old_bytes: usize,
    /// Bytes.
    most: usize,
    forgot_at: Option<Instant>,
}

impl<V> Default for RecentMap<V> {
    fn default() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            young_bytes: 0,
            old_bytes: 0,
            most: 0,
            forgot_at: None,
        }
    }
}

fn bytes<V: Remembered>(key: &Key, value: &V) -> usize {
    let versions = allocated(value.versions() * size_of::<Version>());
    slot(size_of::<(Key, V)>()) + allocated(key.as_bytes().len()) + versions
}

impl<V: Remembered + Send + 'static> RecentMap<V> {
    /// How many bytes it may take from now on.
    pub fn limit(&mut self, most: usize) {
        self.most = most;
    }

    /// Whether something had to be dropped within this time.
    pub fn has_forgotten_within(&self, time: Duration) -> bool {
        self.forgot_at.is_some_and(|at| at.elapsed() < time)
    }

    pub fn insert(&mut self, key: Key, value: V) {
        let bytes = bytes(&key, &value);
        if self.young_bytes + bytes > self.most / 2 || self.bytes() + bytes > self.most {
            let forgotten = mem::replace(&mut self.old, mem::take(&mut self.young));
            self.old_bytes = mem::take(&mut self.young_bytes);
            if !forgotten.is_empty() {
                self.forgot_at = Some(Instant::now());
                steps::let_go(forgotten.into_iter());
            }
        }
        if self.bytes() + bytes > self.most {
            // As if it had been dropped immediately.
            self.forgot_at = Some(Instant::now());
            return;
        }
        self.young_bytes += bytes;
        self.young.insert(key, value);
    }

    pub fn remove(&mut self, key: &Key) -> Option<V> {
        if let Some(value) = self.young.remove(key) {
            self.young_bytes -= bytes(key, &value);
            return Some(value);
        }
        let value = self.old.remove(key)?;
        self.old_bytes -= bytes(key, &value);
        Some(value)
    }

    pub fn into_items(self) -> impl Iterator<Item = (Key, V)> {
        self.young.into_iter().chain(self.old)
    }

    pub fn bytes(&self) -> usize {
        self.young_bytes + self.old_bytes
    }
}
