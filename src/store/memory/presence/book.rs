//! The sockets of this process, and where to find them.

use std::collections::{BTreeSet, HashMap};

use super::kept::{Doubt, Kept, Order};
use crate::store::presence::Place;

#[derive(Default)]
pub struct Book {
    pub sockets: HashMap<Box<str>, Kept>,
    /// Socket ids.
    users: HashMap<Box<str>, BTreeSet<Box<str>>>,
    rooms: HashMap<Box<str>, BTreeSet<Box<str>>>,
    /// Ms since 1970, and when to forget it.
    pub last_seen: HashMap<Box<str>, (u64, u64)>,
    pub removed: HashMap<Box<str>, Removed>,
    pub in_doubt: usize,
}

/// What is remembered of a socket that was removed.
pub struct Removed {
    pub version: u64,
    pub order: Order,
    /// By the clock: when to forget it.
    pub until: u64,
}

impl Book {
    pub fn ids_at(&self, place: Place<'_>) -> Option<&BTreeSet<Box<str>>> {
        match place {
            Place::User(user) => self.users.get(user),
            Place::Room(room) => self.rooms.get(room),
        }
    }

    pub fn at(&self, place: Place<'_>) -> impl Iterator<Item = &Kept> {
        self.ids_at(place)
            .into_iter()
            .flatten()
            .filter_map(|id| self.sockets.get(id))
    }

    pub fn replace(&mut self, kept: Kept) {
        let socket = &kept.socket;
        match self.sockets.get_mut(&socket.id) {
            // Most are only set anew.
            Some(known)
                if known.socket.user == socket.user && known.socket.rooms == socket.rooms =>
            {
                self.in_doubt -= usize::from(known.doubt != Doubt::None);
                self.in_doubt += usize::from(kept.doubt != Doubt::None);
                *known = kept;
            }
            Some(_) => {
                self.remove(&socket.id.clone());
                self.add(kept);
            }
            None => self.add(kept),
        }
    }

    fn add(&mut self, kept: Kept) {
        let (socket, id) = (&kept.socket, &kept.socket.id);
        let of_user = self.users.entry(socket.user.clone()).or_default();
        of_user.insert(id.clone());
        for room in &socket.rooms {
            let in_room = self.rooms.entry(room.clone()).or_default();
            in_room.insert(id.clone());
        }
        self.removed.remove(id);
        self.in_doubt += usize::from(kept.doubt != Doubt::None);
        self.sockets.insert(id.clone(), kept);
    }

    pub fn remove(&mut self, id: &str) {
        let Some(kept) = self.sockets.remove(id) else {
            return;
        };
        self.in_doubt -= usize::from(kept.doubt != Doubt::None);
        take_out(&mut self.users, &kept.socket.user, id);
        for room in &kept.socket.rooms {
            take_out(&mut self.rooms, room, id);
        }
    }
}

/// Nothing is left of a place that is empty.
fn take_out(places: &mut HashMap<Box<str>, BTreeSet<Box<str>>>, place: &str, id: &str) {
    if let Some(ids) = places.get_mut(place) {
        ids.remove(id);
        if ids.is_empty() {
            places.remove(place);
        }
    }
}
