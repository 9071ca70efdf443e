//! The arguments of calls, each read as its type says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::completion::tag;
use super::submission::Arguments;
use crate::backplane::{Keeping, LockRequest, Query};
use crate::store::bus::{Reach, TopicKind};
use crate::store::rate_limits::{Algorithm, Rule};
use crate::store::topics::SubscriptionTag;
use crate::store::{FillLease, Lifetime, Ttl};

/// The numbers that JavaScript uses for the algorithms, the kinds of topics, and the reach of a
/// message.
const ALGORITHMS: [Algorithm; 3] = [
    Algorithm::FixedWindow,
    Algorithm::SlidingWindow,
    Algorithm::TokenBucket,
];
const TOPIC_KINDS: [TopicKind; 3] = [TopicKind::Channel, TopicKind::Pattern, TopicKind::Shard];
const REACHES: [Reach; 2] = [Reach::Everywhere, Reach::Shard];

/// Something that an operation is called with. What was not there, or names nothing, is told by
/// [`Arguments::are_understood`].
pub trait Argument {
    fn read(from: &mut Arguments) -> Self;
}

/// The text of a call, in UTF-8.
pub type Text = Box<[u8]>;
/// The text of a call, as an id.
pub type Name = Box<str>;
/// The value of a call, in bytes.
pub type Value = Bytes;

impl Argument for Text {
    fn read(from: &mut Arguments) -> Self {
        from.text()
    }
}

impl Argument for Name {
    fn read(from: &mut Arguments) -> Self {
        id(&from.text())
    }
}

impl Argument for Value {
    fn read(from: &mut Arguments) -> Self {
        from.value()
    }
}

impl Argument for u32 {
    fn read(from: &mut Arguments) -> Self {
        from.u32()
    }
}

/// A whole number that JavaScript can hold, in one word.
impl Argument for u64 {
    fn read(from: &mut Arguments) -> Self {
        from.number() as u64
    }
}

/// In milliseconds.
impl Argument for Ttl {
    fn read(from: &mut Arguments) -> Self {
        Ttl::from_millis(from.number())
    }
}

/// A TTL, and the milliseconds for which the value may be served afterwards.
impl Argument for Lifetime {
    fn read(from: &mut Arguments) -> Self {
        Self {
            fresh: Argument::read(from),
            stale_ms: Argument::read(from),
        }
    }
}

/// Two words.
impl Argument for FillLease {
    fn read(from: &mut Arguments) -> Self {
        Self(from.u64())
    }
}

/// The name, the parameters and the rooms, joined.
impl Argument for Query {
    fn read(from: &mut Arguments) -> Self {
        let [name, params, rooms] = from.texts();
        Self {
            name,
            params,
            rooms: list(&rooms),
        }
    }
}

/// A session, and whose it is.
pub struct SessionName {
    pub socket: Text,
    pub users: Vec<String>,
}

/// The socket and the users, joined.
impl Argument for SessionName {
    fn read(from: &mut Arguments) -> Self {
        let [socket, users] = from.texts();
        let users = list(&users);
        Self { socket, users }
    }
}

/// A user, and one of its sockets.
pub struct SocketName {
    pub user: Name,
    pub socket: Name,
}

/// The user and the socket, joined.
impl Argument for SocketName {
    fn read(from: &mut Arguments) -> Self {
        let [user, socket] = from.texts();
        Self {
            user: id(&user),
            socket: id(&socket),
        }
    }
}

/// The algorithm, the limit, and the window in milliseconds.
impl Argument for Rule {
    fn read(from: &mut Arguments) -> Self {
        Self {
            algorithm: from.choose(&ALGORITHMS),
            limit: Argument::read(from),
            window_ms: Ttl::read(from).as_millis(),
        }
    }
}

/// What a lock is asked for with.
pub struct LockTerms {
    name: Arc<[u8]>,
    handle: u64,
    ttl: Ttl,
    wait: Option<Duration>,
}

/// The name of the lock, a handle, the TTL, and how long to wait in milliseconds, maybe for ever.
impl Argument for LockTerms {
    fn read(from: &mut Arguments) -> Self {
        Self {
            name: from.text().into(),
            handle: Argument::read(from),
            ttl: Argument::read(from),
            wait: Duration::try_from_secs_f64(from.number() / 1000.0).ok(),
        }
    }
}

impl LockTerms {
    pub fn keeping(self, keeping: Keeping) -> LockRequest {
        LockRequest {
            name: self.name,
            handle: self.handle,
            ttl: self.ttl,
            wait: self.wait,
            keeping,
        }
    }
}

impl Argument for Reach {
    fn read(from: &mut Arguments) -> Self {
        from.choose(&REACHES)
    }
}

impl Argument for TopicKind {
    fn read(from: &mut Arguments) -> Self {
        from.choose(&TOPIC_KINDS)
    }
}

/// The number of the topic, and whether its payloads are JSON.
impl Argument for SubscriptionTag {
    fn read(from: &mut Arguments) -> Self {
        let number = from.u32();
        tag::new(number, from.u32() != 0)
    }
}

/// Texts, as a JSON array; empty for none.
pub fn list(json: &[u8]) -> Vec<String> {
    serde_json::from_slice(json).unwrap_or_default()
}

/// Byte strings that came as one value, each after its length (4 bytes, little-endian).
pub fn split(mut joined: &[u8]) -> Vec<&[u8]> {
    let mut words = Vec::new();
    while let Some((length, rest)) = joined.split_first_chunk() {
        let length = (u32::from_le_bytes(*length) as usize).min(rest.len());
        let (word, rest) = rest.split_at(length);
        words.push(word);
        joined = rest;
    }
    words
}

/// JavaScript has checked that it is well-formed.
fn id(text: &[u8]) -> Name {
    String::from_utf8_lossy(text).into()
}
