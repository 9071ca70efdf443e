//! The sockets of this process, and where to find them; all of it is counted in bytes.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::kept::{Doubt, Kept, Order};
use crate::store::memory::budget::{Account, allocated, slot};
use crate::store::presence::{Place, Socket};

pub struct Book {
    pub sockets: HashMap<Arc<str>, Kept>,
    users: HashMap<Arc<str>, Ids>,
    rooms: HashMap<Arc<str>, Ids>,
    /// Ms since 1970, and when to forget it.
    last_seen: HashMap<Box<str>, (u64, u64)>,
    removed: HashMap<Box<str>, Removed>,
    pub in_doubt: usize,
    account: Account,
}

/// Ids of the sockets in a place. Most users have one.
enum Ids {
    One(Arc<str>),
    Many(BTreeSet<Arc<str>>),
}

impl Ids {
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

    fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        let (one, many) = match self {
            Self::One(one) => (Some(one), None),
            Self::Many(ids) => (None, Some(ids)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

/// Two counts before what is shared.
const ARC_BYTES: usize = 2 * size_of::<usize>();
/// Of a place: its slot. Of a socket in it: its part of a tree of ids.
const PLACE_BYTES: usize = slot(size_of::<(Arc<str>, Ids)>());
const ID_BYTES: usize = 32;

fn shared(text: &str) -> usize {
    allocated(text.len() + ARC_BYTES)
}

/// What a socket takes beside the names of its places, which all share that are there.
fn socket_bytes(socket: &Socket) -> usize {
    let own = slot(size_of::<(Arc<str>, Kept)>()) + allocated(size_of::<Socket>() + ARC_BYTES);
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
    slot(size_of::<(Box<str>, Removed)>()) + allocated(id.len())
}

/// What is remembered of a socket that was removed.
pub struct Removed {
    pub version: u64,
    pub order: Order,
    /// By the clock: when to forget it.
    pub until: u64,
}

impl Book {
    pub fn new(account: Account) -> Self {
        Self {
            sockets: HashMap::new(),
            users: HashMap::new(),
            rooms: HashMap::new(),
            last_seen: HashMap::new(),
            removed: HashMap::new(),
            in_doubt: 0,
            account,
        }
    }

    pub fn clear(&mut self) {
        *self = Self::new(self.account.clone());
        self.account.set(0);
    }

    /// Whether a socket may be added, or take the place of the one that is known.
    pub fn has_room_for(&self, socket: &Socket) -> bool {
        let known = self.sockets.get(&*socket.id);
        let before = known.map_or(0, |known| socket_bytes(&known.socket));
        let rooms = socket.rooms.iter();
        let new_rooms = rooms.filter(|room| !self.rooms.contains_key(*room));
        let is_new_user = !self.users.contains_key(&socket.user);
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
        ids.into_iter().flat_map(Ids::iter)
    }

    /// The next ids in a place, in their order.
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
            (Some(Ids::Many(ids)), Some(after)) => {
                let rest = (Bound::Excluded(&**after), Bound::Unbounded);
                ids.range::<str, _>(rest).take(most).cloned().collect()
            }
            (Some(ids), None) => ids.iter().take(most).cloned().collect(),
            _ => Vec::new(),
        }
    }

    pub fn at(&self, place: Place<'_>) -> impl Iterator<Item = &Kept> {
        self.ids_at(place).filter_map(|id| self.sockets.get(id))
    }

    pub fn replace(&mut self, mut kept: Kept) {
        let socket = &kept.socket;
        match self.sockets.get_mut(&socket.id) {
            // Most are only set anew.
            Some(known)
                if known.socket.user == socket.user && known.socket.rooms == socket.rooms =>
            {
                self.in_doubt -= usize::from(known.doubt != Doubt::None);
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

    fn add(&mut self, mut kept: Kept) {
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
        self.in_doubt -= usize::from(kept.doubt != Doubt::None);
        self.account.sub(socket_bytes(&kept.socket) as u64);
        let mut places = take_out(&mut self.users, &kept.socket.user, id);
        for room in &kept.socket.rooms {
            places += take_out(&mut self.rooms, room, id);
        }
        self.account.sub(places as u64);
    }

    pub fn removed(&self, id: &str) -> Option<&Removed> {
        self.removed.get(id)
    }

    /// Remembers that a socket was removed, if there is room: without, a refresh that is under way may bring it back.
    pub fn remember_removed(&mut self, id: &str, removed: Removed) {
        let (is_new, bytes) = (!self.removed.contains_key(id), removed_bytes(id));
        if !is_new || self.account.has_room(bytes) {
            self.account.add(bytes as u64 * u64::from(is_new));
            self.removed.insert(id.into(), removed);
        }
    }

    /// When a user was seen who has no socket any more, and until when that is remembered.
    pub fn last_seen(&self, user: &str) -> Option<(u64, u64)> {
        self.last_seen.get(user).copied()
    }

    /// Remembers it, unless there is no room.
    pub fn see(&mut self, user: &str, at_ms: u64, until: u64) {
        let (is_new, bytes) = (!self.last_seen.contains_key(user), seen_bytes(user));
        if !is_new || self.account.has_room(bytes) {
            self.account.add(bytes as u64 * u64::from(is_new));
            self.last_seen.insert(user.into(), (at_ms, until));
        }
    }

    /// Forgets what has been remembered for long enough.
    pub fn forget_old(&mut self, now: u64) {
        let mut freed = 0;
        self.removed.retain(|id, removed| {
            let stays = now < removed.until;
            freed += removed_bytes(id) * usize::from(!stays);
            stays
        });
        self.last_seen.retain(|user, (_, until)| {
            let stays = now < *until;
            freed += seen_bytes(user) * usize::from(!stays);
            stays
        });
        self.account.sub(freed as u64);
    }
}

/// Has a socket share names with others. What nobody else holds is changed in place.
fn share(kept: &mut Kept, change: impl FnOnce(&mut Socket)) {
    change(Arc::make_mut(&mut kept.socket));
}

/// Joins a place, whose name is kept once; answers what is kept more.
fn join(places: &mut HashMap<Arc<str>, Ids>, place: &mut Arc<str>, id: &Arc<str>) -> usize {
    if let Some((name, _)) = places.get_key_value(place) {
        *place = name.clone();
    }
    match places.entry(place.clone()) {
        Entry::Occupied(mut known) => {
            known.get_mut().add(id);
            0
        }
        Entry::Vacant(new) => {
            new.insert(Ids::One(id.clone()));
            place_bytes(place)
        }
    }
}

/// Nothing is left of a place that is empty. Answers what is kept less.
fn take_out(places: &mut HashMap<Arc<str>, Ids>, place: &str, id: &str) -> usize {
    if places.get_mut(place).is_some_and(|ids| ids.remove(id)) {
        places.remove(place);
        return place_bytes(place);
    }
    0
}
