//! What every roster promises: who is where, until when, and what is told of it. The same steps run
//! on both, in a time that the test moves.

mod keys;
mod last_seen;
mod model;
mod overtaken;
mod process_leases;
mod refresh;
mod room_events;
mod sockets;

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
use redis_backplane::store::redis::presence::RedisRoster;
use redis_backplane::store::redis::pubsub_connection::PubsubConnection;
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
        lease: Option<ProcessLease>,
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
        lease: Option<ProcessLease>,
        ttl: Ttl,
        condition: Condition,
    ) -> Result<Option<u64>> {
        self.roster.set(socket, None, lease, ttl, condition).await
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
            include_str!("../../../src/store/redis/lua/presence_place.lua"),
            include_str!("../../../src/store/redis/lua/presence_put.lua")
        );
        let keys = self.names.place(place);
        let all = [&keys.members, &keys.records];
        let all: Vec<_> = all.into_iter().chain(&keys.last_seen).collect();
        let (count, version) = (all.len().to_string(), version.to_string());
        let (lease, ttl) = (ProcessLease::text(None), TTL_MS.to_string());
        let name = match place {
            Place::User(_) => socket.id.as_bytes().to_vec(),
            Place::Room(_) => field(&socket.user, &socket.id),
        };
        let mut words: Vec<&[u8]> = vec![b"EVAL", lua.as_bytes(), count.as_bytes()];
        words.extend(all.iter().map(|key| key.as_bytes()));
        words.extend([&name, lease.as_bytes(), version.as_bytes(), ttl.as_bytes()]);
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
        lease: Option<ProcessLease>,
        ttl: Ttl,
        condition: Condition,
    ) -> Result<Option<u64>> {
        self.roster().set(socket, None, lease, ttl, condition).await
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
    let (at, lease) = world
        .last_seen(user)
        .await
        .unwrap_or_else(|| panic!("{user} was seen"));
    assert_eq!(lease, None);
    world.now().await.abs_diff(at)
}
