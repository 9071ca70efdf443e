//! The leases that this process holds, and how long each is certain to last.
//!
//! Bounded in bytes; beyond the bound, no lock is granted.

use std::collections::BTreeMap;
use std::mem;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::task::{AbortHandle, yield_now};

use crate::io_thread::steps::AT_ONCE;
use crate::mutex::{Mutex, MutexGuard};
use crate::store::Ttl;
use crate::store::locks::Token;
use crate::store::memory::budget::{Account, allocated, slot};
use crate::store::memory::steps;
use crate::store::parts::Parts;

/// The maximum drift between two clocks that measure the same lease: 1 % and 2 ms.
const DRIFT_PARTS: u32 = 100;
const DRIFT: Duration = Duration::from_millis(2);

pub struct LockLease {
    /// The handle that JavaScript uses.
    pub handle: u64,
    /// The name of the lock.
    pub name: Arc<[u8]>,
    pub token: Token,
    /// It may be released by its name.
    pub is_named: bool,
    pub term: Mutex<LeaseTerm>,
    /// How many extensions have been requested.
    pub asked: AtomicU64,
    pub renewal: OnceLock<AbortHandle>,
}

/// Measured on the monotonic clock, from before the request.
#[derive(Clone, Copy, Debug)]
pub struct LeaseTerm {
    pub since: Instant,
    pub ttl: Ttl,
    /// Granted by Redis, or acquired there since; otherwise known only to this process.
    pub on_redis: bool,
    /// Redis may have lost it.
    pub in_doubt: bool,
    /// How often all had come into doubt when it was known that Redis has it.
    pub(super) doubts: u64,
}

impl LeaseTerm {
    pub fn new(since: Instant, ttl: Ttl, on_redis: bool) -> Self {
        Self {
            since,
            ttl,
            on_redis,
            in_doubt: !on_redis,
            doubts: 0,
        }
    }

    /// The time until its end.
    pub fn left(&self) -> Duration {
        let ttl = self.ttl.as_duration();
        ttl.saturating_sub(self.since.elapsed())
    }

    /// The time for which nobody else can hold it, whichever clock is used.
    pub fn certain(&self) -> Duration {
        let drift = self.ttl.as_duration() / DRIFT_PARTS + DRIFT;
        self.left().saturating_sub(drift)
    }
}

impl LockLease {
    pub fn term(&self) -> LeaseTerm {
        *self.lock()
    }

    /// The number of the latest requested extension.
    pub fn latest(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// The extension of this number was granted; it was requested at `since`. After a later
    /// extension, only that one counts.
    pub fn renew(&self, number: u64, since: Instant, ttl: Ttl) {
        let mut term = self.lock();
        if self.latest() == number {
            term.since = since;
            term.ttl = ttl;
        }
    }

    /// An extension is requested; returns its number. If it shortens the lease, the lease is
    /// shorter from now on.
    pub fn ask(&self, ttl: Ttl) -> u64 {
        let mut term = self.lock();
        let shorter = LeaseTerm {
            since: Instant::now(),
            ttl,
            ..*term
        };
        if shorter.left() < term.left() {
            *term = shorter;
        }
        self.asked.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The memory it takes here and in the table.
    fn bytes(&self) -> usize {
        let own = allocated(size_of::<Self>() + ARC_BYTES) + slot(size_of::<(u64, Arc<Self>)>());
        let by_name = slot(size_of::<(Arc<[u8]>, u64)>());
        own + by_name + allocated(self.name.len() + ARC_BYTES)
    }

    fn lock(&self) -> MutexGuard<'_, LeaseTerm> {
        self.term.lock()
    }
}

impl Drop for LockLease {
    fn drop(&mut self) {
        if let Some(renewal) = self.renewal.get() {
            renewal.abort();
        }
    }
}

/// How soon, at the bound, ended leases are looked for again.
const SWEEP_AGAIN: Duration = Duration::from_secs(1);
/// Two reference counts in front of the shared data.
const ARC_BYTES: usize = 2 * size_of::<usize>();

pub struct LockLeases(Mutex<LeaseTable>);

struct LeaseTable {
    by_handle: BTreeMap<u64, Arc<LockLease>>,
    /// The latest of each lock.
    names: Parts<Arc<[u8]>, u64>,
    in_doubt: usize,
    /// How often all of them came into doubt.
    doubts: u64,
    /// Up to which handle, while it goes on.
    sweeping: Option<u64>,
    swept: Instant,
    account: Account,
}

impl LockLeases {
    pub fn new(account: Account) -> Self {
        Self(Mutex::new(LeaseTable {
            by_handle: BTreeMap::new(),
            names: Parts::default(),
            in_doubt: 0,
            doubts: 0,
            sweeping: None,
            swept: Instant::now(),
            account,
        }))
    }

    /// `false`: there is no room.
    pub fn add(&self, lease: &Arc<LockLease>) -> bool {
        let mut table = self.table();
        let bytes = lease.bytes();
        if !table.account.has_room(bytes) {
            table.make_room();
        }
        if !table.account.has_room(bytes) {
            return false;
        }
        // Shares the name with this one.
        table.names.remove(&lease.name);
        table.names.insert(lease.name.clone(), lease.handle);
        lease.lock().doubts = table.doubts;
        table.in_doubt += usize::from(table.is_in_doubt(lease));
        table.account.add(bytes as u64);
        table.by_handle.insert(lease.handle, lease.clone());
        true
    }

    pub fn get(&self, handle: u64) -> Option<Arc<LockLease>> {
        self.table().by_handle.get(&handle).cloned()
    }

    pub fn remove(&self, handle: u64) -> Option<Arc<LockLease>> {
        self.table().remove(handle)
    }

    pub fn remove_named(&self, name: &[u8]) -> Option<Arc<LockLease>> {
        let mut table = self.table();
        let lease = table.latest(name).filter(|lease| lease.is_named)?;
        let handle = lease.handle;
        table.remove(handle)
    }

    /// What Redis has granted of a lock, if that lasts.
    pub fn granted(&self, name: &[u8]) -> Option<Arc<LockLease>> {
        let table = self.table();
        let lease = table.latest(name)?;
        let term = lease.term();
        (term.on_redis && !term.left().is_zero()).then(|| lease.clone())
    }

    /// For how long a lease is certain to last; zero for one that is not here.
    pub fn certain(&self, handle: u64) -> Duration {
        let lease = self.get(handle);
        lease.map_or(Duration::ZERO, |lease| lease.term().certain())
    }

    /// From now on Redis may have lost all that it has granted. O(1).
    pub fn doubt(&self) {
        let mut table = self.table();
        table.doubts += 1;
        table.in_doubt = table.by_handle.len();
    }

    /// How often all of them came into doubt.
    pub fn doubts(&self) -> u64 {
        self.table().doubts
    }

    /// Whether there is one that Redis may not have; it may have ended. O(1).
    pub fn is_in_doubt(&self) -> bool {
        self.table().in_doubt > 0
    }

    /// Those of the next ones after a handle that Redis has to be asked about, and up to which handle that was;
    /// `None`: there are no more. Forgets those that have ended.
    pub fn next_in_doubt(&self, after: Option<u64>) -> (Vec<Arc<LockLease>>, Option<u64>) {
        let mut table = self.table();
        let next = table.sweep_some(after);
        let (some, _) = table.some(after);
        let in_doubt = some.into_iter().filter(|lease| table.is_in_doubt(lease));
        // What came to be among them is not left out.
        let until = |lease: &Arc<LockLease>| next.is_none_or(|next| lease.handle <= next);
        (in_doubt.filter(until).collect(), next)
    }

    /// Redis has granted what was left of a lease, unless it was extended, or all came into doubt, since it was
    /// asked.
    pub fn confirm(&self, lease: &LockLease, latest: u64, doubts: u64) {
        let mut table = self.table();
        let was_in_doubt = table.is_in_doubt(lease);
        {
            let mut term = lease.lock();
            if lease.latest() != latest {
                return;
            }
            term.on_redis = true;
            term.in_doubt = false;
            term.doubts = doubts;
        }
        if table.by_handle.contains_key(&lease.handle) {
            table.in_doubt -= usize::from(was_in_doubt);
            table.in_doubt += usize::from(table.is_in_doubt(lease));
        }
    }

    /// Forgets those that have ended, in steps.
    pub async fn sweep(&self) {
        let mut after = None;
        loop {
            after = self.table().sweep_some(after);
            if after.is_none() {
                return;
            }
            yield_now().await;
        }
    }

    pub fn clear(&self) {
        let mut table = self.table();
        steps::let_go(mem::take(&mut table.by_handle).into_iter());
        steps::let_go(mem::take(&mut table.names).into_items());
        table.in_doubt = 0;
        table.account.set(0);
    }

    fn table(&self) -> MutexGuard<'_, LeaseTable> {
        self.0.lock()
    }
}

impl LeaseTable {
    fn remove(&mut self, handle: u64) -> Option<Arc<LockLease>> {
        let lease = self.by_handle.remove(&handle)?;
        if self.names.get(&lease.name) == Some(&handle) {
            self.names.remove(&lease.name);
        }
        self.in_doubt -= usize::from(self.is_in_doubt(&lease));
        self.account.sub(lease.bytes() as u64);
        Some(lease)
    }

    fn latest(&self, name: &[u8]) -> Option<&Arc<LockLease>> {
        self.by_handle.get(self.names.get(name)?)
    }

    fn is_in_doubt(&self, lease: &LockLease) -> bool {
        let term = lease.term();
        term.in_doubt || term.doubts < self.doubts
    }

    /// At the bound; one step of a sweep, and no other sweep soon after it.
    fn make_room(&mut self) {
        if self.sweeping.is_some() || self.swept.elapsed() > SWEEP_AGAIN {
            self.sweeping = self.sweep_some(self.sweeping);
            self.swept = Instant::now();
        }
    }

    /// Forgets those of the next ones that have ended; answers up to which handle, `None`: there are no more.
    fn sweep_some(&mut self, after: Option<u64>) -> Option<u64> {
        let (some, next) = self.some(after);
        for lease in some.iter().filter(|lease| lease.term().left().is_zero()) {
            self.remove(lease.handle);
        }
        next
    }

    /// The next ones, and the last of them; `None`: there are no more.
    fn some(&self, after: Option<u64>) -> (Vec<Arc<LockLease>>, Option<u64>) {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.by_handle.range((after, Bound::Unbounded));
        let some: Vec<_> = rest.map(|(_, lease)| lease.clone()).take(AT_ONCE).collect();
        let last = some.get(AT_ONCE - 1).map(|last| last.handle);
        (some, last)
    }
}

#[cfg(test)]
mod tests;
