//! What the calls mean: on Redis while it is available, in this process while it is not, and what
//! has to be corrected in between. Knows the stores only by their traits.

#[cfg(test)]
mod bounds;
mod cache;
mod credentials;
mod event;
mod health;
mod lifecycle;
mod local_cache;
mod locks;
mod message_cache;
mod metrics;
mod options;
mod outage;
mod presence;
pub mod pubsub;
mod query_cache;
mod rate_limits;
mod raw_commands;
mod routing;
mod session_cache;
mod stats;
mod tagged_entries;
mod wiring;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, RwLock};
use tokio::task::AbortHandle;

use crate::mutex::{Mutex, MutexGuard};
use crate::store::availability::{Availability, Switch};
use crate::store::memory::MemoryStore;
use crate::store::memory::budget::Budget;
use crate::store::memory::rate_limits::MemoryLimiter;
use crate::store::remote::Remote;
use crate::store::{Key, Tag};

use cache::KeyLocalCache;
pub use cache::LocalCacheOptions;
use credentials::CredentialRequests;
pub use credentials::CredentialsAnswer;
use event::name;
pub use event::{Event, OnEvent};
use health::HealthMonitor;
use health::troubles::Troubles;
pub use health::{HealthReport, Status};
use lifecycle::RunningTasks;
use local_cache::LocalCache;
use local_cache::invalidation_bus::InvalidationBus;
use locks::Locks;
pub use locks::{Keeping, LockOutcome, LockRequest, WhenUnavailable};
pub use metrics::Metrics;
pub use options::Options;
use outage::journal::Journal;
use outage::recovery::RecoveryState;
use presence::Presence;
use pubsub::subscriber::{Subscribers, Surroundings};
pub use query_cache::Query;
use query_cache::query_fence::QueryFence;
pub use rate_limits::Source;
pub use raw_commands::CallError;
use routing::call_order::CallOrder;
use session_cache::OutageSessions;
use stats::cache_stats::FeatureStats;
use stats::call_stats::CallStats;
pub use stats::call_stats::{CallOutcome, CallTotals, Latency, MeasuredCall};
use stats::pubsub_stats::PubsubStats;

pub struct Backplane<R: Remote> {
    options: Options,
    budget: Arc<Budget>,
    memory: Arc<MemoryStore>,
    limiter: Arc<MemoryLimiter>,
    journal: Arc<Journal>,
    /// The rate limits that were reset; beyond the bound all of them are.
    resets: Arc<Journal>,
    locks: Arc<Locks>,
    presence: Arc<Presence>,
    sessions: Arc<OutageSessions>,
    query_fence: QueryFence,
    pub call_stats: CallStats,
    health_monitor: Arc<HealthMonitor>,
    troubles: Arc<Troubles>,
    pubsub_stats: Arc<PubsubStats>,
    feature_stats: FeatureStats,
    local_cache: Option<KeyLocalCache>,
    /// Held by operations that set something with tags.
    tagged_sets: RwLock<()>,
    messages: Arc<LocalCache>,
    invalidation_bus: Arc<InvalidationBus>,
    switch: Arc<Switch<R>>,
    call_order: Arc<CallOrder>,
    recovering: Arc<RecoveryState>,
    subscribers: Arc<Subscribers>,
    surroundings: Surroundings,
    credential_requests: Arc<CredentialRequests>,
    running: Mutex<Option<RunningTasks>>,
    pending: AtomicUsize,
    /// The memory that those keep.
    pending_bytes: AtomicUsize,
    drained: Notify,
}

impl<R: Remote> Backplane<R> {
    /// Reports that a task panicked, and continues.
    fn say_failed(&self, what: &'static str) {
        (self.surroundings.on_event)(Event::Failed { what });
    }

    fn keep_going<F>(
        &self,
        what: &'static str,
        make: impl FnMut() -> F + Send + 'static,
    ) -> AbortHandle
    where
        F: Future<Output = ()> + Send,
    {
        self.surroundings.keep_going(what, make)
    }

    /// Waits for the calls in flight, then ends everything else.
    pub async fn close(&self) {
        self.locks.end_waiters();
        self.drain().await;
        let last = self.switch.now();
        *self.running() = None;
        self.switch.set(Availability::Closed);
        if let Some(store) = last.store() {
            // Work that is still running holds the store, and through it the connections.
            store.end();
        }
        self.drain().await;
        self.subscribers.clear();
        self.memory.clear();
        self.limiter.clear();
        self.sessions.clear();
        self.query_fence.clear();
        self.journal.clear();
        self.resets.clear();
    }

    /// Waits until no call is in flight, but no longer than a call may take.
    async fn drain(&self) {
        let all_done = self.drained.notified();
        if self.pending.load(Ordering::Acquire) > 0 {
            let patience = self.options.endpoint.command_timeout;
            let _ = tokio::time::timeout(patience, all_done).await;
        }
    }

    /// `idle`, `connecting`, `ready`, `degraded` or `closed`. Callable from any thread.
    pub fn state_name(&self) -> &'static str {
        name(&self.switch.now())
    }

    /// The program's answer to a request for credentials. Callable from any thread.
    pub fn answer_login(&self, number: u32, answer: CredentialsAnswer) {
        self.credential_requests.answer(number, answer);
    }

    /// Counts a call as in flight, and the memory it keeps, until the guard is dropped.
    pub fn pending(self: &Arc<Self>, bytes: usize) -> PendingCall<R> {
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
        PendingCall {
            backplane: self.clone(),
            bytes,
        }
    }

    fn prefix(&self) -> &[u8] {
        self.options.key_prefix.as_bytes()
    }

    fn key(&self, space: &[u8], name: &[u8]) -> Key {
        Key::new(&[self.prefix(), space, name])
    }

    fn tag(&self, space: &[u8], name: &[u8]) -> Tag {
        Tag::new(self.prefix(), space, name)
    }

    fn running(&self) -> MutexGuard<'_, Option<RunningTasks>> {
        self.running.lock()
    }
}

pub struct PendingCall<R: Remote> {
    backplane: Arc<Backplane<R>>,
    bytes: usize,
}

impl<R: Remote> Drop for PendingCall<R> {
    fn drop(&mut self) {
        let backplane = &self.backplane;
        backplane
            .pending_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
        if backplane.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            backplane.drained.notify_waiters();
        }
    }
}
