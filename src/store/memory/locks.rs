//! Locks within this process, for the time while Redis is unavailable. The same rules as in
//! `redis/lua/lock_*.lua`. Bounded in bytes: beyond the bound, no lock is granted that is not known
//! yet. Only locks that Redis has granted are always recorded, because nobody else may get them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::mem;

use std::time::Duration;

use ring::digest::{SHA256, digest};
use tokio::task::yield_now;

use super::budget::{Account, allocated, slot};
use super::{Clock, steps};
use crate::mutex::{Mutex, MutexGuard};
use crate::store::locks::{HANDOVER, LockKeys, Locker, QueueTurn, Taken, Token, Wake};
use crate::store::parts::Parts;
use crate::store::{Key, Result, Ttl};

/// Tells a waiter of this process that it is called.
pub type OnWake = Box<dyn Fn(Wake) + Send + Sync>;

pub struct MemoryLocks {
    book: Mutex<LockTable>,
    account: Account,
    clock: Clock,
    on_wake: OnWake,
}

#[derive(Default)]
struct LockTable {
    locks: Parts<LockName, Lock>,
    numbers: LockNumbers,
}

/// A digest of the key, which may be long. Collisions cannot be constructed.
type LockName = [u8; 16];

fn name(key: &Key) -> LockName {
    let digest = digest(&SHA256, key.as_bytes());
    std::array::from_fn(|at| digest.as_ref()[at])
}

/// The greatest fences given out.
#[derive(Default)]
struct LockNumbers {
    last_fence: u64,
    last_place: u64,
}

#[derive(Default)]
struct Lock {
    holder: Option<Holder>,
    queue: BTreeMap<u64, Token>,
}

#[derive(Clone, Copy)]
struct Holder {
    token: Token,
    until_ms: u64,
}

impl MemoryLocks {
    pub fn new(account: Account, clock: Clock, on_wake: OnWake) -> Self {
        Self {
            book: Mutex::default(),
            account,
            clock,
            on_wake,
        }
    }

    /// Lets the token hold the lock for this time, whoever holds it now: Redis has granted it.
    pub fn occupy(&self, keys: &LockKeys, token: Token, lease: Ttl) {
        self.visit(keys, |lock, visit| lock.hold(token, visit.now, lease));
    }

    /// Lets the token hold the lock for as long, unless somebody does.
    pub fn occupy_free(&self, keys: &LockKeys, token: Token, lease: Ttl) {
        self.visit(keys, |lock, visit| {
            if lock.holder.is_none() {
                lock.hold(token, visit.now, lease);
            }
        });
    }

    pub fn clear(&self) {
        let mut book = self.book();
        steps::let_go(mem::take(&mut book.locks).into_items());
        self.account.set(0);
    }

    /// Forgets what nobody holds nor waits for, in steps.
    pub async fn sweep(&self) {
        let mut part = 0;
        while self.sweep_part(part) {
            part += 1;
            yield_now().await;
        }
    }

    /// `false`: there is no such part.
    fn sweep_part(&self, part: usize) -> bool {
        let (mut book, now) = (self.book(), self.clock.now_ms());
        let freed = Cell::new(0);
        book.locks.retain_in(part, |_, lock| {
            let before = lock.bytes();
            lock.expire(now);
            freed.set(freed.get() + before - lock.bytes());
            !lock.is_unused()
        });
        self.account.sub(freed.get() as u64);
        part < book.locks.count()
    }

    pub fn take_now(
        &self,
        keys: &LockKeys,
        token: Token,
        lease: Ttl,
        turn: QueueTurn,
        known_fence: u64,
    ) -> Taken {
        self.visit(keys, |lock, visit| {
            if !visit.has_room && !lock.is_known_to(token) {
                return Taken::Denied {
                    free_in: None,
                    place: 0,
                };
            }
            if let Some(free_in) = lock.denies(token, visit) {
                let place = visit.place(turn);
                lock.queue.extend(place.map(|place| (place, token)));
                return Taken::Denied {
                    free_in: Some(free_in),
                    place: place.unwrap_or_default(),
                };
            }
            lock.hold(token, visit.now, lease);
            lock.leave(token);
            lock.call_first(lease.as_duration(), visit);
            Taken::Granted {
                fence: visit.fence(known_fence),
            }
        })
    }

    pub fn extend_now(&self, keys: &LockKeys, token: Token, lease: Ttl) -> bool {
        self.visit(keys, |lock, visit| {
            let is_holder = lock.is_held_by(token);
            if is_holder {
                lock.hold(token, visit.now, lease);
                lock.call_first(lease.as_duration(), visit);
            }
            is_holder
        })
    }

    pub fn give_now(&self, keys: &LockKeys, token: Token) -> bool {
        self.visit(keys, |lock, visit| {
            if lock.is_held_by(token) {
                lock.holder = None;
                lock.hand_over(token, visit);
                lock.leave(token);
                return true;
            }
            let was_first = lock.first() == Some(token);
            lock.leave(token);
            if was_first {
                lock.call_first(lock.left(visit.now), visit);
            }
            false
        })
    }

    /// Runs an operation on a lock, then calls the waiters concerned.
    fn visit<T>(&self, keys: &LockKeys, act: impl FnOnce(&mut Lock, &mut Visit) -> T) -> T {
        let mut book = self.book();
        let LockTable { locks, numbers } = &mut *book;
        let mut visit = Visit {
            now: self.clock.now_ms(),
            has_room: self
                .account
                .has_room(LOCK_BYTES + QUEUE_BYTES + PLACE_BYTES),
            numbers,
            calls: Vec::new(),
        };
        let name = name(&keys.lock);
        let lock = locks.get_or_insert_with(&name, Lock::default);
        let before = lock.bytes();
        lock.expire(visit.now);
        let outcome = act(lock, &mut visit);
        let (calls, after) = (visit.calls, lock.bytes());
        if lock.is_unused() {
            locks.remove(&name);
        }
        self.account.add(after as u64);
        self.account.sub(before as u64);
        drop(book);
        calls.into_iter().for_each(&self.on_wake);
        outcome
    }

    fn book(&self) -> MutexGuard<'_, LockTable> {
        self.book.lock()
    }
}

const LOCK_BYTES: usize = slot(size_of::<(LockName, Lock)>());
/// A queue is allocated for eleven places at once.
const QUEUE_BYTES: usize = allocated(11 * size_of::<(u64, Token)>());
/// Of the others.
const PLACE_BYTES: usize = 2 * size_of::<(u64, Token)>();

/// The context of an operation on a lock.
struct Visit<'a> {
    now: u64,
    /// For a lock that is not known yet, or a place in a queue.
    has_room: bool,
    numbers: &'a mut LockNumbers,
    calls: Vec<Wake>,
}

impl Visit<'_> {
    fn fence(&mut self, known: u64) -> u64 {
        self.numbers.last_fence = self.numbers.last_fence.max(known) + 1;
        self.numbers.last_fence
    }

    fn place(&mut self, turn: QueueTurn) -> Option<u64> {
        let place = match turn {
            QueueTurn::No => return None,
            QueueTurn::New => self.numbers.last_place + 1,
            QueueTurn::Place(place) => place,
        };
        self.numbers.last_place = self.numbers.last_place.max(place);
        Some(place)
    }
}

impl Lock {
    /// `None`: it is free for the token, or held by it.
    fn denies(&mut self, token: Token, visit: &mut Visit) -> Option<Duration> {
        let is_anothers = match self.holder {
            Some(holder) => holder.token != token,
            None => self.hand_over(token, visit),
        };
        is_anothers.then(|| self.left(visit.now))
    }

    fn is_held_by(&self, token: Token) -> bool {
        self.holder.is_some_and(|holder| holder.token == token)
    }

    fn hold(&mut self, token: Token, now: u64, lease: Ttl) {
        self.holder = Some(Holder {
            token,
            until_ms: now + lease.as_millis(),
        });
    }

    fn expire(&mut self, now: u64) {
        if self.holder.is_some_and(|holder| holder.until_ms <= now) {
            self.holder = None;
        }
    }

    fn left(&self, now: u64) -> Duration {
        let until = self.holder.map_or(now, |holder| holder.until_ms);
        Duration::from_millis(until.saturating_sub(now))
    }

    fn first(&self) -> Option<Token> {
        self.queue.first_key_value().map(|(_, token)| *token)
    }

    fn leave(&mut self, token: Token) {
        self.queue.retain(|_, waiting| *waiting != token);
    }

    fn call_first(&self, after: Duration, visit: &mut Visit) {
        visit.calls.extend(self.first().map(|token| (token, after)));
    }

    /// Hands a lock that nobody holds to the first in the queue, unless that is the token. Returns
    /// whether it did.
    fn hand_over(&mut self, except: Token, visit: &mut Visit) -> bool {
        let Some(next) = self.first().filter(|first| *first != except) else {
            return false;
        };
        self.leave(next);
        self.hold(next, visit.now, HANDOVER);
        visit.calls.push((next, Duration::ZERO));
        self.call_first(HANDOVER.as_duration(), visit);
        true
    }

    fn is_unused(&self) -> bool {
        self.holder.is_none() && self.queue.is_empty()
    }

    /// Whether it needs no more memory if the token acquires it or continues to wait.
    fn is_known_to(&self, token: Token) -> bool {
        self.is_held_by(token) || self.queue.values().any(|waiting| *waiting == token)
    }

    fn bytes(&self) -> usize {
        match self.queue.len() {
            0 if self.holder.is_none() => 0,
            0 => LOCK_BYTES,
            places => LOCK_BYTES + QUEUE_BYTES + places * PLACE_BYTES,
        }
    }
}

impl Locker for MemoryLocks {
    async fn take(
        &self,
        keys: &LockKeys,
        token: Token,
        lease: Ttl,
        turn: QueueTurn,
        known_fence: u64,
    ) -> Result<Taken> {
        Ok(self.take_now(keys, token, lease, turn, known_fence))
    }

    async fn extend(&self, keys: &LockKeys, token: Token, lease: Ttl) -> Result<bool> {
        Ok(self.extend_now(keys, token, lease))
    }

    async fn give(&self, keys: &LockKeys, token: Token) -> Result<bool> {
        Ok(self.give_now(keys, token))
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::{Budget, MemoryKind};
    use super::*;
    use crate::io_thread::steps::AT_ONCE;
    use crate::measure::{MOST_FREED, step_by_step};
    use crate::store::locks::ProcessAddress;

    #[tokio::test]
    async fn what_nobody_holds_is_forgotten_in_steps() {
        let (budget, clock, address) = (
            Budget::new(1 << 30),
            Clock::manual(),
            ProcessAddress::unique(),
        );
        let locks = MemoryLocks::new(
            budget.account(MemoryKind::Locks),
            clock.clone(),
            Box::new(|_| ()),
        );
        let take = |at: usize, ms| {
            let keys = LockKeys::new(b"", at.to_string().as_bytes());
            let lease = Ttl::from_whole_millis(ms);
            locks.take_now(&keys, address.token(), lease, QueueTurn::No, 0)
        };
        for at in 0..20_000 {
            take(at, 1000 + at as u64 % 2 * 1000);
        }
        let before = budget.total();
        clock.advance(1000);
        let mut steps = 0;
        let ((), most) = step_by_step(locks.sweep(), || steps += 1).await;
        assert!(steps >= 20_000 / (2 * AT_ONCE), "{steps}");
        assert!(most <= MOST_FREED, "{most}");
        assert_eq!(
            (locks.book().locks.len(), budget.total()),
            (10_000, before / 2)
        );
        assert!(matches!(take(1, 1000), Taken::Denied { .. }));
        assert!(matches!(take(0, 1000), Taken::Granted { .. }));
    }
}
