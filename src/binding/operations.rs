//! The operations: every kind of call that JavaScript can make, each described once.
//!
//! A row of the table says, in this order:
//!
//! - its name; its number follows from its place. JavaScript has both as `Op`.
//! - its arguments, in the order in which JavaScript writes them. The type of each says how it is
//!   read (decode.rs).
//! - how it is answered (incoming_call.rs). One that `asks` is answered when it is done. One that
//!   `tells` changes something: when its time is over before it is done, it is answered with what
//!   stands here, and goes on. One that `posts` is not answered.
//! - under which name `getMetrics()` counts it, in the order of the table (counted.rs).
//! - what runs, on the I/O thread, with the backplane `b`; its result becomes the answer (encode.rs).

use std::sync::Arc;

use napi_derive::napi;

use super::Backplane;
use super::completion::Answer;
use super::counted::{CountedAs, CountedFunction, UNCOUNTED, counted, counted_reads};
use super::decode::{Argument, LockTerms, Name, SessionName, SocketName, Text, Value, list, split};
use super::define_operations::define_operations;
use super::encode::{
    as_json, called, checked, fetched, found, locked, locked_by_name, present, users,
};
use super::incoming_call::IncomingCall;
use super::metrics::health;
use crate::backplane::{Keeping, Query};
use crate::store::bus::{Reach, TopicKind};
use crate::store::presence::{Place, Socket};
use crate::store::rate_limits::Rule;
use crate::store::topics::SubscriptionTag;
use crate::store::{FillLease, Lifetime, Ttl};

define_operations! {
    // Begins to connect.
    Start() =>
        posts, UNCOUNTED, |_b| ();

    CacheGet(key: Text) =>
        asks, counted_reads("cacheGet"), |b| found(b.cache_get(&key).await).await;
    CacheSet(key: Text, ttl: Ttl, value: Value) =>
        tells(true), counted("cacheSet"), |b| b.cache_set(&key, value, ttl).await;
    CacheDelete(key: Text) =>
        tells(true), counted("cacheDelete"), |b| b.cache_delete(&key).await;
    CacheDeletePattern(pattern: Text) =>
        asks, counted("cacheDeletePattern"), |b| b.cache_delete_pattern(&pattern).await;
    // Answers the value, or a lease to fill it, which ends after its TTL.
    CacheFetch(key: Text, lease_ttl: Ttl) =>
        asks, counted_reads("cacheGetOrSet"), |b| fetched(b.cache_fetch(&key, lease_ttl).await);
    CacheFill(key: Text, lease: FillLease, lifetime: Lifetime, value: Value) =>
        tells(false), UNCOUNTED, |b| b.cache_fill(&key, lease, value, lifetime).await;
    // Gives a lease back unused.
    CacheAbandon(key: Text, lease: FillLease) =>
        tells(()), UNCOUNTED, |b| b.cache_abandon(&key, lease).await;

    QueryGet(query: Query) =>
        asks, counted_reads("queryCache.get"), |b| found(b.query_get(&query).await).await;
    QuerySet(query: Query, ttl: Ttl, value: Value) =>
        tells(true), counted("queryCache.set"), |b| b.query_set(&query, value, ttl).await;
    QueryFetch(query: Query) =>
        asks, counted_reads("queryCache.getOrSet"), |b| fetched(b.query_fetch(&query).await);
    QueryFill(query: Query, lease: FillLease, ttl: Ttl, value: Value) =>
        tells(false), UNCOUNTED, |b| b.query_fill(&query, lease, value, ttl).await;
    QueryAbandon(query: Query, lease: FillLease) =>
        asks, UNCOUNTED, |b| b.query_abandon(&query, lease);
    // Of the names that match a pattern.
    QueryInvalidate(pattern: Text) =>
        asks, counted("queryCache.invalidate"), |b| b.query_invalidate(&pattern).await;
    QueryInvalidateName(name: Text) =>
        tells(0), counted("queryCache.invalidateQuery"), |b| b.query_invalidate_name(&name).await;
    QueryInvalidateRoom(room: Text) =>
        tells(0), counted("queryCache.invalidateRoom"), |b| b.query_invalidate_room(&room).await;

    SessionGet(socket: Text) =>
        asks, counted_reads("sessionCache.getSession"),
        |b| found(b.session_get(&socket).await).await;
    SessionSet(name: SessionName, ttl: Ttl, value: Value) =>
        tells(true), counted("sessionCache.setSession"),
        |b| b.session_set(&name.socket, &name.users, value, ttl).await;
    SessionDelete(socket: Text) =>
        tells(true), counted("sessionCache.deleteSession"), |b| b.session_delete(&socket).await;
    SessionInvalidate(user: Text) =>
        tells(0), counted("sessionCache.invalidateUserSessions"),
        |b| b.session_invalidate(&user).await;

    MessageGet(hash: Text) =>
        asks, counted_reads("messageCache.get"), |b| found(b.message_get(&hash).await).await;
    MessageSet(hash: Text, ttl: Ttl, value: Value) =>
        tells(()), counted("messageCache.set"), |b| b.message_set(&hash, value, ttl).await;
    MessageClear() =>
        tells(()), counted("messageCache.clear"), |b| b.message_clear().await;

    LimitCheck(key: Text, rule: Rule, cost: u64) =>
        asks, counted("checkRateLimit"),
        |b| checked(rule, b.limit_check(&key, rule, cost).await);
    LimitReset(key: Text) =>
        tells(()), counted("resetRateLimit"), |b| b.limit_reset(&key).await;

    // The lock is known by its name.
    LockTakeNamed(terms: LockTerms) =>
        asks, counted("acquireLock"),
        |b| locked_by_name(b.lock_take(terms.keeping(Keeping::Named)).await);
    LockReleaseNamed(name: Text) =>
        tells(false), counted("releaseLock"), |b| b.lock_release_named(&name).await;
    LockTake(terms: LockTerms) =>
        asks, counted("lock"), |b| locked(b.lock_take(terms.keeping(Keeping::Owned)).await);
    // The lock is renewed while it is held.
    LockTakeRenewed(terms: LockTerms) =>
        asks, counted("withLock"), |b| locked(b.lock_take(terms.keeping(Keeping::Renewed)).await);
    LockExtend(handle: u64, ttl: Ttl) =>
        asks, counted("lock.extend"), |b| b.lock_extend(handle, ttl).await;
    LockRelease(handle: u64) =>
        tells(false), counted("lock.release"), |b| b.lock_release(handle).await;
    // Ends the wait for a lock, behind the call that waits.
    LockCancel(handle: u64) =>
        posts, UNCOUNTED, |b| b.lock_cancel(handle);

    PresenceSet(name: SocketName, ttl: Ttl, metadata: Value) =>
        tells(true), counted("setPresence"),
        |b| b.presence_set(Socket::new(&name.user, &name.socket, &metadata), ttl).await;
    // The metadata name the room.
    PresenceRefresh(name: SocketName, ttl: Ttl, metadata: Value) =>
        tells(true), counted("refreshPresence"),
        |b| b.presence_refresh(&name.user, &name.socket, &metadata, ttl).await;
    PresenceRemove(name: SocketName) =>
        tells(true), counted("removePresence"),
        |b| b.presence_remove(&name.user, &name.socket).await;
    PresenceIsOnline(user: Name) =>
        asks, counted("isUserOnline"), |b| b.presence_are_online(&[&user]).await == [true];
    // The users are a JSON array.
    PresenceAreOnline(users: Value) =>
        asks, counted("areUsersOnline"), |b| {
            let users = list(&users);
            let users: Vec<&str> = users.iter().map(String::as_str).collect();
            as_json(&b.presence_are_online(&users).await)
        };
    PresenceLastSeen(user: Name) =>
        asks, counted("getLastSeen"), |b| as_json(&b.presence_last_seen(&user).await);
    PresenceOfUser(user: Name) =>
        asks, counted("getUserPresence"),
        |b| present(b.presence_records(Place::User(&user)).await).await;
    PresenceOfRoom(room: Name) =>
        asks, counted("getRoomPresence"),
        |b| present(b.presence_records(Place::Room(&room)).await).await;
    PresenceUsers(room: Name) =>
        asks, counted("getOnlineUsersInRoom"), |b| users(b.presence_users(&room).await).await;
    PresenceCount(room: Name) =>
        asks, counted("countOnlineUsersInRoom"), |b| b.presence_count(&room).await as u64;
    PresenceWatch(room: Name, receiver: u32, _kind: u32, tag: SubscriptionTag) =>
        asks, counted("watchRoom"), |b| b.presence_watch(receiver, &room, tag).await;
    PresenceUnwatch(room: Name, _receiver: u32, _kind: u32) =>
        asks, UNCOUNTED, |b| b.presence_unwatch(&room);
    PresenceUnwatchAll(_receiver: u32) =>
        posts, UNCOUNTED, |b| b.presence_unwatch_all();

    Publish(channel: Text, reach: Reach, payload: Value) =>
        asks, counted("publish"), |b| b.publish(reach, &channel, payload).await;
    // How many receive what is published on each channel, which come joined.
    Receivers(reach: Reach, channels: Value) =>
        asks, UNCOUNTED, |b| as_json(&b.receivers(reach, &split(&channels)).await);
    Subscribe(name: Text, subscriber: u32, kind: TopicKind, tag: SubscriptionTag) =>
        asks, counted("subscribe"), |b| b.subscribe(subscriber, kind, &name, tag).await;
    Unsubscribe(name: Text, subscriber: u32, kind: TopicKind) =>
        asks, counted("unsubscribe"), |b| b.unsubscribe(subscriber, kind, &name).await;
    // Behind the calls of the subscriber that came before.
    CloseSubscriber(subscriber: u32) =>
        posts, UNCOUNTED, |b| b.close_subscriber(subscriber);

    // A raw command, whose words come joined.
    Call(command: Value) =>
        asks, counted("call"), |b| called(b.call(&split(&command)).await).await;

    // Answers whether Redis is available, once that is known.
    Initialize() =>
        asks, UNCOUNTED, |b| b.initialized().await;
    // Answers the health of Redis.
    Health() =>
        asks, UNCOUNTED, |b| health(&b.health().await);
    // Has the server's memory looked at.
    Inspect() =>
        posts, UNCOUNTED, |b| b.inspect_server().await;
    // It waits for all calls that are under way, so it is none of them.
    Close() =>
        ends, UNCOUNTED, |b| b.close().await;
}

/// What calls are counted as, in the order of `getMetrics()`.
#[napi(catch_unwind)]
pub fn counted_functions() -> Vec<CountedFunction> {
    let each = OPS.iter().zip(COUNTED_AS);
    each.filter_map(|(op, counted)| Some(counted.as_ref()?.function(*op as u32)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_kinds_of_calls_are_counted_under_one_name() {
        let counted = counted_functions();
        let names: HashSet<_> = counted.iter().map(|one| one.name).collect();
        assert_eq!(names.len(), counted.len());
        let first = &counted[0];
        assert_eq!((first.name, first.op), ("cacheGet", Op::CacheGet as u32));
        assert!(first.reads_cache);
    }
}
