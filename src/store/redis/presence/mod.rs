//! Presence on a Redis server, by the server's clock.

mod large;
mod layout;
mod set;

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::{try_join, try_join_all};
use redis::Value;

use super::RedisStore;
use super::script::{
    Lua, PRESENCE_BEAT, PRESENCE_CLAIM, PRESENCE_DROP, PRESENCE_FORGET, PRESENCE_LEASES,
    PRESENCE_LIST, PRESENCE_PUT, unexpected,
};
use crate::store::presence::{
    Condition, Detail, Heartbeat, LEASE, LastSeen, Place, PresenceKeys, Present, ProcessLease,
    ProcessLeases, Roster, Socket, counted, rooms_of,
};
use crate::store::{Json, Key, Result, Ttl};

use layout::{Placement, bytes, field_in, flag, items, member, number, parse_record, present};

/// Members that one script lists, without and with their records: a few milliseconds of the server.
/// A larger place is read in steps beside the calls.
const SMALL_PLACE: [usize; 2] = [10_000, 2000];
/// What a script may return of a place, at least, whatever else is in flight; the rest comes on the
/// other lane.
const SMALL_ANSWER: usize = 16 * 1024;
/// And on the lane for long work; beyond it, each step is small.
const LARGE_ANSWER: i64 = 4 * 1024 * 1024;
/// Enough of a socket's own entry to contain its version.
const VERSION_BYTES: &str = "20";

/// The sockets that a server knows, under the names of one prefix.
pub struct RedisRoster<'a> {
    pub store: &'a RedisStore,
    pub names: &'a PresenceKeys,
}

/// What a socket's own entry reports when it issues a version.
struct VersionClaim {
    version: String,
    /// Nothing was known of the socket.
    is_new: bool,
    /// The placements that it may have to leave: the last one, and one that it has left.
    placements: Vec<(Placement, WhenNotMet)>,
}

/// Whether to notify that a socket has left a place where it was not found: its record may have
/// been evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum WhenNotMet {
    Untold,
    Told,
}

impl Roster for RedisRoster<'_> {
    async fn set(
        &self,
        socket: &Socket,
        before: Option<&Socket>,
        lease: Option<ProcessLease>,
        ttl: Ttl,
        condition: Condition,
    ) -> Result<Option<u64>> {
        let set = self
            .put_in_all(socket, before, lease, ttl, condition)
            .await?;
        Ok(set.map(|set| set.version))
    }

    async fn remove(&self, user: &str, socket: &str, rooms: &[Box<str>]) -> Result<u64> {
        let placement = counted(user);
        let claimed = self.claim(socket, &placement, [b"", b"", b"", b""]).await?;
        let VersionClaim {
            version,
            placements,
            ..
        } = claimed.ok_or_else(unexpected)?;
        // Its record may know of more, in case its own entry was lost.
        let metadata = self.drop_known(user, socket, &version);
        let recorded = metadata
            .await?
            .map_or_else(Vec::new, |json| rooms_of(&json));
        let known = rooms.iter().cloned().chain(recorded);
        let mut rooms: HashMap<_, _> = known.map(|room| (room, WhenNotMet::Told)).collect();
        for (placement, unmet) in placements {
            for room in placement.rooms {
                rooms
                    .entry(room)
                    .and_modify(|most| *most = unmet.max(*most))
                    .or_insert(unmet);
            }
        }
        let drops = rooms
            .iter()
            .map(|(room, unmet)| self.drop(Place::Room(room), user, socket, &version, *unmet));
        try_join_all(drops).await?;
        Ok(number(version.as_bytes()))
    }

    async fn list(&self, place: Place<'_>, detail: Detail) -> Result<Vec<Present>> {
        let most = SMALL_PLACE[usize::from(detail == Detail::Records)];
        let most = most.to_string();
        let room = self.store.link.calls.read_room().max(SMALL_ANSWER);
        let (records, room) = (flag(detail == Detail::Records), room.to_string());
        let args = [most.as_bytes(), records, room.as_bytes()];
        let mut answer = self.script(&PRESENCE_LIST, place, &args).await?;
        if let [Value::Int(_), Value::Int(1..=LARGE_ANSWER)] = items(&answer) {
            let all = LARGE_ANSWER.to_string();
            let args = [most.as_bytes(), records, all.as_bytes()];
            answer = Box::pin(self.script_apart(&PRESENCE_LIST, place, &args)).await?;
        }
        let (now, members, records) = match items(&answer) {
            [
                Value::Int(now),
                Value::Array(members),
                Value::Array(records),
            ] => (now, members, records),
            [Value::Int(_)] | [Value::Int(_), Value::Int(_)] => {
                return Box::pin(self.list_large(place, detail)).await;
            }
            _ => return Err(unexpected()),
        };
        let records = records.iter().map(Some).chain(std::iter::repeat(None));
        let there = members.iter().zip(records);
        Ok(there
            .filter_map(|(member, record)| {
                let record = record.and_then(|text| parse_record(text, *now));
                present(place, bytes(member), record)
            })
            .collect())
    }

    async fn last_seen(&self, user: &str) -> Result<Option<LastSeen>> {
        let Some(key) = self.names.place(Place::User(user)).last_seen else {
            return Ok(None);
        };
        let seen = self.command(&[b"GET", key.as_bytes()]).await?;
        let seen = bytes(&seen);
        let digits = seen.iter().position(|byte| *byte == b':');
        Ok(digits.map(|at| (number(&seen[..at]), ProcessLease::parse(&seen[at + 1..]))))
    }
}

impl ProcessLeases for RedisRoster<'_> {
    async fn beat(&self, lease: ProcessLease, begins: bool) -> Result<bool> {
        let (lease, lease_ms) = (lease.to_string(), LEASE.as_millis().to_string());
        let args = [lease.as_bytes(), lease_ms.as_bytes(), flag(begins)];
        let key = self.names.leases();
        let lane = &self.store.link.calls;
        let goes_on = lane.script(&PRESENCE_BEAT, &[&key], &args).await?;
        Ok(goes_on == Value::Int(1))
    }

    async fn leases(&self) -> Result<HashMap<ProcessLease, Heartbeat>> {
        let (key, lane) = (self.names.leases(), &self.store.link.calls);
        let answer = lane.script(&PRESENCE_LEASES, &[&key], &[]).await?;
        let [Value::Int(now), leases] = items(&answer) else {
            return Err(unexpected());
        };
        let pairs = items(leases).chunks_exact(2);
        let beats = pairs.filter_map(|pair| {
            let at_ms = number(bytes(&pair[1]));
            let unheard = Duration::from_millis((*now as u64).saturating_sub(at_ms));
            let beat = Heartbeat {
                at_ms,
                left: LEASE.saturating_sub(unheard),
            };
            Some((ProcessLease::parse(bytes(&pair[0]))?, beat))
        });
        Ok(beats.collect())
    }

    async fn last_beat(&self, lease: ProcessLease) -> Result<Option<u64>> {
        let (key, lease) = (self.names.leases(), lease.to_string());
        let words: [&[u8]; 3] = [b"ZSCORE", key.as_bytes(), lease.as_bytes()];
        Ok(match self.command(&words).await? {
            Value::BulkString(score) => Some(number(&score)),
            _ => None,
        })
    }

    async fn forget(&self, place: Place<'_>, ended: &[Present]) -> Result<()> {
        let members: Vec<_> = ended.iter().map(|present| member(place, present)).collect();
        let args: Vec<&[u8]> = members.iter().map(Vec::as_slice).collect();
        self.script(&PRESENCE_FORGET, place, &args)
            .await
            .map(|_| ())
    }
}

impl RedisRoster<'_> {
    /// Whether a socket is present in every place where it was set, and has not been set again or
    /// removed since that version. O(rooms).
    pub async fn has(&self, socket: &Socket, version: u64) -> Result<bool> {
        let records = socket.places().map(|place| {
            let (keys, field) = (
                self.names.place(place),
                field_in(place, &socket.user, &socket.id),
            );
            // Every listed socket has a record; a list without one is repaired by its reader.
            let length = super::command(&[b"HSTRLEN", keys.records.as_bytes(), &field]);
            self.store.link.calls.query(length)
        });
        let (known, lengths) = try_join(self.version(&socket.id), try_join_all(records)).await?;
        let is_everywhere = lengths.iter().all(|length| *length != Value::Int(0));
        Ok(is_everywhere && known == version.to_string())
    }

    /// Removes a socket from its places, except where it has been set since that version. O(rooms).
    pub async fn leave(&self, socket: &Socket, version: u64) -> Result<()> {
        let version = version.to_string();
        let drops = socket
            .places()
            .map(|place| self.drop(place, &socket.user, &socket.id, &version, WhenNotMet::Told));
        try_join_all(drops).await.map(drop)
    }

    async fn claim(
        &self,
        socket: &str,
        placement: &[u8],
        args: [&[u8]; 4],
    ) -> Result<Option<VersionClaim>> {
        let key = self.names.socket(socket);
        let args = [&[placement], &args[..]].concat();
        let answer = self.store.script(&PRESENCE_CLAIM, &[&key], &args).await?;
        let parts = match &answer {
            Value::BulkString(_) => std::slice::from_ref(&answer),
            list => items(list),
        };
        Ok(parts.split_first().map(|(version, placements)| {
            let (version, placements) = (
                bytes(version),
                placements
                    .iter()
                    .zip([WhenNotMet::Told, WhenNotMet::Untold]),
            );
            let new = version.strip_prefix(b"?");
            let placements = placements.filter_map(|(placement, unmet)| {
                Some((Placement::parse(bytes(placement))?, unmet))
            });
            VersionClaim {
                version: String::from_utf8_lossy(new.unwrap_or(version)).into_owned(),
                is_new: new.is_some(),
                placements: placements.collect(),
            }
        }))
    }

    /// A socket's current version, as text; empty: nothing is known of it.
    async fn version(&self, socket: &str) -> Result<String> {
        let key = self.names.socket(socket);
        let words: [&[u8]; 4] = [b"GETRANGE", key.as_bytes(), b"0", VERSION_BYTES.as_bytes()];
        let whole: [&[u8]; 2] = [b"GET", key.as_bytes()];
        let start = match self.store.link.has_getrange() {
            true => self.command(&words).await?,
            false => self.command(&whole).await?,
        };
        let version = bytes(&start).split(|byte| *byte == b':').next();
        Ok(String::from_utf8_lossy(version.unwrap_or_default()).into_owned())
    }

    async fn put(
        &self,
        place: Place<'_>,
        user: &str,
        socket: &str,
        args: [&[u8]; 4],
    ) -> Result<()> {
        let (field, channel) = (field_in(place, user, socket), self.channel(place));
        let args = [&[&field[..]], &args[..], &[&channel]].concat();
        self.script(&PRESENCE_PUT, place, &args).await.map(|_| ())
    }

    async fn drop(
        &self,
        place: Place<'_>,
        user: &str,
        socket: &str,
        version: &str,
        unmet: WhenNotMet,
    ) -> Result<()> {
        let (field, channel) = (field_in(place, user, socket), self.channel(place));
        let is_told = flag(unmet == WhenNotMet::Told);
        let args: [&[u8]; 5] = [&field, version.as_bytes(), &channel, is_told, b""];
        self.script(&PRESENCE_DROP, place, &args).await.map(|_| ())
    }

    /// Removes a socket from its user's list. Returns its metadata, if it was there.
    async fn drop_known(&self, user: &str, socket: &str, version: &str) -> Result<Option<Json>> {
        let place = Place::User(user);
        let (field, most) = (field_in(place, user, socket), SMALL_ANSWER.to_string());
        let untold = flag(false);
        let mut args = [&field, version.as_bytes(), b"", untold, most.as_bytes()];
        let mut dropped = self.script(&PRESENCE_DROP, place, &args).await?;
        if dropped == Value::Int(0) {
            args[4] = b"1e15";
            dropped = Box::pin(self.script_apart(&PRESENCE_DROP, place, &args)).await?;
        }
        Ok(match dropped {
            Value::BulkString(metadata) => Some(metadata.into()),
            _ => None,
        })
    }

    fn channel(&self, place: Place<'_>) -> Vec<u8> {
        match place {
            Place::User(_) => Vec::new(),
            Place::Room(room) => self.names.channel(room).as_bytes().to_vec(),
        }
    }

    async fn script(&self, lua: &Lua, place: Place<'_>, args: &[&[u8]]) -> Result<Value> {
        let keys = self.keys(place);
        let keys: Vec<&Key> = keys.iter().collect();
        self.store.script(lua, &keys, args).await
    }

    async fn script_apart(&self, lua: &Lua, place: Place<'_>, args: &[&[u8]]) -> Result<Value> {
        let keys = self.keys(place);
        let keys: Vec<&Key> = keys.iter().collect();
        self.store.script_apart(lua, &keys, args).await
    }

    fn keys(&self, place: Place<'_>) -> Vec<Key> {
        let keys = self.names.place(place);
        [keys.members, keys.records]
            .into_iter()
            .chain(keys.last_seen)
            .collect()
    }

    async fn command(&self, words: &[&[u8]]) -> Result<Value> {
        self.store.link.calls.query(super::command(words)).await
    }
}
