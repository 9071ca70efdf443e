//! Presence: the sockets of a user, and the sockets in a room. Two stores implement [`Roster`], and
//! one suite of tests (`tests/contracts/presence/`) runs on both.
//!
//! A socket is recorded in three places that may be on three servers: by itself, with its user and
//! in each of its rooms. The socket's own entry issues versions: in each place the newest version
//! wins, in whatever order they arrive.

mod fields;
mod keys;
mod process_leases;
mod room_event;

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as JsonValue;
use serde_json::value::RawValue;

use super::{Json, Result, Ttl};

pub use fields::{counted, field, parse_field, split_counted};
pub use keys::{PlaceKeys, PresenceKeys};
pub use process_leases::{Heartbeat, LEASE, LEASE_BYTES, ProcessLease, ProcessLeases};
pub use room_event::RoomEvent;

/// How long a user who has left is remembered.
pub const LAST_SEEN_TTL: Ttl = Ttl::from_whole_millis(30 * 24 * 3600 * 1000);

/// One connection of a user, as its caller describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    pub user: Arc<str>,
    pub id: Arc<str>,
    /// Each once.
    pub rooms: Vec<Arc<str>>,
    pub metadata: Json,
    /// The metadata without the rooms, if each room is only told of itself.
    others: Option<Json>,
    /// Identifies this set on the server: a caller that lost the answer and sets it again finds it
    /// there.
    pub claim: u64,
}

/// Above this number of rooms, the record of a socket in each room does not name all of them;
const MOST_ROOMS_NAMED: usize = 100;
/// nor if the metadata would then take more bytes than this.
const MOST_BYTES_NAMED: usize = 8 * 1024 * 1024;

impl Socket {
    /// A copy of `metadata`, which includes the rooms.
    pub fn new(user: &str, id: &str, metadata: &[u8]) -> Self {
        let mut members = members_of(metadata);
        let rooms = members.remove("roomId").map_or_else(Vec::new, names_in);
        let is_alone = rooms.len() > MOST_ROOMS_NAMED
            || rooms.len().saturating_mul(metadata.len()) > MOST_BYTES_NAMED;
        let others = || serde_json::to_vec(&members).unwrap_or_default().into();
        Self {
            user: user.into(),
            id: id.into(),
            others: is_alone.then(others),
            rooms: rooms.into_iter().map(Arc::from).collect(),
            metadata: Json::copy_from_slice(metadata),
            claim: fastrand::u64(..),
        }
    }

    /// Its user and its rooms.
    pub fn places(&self) -> impl Iterator<Item = Place<'_>> {
        let rooms = self.rooms.iter().map(|room| Place::Room(room));
        std::iter::once(Place::User(&self.user)).chain(rooms)
    }

    /// What is held for its rooms beside the metadata.
    pub fn bytes_of_others(&self) -> usize {
        self.others.as_ref().map_or(0, |others| others.len())
    }

    /// The metadata that are stored in a place; created for it if they name one room.
    pub fn metadata_at(&self, place: Place<'_>) -> Json {
        match (&self.others, place) {
            (Some(others), Place::Room(room)) => in_one_room(others, room),
            _ => self.metadata.clone(),
        }
    }
}

fn in_one_room(others: &[u8], room: &str) -> Json {
    let others = others.strip_prefix(b"{").unwrap_or(others);
    let comma: &[u8] = if others == b"}" { b"" } else { b"," };
    let room = JsonValue::from(room).to_string();
    [b"{\"roomId\":", room.as_bytes(), comma, others]
        .concat()
        .into()
}

/// The rooms that metadata name: `roomId` is one, or an array of them.
pub fn rooms_of(metadata: &[u8]) -> Vec<Box<str>> {
    let named = members_of(metadata).remove("roomId");
    named.map_or_else(Vec::new, names_in)
}

fn names_in(named: &RawValue) -> Vec<Box<str>> {
    let named = match serde_json::from_str(named.get()) {
        Ok(JsonValue::Array(rooms)) => rooms,
        Ok(one) => vec![one],
        Err(_) => Vec::new(),
    };
    let mut seen = HashSet::new();
    let names = named.iter().filter_map(JsonValue::as_str);
    names
        .filter(|room| seen.insert(*room))
        .map(Box::from)
        .collect()
}

fn members_of(object: &[u8]) -> BTreeMap<String, &RawValue> {
    serde_json::from_slice(object).unwrap_or_default()
}

/// Where sockets are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place<'a> {
    User(&'a str),
    Room(&'a str),
}

/// The condition for setting a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Always,
    /// If it has been neither set nor removed since that version.
    Since {
        version: u64,
        /// Also if it is gone without a trace: it expired, or the store lost it.
        or_lost: bool,
    },
}

/// How much of a socket is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    Ids,
    Records,
}

/// A socket that is present somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    pub user: Box<str>,
    pub socket: Box<str>,
    /// The process lease with which it ends, in addition to its TTL.
    pub lease: Option<ProcessLease>,
    pub record: Option<Record>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub version: u64,
    /// When it was set, ms since 1970.
    pub seen_at_ms: u64,
    /// Of its TTL.
    pub left: Duration,
    pub metadata: Json,
}

/// When a user was last confirmed alive, ms since 1970; and under which process lease, if that may
/// have continued.
pub type LastSeen = (u64, Option<ProcessLease>);

pub trait Roster {
    /// Sets a socket, wherever it was before, until its TTL has passed. Returns its version, or
    /// nothing if the condition does not hold. `before`: what it was as far as the caller knows, in
    /// case the store has lost that. O(rooms).
    fn set(
        &self,
        socket: &Socket,
        before: Option<&Socket>,
        lease: Option<ProcessLease>,
        ttl: Ttl,
        condition: Condition,
    ) -> impl Future<Output = Result<Option<u64>>> + Send;

    /// Removes a socket if it belongs to that user. Returns the version of the removal. `rooms`:
    /// where it is as far as the caller knows, in case the store has lost that. O(rooms).
    fn remove(
        &self,
        user: &str,
        socket: &str,
        rooms: &[Box<str>],
    ) -> impl Future<Output = Result<u64>> + Send;

    /// The sockets whose TTL has not passed, in no particular order. O(sockets there).
    fn list(
        &self,
        place: Place<'_>,
        detail: Detail,
    ) -> impl Future<Output = Result<Vec<Present>>> + Send;

    /// When a user was last set or removed. O(1).
    fn last_seen(&self, user: &str) -> impl Future<Output = Result<Option<LastSeen>>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_name_rooms() {
        let rooms = |metadata: &str| rooms_of(metadata.as_bytes()).join("|");
        assert_eq!(rooms(r#"{"roomId":"a","x":1}"#), "a");
        assert_eq!(rooms(r#"{"roomId":["a","b","a"]}"#), "a|b");
        for none in ["{}", r#"{"roomId":null}"#, r#"{"roomId":[]}"#, "[]", "x"] {
            assert_eq!(rooms(none), "");
        }
    }

    #[test]
    fn in_many_rooms_each_names_itself_alone() {
        for (others, expected) in [
            ("", r#"{"roomId":"r7"}"#),
            (
                r#""z":1e400,"a":{"b":[]},"#,
                r#"{"roomId":"r7","a":{"b":[]},"z":1e400}"#,
            ),
        ] {
            let rooms: Vec<_> = (0..=MOST_ROOMS_NAMED).map(|i| format!("r{i}")).collect();
            let metadata = format!(r#"{{{others}"roomId":{}}}"#, JsonValue::from(rooms));
            let socket = Socket::new("u", "s", metadata.as_bytes());
            assert_eq!(socket.places().count(), 2 + MOST_ROOMS_NAMED);
            assert_eq!(socket.metadata_at(Place::User("u")), socket.metadata);
            assert_eq!(socket.metadata_at(Place::Room("r7")), Json::from(expected));
        }
        let few = Socket::new("u", "s", br#"{"roomId":["a","b"]}"#);
        assert!(
            few.places()
                .all(|place| few.metadata_at(place) == few.metadata)
        );
    }

    #[test]
    fn rooms_with_long_names_do_not_have_each_others() {
        let rooms: Vec<_> = (0..20).map(|i| format!("{i:050000}")).collect();
        let metadata = format!(r#"{{"roomId":{}}}"#, JsonValue::from(rooms.clone()));
        let socket = Socket::new("u", "s", metadata.as_bytes());
        let own = format!(r#"{{"roomId":"{}"}}"#, rooms[3]);
        assert_eq!(socket.metadata_at(Place::Room(&rooms[3])), Json::from(own));
    }
}
