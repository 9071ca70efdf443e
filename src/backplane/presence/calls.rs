//! The operations on presence that callers can use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::{join_all, try_join};

use super::keeper::HELD;
use super::utf16_order::Utf16Order;
use super::{AT_ONCE, Presence, Removal};
use crate::backplane::Backplane;
use crate::backplane::routing::deadline::within;
use crate::io_thread::steps::for_each;
use crate::store::availability::Availability;
use crate::store::memory::presence::{Doubt, OwnSocket, SocketOrder, Standing};
use crate::store::parts::Parts;
use crate::store::presence::{
    Condition, Detail, Place, Present, ProcessLeases, Roster, Socket, rooms_of,
};
use crate::store::remote::{Remote, RemoteRoster};
use crate::store::{Result, Ttl};

/// Sockets whose process lease has ended are removed by any caller that encounters them, this many
/// at once.
const MOST_FORGOTTEN: usize = 1000;

impl<R: Remote> Backplane<R> {
    /// Sets a socket, wherever it was before. `false`: this was not possible.
    pub async fn presence_set(self: &Arc<Self>, socket: Socket, ttl: Ttl) -> bool {
        let id = socket.id.clone();
        let set = async |begun| {
            self.presence_set_if(Arc::new(socket), ttl, Condition::Always, begun)
                .await
        };
        Box::pin(self.presence_in_turn(&id, set)).await
    }

    /// Renews a socket's TTL, and moves it into the room if it is not there. `false`: it is gone.
    pub async fn presence_refresh(
        self: &Arc<Self>,
        user: &str,
        id: &str,
        metadata: &[u8],
        ttl: Ttl,
    ) -> bool {
        let refreshed = async |begun| {
            self.presence_refresh_now(user, id, metadata, ttl, begun)
                .await
        };
        Box::pin(self.presence_in_turn(id, refreshed)).await
    }

    /// Runs an operation on a socket after all other operations on it in progress.
    async fn presence_in_turn<T>(&self, id: &str, call: impl AsyncFnOnce(Instant) -> T) -> T {
        let in_turn = async {
            let gate = self.presence.gates.place(&id.into());
            let _turn = gate.turn().await;
            call(Instant::now()).await
        };
        self.told(Instant::now(), in_turn).await
    }

    async fn presence_refresh_now(
        self: &Arc<Self>,
        user: &str,
        id: &str,
        metadata: &[u8],
        ttl: Ttl,
        begun: Instant,
    ) -> bool {
        let refresh = async |known: &[u8], condition| {
            let (now, wanted) = (rooms_of(known), rooms_of(metadata));
            let stays = wanted.iter().all(|room| now.contains(room));
            let socket = Socket::new(user, id, if stays { known } else { metadata });
            self.presence_set_if(Arc::new(socket), ttl, condition, begun)
                .await
        };
        let own = self.presence.own.get(id);
        if let Some(own) = own.filter(|own| &*own.socket.user == user)
            && refresh(&own.socket.metadata, own.condition()).await
        {
            return true;
        }
        // Another process has set it, and may set it again.
        let (there, _) = self
            .presence_list(Place::User(user), Detail::Records, begun)
            .await;
        let found = there.into_iter().find(|present| &*present.socket == id);
        let Some(record) = found.and_then(|present| present.record) else {
            return false;
        };
        // Its own entry may have been evicted. A removed socket has no record.
        let condition = Condition::Since {
            version: record.version,
            or_lost: true,
        };
        refresh(&record.metadata, condition).await
    }

    async fn presence_set_if(
        self: &Arc<Self>,
        socket: Arc<Socket>,
        ttl: Ttl,
        condition: Condition,
        begun: Instant,
    ) -> bool {
        self.presence_keep();
        let order = self.presence.own.order();
        let (until_removed, ttl) = match self.presence.heartbeat {
            true => (None, HELD),
            false => (Some(ttl), ttl),
        };
        let asked = &socket;
        let set = self
            .tell_remote(begun, |store| async move {
                self.presence_put(&store, asked, ttl, condition).await
            })
            .await;
        match set {
            Some(Ok(Some((version, doubt)))) => {
                let standing = Standing {
                    order,
                    version,
                    ttl: until_removed,
                    doubt,
                };
                self.presence.own.keep(socket, standing);
                if doubt == Doubt::Lost {
                    self.presence.has_work.notify_one();
                }
                true
            }
            Some(Ok(None)) => {
                // Somebody else has it, or has removed it.
                self.presence.own.forget(&socket.id, order);
                false
            }
            Some(Err(_)) => false,
            None => {
                let own = &self.presence.own;
                own.set_now(socket, until_removed, condition).is_some()
            }
        }
    }

    /// Removes a socket if it belongs to that user. `false`: this was not possible.
    pub async fn presence_remove(self: &Arc<Self>, user: &str, id: &str) -> bool {
        let removed = async |begun| self.presence_remove_now(user, id, begun).await;
        Box::pin(self.presence_in_turn(id, removed)).await
    }

    async fn presence_remove_now(self: &Arc<Self>, user: &str, id: &str, begun: Instant) -> bool {
        let order = self.presence.own.order();
        let rooms = &self.presence.own_rooms(user, id);
        let removed = self.tell_remote(begun, |store| async move {
            self.presence.roster(&*store).remove(user, id, rooms).await
        });
        match removed.await {
            Some(outcome) => {
                self.presence_forget_own(user, id, order);
                outcome.is_ok()
            }
            None => {
                self.presence_keep();
                let removal = Removal {
                    user: user.into(),
                    socket: id.into(),
                    rooms: self.presence.own_rooms(user, id),
                };
                self.presence.own.remove_now(user, id);
                self.presence.remove_later(removal)
            }
        }
    }

    fn presence_forget_own(&self, user: &str, id: &str, order: SocketOrder) {
        let own = &self.presence.own;
        if own.get(id).is_some_and(|kept| &*kept.socket.user == user) {
            own.forget(id, order);
        }
    }

    pub async fn presence_are_online(self: &Arc<Self>, users: &[&str]) -> Vec<bool> {
        let asked = users.iter().map(|user| async move {
            let (there, _) = self
                .presence_list(Place::User(user), Detail::Ids, Instant::now())
                .await;
            !there.is_empty()
        });
        join_all(asked).await
    }

    /// The users in a room, each once, in the order of JavaScript's `sort`.
    pub async fn presence_users(self: &Arc<Self>, room: &str) -> Vec<Box<str>> {
        let (there, _) = self
            .presence_list(Place::Room(room), Detail::Ids, Instant::now())
            .await;
        let mut users = BTreeSet::new();
        for_each(there, |present| {
            users.insert(Utf16Order(present.user));
        })
        .await;
        let mut in_order = Vec::with_capacity(users.len());
        for_each(users, |Utf16Order(user)| in_order.push(user)).await;
        in_order
    }

    pub async fn presence_count(self: &Arc<Self>, room: &str) -> usize {
        let (there, _) = self
            .presence_list(Place::Room(room), Detail::Ids, Instant::now())
            .await;
        let mut users = Parts::default();
        for_each(there, |present| {
            users.insert(present.user, ());
        })
        .await;
        let count = users.len();
        for_each(users.into_items(), drop).await;
        count
    }

    /// The sockets of a user or a room with their records, sorted by user and id, each with the
    /// time when it was last confirmed alive.
    pub async fn presence_records(self: &Arc<Self>, place: Place<'_>) -> Vec<(Present, u64)> {
        let (there, _) = self
            .presence_list(place, Detail::Records, Instant::now())
            .await;
        let seen = |present: &Present| {
            let set = present
                .record
                .as_ref()
                .map_or(0, |record| record.seen_at_ms);
            let beat = present
                .lease
                .and_then(|lease| self.presence.leases.last_beat(lease));
            set.max(beat.unwrap_or_default())
        };
        let mut in_order = BTreeMap::new();
        for_each(there, |present| {
            let names = (&present.user, &present.socket);
            let names = (Utf16Order(names.0.clone()), Utf16Order(names.1.clone()));
            let last_seen = seen(&present);
            in_order.insert(names, (present, last_seen));
        })
        .await;
        let mut records = Vec::with_capacity(in_order.len());
        for_each(in_order, |(_, record)| records.push(record)).await;
        records
    }

    /// When a user was last confirmed alive, ms since 1970.
    pub async fn presence_last_seen(&self, user: &str) -> Option<u64> {
        let left = self.time_left(Instant::now());
        let asked = self.on_remote(|store| async move {
            within(left, async {
                let roster = self.presence.roster(&*store);
                let Some((set, lease)) = roster.last_seen(user).await? else {
                    return Ok(None);
                };
                let beat = match lease {
                    Some(lease) => roster.last_beat(lease).await?,
                    None => None,
                };
                Ok(Some(set.max(beat.unwrap_or_default())))
            })
            .await
        });
        let own = &self.presence.own;
        match Box::pin(asked).await {
            Some(Ok(seen)) if own.is_in_doubt() => seen.max(own.last_seen_now(user)),
            Some(Ok(seen)) => seen,
            _ => own.last_seen_now(user),
        }
    }

    /// The sockets in a place, and whether Redis listed them; otherwise they are this process's
    /// own.
    pub(super) async fn presence_list(
        self: &Arc<Self>,
        place: Place<'_>,
        detail: Detail,
        begun: Instant,
    ) -> (Vec<Present>, bool) {
        let left = self.time_left(begun);
        let listed = self.on_remote_since(begun, |store| async move {
            within(left, self.presence_listed(&store, place, detail)).await
        });
        let own = &self.presence.own;
        match Box::pin(listed).await {
            Some(Ok(there)) => (there, true),
            _ => (own.list_in_steps(place, detail).await, false),
        }
    }

    async fn presence_listed(
        self: &Arc<Self>,
        store: &R,
        place: Place<'_>,
        detail: Detail,
    ) -> Result<Vec<Present>> {
        let (roster, own) = (self.presence.roster(store), &self.presence.own);
        let mut asked = own.order();
        let mut there = roster.list(place, detail).await?;
        let missing = own.missing(place, asked, &there).await;
        if !missing.is_empty() {
            self.presence_look_for(store, missing).await?;
            asked = own.order();
            there = roster.list(place, detail).await?;
        }
        let leases = &self.presence.leases;
        leases.look(&roster, &there).await?;
        let (mut alive, mut ended) = (Vec::with_capacity(there.len()), Vec::new());
        for_each(there, |present| match leases.is_alive(present.lease) {
            true => alive.push(present),
            false if ended.len() < MOST_FORGOTTEN => ended.push(present),
            false => {}
        })
        .await;
        if !ended.is_empty() {
            // They no longer exist; whether they are dropped makes no difference to the answer.
            let _ = roster.forget(place, &ended).await;
        }
        Ok(own.correct(place, detail, asked, alive).await)
    }

    /// Sets own sockets again that Redis has lost, and drops those that belong to somebody else
    /// now.
    async fn presence_look_for(self: &Arc<Self>, store: &R, missing: Vec<OwnSocket>) -> Result<()> {
        let (first, others) = missing.split_at(missing.len().min(AT_ONCE));
        self.presence_set_lost(store, first).await?;
        let own = &self.presence.own;
        if first.iter().any(|kept| own.left(kept).is_some()) {
            // The keeper finds out whether more is lost. Until then this process reports them.
            for_each(others, |kept| own.doubt(kept)).await;
            self.presence.has_work.notify_one();
        }
        Ok(())
    }

    /// Sets a socket on Redis. Returns its version, and whether Redis may have lost it already.
    /// Every process has a process lease, by which it notices such a loss, whether or not its
    /// sockets depend on it.
    pub(super) async fn presence_put(
        &self,
        store: &R,
        socket: &Socket,
        ttl: Ttl,
        condition: Condition,
    ) -> Result<Option<(u64, Doubt)>> {
        let Presence {
            pulse, heartbeat, ..
        } = &*self.presence;
        let roster = self.presence.roster(store);
        // In one round trip with its first step, and before it: whoever finds the socket also finds
        // its process lease.
        let begun = pulse.lease(&roster);
        let bound_to = heartbeat.then(|| pulse.current_lease());
        let known = self.presence.own.get(&socket.id);
        let before = known.as_ref().map(|known| &*known.socket);
        let set = roster.put_in_all(socket, before, bound_to, ttl, condition);
        let (lease, set) = try_join(begun, set).await?;
        let has_all = pulse.is(lease) && matches!(self.switch.now(), Availability::Ready(_));
        Ok(set.map(|set| match has_all && !set.is_lost {
            true => (set.version, Doubt::None),
            false => (set.version, Doubt::Lost),
        }))
    }
}
