//! The background tasks from the first call to `close`: the link to the server, and the removal of
//! expired entries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use super::locks::Locks;
use super::outage::recovery::{JournalSpaces, OutageRecovery};
use super::{Backplane, cache, message_cache, query_cache, rate_limits, session_cache};
use crate::store::availability::{Availability, Outage};
use crate::store::memory::MemoryStore;
use crate::store::remote::Remote;
use crate::store::remote::endpoint::ServerAddress;

/// How often expired entries are removed from memory.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// What lives from the first call to `close`.
pub struct RunningTasks {
    pub since: Instant,
    /// `None` if there is nothing to connect to.
    _supervisor: Option<Box<dyn Send + Sync>>,
    sweeper: AbortHandle,
}

impl Drop for RunningTasks {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

impl<R: Remote> Backplane<R> {
    /// Starts the first connection attempt, once. Must be called on the I/O thread.
    pub fn start(&self) {
        if !matches!(self.switch.now(), Availability::Idle) {
            return;
        }
        if let ServerAddress::Unknown(reason) = &self.options.endpoint.address {
            self.stay_degraded(reason.clone());
            return;
        }
        let replay = OutageRecovery {
            journal: self.journal.clone(),
            memory: self.memory.clone(),
            limiter: self.limiter.clone(),
            subscribers: self.subscribers.clone(),
            cached: JournalSpaces {
                keys: self.key(cache::SPACE, b""),
                tags: Some(self.tag(query_cache::NAMES, b"")),
                // Without its tags nothing is valid, except for sessions without users.
                others: [
                    query_cache::NAMES,
                    message_cache::ALL,
                    session_cache::USERS,
                    session_cache::SPACE,
                ]
                .map(|space| self.key(space, b""))
                .to_vec(),
            },
            resets: self.resets.clone(),
            limited: JournalSpaces {
                keys: self.key(rate_limits::SPACE, b""),
                tags: None,
                others: Vec::new(),
            },
            sessions: self.sessions.clone(),
            invalidation_bus: self.invalidation_bus.clone(),
            locks: self.locks.clone(),
            presence: self.presence.clone(),
            recovering: self.recovering.clone(),
        };
        let supervisor = R::supervise(
            self.options.endpoint.clone(),
            self.key(b"backplane:probe", b""),
            Arc::new(replay),
            self.switch.clone(),
        );
        self.run(Some(supervisor));
    }

    /// There is nothing to connect to: calls work from memory.
    fn stay_degraded(&self, reason: String) {
        self.switch.set(Availability::Degraded(Outage {
            reason,
            refusing: None,
        }));
        self.run(None);
    }

    fn run(&self, supervisor: Option<Box<dyn Send + Sync>>) {
        *self.running() = Some(RunningTasks {
            since: Instant::now(),
            _supervisor: supervisor,
            sweeper: {
                let (memory, locks) = (self.memory.clone(), self.locks.clone());
                self.keep_going("what sweeps the memory", move || {
                    sweep(memory.clone(), locks.clone())
                })
            },
        });
    }
}

async fn sweep(memory: Arc<MemoryStore>, locks: Arc<Locks>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        memory.sweep().await;
        locks.sweep().await;
    }
}
