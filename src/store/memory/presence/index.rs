//! The sockets of this process and an index of them; all of it is counted in bytes.

use std::collections::BTreeSet;
use std::mem;
use std::ops::Bound;
use std::sync::Arc;

use super::own_socket::{Doubt, OwnSocket, SocketOrder};
use crate::store::memory::budget::{Account, allocated, slot};
use crate::store::memory::steps;
use crate::store::parts::Parts;
use crate::store::presence::{Place, Socket};

pub struct SocketIndex {
    pub sockets: Parts<Arc<str>, OwnSocket>,
    users: Parts<Arc<str>, SocketIds>,
    rooms: Parts<Arc<str>, SocketIds>,
    /// Ms since 1970, and when to drop it.
    last_seen: Parts<Box<str>, (u64, u64)>,
    removed: Parts<Box<str>, RemovedSocket>,
    pub in_doubt: usize,
    /// How often all of them came into doubt.
    doubts: u64,
    /// When the server heard of one of them last.
    pub last_heard: u64,
    account: Account,
}

/// Ids of the sockets in a place. Most users have one.
enum SocketIds {
    One(Arc<str>),
    Many(BTreeSet<Arc<str>>),
}

impl SocketIds {
    fn add(&mut self, id: &Arc<str>) {
        match self {
            Self::Many(ids) => drop(ids.insert(id.clone())),
            Self::One(one) if one == id => {}
            Self::One(one) => *self = Self::Many([one.clone(), id.clone()].into()),
        }
    }

    /// Whether none is left.
    fn remove(&mut self, id: &str) -> bool {
        match self {
            Self::One(one) => **one == *id,
            Self::Many(ids) => {
                ids.remove(id);
                ids.is_empty()
            }
        }
    }

    fn into_items(self) -> impl Iterator<Item = Arc<str>> {
        let (one, many) = match self {
            Self::One(one) => (Some(one), None),
            Self::Many(ids) => (None, Some(ids)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        let (one, many) = match self {
            Self::One(one) => (Some(one), None),
            Self::Many(ids) => (None, Some(ids)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

/// Two reference counts in front of the shared data.
const ARC_BYTES: usize = 2 * size_of::<usize>();
/// For a place: its slot. For a socket in it: its part of a tree of ids.
const PLACE_BYTES: usize = slot(size_of::<(Arc<str>, SocketIds)>());
const ID_BYTES: usize = 32;

fn shared(text: &str) -> usize {
    allocated(text.len() + ARC_BYTES)
}

/// The memory of a socket beside the names of its places, which all sockets there share.
fn socket_bytes(socket: &Socket) -> usize {
    let own = slot(size_of::<(Arc<str>, OwnSocket)>()) + allocated(size_of::<Socket>() + ARC_BYTES);
    let metadata = allocated(socket.metadata.len()) + socket.bytes_of_others();
    let rooms = allocated(size_of_val(&*socket.rooms)) + socket.rooms.len() * ID_BYTES;
    own + metadata + shared(&socket.id) + rooms
}

fn place_bytes(place: &str) -> usize {
    PLACE_BYTES + shared(place)
}

fn seen_bytes(user: &str) -> usize {
    slot(size_of::<(Box<str>, (u64, u64))>()) + allocated(user.len())
}

fn removed_bytes(id: &str) -> usize {
    slot(size_of::<(Box<str>, RemovedSocket)>()) + allocated(id.len())
}

/// What is remembered of a removed socket.
pub struct RemovedSocket {
    pub version: u64,
    pub order: SocketOrder,
    /// By the clock: when to drop it.
    pub until: u64,
}

impl SocketIndex {
    pub fn new(account: Account) -> Self {
        Self {
            sockets: Parts::default(),
            users: Parts::default(),
            rooms: Parts::default(),
            last_seen: Parts::default(),
            removed: Parts::default(),
            in_doubt: 0,
            doubts: 0,
            last_heard: 0,
            account,
        }
    }

    pub fn clear(&mut self) {
        let gone = mem::replace(self, Self::new(self.account.clone()));
        self.account.set(0);
        steps::let_go(gone.sockets.into_items());
        for places in [gone.users, gone.rooms] {
            let ids = places.into_items().flat_map(|(_, ids)| ids.into_items());
            steps::let_go(ids);
        }
        steps::let_go(gone.last_seen.into_items());
        steps::let_go(gone.removed.into_items());
    }

    /// What is known of a socket, with what is in doubt by now.
    pub fn known(&self, id: &str) -> Option<OwnSocket> {
        self.sockets.get(id).map(|kept| self.as_of_now(kept))
    }

    pub fn as_of_now(&self, kept: &OwnSocket) -> OwnSocket {
        OwnSocket {
            doubt: self.doubt(kept),
            ..kept.clone()
        }
    }

    pub fn doubt(&self, kept: &OwnSocket) -> Doubt {
        match kept.doubt {
            Doubt::None if kept.doubts < self.doubts => Doubt::Lost,
            doubt => doubt,
        }
    }

    /// From now on the server may lack any of them.
    pub fn doubt_all(&mut self) {
        self.doubts += 1;
        self.in_doubt = self.sockets.len();
    }

    /// From now on that is so of a socket, whatever came before.
    pub fn set_doubt(&mut self, id: &str, doubt: Doubt) {
        let doubts = self.doubts;
        let Some(kept) = self.sockets.get_mut(id) else {
            return;
        };
        let was = kept.doubt != Doubt::None || kept.doubts < doubts;
        (kept.doubt, kept.doubts) = (doubt, doubts);
        self.in_doubt -= usize::from(was);
        self.in_doubt += usize::from(doubt != Doubt::None);
    }

    /// Whether a socket may be added, or replace the known one.
    pub fn has_room_for(&self, socket: &Socket) -> bool {
        let known = self.sockets.get(&*socket.id);
        let before = known.map_or(0, |known| socket_bytes(&known.socket));
        let rooms = socket.rooms.iter();
        let new_rooms = rooms.filter(|room| self.rooms.get(&***room).is_none());
        let is_new_user = self.users.get(&*socket.user).is_none();
        let user = place_bytes(&socket.user) * usize::from(is_new_user);
        let places = user + new_rooms.map(|room| place_bytes(room)).sum::<usize>();
        let more = (socket_bytes(socket) + places).saturating_sub(before);
        more == 0 || self.account.has_room(more)
    }

    pub fn ids_at(&self, place: Place<'_>) -> impl Iterator<Item = &Arc<str>> {
        let ids = match place {
            Place::User(user) => self.users.get(user),
            Place::Room(room) => self.rooms.get(room),
        };
        ids.into_iter().flat_map(SocketIds::iter)
    }

    /// The next ids in a place, in order.
    pub fn ids_after(
        &self,
        place: Place<'_>,
        after: Option<&Arc<str>>,
        most: usize,
    ) -> Vec<Arc<str>> {
        let ids = match place {
            Place::User(user) => self.users.get(user),
            Place::Room(room) => self.rooms.get(room),
        };
        match (ids, after) {
            (Some(SocketIds::Many(ids)), Some(after)) => {
                let rest = (Bound::Excluded(&**after), Bound::Unbounded);
                ids.range::<str, _>(rest).take(most).cloned().collect()
            }
            (Some(ids), None) => ids.iter().take(most).cloned().collect(),
            _ => Vec::new(),
        }
    }

    pub fn at(&self, place: Place<'_>) -> impl Iterator<Item = &OwnSocket> {
        self.ids_at(place).filter_map(|id| self.sockets.get(id))
    }

    pub fn replace(&mut self, mut kept: OwnSocket) {
        kept.doubts = self.doubts;
        self.last_heard = self.last_heard.max(kept.heard_in.number);
        let socket = &kept.socket;
        match self.sockets.get_mut(&socket.id) {
            // Most are only set again.
            Some(known)
                if known.socket.user == socket.user && known.socket.rooms == socket.rooms =>
            {
                let was_in_doubt = known.doubt != Doubt::None || known.doubts < self.doubts;
                self.in_doubt -= usize::from(was_in_doubt);
                self.in_doubt += usize::from(kept.doubt != Doubt::None);
                self.account.sub(socket_bytes(&known.socket) as u64);
                self.account.add(socket_bytes(socket) as u64);
                share(&mut kept, |mine| {
                    mine.id = known.socket.id.clone();
                    mine.user = known.socket.user.clone();
                    mine.rooms = known.socket.rooms.clone();
                });
                *known = kept;
            }
            Some(_) => {
                self.remove(&socket.id.clone());
                self.add(kept);
            }
            None => self.add(kept),
        }
    }

    fn add(&mut self, mut kept: OwnSocket) {
        let (users, rooms) = (&mut self.users, &mut self.rooms);
        let mut places = 0;
        share(&mut kept, |socket| {
            let id = socket.id.clone();
            places += join(users, &mut socket.user, &id);
            for room in &mut socket.rooms {
                places += join(rooms, room, &id);
            }
        });
        self.account.add(places as u64);
        let (socket, id) = (&kept.socket, &kept.socket.id);
        self.account.add(socket_bytes(socket) as u64);
        if self.removed.remove(&**id).is_some() {
            self.account.sub(removed_bytes(id) as u64);
        }
        self.in_doubt += usize::from(kept.doubt != Doubt::None);
        self.sockets.insert(id.clone(), kept);
    }

    pub fn remove(&mut self, id: &str) {
        let Some(kept) = self.sockets.remove(id) else {
            return;
        };
        self.in_doubt -= usize::from(self.doubt(&kept) != Doubt::None);
        self.account.sub(socket_bytes(&kept.socket) as u64);
        let mut places = take_out(&mut self.users, &kept.socket.user, id);
        for room in &kept.socket.rooms {
            places += take_out(&mut self.rooms, room, id);
        }
        self.account.sub(places as u64);
    }

    pub fn removed(&self, id: &str) -> Option<&RemovedSocket> {
        self.removed.get(id)
    }

    /// Remembers that a socket was removed, if there is room. Otherwise, a refresh in progress may
    /// restore it.
    pub fn remember_removed(&mut self, id: &str, removed: RemovedSocket) {
        let (is_new, bytes) = (self.removed.get(id).is_none(), removed_bytes(id));
        if !is_new || self.account.has_room(bytes) {
            self.account.add(bytes as u64 * u64::from(is_new));
            self.removed.insert(id.into(), removed);
        }
    }

    /// When a user without sockets was last seen, and until when that is remembered.
    pub fn last_seen(&self, user: &str) -> Option<(u64, u64)> {
        self.last_seen.get(user).copied()
    }

    /// Remembers it, if there is room.
    pub fn see(&mut self, user: &str, at_ms: u64, until: u64) {
        let (is_new, bytes) = (self.last_seen.get(user).is_none(), seen_bytes(user));
        if !is_new || self.account.has_room(bytes) {
            self.account.add(bytes as u64 * u64::from(is_new));
            self.last_seen.insert(user.into(), (at_ms, until));
        }
    }

    /// Forgets what has been remembered for long enough, of one part. Answers whether there are more.
    pub fn forget_old(&mut self, part: usize, now: u64) -> bool {
        let mut freed = 0;
        self.removed.retain_in(part, |id, removed| {
            let stays = now < removed.until;
            freed += removed_bytes(id) * usize::from(!stays);
            stays
        });
        self.last_seen.retain_in(part, |user, (_, until)| {
            let stays = now < *until;
            freed += seen_bytes(user) * usize::from(!stays);
            stays
        });
        self.account.sub(freed as u64);
        part + 1 < self.removed.count().max(self.last_seen.count())
    }
}

/// Makes a socket share names with others. A name that nobody else holds is changed in place.
fn share(kept: &mut OwnSocket, change: impl FnOnce(&mut Socket)) {
    change(Arc::make_mut(&mut kept.socket));
}

/// Joins a place, whose name is stored once. Returns the additional bytes.
fn join(places: &mut Parts<Arc<str>, SocketIds>, place: &mut Arc<str>, id: &Arc<str>) -> usize {
    if let Some((name, _)) = places.get_key_value(&**place) {
        *place = name.clone();
    }
    if let Some(known) = places.get_mut(&**place) {
        known.add(id);
        return 0;
    }
    places.insert(place.clone(), SocketIds::One(id.clone()));
    place_bytes(place)
}

/// An empty place is dropped. Returns the bytes freed.
fn take_out(places: &mut Parts<Arc<str>, SocketIds>, place: &str, id: &str) -> usize {
    if places.get_mut(place).is_some_and(|ids| ids.remove(id)) {
        places.remove(place);
        return place_bytes(place);
    }
    0
}
