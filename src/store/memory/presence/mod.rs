//! The sockets that this process has set: they answer while Redis is unavailable, and are set there
//! again afterwards. Bounded in bytes; beyond the bound, no further socket is taken, and users who
//! have left are dropped.

mod index;
mod offline;
mod own_socket;
mod reconcile;
mod room_events;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::yield_now;

use super::Clock;
use super::budget::Account;
use crate::io_thread::steps::AT_ONCE;
use crate::mutex::{Mutex, MutexGuard};
use crate::store::presence::{
    Condition, Detail, LAST_SEEN_TTL, LastSeen, Place, Present, ProcessLease, Roster, Socket,
};
use crate::store::{Result, Ttl};

use index::SocketIndex;

pub use own_socket::{Doubt, OwnSocket, SocketOrder, Standing};

/// The remaining time of what lasts as long as the process: about 500,000 years.
const FOR_EVER: Duration = Duration::from_millis(u64::MAX >> 10);

/// Sockets whose time has passed that are taken out in one step, each of which may be told of in many rooms.
const ENDED_AT_ONCE: usize = 128;

/// Called with every change in a room; its text is created only for listeners.
pub type OnRoomEvent = Box<dyn Fn(&str, &dyn Fn() -> Bytes) + Send + Sync>;

pub struct MemoryRoster {
    book: Mutex<SocketIndex>,
    clock: Clock,
    on_room_event: OnRoomEvent,
    orders: AtomicU64,
}

impl MemoryRoster {
    pub fn new(account: Account, clock: Clock, on_room_event: OnRoomEvent) -> Self {
        Self {
            book: Mutex::new(SocketIndex::new(account)),
            clock,
            on_room_event,
            orders: AtomicU64::new(0),
        }
    }

    /// The next number in the order of this process.
    pub fn order(&self) -> SocketOrder {
        SocketOrder {
            number: self.orders.fetch_add(1, Ordering::Relaxed),
            at: self.clock.now_ms(),
        }
    }

    /// Sets a socket without notification. `false`: there is no room.
    pub fn keep(&self, socket: Arc<Socket>, standing: Standing) -> bool {
        let mut book = self.book();
        let known = book.sockets.get(&socket.id);
        let removed = book.removed(&socket.id).map(|removed| removed.order);
        let last = known.map(|known| known.order).or(removed);
        if last.is_some_and(|last| last.number > standing.order.number) {
            return true;
        }
        if !book.has_room_for(&socket) {
            return false;
        }
        let kept = OwnSocket {
            order: standing.order,
            version: standing.version,
            ends: standing.ttl.map(|ttl| standing.order.at + ttl.as_millis()),
            heard: self.clock.now_ms(),
            heard_in: self.order(),
            seen_at_ms: self.clock.epoch_ms(),
            doubt: standing.doubt,
            doubts: 0,
            socket,
        };
        book.replace(kept);
        true
    }

    /// Drops a socket that was not set since, without notification.
    pub fn forget(&self, id: &str, order: SocketOrder) {
        let mut book = self.book();
        if book
            .sockets
            .get(id)
            .is_some_and(|kept| kept.order.number <= order.number)
        {
            book.remove(id);
        }
    }

    pub fn get(&self, id: &str) -> Option<OwnSocket> {
        let now = self.clock.now_ms();
        self.find(id).filter(|kept| kept.is_alive(now))
    }

    /// Its time may have passed.
    fn find(&self, id: &str) -> Option<OwnSocket> {
        self.book().known(id)
    }

    /// In steps: every socket that is present all the time is found.
    pub async fn list_in_steps(&self, place: Place<'_>, detail: Detail) -> Vec<Present> {
        let mut there = Vec::new();
        self.for_each_at(place, |_, kept, now| {
            there.push(kept.present(place, now, detail));
        })
        .await;
        there
    }

    /// Does something with each socket that is alive in a place, in steps: whoever is there all the time is met.
    async fn for_each_at(
        &self,
        place: Place<'_>,
        mut act: impl FnMut(&SocketIndex, &OwnSocket, u64),
    ) {
        let mut after = None;
        loop {
            let ids = self.some_at(place, after.as_ref(), &mut act);
            match ids.into_iter().nth(AT_ONCE - 1) {
                Some(last) => after = Some(last),
                None => return,
            }
            yield_now().await;
        }
    }

    fn some_at(
        &self,
        place: Place<'_>,
        after: Option<&Arc<str>>,
        mut act: impl FnMut(&SocketIndex, &OwnSocket, u64),
    ) -> Vec<Arc<str>> {
        let (book, now) = (self.book(), self.clock.now_ms());
        let ids = book.ids_after(place, after, AT_ONCE);
        let some = ids.iter().filter_map(|id| book.sockets.get(id));
        for kept in some.filter(|kept| kept.is_alive(now)) {
            act(&book, kept, now);
        }
        ids
    }

    pub fn last_seen_now(&self, user: &str) -> Option<u64> {
        let (book, now) = (self.book(), self.clock.now_ms());
        let here = book.at(Place::User(user)).map(|kept| kept.seen_at_ms).max();
        let gone = book.last_seen(user).filter(|(_, until)| now < *until);
        here.max(gone.map(|(at, _)| at))
    }

    pub fn len(&self) -> usize {
        self.book().sockets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes out those whose time has passed, in steps; `tells`: who listens is told.
    pub async fn sweep(&self, tells: bool) {
        let now = self.clock.now_ms();
        let mut part = 0;
        while self.book().forget_old(part, now) {
            part += 1;
            yield_now().await;
        }
        part = 0;
        while let Some(ended) = self.take_ended(part, now) {
            // The part may have more.
            part += usize::from(ended.len() < ENDED_AT_ONCE);
            for kept in ended {
                self.remember(&kept);
                if tells {
                    self.tell_left(&kept, kept.version);
                }
            }
            yield_now().await;
        }
    }

    /// Some of one part; `None`: there is no such part.
    fn take_ended(&self, part: usize, now: u64) -> Option<Vec<OwnSocket>> {
        let mut book = self.book();
        let ended = book.sockets.part(part)?.values();
        let ended = ended.filter(|kept| !kept.is_alive(now)).take(ENDED_AT_ONCE);
        let ended: Vec<OwnSocket> = ended.cloned().collect();
        for kept in &ended {
            book.remove(&kept.socket.id);
        }
        Some(ended)
    }

    /// When its user was last seen: now, if it is removed while it is alive.
    fn remember(&self, kept: &OwnSocket) {
        let now = self.clock.now_ms();
        let seen_at_ms = match kept.is_alive(now) {
            true => self.clock.epoch_ms(),
            false => kept.seen_at_ms,
        };
        let (user, until) = (&kept.socket.user, now + LAST_SEEN_TTL.as_millis());
        let mut book = self.book();
        let known = book.last_seen(user).map(|(at, _)| at);
        let latest = seen_at_ms.max(known.unwrap_or_default());
        book.see(user, latest, until);
    }

    pub fn clear(&self) {
        self.book().clear();
    }

    fn book(&self) -> MutexGuard<'_, SocketIndex> {
        self.book.lock()
    }
}

impl Roster for MemoryRoster {
    async fn set(
        &self,
        socket: &Socket,
        _: Option<&Socket>,
        _: Option<ProcessLease>,
        ttl: Ttl,
        condition: Condition,
    ) -> Result<Option<u64>> {
        Ok(self.set_now(Arc::new(socket.clone()), Some(ttl), condition))
    }

    async fn remove(&self, user: &str, socket: &str, _: &[Box<str>]) -> Result<u64> {
        Ok(self.remove_now(user, socket))
    }

    async fn list(&self, place: Place<'_>, detail: Detail) -> Result<Vec<Present>> {
        Ok(self.list_in_steps(place, detail).await)
    }

    async fn last_seen(&self, user: &str) -> Result<Option<LastSeen>> {
        Ok(self.last_seen_now(user).map(|at| (at, None)))
    }
}

#[cfg(test)]
mod tests;
