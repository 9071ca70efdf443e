//! Everything that a backplane can report about itself at a moment.

use std::sync::atomic::Ordering;

use super::Backplane;
use super::cache::KeyLocalCache;
use super::health::{ServerMemory, StateHistory};
use super::stats::call_stats::{CallTotals, Latency};
use crate::store::ServerFacts;
use crate::store::availability::Availability;
use crate::store::memory::budget::MemoryKind;
use crate::store::remote::Remote;

/// What a backplane has counted since it was created, and its current values.
pub struct Metrics {
    pub state: &'static str,
    pub history: StateHistory,
    /// `None`: Redis is unavailable, has not been asked, or does not tell.
    pub server_memory: Option<ServerMemory>,
    /// `None`: Redis is unavailable.
    pub server: Option<ServerFacts>,
    /// How often the server has refused what.
    pub forbidden: Vec<(String, u64)>,
    /// By kind.
    pub calls: Vec<(CallTotals, Option<Latency>)>,
    /// Hits, hits from memory, misses, fenced sets.
    pub caches: [(&'static str, [u64; 4]); 4],
    /// Allowed, denied.
    pub limits: [u64; 2],
    pub pubsub_stats: [u64; 4],
    /// Calls in flight.
    pub pending: usize,
    /// Messages that JavaScript has not taken yet.
    pub messages: usize,
    pub message_bytes: usize,
    /// Of the store that answers while Redis is unavailable.
    pub memory_entries: usize,
    /// Of everything that is kept here, by kind.
    pub memory: Vec<(&'static str, u64)>,
}

impl<R: Remote> Backplane<R> {
    /// Callable from any thread.
    pub fn metrics(&self) -> Metrics {
        let (history, server_memory) = self.health_monitor.read();
        let (messages, message_bytes) = self.subscribers.waiting();
        let counts = &self.feature_stats;
        let server = match self.switch.now() {
            Availability::Ready(store) => Some(store.facts().clone()),
            _ => None,
        };
        Metrics {
            state: self.state_name(),
            history,
            server_memory,
            server,
            forbidden: self.troubles.forbidden.counts(),
            calls: self.call_stats.read(),
            caches: [
                ("cache", counts.cache.numbers()),
                ("queries", counts.queries.numbers()),
                ("sessions", counts.sessions.numbers()),
                ("messages", counts.messages.numbers()),
            ],
            limits: counts.limits.numbers(),
            pubsub_stats: self.pubsub_stats.numbers(),
            pending: self.pending.load(Ordering::Relaxed),
            messages,
            message_bytes,
            memory_entries: self.memory.len(),
            memory: self.kept((message_bytes + self.presence.waiting()) as u64),
        }
    }

    /// What `memory.maxBytes` bounds, then what has bounds of its own.
    fn kept(&self, mail_bytes: u64) -> Vec<(&'static str, u64)> {
        let of_budget = MemoryKind::ALL
            .into_iter()
            .map(|kind| (kind.name(), self.budget.bytes(kind)));
        let local_cache = self.local_cache.as_ref();
        let others = [
            ("localCache", local_cache.map_or(0, KeyLocalCache::bytes)),
            ("messages", self.messages.bytes()),
            ("owners", self.sessions.bytes_of_owners()),
            ("mailboxes", mail_bytes),
            ("calls", self.pending_bytes.load(Ordering::Relaxed) as u64),
        ];
        of_budget.chain(others).collect()
    }
}
