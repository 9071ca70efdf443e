//! Rate limits in this process. Bounded in bytes: beyond it the least used are forgotten, and begin
//! anew.

use std::sync::{Mutex, MutexGuard, PoisonError};

use quick_cache::Weighter;
use quick_cache::unsync::Cache;

use super::Clock;
use crate::store::limits::{Limiter, Rule, Tally, Verdict};
use crate::store::{Key, Result};

/// Some 90,000 limits with short keys.
const MOST_BYTES: u64 = 16 << 20;
/// What a limit takes beside its key.
const OVERHEAD_BYTES: u64 = 160;
const EXPECTED_KEYS: usize = 1024;

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Tally> for Weight {
    fn weight(&self, key: &Key, _: &Tally) -> u64 {
        key.as_bytes().len() as u64 + OVERHEAD_BYTES
    }
}

pub struct MemoryLimiter {
    tallies: Mutex<Cache<Key, Tally, Weight>>,
    clock: Clock,
}

impl MemoryLimiter {
    pub fn new(clock: Clock) -> Self {
        let tallies = Cache::with_weighter(EXPECTED_KEYS, MOST_BYTES, Weight);
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

    fn tallies(&self) -> MutexGuard<'_, Cache<Key, Tally, Weight>> {
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
