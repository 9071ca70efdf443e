//! Presence: which sockets a user has, and who is in a room. Two stores implement [`Roster`], and one
//! suite of tests (`tests/contracts/presence.rs`) runs on both.
//!
//! A socket is written down in three places that may be on three servers: by itself, with its user
//! and in each of its rooms. The socket's own entry gives out versions: whatever is newer wins in
//! each place, in whatever order it arrives.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value as JsonValue;
use serde_json::value::RawValue;

use super::{Json, Key, Result, Ttl, slot};

/// A life that was not heard of for so long has ended, and never begins again.
pub const LEASE: Duration = Duration::from_secs(15);
/// How long a user who is gone is remembered.
pub const LAST_SEEN_TTL: Ttl = Ttl::from_whole_millis(30 * 24 * 3600 * 1000);

/// The time between start and end of a process, or a part of it: its sockets end with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Life(u64);

impl Life {
    pub fn unique() -> Self {
        Self(fastrand::u64(..))
    }

    /// `None`: 16 hyphens, for what lives by its TTL alone.
    pub fn parse(text: &[u8]) -> Option<Self> {
        u64::from_str_radix(str::from_utf8(text).ok()?, 16)
            .ok()
            .map(Self)
    }

    pub fn text(life: Option<Self>) -> String {
        life.map_or_else(|| "-".repeat(LIFE_BYTES), |life| life.to_string())
    }
}

pub const LIFE_BYTES: usize = 16;

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One connection of a user, as whoever set it describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    pub user: Box<str>,
    pub id: Box<str>,
    /// Each once.
    pub rooms: Vec<Box<str>>,
    pub metadata: Json,
    /// What this is known by on the server: whoever has lost the answer, and sets it again, finds it there.
    pub claim: u64,
}

/// A socket in more rooms is not written down in each of them with the names of all.
const MOST_ROOMS_NAMED: usize = 100;

impl Socket {
    /// A copy of `metadata`, which tells the rooms.
    pub fn new(user: &str, id: &str, metadata: &[u8]) -> Self {
        Self {
            user: user.into(),
            id: id.into(),
            rooms: rooms_of(metadata),
            metadata: Json::copy_from_slice(metadata),
            claim: fastrand::u64(..),
        }
    }

    /// Its user and its rooms, each with the metadata that are kept there.
    pub fn places(&self) -> Vec<(Place<'_>, Json)> {
        let metadata = self.metadata_of();
        let rooms = self.rooms.iter().map(|room| Place::Room(room));
        std::iter::once(Place::User(&self.user))
            .chain(rooms)
            .map(|place| (place, metadata(place)))
            .collect()
    }

    /// The metadata that are kept in a place.
    pub fn metadata_at(&self, place: Place<'_>) -> Json {
        self.metadata_of()(place)
    }

    fn metadata_of(&self) -> impl Fn(Place<'_>) -> Json {
        let others = (self.rooms.len() > MOST_ROOMS_NAMED).then(|| {
            let mut others = members_of(&self.metadata);
            others.remove("roomId");
            serde_json::to_string(&others).unwrap_or_default()
        });
        move |place| match (&others, place) {
            (Some(others), Place::Room(room)) => in_one_room(others, room),
            _ => self.metadata.clone(),
        }
    }
}

fn in_one_room(others: &str, room: &str) -> Json {
    let others = others.trim_start_matches('{');
    let comma = if others == "}" { "" } else { "," };
    format!(r#"{{"roomId":{}{comma}{others}"#, JsonValue::from(room)).into()
}

/// The rooms that metadata name: `roomId` is one, or an array of them.
pub fn rooms_of(metadata: &[u8]) -> Vec<Box<str>> {
    let Some(named) = members_of(metadata).remove("roomId") else {
        return Vec::new();
    };
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

/// Where sockets are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place<'a> {
    User(&'a str),
    Room(&'a str),
}

/// Whether a socket may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Always,
    /// If nothing else has been set and it has not been removed since that version.
    Since {
        version: u64,
        /// If it is gone without a trace, too: it ended, or the store lost it.
        or_lost: bool,
    },
}

/// How much of a socket is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    Ids,
    Records,
}

/// A socket that is somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    pub user: Box<str>,
    pub socket: Box<str>,
    /// With which it ends, besides by its TTL.
    pub life: Option<Life>,
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

/// When a user was last heard of, ms since 1970; and in which life, if that may have gone on.
pub type LastSeen = (u64, Option<Life>);

pub trait Roster {
    /// Sets a socket, wherever it was before, until its TTL has passed; answers its version, or nothing
    /// if the condition does not hold. O(rooms).
    fn set(
        &self,
        socket: &Socket,
        life: Option<Life>,
        ttl: Ttl,
        condition: Condition,
    ) -> impl Future<Output = Result<Option<u64>>> + Send;

    /// Removes a socket, if it is that user's; answers as of which version. O(rooms).
    fn remove(&self, user: &str, socket: &str) -> impl Future<Output = Result<u64>> + Send;

    /// The sockets whose TTL has not passed, in no particular order. O(sockets there).
    fn list(
        &self,
        place: Place<'_>,
        detail: Detail,
    ) -> impl Future<Output = Result<Vec<Present>>> + Send;

    /// When a user was last set or removed. O(1).
    fn last_seen(&self, user: &str) -> impl Future<Output = Result<Option<LastSeen>>> + Send;
}

/// When a life was last heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Ms since 1970.
    pub at_ms: u64,
    /// Of its lease; zero: it has ended.
    pub left: Duration,
}

/// Lives that go on while they are heard of. Only a server has others than one's own.
pub trait Lives {
    /// Begins a life, or has it go on; `false`: it has ended. O(log lives).
    fn beat(&self, life: Life, begins: bool) -> impl Future<Output = Result<bool>> + Send;

    /// Those of the last hour. One that is not among them was lost, and may go on as another. O(lives).
    fn lives(&self) -> impl Future<Output = Result<HashMap<Life, Beat>>> + Send;

    /// When a life was last heard of, in the last 30 days. O(1).
    fn last_beat(&self, life: Life) -> impl Future<Output = Result<Option<u64>>> + Send;

    /// Takes sockets out of a place whose life has ended. O(sockets).
    fn forget(
        &self,
        place: Place<'_>,
        ended: &[Present],
    ) -> impl Future<Output = Result<()>> + Send;
}

/// The names of the keys and channels of one prefix.
#[derive(Clone, Debug)]
pub struct Names {
    prefix: Box<[u8]>,
}

/// The keys of a place, all in one hash slot.
pub struct PlaceKeys {
    pub members: Key,
    pub records: Key,
    /// Of users only.
    pub last_seen: Option<Key>,
}

impl Names {
    pub fn new(prefix: &[u8]) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    pub fn socket(&self, id: &str) -> Key {
        Key::new(&[&self.prefix, b"presence-socket:", id.as_bytes()])
    }

    pub fn place(&self, place: Place<'_>) -> PlaceKeys {
        let (id, home, records): (_, &[u8], &[u8]) = match place {
            Place::User(id) => (id, b"presence-user:", b"presence-user-data:"),
            Place::Room(id) => (id, b"presence-room:", b"presence-room-data:"),
        };
        let id = id.as_bytes();
        let members = Key::new(&[&self.prefix, home, id]);
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

    pub fn lives(&self) -> Key {
        Key::new(&[&self.prefix, b"presence-lives"])
    }

    /// Where what happens in a room is told.
    pub fn channel(&self, room: &str) -> Key {
        Key::new(&[&self.prefix, b"backplane:presence:", room.as_bytes()])
    }
}

/// What is told on the channel of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It has come, or is different from before.
    Is {
        user: Box<str>,
        socket: Box<str>,
        life: Option<Life>,
        version: u64,
        left: Duration,
        metadata: Json,
    },
    Left {
        user: Box<str>,
        socket: Box<str>,
        version: u64,
    },
}

impl News {
    /// `+<version>:<life>:<ms left>:<bytes of the field>:<field><metadata>`, as
    /// `redis/lua/presence_put.lua` writes it, or `-<version>:<bytes of the field>:<field>`.
    pub fn text(&self) -> Bytes {
        match self {
            Self::Is {
                user,
                socket,
                life,
                version,
                left,
                metadata,
            } => {
                let (field, life) = (field(user, socket), Life::text(*life));
                let head = format!("+{version}:{life}:{}:{}:", left.as_millis(), field.len());
                [head.as_bytes(), &field, metadata].concat().into()
            }
            Self::Left {
                user,
                socket,
                version,
            } => {
                let field = field(user, socket);
                let head = format!("-{version}:{}:", field.len());
                [head.as_bytes(), &field].concat().into()
            }
        }
    }

    pub fn parse(text: &Bytes) -> Option<Self> {
        let (sign, rest) = text.split_first()?;
        let (version, rest) = number(rest)?;
        if *sign == b'-' {
            let (length, rest) = number(rest)?;
            let (user, socket) = parse_field(rest.get(..length as usize)?)?;
            return Some(Self::Left {
                user,
                socket,
                version,
            });
        }
        let (life, rest) = rest.split_at_checked(LIFE_BYTES)?;
        let (left, rest) = number(rest.strip_prefix(b":")?)?;
        let (length, rest) = number(rest)?;
        let (field, metadata) = rest.split_at_checked(length as usize)?;
        let (user, socket) = parse_field(field)?;
        Some(Self::Is {
            user,
            socket,
            life: Life::parse(life),
            version,
            left: Duration::from_millis(left),
            metadata: text.slice_ref(metadata),
        })
    }
}

/// `12:` and what follows.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().position(|byte| *byte == b':')?;
    let number = str::from_utf8(&text[..digits]).ok()?.parse().ok()?;
    Some((number, &text[digits + 1..]))
}

/// A socket's name within a room: the user's id after its length, and its own.
pub fn field(user: &str, socket: &str) -> Vec<u8> {
    [&counted(user), socket.as_bytes()].concat()
}

pub fn parse_field(field: &[u8]) -> Option<(Box<str>, Box<str>)> {
    let (user, socket) = split_counted(field)?;
    Some((user, text(socket)?))
}

/// An id after its length in bytes, so that no id can reach into the next one.
pub fn counted(id: &str) -> Vec<u8> {
    format!("{}:{id}", id.len()).into_bytes()
}

/// The first id of several, and the rest.
pub fn split_counted(joined: &[u8]) -> Option<(Box<str>, &[u8])> {
    let (length, rest) = number(joined)?;
    let (id, rest) = rest.split_at_checked(length as usize)?;
    Some((text(id)?, rest))
}

fn text(id: &[u8]) -> Option<Box<str>> {
    str::from_utf8(id).ok().map(Box::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_their_text() {
        for (user, socket, metadata) in [
            ("a", "s", "{}"),
            ("3:a", "1:x", r#"{"a":":"}"#),
            ("", "", "{}"),
            ("😀", "é:", "{}"),
        ] {
            let (user, socket): (Box<str>, Box<str>) = (user.into(), socket.into());
            let is = News::Is {
                user: user.clone(),
                socket: socket.clone(),
                life: Some(Life::unique()),
                version: 12,
                left: Duration::from_millis(5),
                metadata: Json::copy_from_slice(metadata.as_bytes()),
            };
            let left = News::Left {
                user,
                socket,
                version: 3,
            };
            for news in [is, left] {
                assert_eq!(News::parse(&news.text()), Some(news));
            }
        }
    }

    #[test]
    fn what_is_no_news_is_none() {
        for text in [
            "",
            "+",
            "-",
            "+1:",
            "-1:5:x",
            "-1:2:9:",
            "+1:----------------:5:3:9:a",
        ] {
            assert_eq!(News::parse(&Bytes::from(text)), None, "{text}");
        }
    }

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
            let places = socket.places();
            assert_eq!(places.len(), 2 + MOST_ROOMS_NAMED);
            assert_eq!(places[0], (Place::User("u"), socket.metadata.clone()));
            assert_eq!(places[8], (Place::Room("r7"), Json::from(expected)));
        }
        let few = Socket::new("u", "s", br#"{"roomId":["a","b"]}"#);
        assert!(
            few.places()
                .iter()
                .all(|(_, metadata)| *metadata == few.metadata)
        );
    }

    #[test]
    fn ids_do_not_run_into_each_other() {
        assert_ne!(field("a", "b:c"), field("a:b", "c"));
        assert_ne!(field("1", "1:2"), field("1:1", "2"));
    }
}
