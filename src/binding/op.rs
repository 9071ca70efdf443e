//! The kinds of calls, by the numbers that JavaScript writes.

use napi_derive::napi;

/// What JavaScript can ask for. The comment names the text, the arguments in the order of their words,
/// and the value.
#[napi]
#[derive(Clone, Copy)]
pub enum Op {
    /// Begins to connect. Nothing is answered.
    Start,
    /// key
    CacheGet,
    /// key, TTL in ms, value
    CacheSet,
    /// key
    CacheDelete,
    /// pattern
    CacheDeletePattern,
    /// key, TTL of a lease in ms
    CacheFetch,
    /// key, lease (2 words), TTL in ms, stale ms, value
    CacheFill,
    /// key, lease (2 words)
    CacheAbandon,
    /// name, parameters and rooms
    QueryGet,
    /// name, parameters and rooms, TTL in ms, value
    QuerySet,
    /// name, parameters and rooms
    QueryFetch,
    /// name, parameters and rooms, lease (2 words), TTL in ms, value
    QueryFill,
    /// name, parameters and rooms, lease (2 words)
    QueryAbandon,
    /// pattern of names
    QueryInvalidate,
    /// name
    QueryInvalidateName,
    /// room
    QueryInvalidateRoom,
    /// socket
    SessionGet,
    /// socket and users, TTL in ms, value
    SessionSet,
    /// socket
    SessionDelete,
    /// user
    SessionInvalidate,
    /// hash
    MessageGet,
    /// hash, TTL in ms, value
    MessageSet,
    MessageClear,
    /// the words of a command, each after its length (4 bytes, little-endian), as one value
    Call,
    /// key, algorithm, limit, window in ms, cost
    LimitCheck,
    /// key
    LimitReset,
    /// key, handle, TTL in ms, how long to wait in ms (maybe infinite)
    LockTake,
    /// As LockTake; the lock is renewed while it is held.
    LockTakeRenewed,
    /// As LockTake; the lock is known by its name.
    LockTakeNamed,
    /// handle
    LockRelease,
    /// key
    LockReleaseNamed,
    /// handle, TTL in ms
    LockExtend,
    /// handle. Nothing is answered.
    LockCancel,
    /// user and socket, TTL in ms, metadata
    PresenceSet,
    /// user and socket, TTL in ms, metadata that name the room
    PresenceRefresh,
    /// user and socket
    PresenceRemove,
    /// user
    PresenceIsOnline,
    /// an array of users, as a value
    PresenceAreOnline,
    /// user
    PresenceLastSeen,
    /// user
    PresenceOfUser,
    /// room
    PresenceOfRoom,
    /// room
    PresenceUsers,
    /// room
    PresenceCount,
    /// room, receiver, a number, number of the topic, whether payloads are JSON
    PresenceWatch,
    /// room
    PresenceUnwatch,
    /// receiver. Nothing is answered.
    PresenceUnwatchAll,
    /// channel, reach, payload
    Publish,
    /// reach, the channels as the words of Call
    Receivers,
    /// name, subscriber, kind of topic, number of the topic, whether payloads are JSON
    Subscribe,
    /// name, subscriber, kind of topic
    Unsubscribe,
    /// subscriber. Nothing is answered.
    CloseSubscriber,
    /// Answers whether Redis is there, once that is known.
    Initialize,
    /// Answers how Redis is.
    Health,
    /// Has the server's memory looked at. Nothing is answered.
    Inspect,
    Close,
}

/// What tells the calls of one function from those of another.
pub const OPS: [Op; 55] = [
    Op::Start,
    Op::CacheGet,
    Op::CacheSet,
    Op::CacheDelete,
    Op::CacheDeletePattern,
    Op::CacheFetch,
    Op::CacheFill,
    Op::CacheAbandon,
    Op::QueryGet,
    Op::QuerySet,
    Op::QueryFetch,
    Op::QueryFill,
    Op::QueryAbandon,
    Op::QueryInvalidate,
    Op::QueryInvalidateName,
    Op::QueryInvalidateRoom,
    Op::SessionGet,
    Op::SessionSet,
    Op::SessionDelete,
    Op::SessionInvalidate,
    Op::MessageGet,
    Op::MessageSet,
    Op::MessageClear,
    Op::Call,
    Op::LimitCheck,
    Op::LimitReset,
    Op::LockTake,
    Op::LockTakeRenewed,
    Op::LockTakeNamed,
    Op::LockRelease,
    Op::LockReleaseNamed,
    Op::LockExtend,
    Op::LockCancel,
    Op::PresenceSet,
    Op::PresenceRefresh,
    Op::PresenceRemove,
    Op::PresenceIsOnline,
    Op::PresenceAreOnline,
    Op::PresenceLastSeen,
    Op::PresenceOfUser,
    Op::PresenceOfRoom,
    Op::PresenceUsers,
    Op::PresenceCount,
    Op::PresenceWatch,
    Op::PresenceUnwatch,
    Op::PresenceUnwatchAll,
    Op::Publish,
    Op::Receivers,
    Op::Subscribe,
    Op::Unsubscribe,
    Op::CloseSubscriber,
    Op::Initialize,
    Op::Health,
    Op::Inspect,
    Op::Close,
];
