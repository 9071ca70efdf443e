//! The format of sockets on the server.

use std::time::Duration;

use redis::Value;

use crate::store::Json;
use crate::store::presence::{
    LEASE_BYTES, Place, Present, ProcessLease, Record, Socket, counted, field, parse_field,
    split_counted,
};

/// The placement of a socket: its user and its rooms, each after its length.
pub struct Placement {
    pub user: Box<str>,
    pub rooms: Vec<Box<str>>,
}

impl Placement {
    pub fn of(socket: &Socket) -> Vec<u8> {
        let rooms = socket.rooms.iter().map(|room| counted(room));
        std::iter::once(counted(&socket.user))
            .chain(rooms)
            .collect::<Vec<_>>()
            .concat()
    }

    pub fn from(socket: &Socket) -> Self {
        Self {
            user: (&*socket.user).into(),
            rooms: socket.rooms.iter().map(|room| (&**room).into()).collect(),
        }
    }

    pub fn parse(joined: &[u8]) -> Option<Self> {
        let (user, mut rest) = split_counted(joined)?;
        let mut rooms = Vec::new();
        while let Some((room, after)) = split_counted(rest) {
            rooms.push(room);
            rest = after;
        }
        Some(Self { user, rooms })
    }

    pub fn places(&self) -> impl Iterator<Item = Place<'_>> {
        let rooms = self.rooms.iter().map(|room| Place::Room(room));
        std::iter::once(Place::User(&self.user)).chain(rooms)
    }
}

pub fn field_in(place: Place<'_>, user: &str, socket: &str) -> Vec<u8> {
    match place {
        Place::User(_) => socket.as_bytes().to_vec(),
        Place::Room(_) => field(user, socket),
    }
}

pub fn member(place: Place<'_>, present: &Present) -> Vec<u8> {
    let lease = ProcessLease::text(present.lease).into_bytes();
    [lease, field_in(place, &present.user, &present.socket)].concat()
}

pub fn present(place: Place<'_>, member: &[u8], record: Option<Record>) -> Option<Present> {
    let (lease, field) = member.split_at_checked(LEASE_BYTES)?;
    let (user, socket) = match place {
        Place::User(user) => (user.into(), str::from_utf8(field).ok()?.into()),
        Place::Room(_) => parse_field(field)?,
    };
    Some(Present {
        user,
        socket,
        lease: ProcessLease::parse(lease),
        record,
    })
}

/// `<lease><version>:<end>:<when it was set>:<metadata>`
pub fn parse_record(text: &Value, now: i64) -> Option<Record> {
    let text = bytes(text).get(LEASE_BYTES..)?;
    let mut parts = text.splitn(4, |byte| *byte == b':');
    let mut next = || parts.next();
    let (version, ends, seen) = (number(next()?), number(next()?), number(next()?));
    Some(Record {
        version,
        seen_at_ms: seen,
        left: Duration::from_millis(ends.saturating_sub(now as u64)),
        metadata: Json::copy_from_slice(next()?),
    })
}

pub fn flag(is_set: bool) -> &'static [u8] {
    if is_set { b"1" } else { b"" }
}

pub fn items(answer: &Value) -> &[Value] {
    match answer {
        Value::Array(items) => items,
        _ => &[],
    }
}

pub fn bytes(answer: &Value) -> &[u8] {
    match answer {
        Value::BulkString(bytes) => bytes,
        _ => b"",
    }
}

pub fn number(digits: &[u8]) -> u64 {
    str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse::<f64>().ok())
        .map_or(0, |number| number as u64)
}
