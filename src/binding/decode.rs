//! The calls that a submission holds, read from its words.

use std::time::Duration;

use bytes::Bytes;

use super::completion::tag;
use super::op::Op;
use super::submission::Arguments;
use crate::backplane::{Keeping, LockRequest, Query};
use crate::store::bus::{Reach, TopicKind};
use crate::store::rate_limits::{Algorithm, Rule};
use crate::store::topics::SubscriptionTag;
use crate::store::{FillLease, Lifetime, Ttl};

/// How JavaScript numbers the algorithms, what a topic can be, and how far a message reaches.
const ALGORITHMS: [Algorithm; 3] = [
    Algorithm::FixedWindow,
    Algorithm::SlidingWindow,
    Algorithm::TokenBucket,
];
const TOPIC_KINDS: [TopicKind; 3] = [TopicKind::Channel, TopicKind::Pattern, TopicKind::Shard];
const REACHES: [Reach; 2] = [Reach::Everywhere, Reach::Shard];

/// A call and its arguments.
pub enum DecodedCall {
    Start,
    Get(Box<[u8]>),
    Set(Box<[u8]>, Ttl, Bytes),
    Delete(Box<[u8]>),
    DeletePattern(Box<[u8]>),
    Fetch(Box<[u8]>, Ttl),
    Fill(Box<[u8]>, FillLease, Lifetime, Bytes),
    Abandon(Box<[u8]>, FillLease),
    QueryGet(Query),
    QuerySet(Query, Ttl, Bytes),
    QueryFetch(Query),
    QueryFill(Query, FillLease, Ttl, Bytes),
    QueryAbandon(Query, FillLease),
    QueryInvalidate(Box<[u8]>),
    QueryInvalidateName(Box<[u8]>),
    QueryInvalidateRoom(Box<[u8]>),
    SessionGet(Box<[u8]>),
    SessionSet(Box<[u8]>, Vec<String>, Ttl, Bytes),
    SessionDelete(Box<[u8]>),
    SessionInvalidate(Box<[u8]>),
    MessageGet(Box<[u8]>),
    MessageSet(Box<[u8]>, Ttl, Bytes),
    MessageClear,
    Command(Bytes),
    LimitCheck(Box<[u8]>, Rule, u64),
    LimitReset(Box<[u8]>),
    LockTake(LockRequest),
    LockRelease(u64),
    LockReleaseNamed(Box<[u8]>),
    LockExtend(u64, Ttl),
    LockCancel(u64),
    PresenceSet(SocketName, Ttl, Bytes),
    PresenceRefresh(SocketName, Ttl, Bytes),
    PresenceRemove(SocketName),
    PresenceIsOnline(Box<str>),
    PresenceAreOnline(Bytes),
    PresenceLastSeen(Box<str>),
    PresenceOfUser(Box<str>),
    PresenceOfRoom(Box<str>),
    PresenceUsers(Box<str>),
    PresenceCount(Box<str>),
    PresenceWatch(Box<str>, u32, SubscriptionTag),
    PresenceUnwatch(Box<str>),
    PresenceUnwatchAll,
    Publish(Box<[u8]>, Reach, Bytes),
    Receivers(Reach, Bytes),
    Subscribe(Box<[u8]>, u32, TopicKind, SubscriptionTag),
    Unsubscribe(Box<[u8]>, u32, TopicKind),
    CloseSubscriber(u32),
    Initialize,
    Health,
    Inspect,
    Close,
}

/// A user, and one of its sockets.
pub struct SocketName {
    pub user: Box<str>,
    pub socket: Box<str>,
}

impl SocketName {
    fn read(from: &mut Arguments) -> Self {
        let [user, socket] = from.texts();
        Self {
            user: id(&user),
            socket: id(&socket),
        }
    }
}

impl DecodedCall {
    /// `None` when the arguments are not those of the operation.
    pub fn read(op: Op, mut from: Arguments) -> Option<Self> {
        let call = Self::read_as(op, &mut from);
        from.are_understood().then_some(call)
    }

    fn read_as(op: Op, from: &mut Arguments) -> Self {
        match op {
            Op::Start => Self::Start,
            Op::CacheGet => Self::Get(from.text()),
            Op::CacheSet => Self::Set(from.text(), ttl(from), from.value()),
            Op::CacheDelete => Self::Delete(from.text()),
            Op::CacheDeletePattern => Self::DeletePattern(from.text()),
            Op::CacheFetch => Self::Fetch(from.text(), ttl(from)),
            Op::CacheFill => {
                let (key, lease) = (from.text(), FillLease(from.u64()));
                let lifetime = Lifetime {
                    fresh: ttl(from),
                    stale_ms: from.number() as u64,
                };
                Self::Fill(key, lease, lifetime, from.value())
            }
            Op::CacheAbandon => Self::Abandon(from.text(), FillLease(from.u64())),
            Op::QueryGet => Self::QueryGet(query(from)),
            Op::QuerySet => Self::QuerySet(query(from), ttl(from), from.value()),
            Op::QueryFetch => Self::QueryFetch(query(from)),
            Op::QueryFill => {
                let (query, lease) = (query(from), FillLease(from.u64()));
                Self::QueryFill(query, lease, ttl(from), from.value())
            }
            Op::QueryAbandon => Self::QueryAbandon(query(from), FillLease(from.u64())),
            Op::QueryInvalidate => Self::QueryInvalidate(from.text()),
            Op::QueryInvalidateName => Self::QueryInvalidateName(from.text()),
            Op::QueryInvalidateRoom => Self::QueryInvalidateRoom(from.text()),
            Op::SessionGet => Self::SessionGet(from.text()),
            Op::SessionSet => {
                let [socket, users] = from.texts();
                Self::SessionSet(socket, list(&users), ttl(from), from.value())
            }
            Op::SessionDelete => Self::SessionDelete(from.text()),
            Op::SessionInvalidate => Self::SessionInvalidate(from.text()),
            Op::MessageGet => Self::MessageGet(from.text()),
            Op::MessageSet => Self::MessageSet(from.text(), ttl(from), from.value()),
            Op::MessageClear => Self::MessageClear,
            Op::Call => Self::Command(from.value()),
            Op::LimitCheck => {
                let key = from.text();
                let rule = Rule {
                    algorithm: from.choose(&ALGORITHMS),
                    limit: from.number() as u64,
                    window_ms: ttl(from).as_millis(),
                };
                Self::LimitCheck(key, rule, from.number() as u64)
            }
            Op::LimitReset => Self::LimitReset(from.text()),
            Op::LockTake => lock_take(from, Keeping::Owned),
            Op::LockTakeRenewed => lock_take(from, Keeping::Renewed),
            Op::LockTakeNamed => lock_take(from, Keeping::Named),
            Op::LockRelease => Self::LockRelease(from.number() as u64),
            Op::LockReleaseNamed => Self::LockReleaseNamed(from.text()),
            Op::LockExtend => Self::LockExtend(from.number() as u64, ttl(from)),
            Op::LockCancel => Self::LockCancel(from.number() as u64),
            Op::PresenceSet => {
                let name = SocketName::read(from);
                Self::PresenceSet(name, ttl(from), from.value())
            }
            Op::PresenceRefresh => {
                let name = SocketName::read(from);
                Self::PresenceRefresh(name, ttl(from), from.value())
            }
            Op::PresenceRemove => Self::PresenceRemove(SocketName::read(from)),
            Op::PresenceIsOnline => Self::PresenceIsOnline(id(&from.text())),
            Op::PresenceAreOnline => Self::PresenceAreOnline(from.value()),
            Op::PresenceLastSeen => Self::PresenceLastSeen(id(&from.text())),
            Op::PresenceOfUser => Self::PresenceOfUser(id(&from.text())),
            Op::PresenceOfRoom => Self::PresenceOfRoom(id(&from.text())),
            Op::PresenceUsers => Self::PresenceUsers(id(&from.text())),
            Op::PresenceCount => Self::PresenceCount(id(&from.text())),
            Op::PresenceWatch => {
                let (room, receiver, _) = (id(&from.text()), from.u32(), from.u32());
                let number = from.u32();
                Self::PresenceWatch(room, receiver, tag::new(number, from.u32() != 0))
            }
            Op::PresenceUnwatch => {
                let (room, _, _) = (id(&from.text()), from.u32(), from.u32());
                Self::PresenceUnwatch(room)
            }
            Op::PresenceUnwatchAll => {
                let _receiver = from.u32();
                Self::PresenceUnwatchAll
            }
            Op::Publish => Self::Publish(from.text(), from.choose(&REACHES), from.value()),
            Op::Receivers => Self::Receivers(from.choose(&REACHES), from.value()),
            Op::Subscribe => {
                let (name, subscriber, kind) = (from.text(), from.u32(), from.choose(&TOPIC_KINDS));
                let id = from.u32();
                Self::Subscribe(name, subscriber, kind, tag::new(id, from.u32() != 0))
            }
            Op::Unsubscribe => {
                Self::Unsubscribe(from.text(), from.u32(), from.choose(&TOPIC_KINDS))
            }
            Op::CloseSubscriber => Self::CloseSubscriber(from.u32()),
            Op::Initialize => Self::Initialize,
            Op::Health => Self::Health,
            Op::Inspect => Self::Inspect,
            Op::Close => Self::Close,
        }
    }

    pub fn wants_no_answer(&self) -> bool {
        matches!(
            self,
            Self::Start
                | Self::CloseSubscriber(_)
                | Self::LockCancel(_)
                | Self::PresenceUnwatchAll
                | Self::Inspect
        )
    }
}

fn lock_take(from: &mut Arguments, keeping: Keeping) -> DecodedCall {
    DecodedCall::LockTake(LockRequest {
        name: from.text().into(),
        handle: from.number() as u64,
        ttl: ttl(from),
        wait: Duration::try_from_secs_f64(from.number() / 1000.0).ok(),
        keeping,
    })
}

fn query(from: &mut Arguments) -> Query {
    let [name, params, rooms] = from.texts();
    Query {
        name,
        params,
        rooms: list(&rooms),
    }
}

/// Texts, as a JSON array; nothing for none.
fn list(json: &[u8]) -> Vec<String> {
    serde_json::from_slice(json).unwrap_or_default()
}

/// JavaScript has checked that it is well-formed.
fn id(text: &[u8]) -> Box<str> {
    String::from_utf8_lossy(text).into()
}

fn ttl(arguments: &mut Arguments) -> Ttl {
    Ttl::from_millis(arguments.number())
}
