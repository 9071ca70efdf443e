//! What every roster promises: who is where, until when, and what is told of it. The same steps run
//! on both, in a time that the test moves.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use crate::support::{Connected, Server, answer, connect};
use bytes::Bytes;
use futures_util::future::{join, join_all};
use redis_backplane::store::bus::{Topic, TopicKind};
use redis_backplane::store::memory::Clock;
use redis_backplane::store::memory::budget::{Account, MemoryKind};
use redis_backplane::store::memory::presence::{Doubt, MemoryRoster, Standing};
use redis_backplane::store::presence::{
    Condition, Detail, LEASE, LastSeen, Place, PresenceKeys, Present, ProcessLease, RoomEvent,
    Socket, field, rooms_of,
};
use redis_backplane::store::remote::presence::RedisRoster;
use redis_backplane::store::remote::pubsub_connection::PubsubConnection;
use redis_backplane::store::topics::{SubscriptionTag, Topics};
use redis_backplane::store::{Key, ProcessLeases, Result, Roster, Ttl};
use serde_json::Value as Answer;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);
const PREFIX: &[u8] = b"app:";
const CHANNELS: &[u8] = b"app:backplane:presence:";
const TTL_MS: u64 = 100_000;
const TTL: Ttl = Ttl::from_whole_millis(TTL_MS);
/// What may pass on a real clock while a test does its steps.
const SLACK_MS: u64 = 30_000;
/// So long a removal is remembered at least.
const REMOVED_MS: u64 = 60_000;

/// A roster, a way to let its time pass, and somebody who listens to all rooms.
trait World {
    async fn try_set(
        &self,
        socket: &Socket,
        life: Option<ProcessLease>,
        ttl: Ttl,
        condition: Condition,
    ) -> Result<Option<u64>>;
    async fn remove(&self, user: &str, socket: &str) -> u64;
    async fn list(&self, place: Place<'_>, detail: Detail) -> Vec<Present>;
    async fn last_seen(&self, user: &str) -> Option<LastSeen>;
    /// Ms since 1970.
    async fn now(&self) -> u64;
    async fn pass(&self, ms: u64);
    /// All news since this was asked last, each with its room.
    async fn news(&self) -> Vec<(String, RoomEvent)>;

    async fn set_if(&self, socket: &Socket, ttl_ms: u64, condition: Condition) -> Option<u64> {
        let ttl = Ttl::from_whole_millis(ttl_ms);
        self.try_set(socket, None, ttl, condition).await.unwrap()
    }

    async fn set(&self, socket: &Socket) -> u64 {
        let version = self.set_if(socket, TTL_MS, Condition::Always).await;
        version.expect("there is no condition")
    }
}

type Heard = Arc<Mutex<Vec<(String, RoomEvent)>>>;

struct InMemory {
    roster: MemoryRoster,
    clock: Clock,
    heard: Heard,
}

impl InMemory {
    async fn new() -> Self {
        let (clock, heard) = (Clock::manual(), Heard::default());
        clock.advance(1_000_000_000);
        let hears = heard.clone();
        let on_news = Box::new(move |room: &str, text: &dyn Fn() -> Bytes| {
            let news = RoomEvent::parse(&text()).expect("news");
            hears.lock().unwrap().push((room.to_owned(), news));
        });
        Self {
            roster: MemoryRoster::new(
                Account::alone(MemoryKind::Presence, 1 << 24),
                clock.clone(),
                on_news,
            ),
            clock,
            heard,
        }
    }
}

impl World for InMemory {
    async fn try_set(
        &self,
        socket: &Socket,
        life: Option<ProcessLease>,
        ttl: Ttl,
        condition: Condition,
    ) -> Result<Option<u64>> {
        self.roster.set(socket, None, life, ttl, condition).await
    }
    async fn remove(&self, user: &str, socket: &str) -> u64 {
        self.roster.remove(user, socket, &[]).await.unwrap()
    }
    async fn list(&self, place: Place<'_>, detail: Detail) -> Vec<Present> {
        self.roster.list(place, detail).await.unwrap()
    }
    async fn last_seen(&self, user: &str) -> Option<LastSeen> {
        self.roster.last_seen(user).await.unwrap()
    }
    async fn now(&self) -> u64 {
        self.clock.epoch_ms()
    }
    async fn pass(&self, ms: u64) {
        self.clock.advance(ms);
    }
    async fn news(&self) -> Vec<(String, RoomEvent)> {
        mem::take(&mut *self.heard.lock().unwrap())
    }
}

struct OnRedis {
    names: PresenceKeys,
    heard: tokio::sync::Mutex<UnboundedReceiver<(Vec<u8>, Bytes)>>,
    _pubsub_connection: PubsubConnection,
    connected: Connected,
    server: Server,
}

impl OnRedis {
    async fn new() -> Self {
        let server = Server::start();
        let connected = connect(&server).await;
        let (sender, heard) = unbounded_channel();
        let topics = Topics::new(Box::new(move |message| {
            let channel = message.channel.expect("the channel of a pattern").to_vec();
            let _ = sender.send((channel, message.payload));
        }));
        let all = Topic {
            kind: TopicKind::Pattern,
            name: Key::new(&[CHANNELS, b"*"]),
        };
        topics.want(&all, SubscriptionTag(0));
        let switch = connected.switch.clone();
        let pubsub_connection =
            PubsubConnection::start(server.endpoint(), switch, topics.clone(), |_| ());
        let settled = timeout(PATIENCE, topics.resolved(&all)).await;
        assert_eq!(settled, Ok(true), "the news should be heard");
        Self {
            names: PresenceKeys::new(PREFIX),
            heard: tokio::sync::Mutex::new(heard),
            _pubsub_connection: pubsub_connection,
            connected,
            server,
        }
    }

    fn roster(&self) -> RedisRoster<'_> {
        self.roster_of(&self.connected)
    }

    /// That of another process.
    fn roster_of<'a>(&'a self, connected: &'a Connected) -> RedisRoster<'a> {
        RedisRoster {
            store: &connected.store,
            names: &self.names,
        }
    }

    async fn call(&self, words: &[&[u8]]) -> Answer {
        answer(&self.connected.store, words).await
    }

    /// The names of all keys that do not only remember.
    async fn keys(&self) -> BTreeSet<String> {
        let keys = self.call(&[b"KEYS", b"*"]).await;
        let names: Vec<String> = serde_json::from_value(keys).unwrap();
        let remember = ["app:presence-socket:", "app:presence-seen:"];
        names
            .into_iter()
            .filter(|name| !remember.iter().any(|space| name.starts_with(space)))
            .collect()
    }

    /// What a process sends that was held up after it had its version.
    async fn put_late(&self, place: Place<'_>, socket: &Socket, version: u64) -> bool {
        let lua = concat!(
            include_str!("../../src/store/redis/lua/presence_place.lua"),
            include_str!("../../src/store/redis/lua/presence_put.lua")
        );
        let keys = self.names.place(place);
        let all = [&keys.members, &keys.records];
        let all: Vec<_> = all.into_iter().chain(&keys.last_seen).collect();
        let (count, version) = (all.len().to_string(), version.to_string());
        let (life, ttl) = (ProcessLease::text(None), TTL_MS.to_string());
        let name = match place {
            Place::User(_) => socket.id.as_bytes().to_vec(),
            Place::Room(_) => field(&socket.user, &socket.id),
        };
        let mut words: Vec<&[u8]> = vec![b"EVAL", lua.as_bytes(), count.as_bytes()];
        words.extend(all.iter().map(|key| key.as_bytes()));
        words.extend([&name, life.as_bytes(), version.as_bytes(), ttl.as_bytes()]);
        words.extend([&socket.metadata[..], b""]);
        self.call(&words).await == 1
    }
}

/// All that is written down moves that much into the past.
const PASS: &str = r"
local ms = tonumber(ARGV[1])
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left, kind = redis.call('PTTL', key), redis.call('TYPE', key).ok
  if kind == 'zset' then
    for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      redis.call('ZINCRBY', key, -ms, member)
    end
  elseif kind == 'hash' then
    local all = redis.call('HGETALL', key)
    for i = 1, #all, 2 do
      local head, ends, seen, rest = string.match(all[i + 1], '^(................%d+:)(%d+):(%d+):(.*)$')
      redis.call('HSET', key, all[i], head .. ends - ms .. ':' .. seen - ms .. ':' .. rest)
    end
  elseif string.find(key, 'presence-seen:', 1, true) then
    local at, life = string.match(redis.call('GET', key), '^(%d+)(:.*)$')
    redis.call('SET', key, at - ms .. life, 'KEEPTTL')
  end
  if left >= 0 then
    redis.call('PEXPIRE', key, left - ms)
  end
end";

impl World for OnRedis {
    async fn try_set(
        &self,
        socket: &Socket,
        life: Option<ProcessLease>,
        ttl: Ttl,
        condition: Condition,
    ) -> Result<Option<u64>> {
        self.roster().set(socket, None, life, ttl, condition).await
    }
    async fn remove(&self, user: &str, socket: &str) -> u64 {
        self.roster().remove(user, socket, &[]).await.unwrap()
    }
    async fn list(&self, place: Place<'_>, detail: Detail) -> Vec<Present> {
        self.roster().list(place, detail).await.unwrap()
    }
    async fn last_seen(&self, user: &str) -> Option<LastSeen> {
        self.roster().last_seen(user).await.unwrap()
    }
    async fn now(&self) -> u64 {
        let now = "local t = redis.call('TIME') return t[1] * 1000 + math.floor(t[2] / 1000)";
        let now = self.call(&[b"EVAL", now.as_bytes(), b"0"]).await;
        now.as_u64().unwrap()
    }
    async fn pass(&self, ms: u64) {
        let ms = ms.to_string();
        self.call(&[b"EVAL", PASS.as_bytes(), b"0", ms.as_bytes()])
            .await;
    }
    /// What came before something that the test says itself.
    async fn news(&self) -> Vec<(String, RoomEvent)> {
        let end = [CHANNELS, b"the end of the news"].concat();
        assert_eq!(self.call(&[b"PUBLISH", &end, b"!"]).await, 1, "one listens");
        let mut heard = self.heard.lock().await;
        let mut news = Vec::new();
        loop {
            let next = timeout(PATIENCE, heard.recv()).await;
            let (channel, text) = next.expect("news should come").unwrap();
            if channel == end {
                return news;
            }
            let room = String::from_utf8(channel[CHANNELS.len()..].to_vec()).unwrap();
            news.push((room, RoomEvent::parse(&text).expect("news")));
        }
    }
}

contract!(
    a_socket_is_with_its_user_and_in_its_rooms,
    hostile_ids_do_not_reach_each_other,
    a_user_has_several_sockets_and_a_removal_takes_one,
    moving_leaves_the_rooms_before,
    the_last_user_of_a_socket_wins,
    a_late_removal_by_the_user_before_hurts_nobody,
    a_socket_ends_with_its_ttl_everywhere,
    a_shorter_ttl_shortens,
    one_live_socket_keeps_no_dead_one,
    a_refresh_is_refused_if_something_newer_is_known,
    who_has_lost_the_answer_may_set_the_same_again,
    a_refresh_of_what_is_unknown_depends,
    a_removed_socket_is_not_refreshed,
    versions_grow,
    metadata_come_back_byte_for_byte,
    a_user_was_last_seen_when_set_or_removed,
    a_user_whose_socket_has_ended_was_last_seen_when_it_was_set,
    removing_what_has_ended_does_not_forget_when_it_was_seen,
    a_user_whose_socket_went_to_another_was_seen,
    news_are_told_once,
    an_unchanged_refresh_is_no_news,
    news_tell_all_of_a_socket,
    a_socket_that_goes_to_another_user_leaves_and_comes,
    agrees_with_a_model_over_random_steps,
);

fn in_rooms(user: &str, id: &str, rooms: &[&str]) -> Socket {
    let metadata = serde_json::json!({ "roomId": rooms }).to_string();
    Socket::new(user, id, metadata.as_bytes())
}

fn since(version: u64, or_lost: bool) -> Condition {
    Condition::Since { version, or_lost }
}

/// The sockets of a place as `user/socket`, in order.
async fn ids<W: World>(world: &W, place: Place<'_>) -> Vec<String> {
    let mut both = Vec::new();
    for detail in [Detail::Ids, Detail::Records] {
        let there = world.list(place, detail).await;
        let has_record = |one: &Present| one.record.is_some() == (detail == Detail::Records);
        assert!(there.iter().all(has_record), "{there:?}");
        let mut names: Vec<_> = there
            .iter()
            .map(|one| format!("{}/{}", one.user, one.socket))
            .collect();
        names.sort();
        both.push(names);
    }
    assert_eq!(both[0], both[1], "with and without records");
    both.remove(0)
}

async fn user<W: World>(world: &W, name: &str) -> Vec<String> {
    ids(world, Place::User(name)).await
}

async fn room<W: World>(world: &W, name: &str) -> Vec<String> {
    ids(world, Place::Room(name)).await
}

/// `r +a/s` or `r -a/s`.
async fn told<W: World>(world: &W) -> Vec<String> {
    let news = world.news().await;
    let text = |(room, news): (String, RoomEvent)| match news {
        RoomEvent::Is { user, socket, .. } => format!("{room} +{user}/{socket}"),
        RoomEvent::Left { user, socket, .. } => format!("{room} -{user}/{socket}"),
    };
    news.into_iter().map(text).collect()
}

async fn told_in_any_order<W: World>(world: &W) -> Vec<String> {
    let mut told = told(world).await;
    told.sort();
    told
}

fn is_about(ms: u64, expected: u64) {
    let bounds = expected.saturating_sub(SLACK_MS)..=expected + SLACK_MS;
    assert!(bounds.contains(&ms), "{ms} is not about {expected}");
}

/// How long ago a user was seen.
async fn seen_ago<W: World>(world: &W, user: &str) -> u64 {
    let (at, life) = world
        .last_seen(user)
        .await
        .unwrap_or_else(|| panic!("{user} was seen"));
    assert_eq!(life, None);
    world.now().await.abs_diff(at)
}

async fn a_socket_is_with_its_user_and_in_its_rooms<W: World>(world: &W) {
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
    world.set(&in_rooms("a", "s", &["r", "q"])).await;
    world.set(&in_rooms("a", "t", &["r"])).await;
    world.set(&in_rooms("b", "u", &["r"])).await;
    world
        .set(&Socket::new("c", "v", br#"{"roomId":"q"}"#))
        .await;
    world.set(&Socket::new("c", "w", b"{}")).await;
    assert_eq!(user(world, "a").await, ["a/s", "a/t"]);
    assert_eq!(user(world, "c").await, ["c/v", "c/w"]);
    assert_eq!(room(world, "r").await, ["a/s", "a/t", "b/u"]);
    assert_eq!(room(world, "q").await, ["a/s", "c/v"]);
    assert!(room(world, "a").await.is_empty() && user(world, "r").await.is_empty());
}

async fn hostile_ids_do_not_reach_each_other<W: World>(world: &W) {
    let emoji = "😀".repeat(256);
    let hostile = [
        "a:b",
        "a",
        "b:c",
        "c",
        "*",
        "?",
        "[a]",
        "{x}",
        "{",
        "}",
        "{}",
        "a{x}b",
        "\0",
        "a\0",
        "__proto__",
        "1:a",
        "3:a:b",
        "0:",
        " ",
        "",
        "~",
        "~~~~~~~~~~~~~~~~a",
        "----------------",
        "data:a",
        &emoji,
    ];
    for (i, name) in hostile.iter().enumerate() {
        for (j, place) in hostile.iter().enumerate() {
            let metadata = serde_json::json!({ "roomId": place, "i": i }).to_string();
            let id = format!("{name}:{place}{}", if (i + j) % 2 == 0 { "" } else { ":" });
            world
                .set(&Socket::new(
                    name,
                    &format!("{j}/{i}/{id}"),
                    metadata.as_bytes(),
                ))
                .await;
        }
    }
    for (i, name) in hostile.iter().enumerate() {
        let of_user = world.list(Place::User(name), Detail::Records).await;
        assert_eq!(of_user.len(), hostile.len(), "of {name:?}");
        assert!(of_user.iter().all(|one| &*one.user == *name));
        let in_room = world.list(Place::Room(name), Detail::Records).await;
        let users: HashSet<_> = in_room.iter().map(|one| &*one.user).collect();
        assert_eq!(users, HashSet::from(hostile), "in {name:?}");
        for one in &in_room {
            assert_eq!(one.socket.split('/').next(), Some(&*i.to_string()));
        }
    }
    for one in world.list(Place::User("*"), Detail::Ids).await {
        world.remove("*", &one.socket).await;
    }
    for name in hostile.iter().filter(|name| **name != "*") {
        let left = world.list(Place::Room(name), Detail::Ids).await.len();
        assert_eq!(left, hostile.len() - 1, "in {name:?}");
        assert_eq!(user(world, name).await.len(), hostile.len(), "of {name:?}");
    }
    // Socket ids that are each other's users.
    world.set(&in_rooms("1:x", "y", &["pairs"])).await;
    world.set(&in_rooms("1", "x:y", &["pairs"])).await;
    world.set(&in_rooms("", "1:xy", &["pairs"])).await;
    world.remove("1", "y").await;
    world.remove("1:x", "x:y").await;
    assert_eq!(room(world, "pairs").await, ["/1:xy", "1/x:y", "1:x/y"]);
}

async fn a_user_has_several_sockets_and_a_removal_takes_one<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r", "q"])).await;
    world.set(&in_rooms("a", "t", &["r"])).await;
    world.remove("a", "s").await;
    assert_eq!(user(world, "a").await, ["a/t"]);
    assert_eq!(room(world, "r").await, ["a/t"]);
    assert!(room(world, "q").await.is_empty());
    world.remove("a", "s").await;
    assert_eq!(user(world, "a").await, ["a/t"]);
    world.remove("a", "t").await;
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
}

async fn moving_leaves_the_rooms_before<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r", "q"])).await;
    world.set(&in_rooms("a", "s", &["q", "p"])).await;
    assert!(room(world, "r").await.is_empty());
    assert_eq!(room(world, "q").await, ["a/s"]);
    assert_eq!(room(world, "p").await, ["a/s"]);
    world.set(&Socket::new("a", "s", b"{}")).await;
    assert!(room(world, "q").await.is_empty() && room(world, "p").await.is_empty());
    assert_eq!(user(world, "a").await, ["a/s"]);
}

async fn the_last_user_of_a_socket_wins<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r", "q"])).await;
    world.set(&in_rooms("b", "s", &["r"])).await;
    assert!(user(world, "a").await.is_empty() && room(world, "q").await.is_empty());
    assert_eq!(user(world, "b").await, ["b/s"]);
    assert_eq!(room(world, "r").await, ["b/s"]);
    world.set(&in_rooms("a", "s", &["q"])).await;
    assert!(user(world, "b").await.is_empty() && room(world, "r").await.is_empty());
    assert_eq!(user(world, "a").await, ["a/s"]);
    assert_eq!(room(world, "q").await, ["a/s"]);
}

async fn a_late_removal_by_the_user_before_hurts_nobody<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r"])).await;
    let version = world.set(&in_rooms("b", "s", &["r"])).await;
    world.remove("a", "s").await;
    assert_eq!(user(world, "b").await, ["b/s"]);
    assert_eq!(room(world, "r").await, ["b/s"]);
    let refreshed = world
        .set_if(&in_rooms("b", "s", &["r"]), TTL_MS, since(version, false))
        .await;
    assert!(refreshed.is_some(), "the removal was of another's socket");
}

async fn a_socket_ends_with_its_ttl_everywhere<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r"])).await;
    world.pass(TTL_MS - SLACK_MS).await;
    assert_eq!(user(world, "a").await, ["a/s"]);
    assert_eq!(room(world, "r").await, ["a/s"]);
    world.pass(SLACK_MS).await;
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
    world.set(&in_rooms("a", "s", &["r"])).await;
    assert_eq!(room(world, "r").await, ["a/s"]);
}

async fn a_shorter_ttl_shortens<W: World>(world: &W) {
    let socket = in_rooms("a", "s", &["r"]);
    for (first, then) in [(50 * TTL_MS, TTL_MS), (TTL_MS, 50 * TTL_MS)] {
        world.set_if(&socket, first, Condition::Always).await;
        world.set_if(&socket, then, Condition::Always).await;
        for place in socket.places() {
            let there = world.list(place, Detail::Records).await;
            let left = there[0].record.as_ref().unwrap().left;
            is_about(left.as_millis() as u64, then);
        }
        world.pass(TTL_MS).await;
        assert_eq!(user(world, "a").await.len(), usize::from(then > TTL_MS));
        assert_eq!(room(world, "r").await.len(), usize::from(then > TTL_MS));
    }
}

/// Its first attempt may have been carried out in part.
async fn who_has_lost_the_answer_may_set_the_same_again<W: World>(world: &W) {
    let before = world.set(&in_rooms("a", "s", &["q"])).await;
    let socket = in_rooms("a", "s", &["r"]);
    for _ in 0..2 {
        let set = world.set_if(&socket, TTL_MS, since(before, false)).await;
        assert!(set.is_some());
    }
    assert_eq!(room(world, "r").await, ["a/s"]);
    world.remove("a", "s").await;
    let set = world.set_if(&socket, TTL_MS, since(before, true)).await;
    assert_eq!(set, None, "it was removed since");
}

async fn one_live_socket_keeps_no_dead_one<W: World>(world: &W) {
    world.set(&in_rooms("a", "dead", &["r", "q"])).await;
    for _ in 0..4 {
        world.set(&in_rooms("a", "live", &["q"])).await;
        world.pass(TTL_MS / 2).await;
    }
    assert_eq!(user(world, "a").await, ["a/live"]);
    assert_eq!(room(world, "q").await, ["a/live"]);
    assert!(room(world, "r").await.is_empty());
}

async fn a_refresh_is_refused_if_something_newer_is_known<W: World>(world: &W) {
    let (here, there) = (in_rooms("a", "s", &["r"]), in_rooms("b", "s", &["q"]));
    let first = world.set(&here).await;
    let second = world.set_if(&here, TTL_MS, since(first, false)).await;
    let second = second.expect("nothing has happened");
    for or_lost in [false, true] {
        let again = in_rooms("a", "s", &["r"]);
        let stale = world.set_if(&again, TTL_MS, since(first, or_lost)).await;
        assert_eq!(stale, None);
    }
    let third = world.set(&there).await;
    for or_lost in [false, true] {
        let stale = world.set_if(&here, TTL_MS, since(second, or_lost)).await;
        assert_eq!(stale, None);
    }
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
    assert_eq!(room(world, "q").await, ["b/s"]);
    assert!(
        world
            .set_if(&here, TTL_MS, since(third, true))
            .await
            .is_some()
    );
    assert_eq!(room(world, "r").await, ["a/s"]);
    assert!(room(world, "q").await.is_empty());
}

async fn a_refresh_of_what_is_unknown_depends<W: World>(world: &W) {
    let socket = in_rooms("a", "s", &["r"]);
    assert_eq!(world.set_if(&socket, TTL_MS, since(5, false)).await, None);
    let version = world.set(&socket).await;
    world.pass(TTL_MS).await;
    let refused = world.set_if(&socket, TTL_MS, since(version, false)).await;
    assert_eq!(refused, None, "it has ended");
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
    let back = world.set_if(&socket, TTL_MS, since(version, true)).await;
    assert!(back > Some(version));
    assert_eq!(room(world, "r").await, ["a/s"]);
}

async fn a_removed_socket_is_not_refreshed<W: World>(world: &W) {
    let socket = in_rooms("a", "s", &["r"]);
    let version = world.set(&socket).await;
    let removed = world.remove("a", "s").await;
    assert!(removed > version);
    for ms in [0, REMOVED_MS - SLACK_MS] {
        world.pass(ms).await;
        for version in [version, removed, removed + 1_000_000] {
            for or_lost in [false, true] {
                let refreshed = world.set_if(&socket, TTL_MS, since(version, or_lost)).await;
                assert_eq!(refreshed, None);
            }
        }
    }
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
    assert!(world.set(&socket).await > removed);
    assert_eq!(room(world, "r").await, ["a/s"]);
}

async fn versions_grow<W: World>(world: &W) {
    let mut last = 0;
    for round in 0..50 {
        let name = ["a", "b"][round % 2];
        let set = world.set(&in_rooms(name, "s", &["r"])).await;
        assert!(set > last, "{set} after {last}");
        last = set;
        if round % 3 == 0 {
            let removed = world.remove(name, "s").await;
            assert!(removed > last, "{removed} after {last}");
            last = removed;
        }
        if round % 10 == 0 {
            world.pass(2 * TTL_MS).await;
        }
        let there = world.list(Place::User(name), Detail::Records).await;
        let versions = there.iter().map(|one| one.record.as_ref().unwrap().version);
        assert!(versions.into_iter().all(|version| version == last));
    }
}

async fn metadata_come_back_byte_for_byte<W: World>(world: &W) {
    let long = format!(r#"{{"roomId":"r","x":"{}"}}"#, "é:".repeat(100_000));
    for metadata in [
        r#"{"roomId":"r"}"#,
        r#"{"roomId":"r","__proto__":{"a":1},"constructor":null}"#,
        "{ \"roomId\" : \"r\",\n\"a\":\"\\u0000:\\n😀\", \"b\":1e2, \"a\":2 }",
        r#"{"roomId":["r","r","q"],"1:2:3":"----------------1:2:3:{}"}"#,
        &long,
    ] {
        let socket = Socket::new("a", "s", metadata.as_bytes());
        let version = world.set(&socket).await;
        for place in socket.places() {
            let there = world.list(place, Detail::Records).await;
            assert_eq!(there.len(), 1);
            assert_eq!((&*there[0].user, &*there[0].socket), ("a", "s"));
            let record = there[0].record.as_ref().unwrap();
            assert_eq!(record.metadata, metadata.as_bytes());
            assert_eq!(record.version, version);
            is_about(record.left.as_millis() as u64, TTL_MS);
            is_about(record.seen_at_ms, world.now().await);
        }
    }
}

async fn a_user_was_last_seen_when_set_or_removed<W: World>(world: &W) {
    assert_eq!(world.last_seen("a").await, None);
    world.set(&in_rooms("a", "s", &[])).await;
    is_about(seen_ago(world, "a").await, 0);
    world.pass(TTL_MS / 2).await;
    is_about(seen_ago(world, "a").await, TTL_MS / 2);
    world.set(&in_rooms("a", "t", &[])).await;
    is_about(seen_ago(world, "a").await, 0);
    world.pass(TTL_MS / 4).await;
    world.remove("a", "s").await;
    world.remove("a", "t").await;
    is_about(seen_ago(world, "a").await, 0);
    world.pass(1000 * TTL_MS).await;
    is_about(seen_ago(world, "a").await, 1000 * TTL_MS);
    assert_eq!(world.last_seen("b").await, None);
}

async fn a_user_whose_socket_has_ended_was_last_seen_when_it_was_set<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r"])).await;
    world.pass(3 * TTL_MS).await;
    assert!(user(world, "a").await.is_empty());
    is_about(seen_ago(world, "a").await, 3 * TTL_MS);
}

async fn removing_what_has_ended_does_not_forget_when_it_was_seen<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r"])).await;
    world.pass(3 * TTL_MS).await;
    world.remove("a", "s").await;
    is_about(seen_ago(world, "a").await, 3 * TTL_MS);
}

async fn a_user_whose_socket_went_to_another_was_seen<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r"])).await;
    world.pass(TTL_MS / 2).await;
    world.set(&in_rooms("b", "s", &["r"])).await;
    is_about(seen_ago(world, "b").await, 0);
    assert!(seen_ago(world, "a").await <= TTL_MS / 2 + SLACK_MS);
}

async fn news_are_told_once<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r", "q"])).await;
    assert_eq!(told_in_any_order(world).await, ["q +a/s", "r +a/s"]);
    let changed = br#"{"roomId":["r","q"],"typing":true}"#;
    world.set(&Socket::new("a", "s", changed)).await;
    assert_eq!(told_in_any_order(world).await, ["q +a/s", "r +a/s"]);
    world.set(&in_rooms("a", "s", &["r", "p"])).await;
    let moved = ["p +a/s", "q -a/s", "r +a/s"];
    assert_eq!(told_in_any_order(world).await, moved);
    world.remove("b", "s").await;
    assert!(told(world).await.is_empty(), "it is not theirs");
    world.remove("a", "s").await;
    assert_eq!(told_in_any_order(world).await, ["p -a/s", "r -a/s"]);
    world.remove("a", "s").await;
    assert!(told(world).await.is_empty(), "it was gone");
    world.set(&in_rooms("a", "s", &["r"])).await;
    world.set(&in_rooms("a", "t", &["r"])).await;
    world.remove("a", "s").await;
    assert_eq!(told(world).await, ["r +a/s", "r +a/t", "r -a/s"]);
}

async fn an_unchanged_refresh_is_no_news<W: World>(world: &W) {
    let socket = in_rooms("a", "s", &["r"]);
    let version = world.set(&socket).await;
    told(world).await;
    world.set(&socket).await;
    world.set_if(&socket, TTL_MS, since(version, false)).await;
    assert!(told(world).await.is_empty());
    world.pass(TTL_MS + SLACK_MS).await;
    world.set(&socket).await;
    assert_eq!(told(world).await, ["r +a/s"], "it had ended");
}

async fn news_tell_all_of_a_socket<W: World>(world: &W) {
    let name = "1:é\0";
    let socket = Socket::new(name, ":s", "{\"roomId\":\"r:*\",\"😀\":1}".as_bytes());
    let set = world.set(&socket).await;
    let removed = world.remove(name, ":s").await;
    let is = RoomEvent::Is {
        user: name.into(),
        socket: ":s".into(),
        life: None,
        version: set,
        left: TTL.as_duration(),
        metadata: socket.metadata.clone(),
    };
    let left = RoomEvent::Left {
        user: name.into(),
        socket: ":s".into(),
        version: removed,
    };
    let room = || "r:*".to_owned();
    assert_eq!(world.news().await, [(room(), is), (room(), left)]);
}

async fn a_socket_that_goes_to_another_user_leaves_and_comes<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r", "q"])).await;
    told(world).await;
    world.set(&in_rooms("b", "s", &["r"])).await;
    assert_eq!(
        told_in_any_order(world).await,
        ["q -a/s", "r +b/s", "r -a/s"]
    );
    world.remove("a", "s").await;
    assert!(told(world).await.is_empty());
    world.set(&in_rooms("a", "s", &["r"])).await;
    assert_eq!(told_in_any_order(world).await, ["r +a/s", "r -b/s"]);
}

/// One socket as a list of facts.
struct Fact {
    user: usize,
    rooms: Vec<&'static str>,
    metadata: Bytes,
    version: u64,
    ends: u64,
}

/// Ends and steps of time are never near each other, so that a real clock does not matter.
async fn agrees_with_a_model_over_random_steps<W: World>(world: &W) {
    const USERS: [&str; 3] = ["a", "a:b", "{x}"];
    const SOCKETS: [&str; 5] = ["s", "1:s", "*", "\0", "t"];
    const ROOMS: [&str; 4] = ["r", "q", "{x}", "a"];
    const STEP_MS: u64 = 100_000;
    let mut random = fastrand::Rng::with_seed(11);
    let mut facts: BTreeMap<usize, Fact> = BTreeMap::new();
    // Versions that were given out; when a removed one was removed, and whether it was there then.
    let mut versions: HashMap<usize, Vec<u64>> = HashMap::new();
    let mut removed: HashMap<usize, (u64, bool)> = HashMap::new();
    let (mut now, mut refreshed, mut refused) = (0, 0, 0);
    for step in 0..3000 {
        facts.retain(|_, fact| fact.ends > now);
        let (id, who) = (random.usize(..SOCKETS.len()), random.usize(..USERS.len()));
        let given = versions.entry(id).or_default();
        match random.u8(0..10) {
            0..6 => {
                let mut rooms = ROOMS.to_vec();
                random.shuffle(&mut rooms);
                rooms.truncate(random.usize(..3));
                let metadata = serde_json::json!({ "roomId": rooms, "n": random.u8(..3) });
                let metadata = Bytes::from(metadata.to_string());
                let socket = Socket::new(USERS[who], SOCKETS[id], &metadata);
                let ttl = STEP_MS * random.u64(0..4) + STEP_MS / 2;
                let condition = match (random.bool(), given.len()) {
                    (true, 1..) => {
                        let recent = given.len().saturating_sub(random.usize(1..4));
                        since(given[recent], random.bool())
                    }
                    _ => Condition::Always,
                };
                let expected = match (condition, facts.get(&id), removed.get(&id)) {
                    (Condition::Always, ..) => Some(true),
                    (Condition::Since { version, .. }, Some(fact), _) => {
                        Some(fact.version <= version)
                    }
                    (_, None, Some((_, false))) => None,
                    (_, None, Some((at, _))) if *at == now => Some(false),
                    // Not remembered for ever, but nobody says when it is forgotten.
                    (Condition::Since { or_lost, .. }, None, Some(_)) => {
                        if or_lost {
                            None
                        } else {
                            Some(false)
                        }
                    }
                    // What has ended may leave a trace, for those who were told that it lasts longer.
                    (
                        Condition::Since {
                            version,
                            or_lost: true,
                        },
                        None,
                        None,
                    ) if given.last() == Some(&version) => Some(true),
                    (Condition::Since { .. }, None, None) => None,
                };
                let set = world.set_if(&socket, ttl, condition).await;
                assert!(
                    expected.is_none_or(|expected| expected == set.is_some()),
                    "{step}: {condition:?} {set:?}"
                );
                refused += usize::from(set.is_none());
                if let Some(version) = set {
                    refreshed += usize::from(condition != Condition::Always);
                    assert!(given.iter().all(|old| *old < version), "{step}");
                    given.push(version);
                    removed.remove(&id);
                    let ends = now + ttl;
                    let user = who;
                    let fact = Fact {
                        user,
                        rooms,
                        metadata,
                        version,
                        ends,
                    };
                    facts.insert(id, fact);
                }
            }
            6 | 7 => {
                let version = world.remove(USERS[who], SOCKETS[id]).await;
                if facts.get(&id).is_none_or(|fact| fact.user == who) {
                    given.push(version);
                    let was_there = facts.remove(&id).is_some();
                    removed.insert(id, (now, was_there));
                }
            }
            8 => {
                let ms = STEP_MS * random.u64(1..3);
                world.pass(ms).await;
                now += ms;
            }
            _ => {}
        }
        facts.retain(|_, fact| fact.ends > now);
        let places = USERS.map(Place::User).into_iter();
        for place in places.chain(ROOMS.map(Place::Room)) {
            let mut expected: Vec<_> = facts
                .iter()
                .filter(|(_, fact)| match place {
                    Place::User(name) => USERS[fact.user] == name,
                    Place::Room(name) => fact.rooms.contains(&name),
                })
                .map(|(id, fact)| (SOCKETS[*id], fact))
                .collect();
            expected.sort_by_key(|(id, _)| *id);
            let mut there = world.list(place, Detail::Records).await;
            there.sort_by(|one, other| one.socket.cmp(&other.socket));
            let names: Vec<_> = there.iter().map(|one| &*one.socket).collect();
            let wanted: Vec<_> = expected.iter().map(|(id, _)| *id).collect();
            assert_eq!(names, wanted, "{step}: {place:?}");
            for (one, (_, fact)) in there.iter().zip(expected) {
                let record = one.record.as_ref().unwrap();
                assert_eq!(&*one.user, USERS[fact.user], "{step}: {place:?}");
                assert_eq!(record.version, fact.version, "{step}: {place:?}");
                assert_eq!(record.metadata, fact.metadata, "{step}: {place:?}");
                is_about(record.left.as_millis() as u64, fact.ends - now);
            }
        }
    }
    assert!(refreshed > 200 && refused > 200, "{refreshed} {refused}");
}

#[test]
fn metadata_name_rooms_in_their_order_and_once() {
    let rooms = |metadata: &str| rooms_of(metadata.as_bytes());
    assert_eq!(
        *rooms(r#"{"roomId":["b","a","b",1,null,["c"],""]}"#),
        ["b", "a", ""].map(Box::from)
    );
    assert_eq!(*rooms(r#"{"roomId":"a:b"}"#), ["a:b"].map(Box::from));
    for none in [
        r#"{"roomId":1}"#,
        r#"{"roomId":{"a":"b"}}"#,
        r#"{"room":"a"}"#,
        "null",
        "",
    ] {
        assert!(rooms(none).is_empty(), "{none}");
    }
}

#[tokio::test]
async fn who_has_left_leaves_no_key() {
    let world = &OnRedis::new().await;
    for name in ["a", "{x}", "*", "{"] {
        world.set(&in_rooms(name, "s", &["r", name])).await;
        world.set(&in_rooms(name, "s", &[])).await;
        world.set(&in_rooms(name, "s", &["r", name])).await;
        world.remove(name, "s").await;
        assert_eq!(world.keys().await, BTreeSet::new());
    }
}

#[tokio::test]
async fn who_has_ended_leaves_no_key() {
    let world = &OnRedis::new().await;
    for i in 0..100 {
        world.set(&in_rooms("a", &i.to_string(), &["r"])).await;
    }
    world.set(&in_rooms("b", "0", &["q"])).await;
    world.pass(TTL_MS).await;
    for _ in 0..2 {
        for place in [
            Place::User("a"),
            Place::Room("r"),
            Place::User("b"),
            Place::Room("q"),
        ] {
            assert!(ids(world, place).await.is_empty());
        }
    }
    assert_eq!(world.keys().await, BTreeSet::new());
    world.set(&in_rooms("a", "s", &["r"])).await;
    world.pass(3 * TTL_MS).await;
    assert_eq!(world.keys().await, BTreeSet::new(), "and when nobody asks");
}

#[tokio::test]
async fn keys_of_other_types_are_no_panic() {
    let world = &OnRedis::new().await;
    let socket = in_rooms("a", "s", &["r"]);
    let user = world.names.place(Place::User("a"));
    let room = world.names.place(Place::Room("r"));
    let own = world.names.socket("s");
    let seen = user.last_seen.clone().unwrap();
    for key in [
        &user.members,
        &user.records,
        &room.members,
        &room.records,
        &own,
        &seen,
    ] {
        for make in ["SET", "LPUSH", "ZADD", "HSET"] {
            world.call(&[b"FLUSHALL"]).await;
            let words: &[&[u8]] = match make {
                "ZADD" => &[b"ZADD", key.as_bytes(), b"99999999999999", b"x"],
                "HSET" => &[b"HSET", key.as_bytes(), b"s", b"x"],
                _ => &[make.as_bytes(), key.as_bytes(), b"x"],
            };
            world.call(words).await;
            let roster = world.roster();
            let _ = roster
                .set(&socket, None, None, TTL, Condition::Always)
                .await;
            let _ = roster.set(&socket, None, None, TTL, since(1, true)).await;
            for place in socket.places() {
                for detail in [Detail::Ids, Detail::Records] {
                    let _ = roster.list(place, detail).await;
                }
            }
            let _ = roster.last_seen("a").await;
            let _ = roster.remove("a", "s", &[]).await;
            assert!(
                roster
                    .set(
                        &in_rooms("b", "t", &["q"]),
                        None,
                        None,
                        TTL,
                        Condition::Always
                    )
                    .await
                    .is_ok()
            );
            assert_eq!(ids(world, Place::Room("q")).await, ["b/t"]);
        }
    }
}

#[tokio::test]
async fn a_large_room_is_complete_while_others_refresh() {
    const COUNT: usize = 5000;
    let world = &OnRedis::new().await;
    let sockets: Vec<_> = (0..COUNT)
        .map(|i| in_rooms(&format!("u{}", i / 2), &i.to_string(), &["r"]))
        .collect();
    join_all(sockets.iter().map(|socket| world.set(socket))).await;
    let refresh = async {
        for chunk in sockets[..1000].chunks(50) {
            join_all(chunk.iter().map(|socket| world.set(socket))).await;
        }
    };
    let read = async {
        for detail in [Detail::Ids, Detail::Records] {
            let there = world.list(Place::Room("r"), detail).await;
            let distinct: HashSet<_> = there.iter().map(|one| &*one.socket).collect();
            assert_eq!((there.len(), distinct.len()), (COUNT, COUNT));
            let complete = |one: &Present| one.record.is_some() == (detail == Detail::Records);
            assert!(there.iter().all(complete));
        }
    };
    join(refresh, read).await;
    world.pass(TTL_MS).await;
    assert!(room(world, "r").await.is_empty());
    world.set(&sockets[0]).await;
    assert_eq!(room(world, "r").await, ["u0/0"]);
}

#[tokio::test]
async fn who_came_back_in_another_life_is_there_once() {
    let world = &OnRedis::new().await;
    let (one, other) = (ProcessLease::unique(), ProcessLease::unique());
    let socket = in_rooms("a", "s", &["r"]);
    for life in [Some(one), None, Some(other)] {
        let set = world.try_set(&socket, life, TTL, Condition::Always).await;
        assert!(set.unwrap().is_some());
        for place in socket.places() {
            let there = world.list(place, Detail::Records).await;
            assert_eq!(there.len(), 1);
            assert_eq!(there[0].life, life);
        }
        assert_eq!(told(world).await, ["r +a/s"]);
        assert_eq!(world.last_seen("a").await.unwrap().1, life);
    }
}

#[tokio::test]
async fn a_life_goes_on_while_it_is_heard_of_and_never_again() {
    let world = &OnRedis::new().await;
    let roster = world.roster();
    let lease = LEASE.as_millis() as u64;
    let (one, other) = (ProcessLease::unique(), ProcessLease::unique());
    assert_eq!(roster.beat(one, false).await, Ok(false), "it has not begun");
    assert_eq!(roster.beat(one, true).await, Ok(true));
    assert_eq!(roster.beat(other, true).await, Ok(true));
    world.pass(lease * 2 / 3).await;
    assert_eq!(roster.beat(one, false).await, Ok(true));
    world.pass(lease * 2 / 3).await;
    let lives = roster.lives().await.unwrap();
    assert_eq!(lives.len(), 2);
    assert!(lives[&one].left <= LEASE && !lives[&one].left.is_zero());
    assert!(lives[&other].left.is_zero());
    is_about(lives[&one].at_ms, world.now().await - lease * 2 / 3);
    for _ in 0..2 {
        assert_eq!(roster.beat(other, false).await, Ok(false));
        assert_eq!(roster.beat(one, false).await, Ok(true));
    }
    world.pass(2 * 3_600_000).await;
    assert!(roster.lives().await.unwrap().is_empty());
    let last = roster.last_beat(one).await.unwrap().expect("remembered");
    is_about(world.now().await - last, 2 * 3_600_000);
    assert_eq!(roster.last_beat(ProcessLease::unique()).await, Ok(None));
    world.pass(31 * 24 * 3_600_000).await;
    assert_eq!(roster.beat(ProcessLease::unique(), true).await, Ok(true));
    assert_eq!(roster.last_beat(one).await, Ok(None));
}

#[tokio::test]
async fn only_members_of_the_ended_life_are_forgotten() {
    let world = &OnRedis::new().await;
    let roster = world.roster();
    let (dead, live) = (ProcessLease::unique(), ProcessLease::unique());
    let sockets = ["s", "t", "1:t", "v"].map(|id| in_rooms("a", id, &["r"]));
    for socket in &sockets[..3] {
        let set = roster
            .set(socket, None, Some(dead), TTL, Condition::Always)
            .await;
        assert!(set.unwrap().is_some());
    }
    let set = roster
        .set(&sockets[3], None, Some(live), TTL, Condition::Always)
        .await;
    assert!(set.unwrap().is_some());
    let places = [Place::User("a"), Place::Room("r")];
    let there = join_all(places.map(|place| roster.list(place, Detail::Ids))).await;
    // One of those who were read as ended comes back before they are forgotten.
    let back = roster
        .set(&sockets[0], None, Some(live), TTL, Condition::Always)
        .await;
    assert!(back.unwrap().is_some());
    for (place, there) in places.into_iter().zip(there) {
        let there = there.unwrap().into_iter();
        let ended: Vec<_> = there.filter(|one| one.life == Some(dead)).collect();
        assert_eq!(ended.len(), 3);
        roster.forget(place, &[]).await.unwrap();
        assert_eq!(ids(world, place).await.len(), 4);
        roster.forget(place, &ended).await.unwrap();
        assert_eq!(ids(world, place).await, ["a/s", "a/v"]);
    }
}

#[tokio::test]
async fn older_news_do_not_replace_newer_ones() {
    let world = &OnRedis::new().await;
    let (older, newer) = (in_rooms("a", "s", &["r"]), in_rooms("a", "s", &["r", "q"]));
    let version = world.set(&older).await;
    let newest = world.set(&newer).await;
    for place in older.places() {
        assert!(!world.put_late(place, &older, version).await, "{place:?}");
        let there = world.list(place, Detail::Records).await;
        assert_eq!(there[0].record.as_ref().unwrap().version, newest);
    }
}

/// A process has claimed a version, another one does something with the socket, then the first goes on.
async fn overtaken(world: &OnRedis, older: &Socket, meanwhile: impl Future<Output = ()>) {
    // The server knows the scripts, so that each is sent once.
    world.set(&in_rooms("x", "x", &["x"])).await;
    world.set(&in_rooms("x", "x", &[])).await;
    world.remove("x", "x").await;
    let roster = world.roster();
    let mut held_up = pin!(roster.set(older, None, None, TTL, Condition::Always));
    let begun = poll_fn(|context| Poll::Ready(held_up.as_mut().poll(context)));
    assert!(begun.await.is_pending());
    meanwhile.await;
    assert!(held_up.await.unwrap().is_some());
}

#[tokio::test]
async fn who_was_overtaken_by_another_user_takes_back_what_it_has_said() {
    let world = &OnRedis::new().await;
    let (older, newer) = (in_rooms("a", "s", &["r", "q"]), in_rooms("b", "s", &["r"]));
    overtaken(world, &older, async {
        world.set(&newer).await;
    })
    .await;
    assert!(user(world, "a").await.is_empty() && room(world, "q").await.is_empty());
    assert_eq!(room(world, "r").await, ["b/s"]);
    world.remove("b", "s").await;
    world.pass(REMOVED_MS).await;
    assert_eq!(world.keys().await, BTreeSet::new());
}

#[tokio::test]
async fn who_was_overtaken_by_a_move_takes_back_what_it_has_said() {
    let world = &OnRedis::new().await;
    let (older, newer) = (in_rooms("a", "s", &["r"]), in_rooms("a", "s", &["q"]));
    overtaken(world, &older, async {
        world.set(&newer).await;
    })
    .await;
    assert!(room(world, "r").await.is_empty());
    assert_eq!(room(world, "q").await, ["a/s"]);
    assert_eq!(user(world, "a").await, ["a/s"]);
}

#[tokio::test]
async fn who_was_overtaken_by_a_removal_takes_back_what_it_has_said() {
    let world = &OnRedis::new().await;
    let older = in_rooms("a", "s", &["r"]);
    overtaken(world, &older, async {
        world.remove("a", "s").await;
    })
    .await;
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
}

/// Two processes at once: whoever has the greater version has the socket, alone.
#[tokio::test]
async fn of_two_users_at_once_one_has_the_socket() {
    let world = &OnRedis::new().await;
    let other = connect(&world.server).await;
    let (here, there) = (world.roster(), world.roster_of(&other));
    for round in 0..300 {
        let id = format!("s{round}");
        let (one, two) = (
            in_rooms("a", &id, &["r", "q"]),
            in_rooms("b", &id, &["q", "p"]),
        );
        let set = join(
            here.set(&one, None, None, TTL, Condition::Always),
            there.set(&two, None, None, TTL, Condition::Always),
        );
        let (first, second) = set.await;
        let (wins, loses) = match first.unwrap() > second.unwrap() {
            true => (&one, &two),
            false => (&two, &one),
        };
        for place in wins.places() {
            let names = ids(world, place).await;
            assert_eq!(names, [format!("{}/{id}", wins.user)], "{round}: {place:?}");
        }
        let places = loses.places();
        for place in places.filter(|place| *place != Place::Room("q")) {
            assert!(ids(world, place).await.is_empty(), "{round}: {place:?}");
        }
        here.remove(&wins.user, &id, &[]).await.unwrap();
    }
}

/// Two processes at once: if the removal is the newer, nothing is left.
#[tokio::test]
async fn of_a_set_and_a_removal_at_once_the_newer_wins() {
    let world = &OnRedis::new().await;
    let other = connect(&world.server).await;
    let (here, there) = (world.roster(), world.roster_of(&other));
    for round in 0..300 {
        let id = format!("s{round}");
        let socket = in_rooms("a", &id, &["r", "q"]);
        let set = here.set(&socket, None, None, TTL, Condition::Always);
        let (set, removed) = match round % 2 {
            0 => join(set, there.remove("a", &id, &[])).await,
            _ => {
                let (removed, set) = join(there.remove("a", &id, &[]), set).await;
                (set, removed)
            }
        };
        let is_there = set.unwrap().unwrap() > removed.unwrap();
        for place in socket.places() {
            let count = ids(world, place).await.len();
            assert_eq!(count, usize::from(is_there), "{round}: {place:?}");
        }
        here.remove("a", &id, &[]).await.unwrap();
    }
}

/// Of one process: what was asked for last is what stays.
async fn sets_and_removes(world: &OnRedis, rooms: &[&str]) {
    let (socket, roster) = (in_rooms("a", "s", rooms), world.roster());
    let set = roster.set(&socket, None, None, TTL, Condition::Always);
    let (set, removed) = join(set, roster.remove("a", "s", &[])).await;
    assert!(removed.unwrap() > set.unwrap().unwrap());
    for place in socket.places() {
        assert!(ids(world, place).await.is_empty(), "{place:?}");
    }
}

#[tokio::test]
async fn a_removal_on_the_heels_of_a_set_wins() {
    let world = &OnRedis::new().await;
    for _ in 0..300 {
        sets_and_removes(world, &["r", "q"]).await;
    }
}

/// Who is there all the time is listed once, even if its life changes while the pages are read.
#[tokio::test]
async fn a_large_room_lists_everybody_once_while_lives_change() {
    let world = &OnRedis::new().await;
    let sockets: Vec<_> = (0..5000)
        .map(|i| in_rooms("a", &i.to_string(), &["r"]))
        .collect();
    let (one, other) = (Some(ProcessLease::unique()), Some(ProcessLease::unique()));
    let set = |socket, life| world.try_set(socket, life, TTL, Condition::Always);
    for set in join_all(sockets.iter().map(|socket| set(socket, one))).await {
        assert!(set.unwrap().is_some());
    }
    let restart = async {
        for chunk in sockets.chunks(100) {
            join_all(chunk.iter().map(|socket| set(socket, other))).await;
        }
    };
    let read = async {
        for _ in 0..10 {
            let there = world.list(Place::Room("r"), Detail::Ids).await;
            let distinct: HashSet<_> = there.iter().map(|one| &*one.socket).collect();
            assert_eq!(
                (there.len(), distinct.len()),
                (sockets.len(), sockets.len())
            );
        }
    };
    join(restart, read).await;
    assert_eq!(
        world.list(Place::Room("r"), Detail::Ids).await.len(),
        sockets.len()
    );
}

/// A server that was restarted may know the script of one and not of the other.
#[tokio::test]
async fn a_removal_on_the_heels_of_a_set_wins_whatever_scripts_are_known() {
    let world = &OnRedis::new().await;
    for _ in 0..20 {
        world.call(&[b"SCRIPT", b"FLUSH"]).await;
        world.roster().remove("b", "t", &[]).await.unwrap();
        sets_and_removes(world, &["r"]).await;
    }
}

#[tokio::test]
async fn of_two_moves_of_one_process_the_last_stays() {
    let world = &OnRedis::new().await;
    let roster = world.roster();
    for round in 0..300 {
        let (one, two) = (
            in_rooms("a", "s", &["r", "q"]),
            in_rooms("a", "s", &["p", "q"]),
        );
        let set = |socket| roster.set(socket, None, None, TTL, Condition::Always);
        let (first, second) = join(set(&one), set(&two)).await;
        assert!(second.unwrap() > first.unwrap());
        assert!(room(world, "r").await.is_empty(), "{round}");
        for name in ["p", "q"] {
            assert_eq!(room(world, name).await, ["a/s"], "{round}");
        }
        roster.remove("a", "s", &[]).await.unwrap();
    }
}

/// The server's answer to a set comes after the socket was removed here.
#[tokio::test]
async fn what_was_asked_for_before_a_removal_is_not_kept_after_it() {
    let world = &InMemory::new().await;
    let socket = Arc::new(in_rooms("a", "s", &["r"]));
    let standing = Standing {
        order: world.roster.order(),
        version: 1,
        ttl: Some(TTL),
        doubt: Doubt::None,
    };
    world.remove("a", "s").await;
    world.roster.keep(socket, standing);
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
}

/// Watchers of a room hear of every end, however it is found.
#[tokio::test]
async fn what_has_ended_in_memory_leaves_once() {
    let world = &InMemory::new().await;
    world.set(&in_rooms("a", "swept", &["r"])).await;
    world.set(&in_rooms("a", "moved", &["r"])).await;
    world.set(&in_rooms("a", "removed", &["r"])).await;
    told(world).await;
    world.pass(TTL_MS).await;
    world.set(&in_rooms("a", "moved", &["q"])).await;
    world.remove("a", "removed").await;
    world.roster.sweep(true).await;
    world.roster.sweep(true).await;
    let expected = ["q +a/moved", "r -a/moved", "r -a/removed", "r -a/swept"];
    assert_eq!(told_in_any_order(world).await, expected);
    is_about(seen_ago(world, "a").await, 0);
}
