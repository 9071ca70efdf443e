//! The requests to a cache and their outcomes, counted since the backplane was created.

use std::sync::atomic::{AtomicU64, Ordering};

use super::call_stats::answered_here;

#[derive(Default)]
pub struct CacheStats {
    hits: AtomicU64,
    /// Hits that this process answered, from a local cache or in an outage.
    memory_hits: AtomicU64,
    misses: AtomicU64,
    fenced: AtomicU64,
}

/// Who answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum AnsweredBy {
    Redis,
    Memory,
}

impl CacheStats {
    pub fn read(&self, is_hit: bool, from: AnsweredBy) {
        match is_hit {
            true => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                if from == AnsweredBy::Memory {
                    self.memory_hits.fetch_add(1, Ordering::Relaxed);
                    answered_here();
                }
            }
            false => drop(self.misses.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// A value was not stored because it may be older than an invalidation.
    pub fn fenced(&self) {
        self.fenced.fetch_add(1, Ordering::Relaxed);
    }

    /// Hits, hits from memory, misses, fenced sets.
    pub fn numbers(&self) -> [u64; 4] {
        [&self.hits, &self.memory_hits, &self.misses, &self.fenced]
            .map(|count| count.load(Ordering::Relaxed))
    }
}

#[derive(Default)]
pub struct RateLimitStats {
    allowed: AtomicU64,
    denied: AtomicU64,
}

impl RateLimitStats {
    pub fn judged(&self, allowed: bool) {
        let count = if allowed { &self.allowed } else { &self.denied };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Allowed, denied.
    pub fn numbers(&self) -> [u64; 2] {
        [&self.allowed, &self.denied].map(|count| count.load(Ordering::Relaxed))
    }
}

#[derive(Default)]
pub struct FeatureStats {
    pub limits: RateLimitStats,
    pub cache: CacheStats,
    pub queries: CacheStats,
    pub sessions: CacheStats,
    pub messages: CacheStats,
}
