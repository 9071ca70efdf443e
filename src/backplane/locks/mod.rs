//! Locks: leases on Redis, and in this process while Redis is unavailable.
//!
//! Held locks are recorded here ([`leases`]), so that they can be renewed, measured on a monotonic
//! clock, and acquired again when Redis is back. Waiters ([`waiters`]) are called on the process's
//! own channel.

mod calls;
mod fences;
mod leases;
mod renewal;
mod waiters;

use std::mem;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::task::yield_now;

use super::pubsub::subscriber::Surroundings;
use super::{Event, OnEvent};
use crate::mutex::{Mutex, MutexGuard};
use crate::store::availability::Availability;
use crate::store::bus::{Topic, TopicKind};
use crate::store::locks::{LockKeys, Locker, ProcessAddress, QueueTurn, Taken, Token, parse_wake};
use crate::store::memory::Clock;
use crate::store::memory::budget::{Account, Budget, MemoryKind, allocated};
use crate::store::memory::locks::MemoryLocks;
use crate::store::remote::{PubsubEvent, Receiving};
use crate::store::topics::{SubscriptionTag, Topics};
use crate::store::{Result, StoreError, Ttl};

pub use calls::{Keeping, LockOutcome, LockRequest};
use fences::Fences;
use leases::{LeaseTerm, LockLease, LockLeases};
use waiters::Waiters;

/// Requests that are sent to Redis at once.
const AT_ONCE: usize = 1024;

/// Who gets a lock while Redis is unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenUnavailable {
    /// The first caller in this process.
    Local,
    /// Nobody.
    Deny,
}

pub struct Locks {
    when_unavailable: WhenUnavailable,
    /// The prefix of the names of locks.
    prefix: Box<[u8]>,
    /// This process's own address.
    address: ProcessAddress,
    memory: MemoryLocks,
    leases: LockLeases,
    waiters: Arc<Waiters>,
    fences: Fences,
    /// Locks to be released on Redis, in case it has them. Bounded; beyond the bound, their leases
    /// end by themselves.
    gifts: Mutex<Vec<Gift>>,
    gifts_account: Account,
    listener: Mutex<Option<Arc<WakeListener>>>,
    on_event: OnEvent,
}

/// The name of a lock, and its holder.
type Gift = (Arc<[u8]>, Token);

/// The name may still be shared with a lease; then it is briefly counted twice.
fn gift_bytes(name: &[u8]) -> usize {
    2 * size_of::<Gift>() + allocated(name.len())
}

impl Locks {
    pub fn new(
        when_unavailable: WhenUnavailable,
        prefix: &[u8],
        budget: &Arc<Budget>,
        on_event: OnEvent,
    ) -> Self {
        let waiters = Arc::new(Waiters::new(budget.account(MemoryKind::Waiters)));
        let called = waiters.clone();
        let on_wake = Box::new(move |(token, after)| called.wake(token, after));
        Self {
            when_unavailable,
            prefix: prefix.into(),
            address: ProcessAddress::unique(),
            memory: MemoryLocks::new(budget.account(MemoryKind::Locks), Clock::system(), on_wake),
            leases: LockLeases::new(budget.account(MemoryKind::Leases)),
            waiters,
            fences: Fences::default(),
            gifts: Mutex::default(),
            gifts_account: budget.account(MemoryKind::Gifts),
            listener: Mutex::default(),
            on_event,
        }
    }

    fn keys(&self, name: &[u8]) -> LockKeys {
        LockKeys::new(&self.prefix, name)
    }

    /// For how many ms a lease is certain to last; 0 for one that has ended. Callable from any
    /// thread.
    pub fn certain_ms(&self, handle: u64) -> f64 {
        self.leases.certain(handle).as_secs_f64() * 1000.0
    }

    /// Called on every change of state.
    pub fn follow<S>(&self, redis: &Availability<S>) {
        match redis {
            Availability::Ready(_) => self.waiters.wake_all(),
            Availability::Degraded(_) => {
                self.leases.doubt();
                self.waiters.wake_all();
            }
            Availability::Closed => self.close(),
            Availability::Connecting => self.leases.doubt(),
            Availability::Idle => {}
        }
    }

    /// All waits end.
    pub fn end_waiters(&self) {
        self.waiters.end();
    }

    /// No lock is released: the code that holds a lock may still be running.
    fn close(&self) {
        self.end_waiters();
        self.leases.clear();
        self.memory.clear();
        *self.listener() = None;
    }

    /// In steps.
    pub async fn sweep(&self) {
        self.leases.sweep().await;
        self.memory.sweep().await;
    }

    /// Whether Redis knows everything it has to know.
    pub fn is_reconciled(&self) -> bool {
        self.gifts().is_empty() && !self.leases.is_in_doubt()
    }

    /// Releases on Redis what was released here, and acquires there what is held here, if it is
    /// free.
    pub async fn reconcile<S: Locker>(&self, store: &S) -> Result<()> {
        let gifts = self.take_gifts();
        for (at, step) in gifts.chunks(AT_ONCE).enumerate() {
            let given = step.iter().map(async |(name, token)| {
                let keys = self.keys(name);
                store.give(&keys, *token).await
            });
            if let Some(error) = first_error(join_all(given).await) {
                for (name, token) in &gifts[at * AT_ONCE..] {
                    self.give_later(name, *token);
                }
                return Err(error);
            }
        }
        let mut after = None;
        loop {
            let (step, next) = self.leases.next_in_doubt(after);
            let taken = step.iter().map(|lease| self.take_again(lease, store));
            if let Some(error) = first_error(join_all(taken).await) {
                return Err(error);
            }
            if next.is_none() {
                return Ok(());
            }
            after = next;
            yield_now().await;
        }
    }

    /// Drops what is left of the outage.
    pub fn forget_outage(&self) {
        self.memory.clear();
    }

    async fn take_again<S: Locker>(&self, lease: &Arc<LockLease>, store: &S) -> Result<()> {
        let (left, latest) = (Ttl::from(lease.term().left()), lease.latest());
        let doubts = self.leases.doubts();
        let known_fence = self.fences.greatest();
        let keys = &self.keys(&lease.name);
        let taken = store.take(keys, lease.token, left, QueueTurn::No, known_fence);
        match taken.await {
            Ok(Taken::Granted { fence }) => {
                self.fences.given(fence, true);
                self.leases.confirm(lease, latest, doubts);
            }
            Ok(Taken::Denied { .. }) | Err(StoreError::Rejected(_)) => self.lose(lease),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Somebody else holds it, or may hold it.
    fn lose(&self, lease: &LockLease) {
        if self.leases.remove(lease.handle).is_some() {
            let handle = lease.handle;
            (self.on_event)(Event::LockLost { handle });
        }
    }

    /// Nobody in this process gets a lock that Redis has granted.
    fn occupy(&self, lease: &LockLease) {
        let left = Ttl::from(lease.term().left());
        self.memory
            .occupy(&self.keys(&lease.name), lease.token, left);
    }

    /// To be called before a lock is looked at in memory, which need not know yet what Redis has granted of it:
    /// all at the beginning of an outage would be many.
    fn occupy_granted(&self, name: &[u8]) {
        if let Some(lease) = self.leases.granted(name) {
            let left = Ttl::from(lease.term().left());
            self.memory.occupy_free(&self.keys(name), lease.token, left);
        }
    }

    /// Must be released on Redis before the first call is sent there again.
    fn give_later(&self, name: &Arc<[u8]>, token: Token) {
        let (mut gifts, bytes) = (self.gifts(), gift_bytes(name));
        if self.gifts_account.has_room(bytes) {
            self.gifts_account.add(bytes as u64);
            gifts.push((name.clone(), token));
        }
    }

    fn take_gifts(&self) -> Vec<Gift> {
        let mut gifts = self.gifts();
        self.gifts_account.set(0);
        mem::take(&mut *gifts)
    }

    fn gifts(&self) -> MutexGuard<'_, Vec<Gift>> {
        self.gifts.lock()
    }

    fn listener(&self) -> MutexGuard<'_, Option<Arc<WakeListener>>> {
        self.listener.lock()
    }
}

pub(super) fn first_error<T>(outcomes: Vec<Result<T>>) -> Option<StoreError> {
    let mut errors = outcomes.into_iter().filter_map(Result::err);
    errors.find(|error| !matches!(error, StoreError::Rejected(_)))
}

/// Receives the calls of this process's waiters.
struct WakeListener {
    topics: Arc<Topics>,
    channel: Topic,
    _pubsub_connection: Box<dyn Receiving>,
}

impl WakeListener {
    /// Must be called on the I/O thread.
    fn new(locks: &Locks, around: &Surroundings, prefix: &[u8]) -> Self {
        let (waiters, restored) = (locks.waiters.clone(), locks.waiters.clone());
        let topics = Topics::new(Box::new(move |message| {
            if let Some((token, after)) = parse_wake(&message.payload) {
                waiters.wake(token, after);
            }
        }));
        let channel = Topic {
            kind: TopicKind::Channel,
            name: locks.address.channel(prefix),
        };
        topics.want(&channel, SubscriptionTag(0));
        let pubsub_connection = (around.receive)(
            topics.clone(),
            Box::new(move |event| match event {
                // Calls may have been missed.
                PubsubEvent::Restored => restored.wake_all(),
                PubsubEvent::Lost(_) | PubsubEvent::Refused => {}
            }),
        );
        Self {
            topics,
            channel,
            _pubsub_connection: pubsub_connection,
        }
    }
}

#[cfg(test)]
mod tests;
