//! Rate limits in this process. Bounded in bytes: beyond the bound the least used are dropped and
//! start again from zero.

use std::mem;

use quick_cache::Weighter;
use quick_cache::unsync::Cache;

use super::budget::{Account, allocated};
use super::{Clock, steps};
use crate::mutex::{Mutex, MutexGuard};
use crate::store::rate_limits::{Limiter, Rule, Tally, Verdict};
use crate::store::{Key, Result};

/// The memory of a limit beside its key.
const OVERHEAD_BYTES: usize = 176;
const EXPECTED_KEYS: usize = 1024;
/// The room for limits grows and shrinks in steps of this fraction of it.
const STEPS: u64 = 16;

#[derive(Clone)]
struct TallyWeight;

impl Weighter<Key, Tally> for TallyWeight {
    fn weight(&self, key: &Key, _: &Tally) -> u64 {
        (allocated(key.as_bytes().len()) + OVERHEAD_BYTES) as u64
    }
}

pub struct MemoryLimiter {
    tallies: Mutex<Cache<Key, Tally, TallyWeight>>,
    account: Account,
    clock: Clock,
}

fn new_cache(account: &Account) -> Cache<Key, Tally, TallyWeight> {
    Cache::with_weighter(EXPECTED_KEYS, account.most(), TallyWeight)
}

impl MemoryLimiter {
    pub fn new(account: Account, clock: Clock) -> Self {
        Self {
            tallies: Mutex::new(new_cache(&account)),
            account,
            clock,
        }
    }

    pub fn check_now(&self, key: &Key, rule: Rule, cost: u64) -> Verdict {
        let now = self.clock.now_ms();
        let mut tallies = self.tallies();
        let known = tallies.get(key).copied();
        let (verdict, tally) = rule.check(known.unwrap_or(Tally::begun(now)), now, cost);
        if verdict.allowed {
            self.fit(&mut tallies);
            tallies.insert(key.clone(), tally);
            self.account.set(tallies.weight() as usize);
        }
        Verdict {
            reset_at_ms: self.clock.epoch_ms() + (verdict.reset_at_ms - now),
            ..verdict
        }
    }

    pub fn forget(&self, key: &Key) {
        let mut tallies = self.tallies();
        tallies.remove(key);
        self.account.set(tallies.weight() as usize);
    }

    pub fn clear(&self) {
        let mut tallies = self.tallies();
        let gone = mem::replace(&mut *tallies, new_cache(&self.account));
        self.account.set(0);
        drop(tallies);
        steps::let_go_of_cache(gone, |_| 0);
    }

    /// Follows the room that other kinds leave.
    fn fit(&self, tallies: &mut Cache<Key, Tally, TallyWeight>) {
        let (most, capacity) = (self.account.most(), tallies.capacity());
        if most < capacity || most - capacity > most / STEPS {
            tallies.set_capacity(most);
        }
    }

    fn tallies(&self) -> MutexGuard<'_, Cache<Key, Tally, TallyWeight>> {
        self.tallies.lock()
    }
}

impl Limiter for MemoryLimiter {
    async fn check(&self, key: &Key, rule: Rule, cost: u64) -> Result<Verdict> {
        Ok(self.check_now(key, rule, cost))
    }

    async fn reset(&self, key: &Key) -> Result<()> {
        self.forget(key);
        Ok(())
    }
}
