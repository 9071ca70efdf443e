//! Mutual exclusion by key: for each key a lock that is granted in the order of the requests, and
//! that disappears when nobody needs it any more.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::mutex::{Mutex, MutexGuard};

type KeyMutex = tokio::sync::Mutex<()>;

pub struct KeyedMutex<K: Clone + Eq + Hash> {
    places: AtomicUsize,
    gates: Mutex<HashMap<K, Arc<KeyMutex>>>,
}

impl<K: Clone + Eq + Hash> Default for KeyedMutex<K> {
    fn default() -> Self {
        Self {
            places: AtomicUsize::new(0),
            gates: Mutex::default(),
        }
    }
}

impl<K: Clone + Eq + Hash> KeyedMutex<K> {
    pub fn is_idle(&self) -> bool {
        self.places.load(Ordering::Relaxed) == 0
    }

    /// A place at the key's gate, behind the earlier ones.
    pub fn place(&self, key: &K) -> KeyTicket<'_, K> {
        let gate = self.lock().entry(key.clone()).or_default().clone();
        self.places.fetch_add(1, Ordering::Relaxed);
        KeyTicket {
            all: self,
            key: key.clone(),
            gate,
        }
    }

    pub fn has(&self, key: &K) -> bool {
        !self.is_idle() && self.lock().contains_key(key)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<KeyMutex>>> {
        self.gates.lock()
    }
}

pub struct KeyTicket<'a, K: Clone + Eq + Hash> {
    all: &'a KeyedMutex<K>,
    key: K,
    gate: Arc<KeyMutex>,
}

impl<K: Clone + Eq + Hash> KeyTicket<'_, K> {
    /// Its turn, if nobody is ahead of it.
    pub fn turn_now(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        self.gate.try_lock().ok()
    }

    /// Waits for its turn, which lasts until the returned guard is dropped.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.gate.lock().await
    }
}

impl<K: Clone + Eq + Hash> Drop for KeyTicket<'_, K> {
    fn drop(&mut self) {
        self.all.places.fetch_sub(1, Ordering::Relaxed);
        let mut gates = self.all.lock();
        // The map's reference, and this one.
        if Arc::strong_count(&self.gate) == 2 {
            gates.remove(&self.key);
        }
    }
}
