//! What is done when Redis is back, before the first call is sent to it.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::journal::{Journal, JournalEntries};
use crate::backplane::local_cache::invalidation_bus::InvalidationBus;
use crate::backplane::locks::{Locks, first_error};
use crate::backplane::presence::Presence;
use crate::backplane::pubsub::subscriber::Subscribers;
use crate::backplane::session_cache::OutageSessions;
use crate::store::availability::Recovery;
use crate::store::memory::MemoryStore;
use crate::store::memory::rate_limits::MemoryLimiter;
use crate::store::remote::Remote;
use crate::store::{Key, Pattern, Result, StoreError, Tag, Tagged};

/// Keys that are deleted at once, and their bytes; each such step has the deadline of a command.
const KEYS_A_STEP: usize = 1024;
const BYTES_A_STEP: usize = 256 * 1024;
/// Tags that are invalidated at once.
const TAGS_AT_ONCE: usize = 128;

/// The last rounds are short, and calls wait for them. Patterns take long and wait from the first
/// round on.
const ROUNDS_BESIDE_CALLS: usize = 2;

/// Makes every subscriber receive from the server again, deletes on the store what the journal
/// holds, then restores sessions, locks and presence, and drops what was kept and counted in
/// memory.
pub struct OutageRecovery {
    pub journal: Arc<Journal>,
    /// Of the rate limits that were reset.
    pub resets: Arc<Journal>,
    pub memory: Arc<MemoryStore>,
    pub limiter: Arc<MemoryLimiter>,
    pub subscribers: Arc<Subscribers>,
    pub cached: JournalSpaces,
    pub limited: JournalSpaces,
    pub sessions: Arc<OutageSessions>,
    pub invalidation_bus: Arc<InvalidationBus>,
    pub locks: Arc<Locks>,
    pub presence: Arc<Presence>,
    pub recovering: Arc<RecoveryState>,
}

/// Whether a recovery is in progress: until calls are sent to Redis, or it has failed.
#[derive(Default)]
pub struct RecoveryState(watch::Sender<bool>);

impl RecoveryState {
    pub fn is_under_way(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves when none is in progress.
    pub async fn over(&self) {
        if self.is_under_way() {
            // The sender lives as long as this.
            let _ = self
                .0
                .subscribe()
                .wait_for(|is_under_way| !is_under_way)
                .await;
        }
    }

    fn begin(&self) -> RecoveryGuard<'_> {
        self.0.send_replace(true);
        RecoveryGuard(self)
    }
}

struct RecoveryGuard<'a>(&'a RecoveryState);

impl Drop for RecoveryGuard<'_> {
    fn drop(&mut self) {
        self.0.0.send_replace(false);
    }
}

/// Where the keys of a journal are.
pub struct JournalSpaces {
    /// The prefix of the keys that its patterns apply to.
    pub keys: Key,
    /// The prefix of the tags that its patterns apply to.
    pub tags: Option<Tag>,
    /// What else is deleted when everything has to be deleted.
    pub others: Vec<Key>,
}

impl<R: Remote> Recovery<R> for OutageRecovery {
    async fn recover(
        &self,
        store: &R,
        hold: impl Fn() + Send,
        open: impl FnOnce() + Send,
    ) -> Result<()> {
        self.subscribers.restored().await;
        let _under_way = self.recovering.begin();
        let mut rounds = 0;
        let journals = [(&self.journal, &self.cached), (&self.resets, &self.limited)];
        let is_done = || {
            journals.iter().all(|(journal, _)| journal.is_empty())
                && self.sessions.is_reconciled()
                && self.invalidation_bus.is_reconciled()
                && self.locks.is_reconciled()
                && self.presence.is_reconciled()
        };
        while !is_done() {
            rounds += 1;
            if rounds == ROUNDS_BESIDE_CALLS {
                hold();
            }
            let sessions = self.sessions.take();
            for (journal, spaces) in journals {
                if let Err(error) = carry_out(store, journal, spaces).await {
                    self.sessions.put_back(&sessions);
                    return Err(error);
                }
            }
            self.sessions
                .reconcile(store, &self.memory, sessions)
                .await?;
            self.invalidation_bus.reconcile(store).await?;
            self.locks.reconcile(store).await?;
            self.presence.reconcile(store).await?;
        }
        self.memory.clear();
        self.limiter.clear();
        self.locks.forget_outage();
        open();
        Ok(())
    }
}

/// Deletes what a journal holds. What could not be deleted is put back.
async fn carry_out<S: Tagged>(store: &S, journal: &Journal, spaces: &JournalSpaces) -> Result<()> {
    let Some(entries) = journal.take() else {
        return Ok(());
    };
    let deleted = delete(store, &entries, spaces).await;
    match deleted {
        Ok(()) => entries.let_go(),
        Err(_) => journal.put_back(entries),
    }
    deleted
}

async fn delete<S: Tagged>(
    store: &S,
    entries: &JournalEntries,
    spaces: &JournalSpaces,
) -> Result<()> {
    if entries.everything {
        let all: Vec<&Key> = spaces.others.iter().chain([&spaces.keys]).collect();
        return forgive(store.delete_matching(&all, &[Pattern::new(b"*")]).await);
    }
    let mut keys = entries.keys.keys();
    loop {
        let step = next_step(&mut keys);
        if step.is_empty() {
            break;
        }
        forgive(store.delete_all(&step).await)?;
    }
    let patterns: Vec<Pattern> = entries.patterns.iter().cloned().collect();
    forgive(store.delete_matching(&[&spaces.keys], &patterns).await)?;
    let tags: Vec<&Tag> = entries.tags.iter().collect();
    for step in tags.chunks(TAGS_AT_ONCE) {
        let ended = join_all(step.iter().map(|tag| store.invalidate(tag)));
        if let Some(error) = first_error(ended.await) {
            return Err(error);
        }
    }
    if let Some(space) = &spaces.tags {
        let patterns: Vec<Pattern> = entries.tag_patterns.iter().cloned().collect();
        forgive(store.invalidate_matching(space, &patterns).await)?;
    }
    Ok(())
}

/// Copies of the next keys, a bounded number of them.
fn next_step<'a>(keys: &mut impl Iterator<Item = &'a Key>) -> Vec<Key> {
    let (mut step, mut bytes) = (Vec::new(), 0);
    while step.len() < KEYS_A_STEP && bytes < BYTES_A_STEP {
        let Some(key) = keys.next() else {
            break;
        };
        bytes += key.as_bytes().len();
        step.push(key.clone());
    }
    step
}

/// A server that does not let this user delete never did; the wait would never end.
fn forgive<T>(outcome: Result<T>) -> Result<()> {
    match outcome {
        Ok(_) | Err(StoreError::Rejected(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
