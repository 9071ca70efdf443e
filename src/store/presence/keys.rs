//! Where presence is stored, and where its changes are published.

use super::Place;
use crate::store::{Key, slot};

/// The names of the keys and channels of one prefix.
#[derive(Clone, Debug)]
pub struct PresenceKeys {
    prefix: Box<[u8]>,
}

/// The keys of a place, all in one hash slot.
pub struct PlaceKeys {
    pub members: Key,
    pub records: Key,
    /// Only of users.
    pub last_seen: Option<Key>,
}

impl PresenceKeys {
    pub fn new(prefix: &[u8]) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    pub fn socket(&self, id: &str) -> Key {
        Key::new(&[&self.prefix, b"presence-socket:", id.as_bytes()])
    }

    pub fn place(&self, place: Place<'_>) -> PlaceKeys {
        let (id, placement, records): (_, &[u8], &[u8]) = match place {
            Place::User(id) => (id, b"presence-user:", b"presence-user-data:"),
            Place::Room(id) => (id, b"presence-room:", b"presence-room-data:"),
        };
        let id = id.as_bytes();
        let members = Key::new(&[&self.prefix, placement, id]);
        let beside = |space| slot::beside(&members, &self.prefix, space, id);
        PlaceKeys {
            records: beside(records),
            last_seen: matches!(place, Place::User(_)).then(|| self.last_seen(&members, id)),
            members,
        }
    }

    fn last_seen(&self, members: &Key, user: &[u8]) -> Key {
        slot::beside(members, &self.prefix, b"presence-seen:", user)
    }

    pub fn leases(&self) -> Key {
        Key::new(&[&self.prefix, b"presence-lives"])
    }

    /// The channel of the changes in a room.
    pub fn channel(&self, room: &str) -> Key {
        Key::new(&[&self.prefix, b"backplane:presence:", room.as_bytes()])
    }
}
