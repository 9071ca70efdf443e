//! The leases that this process has, and how long each of them certainly lasts.
//!
//! Bounded in bytes: beyond, nobody gets a lock.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use crate::mutex::{Mutex, MutexGuard};
use crate::store::Ttl;
use crate::store::locks::Token;
use crate::store::memory::budget::{Account, allocated, slot};
use crate::store::memory::steps;

/// Two clocks that count the same lease go apart by less than this: 1 % and 2 ms.
const DRIFT_PARTS: u32 = 100;
const DRIFT: Duration = Duration::from_millis(2);

pub struct LockLease {
    /// As JavaScript knows it.
    pub handle: u64,
    /// Of the lock.
    pub name: Arc<[u8]>,
    pub token: Token,
    /// It may be released by the name.
    pub is_named: bool,
    pub term: Mutex<LeaseTerm>,
    /// How often it was asked to be extended.
    pub asked: AtomicU64,
    pub renewal: OnceLock<AbortHandle>,
}

/// Counted on the monotonic clock, from before it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct LeaseTerm {
    pub since: Instant,
    pub ttl: Ttl,
    /// Granted by Redis, or taken there since; else known to this process only.
    pub on_redis: bool,
    /// Redis may have lost it.
    pub in_doubt: bool,
}

impl LeaseTerm {
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

impl LockLease {
    pub fn term(&self) -> LeaseTerm {
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

    /// What it takes here and in the table.
    fn bytes(&self) -> usize {
        let own = allocated(size_of::<Self>() + ARC_BYTES) + slot(size_of::<(u64, Arc<Self>)>());
        let by_name = slot(size_of::<(Arc<[u8]>, u64)>()) * usize::from(self.is_named);
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

/// How soon, at the bound, is looked again for leases that have ended.
const SWEEP_AGAIN: Duration = Duration::from_secs(1);
/// Two counts before what is shared.
const ARC_BYTES: usize = 2 * size_of::<usize>();

pub struct LockLeases(Mutex<LeaseTable>);

struct LeaseTable {
    by_handle: BTreeMap<u64, Arc<LockLease>>,
    names: HashMap<Arc<[u8]>, u64>,
    swept: Instant,
    account: Account,
}

impl LockLeases {
    pub fn new(account: Account) -> Self {
        Self(Mutex::new(LeaseTable {
            by_handle: BTreeMap::new(),
            names: HashMap::new(),
            swept: Instant::now(),
            account,
        }))
    }

    /// `false`: there is no room.
    pub fn add(&self, lease: &Arc<LockLease>) -> bool {
        let mut table = self.table();
        let bytes = lease.bytes();
        if !table.account.has_room(bytes) && table.swept.elapsed() > SWEEP_AGAIN {
            table.sweep();
        }
        if !table.account.has_room(bytes) {
            return false;
        }
        if lease.is_named {
            // With this one's name, which it shares.
            table.names.remove(&lease.name);
            table.names.insert(lease.name.clone(), lease.handle);
        }
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
        let handle = table.names.get(name).copied()?;
        table.remove(handle)
    }

    /// For how long a lease certainly lasts; nothing for one that is not here.
    pub fn certain(&self, handle: u64) -> Duration {
        let lease = self.get(handle);
        lease.map_or(Duration::ZERO, |lease| lease.term().certain())
    }

    /// Takes it that Redis may lose what it has granted; answers that.
    pub fn doubt(&self) -> Vec<Arc<LockLease>> {
        let table = self.table();
        let granted = table.by_handle.values().filter(|lease| {
            let mut term = lease.lock();
            term.in_doubt = true;
            term.on_redis && !term.left().is_zero()
        });
        granted.cloned().collect()
    }

    /// Those that Redis has to be asked about.
    pub fn in_doubt(&self) -> Vec<Arc<LockLease>> {
        let is_in_doubt = |lease: &&Arc<LockLease>| {
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
        self.table().sweep();
    }

    pub fn clear(&self) {
        let mut table = self.table();
        steps::let_go(mem::take(&mut table.by_handle).into_iter());
        steps::let_go(mem::take(&mut table.names).into_iter());
        table.account.set(0);
    }

    fn table(&self) -> MutexGuard<'_, LeaseTable> {
        self.0.lock()
    }
}

impl LeaseTable {
    fn remove(&mut self, handle: u64) -> Option<Arc<LockLease>> {
        let lease = self.by_handle.remove(&handle)?;
        if lease.is_named && self.names.get(&lease.name) == Some(&handle) {
            self.names.remove(&lease.name);
        }
        self.account.sub(lease.bytes() as u64);
        Some(lease)
    }

    fn sweep(&mut self) {
        self.swept = Instant::now();
        let ended = |lease: &&Arc<LockLease>| lease.term().left().is_zero();
        let ended = self.by_handle.values().filter(ended);
        for handle in ended.map(|lease| lease.handle).collect::<Vec<_>>() {
            self.remove(handle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{is_counted, kept, long_names, short_names};
    use crate::store::locks::ProcessAddress;
    use crate::store::memory::budget::MemoryKind;

    fn lease(handle: u64, name: &str) -> Arc<LockLease> {
        Arc::new(LockLease {
            handle,
            name: name.as_bytes().into(),
            token: ProcessAddress::unique().token(),
            is_named: true,
            term: Mutex::new(LeaseTerm::new(
                Instant::now(),
                Ttl::from_whole_millis(60_000),
                true,
            )),
            asked: AtomicU64::new(0),
            renewal: OnceLock::new(),
        })
    }

    #[test]
    fn are_counted_as_they_are() {
        for (names, most_off) in [
            (long_names(300).collect::<Vec<_>>(), 0.1),
            (short_names(20_000).collect(), 0.34),
        ] {
            let account = Account::alone(MemoryKind::Leases, 1 << 30);
            let leases = LockLeases::new(account.clone());
            let taken = kept(|| {
                for (handle, name) in names.iter().enumerate() {
                    assert!(leases.add(&lease(handle as u64, name)));
                }
            });
            is_counted(account.bytes(), taken, most_off);
            for name in &names {
                assert!(leases.remove_named(name.as_bytes()).is_some());
            }
            assert_eq!(account.bytes(), 0);
        }
    }

    #[test]
    fn beyond_the_bound_none_is_added_and_none_forgotten() {
        let account = Account::alone(MemoryKind::Leases, 100_000);
        let leases = LockLeases::new(account.clone());
        let added = (0..1000).filter(|handle| leases.add(&lease(*handle, &handle.to_string())));
        let added: Vec<u64> = added.collect();
        assert!((10..1000).contains(&added.len()));
        assert!(added.iter().all(|handle| leases.get(*handle).is_some()));
        assert!(!account.is_over());
        leases.remove(added[0]);
        assert!(leases.add(&lease(2000, "another")));
    }
}
