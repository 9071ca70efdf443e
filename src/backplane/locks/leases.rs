//! The leases that this process has, and how long each of them certainly lasts.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use crate::store::Ttl;
use crate::store::locks::{LockKeys, Token};

/// Beyond, the oldest is forgotten: it lasts until its end, and its holder is told that it may not.
const MOST_LEASES: usize = 100_000;

/// Two clocks that count the same lease go apart by less than this: 1 % and 2 ms.
const DRIFT_PARTS: u32 = 100;
const DRIFT: Duration = Duration::from_millis(2);

pub struct Lease {
    /// As JavaScript knows it.
    pub handle: u64,
    pub keys: Arc<LockKeys>,
    pub token: Token,
    /// If it is released by name, which one.
    pub name: Option<Box<[u8]>>,
    pub term: Mutex<Term>,
    /// How often it was asked to be extended.
    pub asked: AtomicU64,
    pub renewal: OnceLock<AbortHandle>,
}

/// Counted on the monotonic clock, from before it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    pub since: Instant,
    pub ttl: Ttl,
    /// Granted by Redis, or taken there since; else known to this process only.
    pub on_redis: bool,
    /// Redis may have lost it.
    pub in_doubt: bool,
}

impl Term {
    pub fn new(since: Instant, ttl: Ttl, on_redis: bool) -> Self {
        Self {
            since,
            ttl,
            on_redis,
            in_doubt: !on_redis,
        }
    }

    /// Until its end.
    pub fn left(&self) -> Duration {
        let ttl = self.ttl.as_duration();
        ttl.saturating_sub(self.since.elapsed())
    }

    /// As long as nobody else can have it, whichever clock counts.
    pub fn certain(&self) -> Duration {
        let drift = self.ttl.as_duration() / DRIFT_PARTS + DRIFT;
        self.left().saturating_sub(drift)
    }
}

impl Lease {
    pub fn term(&self) -> Term {
        *self.lock()
    }

    /// The number of the latest extension that was asked for.
    pub fn latest(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Redis has granted what was left of it, unless it was extended since it was asked.
    pub fn confirm(&self, latest: u64) {
        let mut term = self.lock();
        if self.latest() == latest {
            term.on_redis = true;
            term.in_doubt = false;
        }
    }

    /// The extension of this number was granted; asked for at `since`. After a later one only that counts.
    pub fn renew(&self, number: u64, since: Instant, ttl: Ttl) {
        let mut term = self.lock();
        if self.latest() == number {
            term.since = since;
            term.ttl = ttl;
        }
    }

    /// An extension is asked for, of which the number is answered. If that makes it shorter, it is from now on.
    pub fn ask(&self, ttl: Ttl) -> u64 {
        let mut term = self.lock();
        let shorter = Term {
            since: Instant::now(),
            ttl,
            ..*term
        };
        if shorter.left() < term.left() {
            *term = shorter;
        }
        self.asked.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn lock(&self) -> MutexGuard<'_, Term> {
        self.term.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(renewal) = self.renewal.get() {
            renewal.abort();
        }
    }
}

#[derive(Default)]
pub struct Leases(Mutex<Table>);

#[derive(Default)]
struct Table {
    by_handle: BTreeMap<u64, Arc<Lease>>,
    names: HashMap<Box<[u8]>, u64>,
}

impl Leases {
    pub fn add(&self, lease: Arc<Lease>) {
        let mut table = self.table();
        if let Some(name) = &lease.name {
            table.names.insert(name.clone(), lease.handle);
        }
        table.by_handle.insert(lease.handle, lease);
        if table.by_handle.len() > MOST_LEASES {
            table.remove_oldest();
        }
    }

    pub fn get(&self, handle: u64) -> Option<Arc<Lease>> {
        self.table().by_handle.get(&handle).cloned()
    }

    pub fn remove(&self, handle: u64) -> Option<Arc<Lease>> {
        self.table().remove(handle)
    }

    pub fn remove_named(&self, name: &[u8]) -> Option<Arc<Lease>> {
        let mut table = self.table();
        let handle = table.names.get(name).copied()?;
        table.remove(handle)
    }

    /// For how long a lease certainly lasts; nothing for one that is not here.
    pub fn certain(&self, handle: u64) -> Duration {
        let lease = self.get(handle);
        lease.map_or(Duration::ZERO, |lease| lease.term().certain())
    }

    /// Takes it that Redis may lose what it has granted; answers that.
    pub fn doubt(&self) -> Vec<Arc<Lease>> {
        let table = self.table();
        let granted = table.by_handle.values().filter(|lease| {
            let mut term = lease.lock();
            term.in_doubt = true;
            term.on_redis && !term.left().is_zero()
        });
        granted.cloned().collect()
    }

    /// Those that Redis has to be asked about.
    pub fn in_doubt(&self) -> Vec<Arc<Lease>> {
        let is_in_doubt = |lease: &&Arc<Lease>| {
            let term = lease.term();
            term.in_doubt && !term.left().is_zero()
        };
        self.table()
            .by_handle
            .values()
            .filter(is_in_doubt)
            .cloned()
            .collect()
    }

    /// Forgets those that have ended.
    pub fn sweep(&self) {
        let mut table = self.table();
        let ended = |lease: &&Arc<Lease>| lease.term().left().is_zero();
        let ended: Vec<u64> = table
            .by_handle
            .values()
            .filter(ended)
            .map(|lease| lease.handle)
            .collect();
        for handle in ended {
            table.remove(handle);
        }
    }

    pub fn clear(&self) {
        *self.table() = Table::default();
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remove(&mut self, handle: u64) -> Option<Arc<Lease>> {
        let lease = self.by_handle.remove(&handle)?;
        if let Some(name) = &lease.name
            && self.names.get(name) == Some(&handle)
        {
            self.names.remove(name);
        }
        Some(lease)
    }

    fn remove_oldest(&mut self) {
        if let Some(handle) = self.by_handle.keys().next().copied() {
            self.remove(handle);
        }
    }
}
