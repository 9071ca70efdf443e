//! What is done when Redis is back, before the first call goes to it.

use std::sync::Arc;

use super::journal::{Entries, Journal};
use super::subscriber::Subscribers;
use crate::store::availability::Recovery;
use crate::store::memory::MemoryStore;
use crate::store::memory::limits::MemoryLimiter;
use crate::store::{Key, Pattern, Result, Store, StoreError};

/// Keys that are deleted at once; each such step has the deadline of a command.
const KEYS_A_STEP: usize = 4096;

/// The last rounds are short, and calls wait for them.
const ROUNDS_BESIDE_CALLS: usize = 2;

/// Has every subscriber hear the server again, deletes on the store what the journal holds, then
/// drops what was kept and counted in memory.
pub struct Replay {
    pub journal: Arc<Journal>,
    pub memory: Arc<MemoryStore>,
    pub limiter: Arc<MemoryLimiter>,
    pub subscribers: Arc<Subscribers>,
    /// What every key of the cache begins with.
    pub cache_space: Key,
}

impl<S: Store + 'static> Recovery<S> for Replay {
    async fn recover(
        &self,
        store: &S,
        hold: impl Fn() + Send,
        open: impl FnOnce() + Send,
    ) -> Result<()> {
        self.subscribers.restored().await;
        let mut rounds = 0;
        while let Some(entries) = self.journal.take() {
            rounds += 1;
            if rounds == ROUNDS_BESIDE_CALLS {
                hold();
            }
            if let Err(error) = self.delete(store, &entries).await {
                self.journal.put_back(entries);
                return Err(error);
            }
        }
        self.memory.clear();
        self.limiter.clear();
        open();
        Ok(())
    }
}

impl Replay {
    async fn delete<S: Store>(&self, store: &S, entries: &Entries) -> Result<()> {
        if entries.everything {
            return self.delete_pattern(store, &Pattern::new(b"*")).await;
        }
        let keys: Vec<Key> = entries.keys.iter().cloned().collect();
        for step in keys.chunks(KEYS_A_STEP) {
            forgive(store.delete_all(step).await)?;
        }
        for pattern in &entries.patterns {
            self.delete_pattern(store, pattern).await?;
        }
        Ok(())
    }

    async fn delete_pattern<S: Store>(&self, store: &S, pattern: &Pattern) -> Result<()> {
        forgive(store.delete_matching(&self.cache_space, pattern).await)
    }
}

/// A server that does not let this user delete never did; waiting for it would be for ever.
fn forgive<T>(outcome: Result<T>) -> Result<()> {
    match outcome {
        Ok(_) | Err(StoreError::Rejected(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
