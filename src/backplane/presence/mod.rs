//! Presence: on Redis, and of this process's own sockets while Redis is unavailable.
//!
//! The sockets that this process has set are also recorded in memory ([`MemoryRoster`]). This
//! record answers in an outage, is set again afterwards ([`keeper`]), and is kept alive if that is
//! wanted.

mod calls;
mod keeper;
mod process_leases;
mod utf16_order;
mod watch;

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::locks::first_error;
use crate::mutex::{Mutex, MutexGuard};
use crate::store::Result;
use crate::store::availability::Availability;
use crate::store::keyed_mutex::KeyedMutex;
use crate::store::memory::Clock;
use crate::store::memory::budget::{Account, Budget, MemoryKind, allocated};
use crate::store::memory::presence::MemoryRoster;
use crate::store::presence::{PresenceKeys, Roster};
use crate::store::remote::Remote;

use process_leases::{KnownLeases, OwnLease};
use watch::RoomWatches;

/// Sockets that are sent to Redis at once.
const AT_ONCE: usize = 128;

pub struct Presence {
    /// Whether this process keeps its own sockets alive.
    heartbeat: bool,
    names: PresenceKeys,
    own: MemoryRoster,
    pulse: OwnLease,
    leases: KnownLeases,
    /// Bounded; beyond the bound, sockets expire by themselves, and the caller that removes them is
    /// told.
    removals: Mutex<Vec<Removal>>,
    removals_account: Account,
    keeper: Mutex<Option<AbortHandle>>,
    has_work: Notify,
    watches: Arc<RoomWatches>,
    watches_account: Account,
    /// Operations on one socket in this process are done one after the other.
    gates: KeyedMutex<Box<str>>,
}

/// A removed socket.
struct Removal {
    user: Box<str>,
    socket: Box<str>,
    /// Where it was, as far as this process knows.
    rooms: Vec<Box<str>>,
}

impl Removal {
    fn bytes(&self) -> usize {
        let rooms = self.rooms.iter().map(|room| allocated(room.len()));
        let names = allocated(self.user.len()) + allocated(self.socket.len());
        let list = allocated(size_of_val(&*self.rooms));
        2 * size_of::<Self>() + names + list + rooms.sum::<usize>()
    }
}

impl Presence {
    pub fn new(heartbeat: bool, prefix: &[u8], budget: &Arc<Budget>) -> Self {
        let watches = Arc::new(RoomWatches::default());
        let told = watches.clone();
        let on_room_event =
            Box::new(move |room: &str, text: &dyn Fn() -> Bytes| told.hear(room, text));
        Self {
            heartbeat,
            names: PresenceKeys::new(prefix),
            own: MemoryRoster::new(
                budget.account(MemoryKind::Presence),
                Clock::system(),
                on_room_event,
            ),
            pulse: OwnLease::default(),
            leases: KnownLeases::default(),
            removals: Mutex::default(),
            removals_account: budget.account(MemoryKind::Removals),
            keeper: Mutex::default(),
            has_work: Notify::new(),
            watches,
            watches_account: budget.account(MemoryKind::Watches),
            gates: KeyedMutex::default(),
        }
    }

    /// Called on every change of state.
    pub fn follow<S>(&self, redis: &Availability<S>) {
        match redis {
            Availability::Ready(_) => {
                self.has_work.notify_one();
                self.watches.back();
            }
            Availability::Degraded(_) | Availability::Connecting => self.own.doubt_all(),
            Availability::Closed => self.close(),
            Availability::Idle => {}
        }
    }

    /// Bytes of the notifications that watchers have not received yet.
    pub fn waiting(&self) -> usize {
        self.watches.waiting()
    }

    /// Nothing is removed on Redis: the sockets may still be in use.
    fn close(&self) {
        if let Some(keeper) = self.keeper().take() {
            keeper.abort();
        }
        self.watches.clear();
        self.own.clear();
        self.take_removals();
    }

    /// Whether Redis knows of all removals.
    pub fn is_reconciled(&self) -> bool {
        self.removals().is_empty()
    }

    /// Removes on Redis what was removed here.
    pub async fn reconcile<R: Remote>(&self, store: &R) -> Result<()> {
        let roster = self.roster(store);
        let removals = self.take_removals();
        for (at, step) in removals.chunks(AT_ONCE).enumerate() {
            let removed = step
                .iter()
                .map(|gone| roster.remove(&gone.user, &gone.socket, &gone.rooms));
            if let Some(error) = first_error(join_all(removed).await) {
                for removal in removals.into_iter().skip(at * AT_ONCE) {
                    self.remove_later(removal);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn roster<'a, R: Remote>(&'a self, store: &'a R) -> R::Roster<'a> {
        store.roster(&self.names)
    }

    /// Must be removed on Redis before the first call is sent there again. `false`: there is no
    /// room.
    fn remove_later(&self, removal: Removal) -> bool {
        let (mut removals, bytes) = (self.removals(), removal.bytes());
        let has_room = self.removals_account.has_room(bytes);
        if has_room {
            self.removals_account.add(bytes as u64);
            removals.push(removal);
        }
        has_room
    }

    fn take_removals(&self) -> Vec<Removal> {
        let mut removals = self.removals();
        self.removals_account.set(0);
        mem::take(&mut *removals)
    }

    /// The rooms of a socket that this process has set.
    fn own_rooms(&self, user: &str, socket: &str) -> Vec<Box<str>> {
        let own = self.own.get(socket);
        let own = own.filter(|own| &*own.socket.user == user);
        own.map_or_else(Vec::new, |own| {
            own.socket
                .rooms
                .iter()
                .map(|room| (&**room).into())
                .collect()
        })
    }

    fn removals(&self) -> MutexGuard<'_, Vec<Removal>> {
        self.removals.lock()
    }

    fn keeper(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        self.keeper.lock()
    }
}
