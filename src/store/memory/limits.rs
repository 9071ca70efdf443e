//! Rate limits in this process. Bounded in keys: beyond it the least used are forgotten, and begin
//! anew.

use std::sync::{Mutex, MutexGuard, PoisonError};

use quick_cache::UnitWeighter;
use quick_cache::unsync::Cache;

use super::Clock;
use crate::store::limits::{Limiter, Rule, Tally, Verdict};
use crate::store::{Key, Result};

const MOST_KEYS: u64 = 100_000;
const EXPECTED_KEYS: usize = 1024;

pub struct MemoryLimiter {
    tallies: Mutex<Cache<Key, Tally>>,
    clock: Clock,
}

impl MemoryLimiter {
    pub fn new(clock: Clock) -> Self {
        let tallies = Cache::with_weighter(EXPECTED_KEYS, MOST_KEYS, UnitWeighter);
        Self {
            tallies: Mutex::new(tallies),
            clock,
        }
    }

    pub fn check_now(&self, key: &Key, rule: Rule, cost: u64) -> Verdict {
        let now = self.clock.now_ms();
        let mut tallies = self.tallies();
        let known = tallies.get(key).copied();
        let (verdict, tally) = rule.check(known.unwrap_or(Tally::begun(now)), now, cost);
        if verdict.allowed {
            tallies.insert(key.clone(), tally);
        }
        Verdict {
            reset_at_ms: self.clock.epoch_ms() + (verdict.reset_at_ms - now),
            ..verdict
        }
    }

    pub fn forget(&self, key: &Key) {
        self.tallies().remove(key);
    }

    pub fn clear(&self) {
        self.tallies().clear();
    }

    fn tallies(&self) -> MutexGuard<'_, Cache<Key, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
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
