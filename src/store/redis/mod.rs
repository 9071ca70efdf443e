//! The store on a Redis server. The only place that knows redis-rs.
//!
//! Every operation is one command or one script on one key. Large data travels on the lane for long
//! work.
//!
//! A call is a task, and a task is as large as its rarest path and is copied several times. So the
//! rare paths of the hot operations are boxed; `hot_calls_are_small` in the tests checks that.

mod as_remote;
mod bus;
pub mod connection;
mod large_writes;
mod locks;
mod overtake;
pub mod presence;
pub mod pubsub_connection;
mod rate_limits;
mod raw_commands;
mod reply;
mod scan;
mod script;
mod server;
mod tags;
mod trailer;

use redis::{Cmd, Value};
use tokio::time::{Instant, timeout_at};

use connection::deadline::patient;
use connection::link::Link;
use script::{CACHE_ABANDON, CACHE_FILL, CACHE_LEASE};
use trailer::Trailer;

use super::{Fetched, FillLease, Json, Key, Lifetime, Pattern, Result, Store, StoreError, Ttl};
use bus::Publishes;
use large_writes::LargeWrites;
use overtake::Overtaking;

pub struct RedisStore {
    link: Link,
    large: LargeWrites,
    publishes: Publishes,
    raw: Overtaking,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisStore")
    }
}

impl RedisStore {
    pub fn new(link: Link) -> Self {
        Self {
            link,
            large: LargeWrites::default(),
            publishes: Publishes::default(),
            raw: Overtaking::default(),
        }
    }

    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Asks something about `key`, after any large write of it in progress.
    async fn query(&self, key: &Key, command: Cmd) -> Result<Value> {
        if self.large.is_idle() {
            return self.link.calls.query(command).await;
        }
        Box::pin(self.in_turn(key, self.link.calls.query(command))).await
    }

    /// `GETRANGE` instead of `GET`: the same cost, and no reply is larger than the lane allows. A
    /// server without it is asked for the whole value.
    fn first_part(&self, key: &Key, room: usize) -> Cmd {
        if !self.link.has_getrange() {
            return command(&[b"GET", key.as_bytes()]);
        }
        let mut command = Cmd::with_capacity(4, key.as_bytes().len() + 16);
        command
            .arg("GETRANGE")
            .arg(key.as_bytes())
            .arg(0)
            .arg(room - 1);
        command
    }

    async fn read(&self, key: &Key, deadline: Instant) -> Result<Option<Vec<u8>>> {
        let room = self.link.calls.read_room();
        let part = self.first_part(key, room);
        let start = self.link.calls.query_for(room, part).await;
        self.whole(key, start, room, deadline).await
    }

    /// What is stored under `key`, trailer included, from the answer with its first `room` bytes.
    /// The rest of a longer value comes on the other lane.
    async fn whole(
        &self,
        key: &Key,
        start: Result<Value>,
        room: usize,
        deadline: Instant,
    ) -> Result<Option<Vec<u8>>> {
        let stored = match start {
            Ok(Value::BulkString(start)) if start.len() == room => {
                drop(start);
                Box::pin(self.read_large(key, deadline)).await
            }
            other => other,
        };
        match stored {
            // GETRANGE returns an empty text for an absent key, which no JSON text is.
            Ok(Value::BulkString(stored)) if !stored.is_empty() => Ok(Some(stored)),
            Ok(_) => Ok(None),
            Err(StoreError::Rejected(text)) if text.starts_with("WRONGTYPE") => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read_large(&self, key: &Key, deadline: Instant) -> Result<Value> {
        let whole = || command(&[b"GET", key.as_bytes()]);
        let answer = self.link.bulk_again(0, whole);
        patient(deadline, self.link.command_timeout(), answer).await
    }

    /// Whether a value that may be served stale is still fresh: only the server measures its time.
    async fn is_fresh(&self, key: &Key, trailer: Trailer, deadline: Instant) -> Result<bool> {
        let ms_left = self.query(key, command(&[b"PTTL", key.as_bytes()]));
        match timeout_at(deadline, ms_left).await {
            Ok(Ok(Value::Int(ms_left))) => Ok(ms_left > trailer.stale_ms as i64),
            Ok(other) => other.map(|_| false),
            Err(_) => Err(StoreError::TimedOut),
        }
    }

    /// The deadline of a call of several round trips.
    fn deadline(&self) -> Instant {
        Instant::now() + self.link.command_timeout()
    }

    async fn fetched(&self, key: &Key, stored: Vec<u8>, deadline: Instant) -> Result<Fetched> {
        let (text, Some(trailer)) = Trailer::split(&stored) else {
            return Ok(Fetched::Fresh(stored.into()));
        };
        if trailer.is_placeholder() {
            return Ok(Fetched::Absent(trailer.lease));
        }
        let text = Json::copy_from_slice(text);
        Ok(if self.is_fresh(key, trailer, deadline).await? {
            Fetched::Fresh(text)
        } else {
            Fetched::Stale(text, trailer.lease)
        })
    }
}

impl Store for RedisStore {
    async fn get(&self, key: &Key) -> Result<Option<Json>> {
        let deadline = self.deadline();
        let stored = if self.large.is_idle() {
            self.read(key, deadline).await?
        } else {
            Box::pin(self.in_turn(key, self.read(key, deadline))).await?
        };
        let Some(stored) = stored else {
            return Ok(None);
        };
        let (text, trailer) = Trailer::split(&stored);
        match trailer {
            None => Ok(Some(stored.into())),
            Some(trailer) if trailer.is_placeholder() => Ok(None),
            Some(trailer) => {
                let text = Json::copy_from_slice(text);
                let is_fresh = Box::pin(self.is_fresh(key, trailer, deadline)).await?;
                Ok(is_fresh.then_some(text))
            }
        }
    }

    async fn set(&self, key: &Key, value: Json, ttl: Ttl) -> Result<bool> {
        if !self.link.calls.has_room_for(value.len()) {
            return Box::pin(self.write_large(key, value, ttl)).await;
        }
        let write = write(key, &value, ttl.as_millis());
        let written = self.link.calls.query_of(value.len(), write);
        if self.large.is_idle() {
            return written.await.map(|_| true);
        }
        Box::pin(self.told_in_turn(key, written))
            .await
            .map(|_| true)
    }

    async fn get_timed(&self, key: &Key) -> Result<Option<(Json, Ttl)>> {
        let deadline = self.deadline();
        let left = self.link.calls.query(command(&[b"PTTL", key.as_bytes()]));
        let both = async { tokio::try_join!(self.read(key, deadline), left) };
        let (Some(stored), Value::Int(left)) = self.in_turn(key, both).await? else {
            return Ok(None);
        };
        let (text, trailer) = Trailer::split(&stored);
        let stale_ms = match trailer {
            Some(trailer) if trailer.is_placeholder() => return Ok(None),
            Some(trailer) => trailer.stale_ms as i64,
            None => 0,
        };
        let text = Json::copy_from_slice(text);
        Ok(match left - stale_ms {
            left @ 1.. => Some((text, Ttl::from_whole_millis(left as u64))),
            _ => None,
        })
    }

    async fn time_left(&self, key: &Key) -> Result<Option<Ttl>> {
        let ms = self.query(key, command(&[b"PTTL", key.as_bytes()])).await?;
        Ok(match ms {
            Value::Int(ms @ 1..) => Some(Ttl::from_whole_millis(ms as u64)),
            _ => None,
        })
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        let unlink = command(&[self.link.unlink().as_bytes(), key.as_bytes()]);
        let deleted = self.link.calls.query(unlink);
        if self.large.is_idle() {
            return deleted.await.map(|_| ());
        }
        Box::pin(self.told_in_turn(key, deleted)).await.map(|_| ())
    }

    async fn delete_all(&self, keys: &[Key]) -> Result<()> {
        let commands = keys
            .iter()
            .map(|key| command(&[self.link.unlink().as_bytes(), key.as_bytes()]));
        self.link
            .calls
            .query_all(commands.collect())
            .await
            .map(|_| ())
    }

    async fn delete_matching(&self, spaces: &[&Key], patterns: &[Pattern]) -> Result<u64> {
        scan::delete_matching(&self.link, spaces, patterns).await
    }

    /// One round trip: a placeholder if nothing is there, and then the stored value.
    async fn fetch(&self, key: &Key, lease_ttl: Ttl) -> Result<Fetched> {
        let deadline = self.deadline();
        let lease = FillLease::unique();
        let placeholder = Trailer::placeholder(lease);
        let ms = lease_ttl.as_millis().to_string();
        let name = key.as_bytes();
        let put = command(&[b"SET", name, &placeholder, b"NX", b"PX", ms.as_bytes()]);
        let room = self.link.calls.read_room();
        let both = async {
            let put = self.link.calls.query(put);
            let read = self.link.calls.query_for(room, self.first_part(key, room));
            match tokio::join!(put, read) {
                (Err(error @ (StoreError::Lost | StoreError::Refused(_))), _) => Err(error),
                // A user who may not write may read.
                (_, read) => read,
            }
        };
        let answer = self.in_turn(key, both).await;
        if let Some(stored) = self.whole(key, answer, room, deadline).await? {
            return self.fetched(key, stored, deadline).await;
        }
        // There is something that is not a value: of another type, or empty.
        let (keys, args) = ([key], [&placeholder[..], ms.as_bytes()]);
        let put = self.link.calls.script(&CACHE_LEASE, &keys, &args);
        let put = timeout_at(deadline, put);
        match put.await.unwrap_or(Err(StoreError::TimedOut))? {
            Value::BulkString(stored) => self.fetched(key, stored, deadline).await,
            _ => Ok(Fetched::Absent(lease)),
        }
    }

    async fn fill(
        &self,
        key: &Key,
        lease: &FillLease,
        value: Json,
        lifetime: Lifetime,
    ) -> Result<bool> {
        if *lease == FillLease::NONE {
            return Ok(false);
        }
        let mut stored = value.to_vec();
        if lifetime.stale_ms > 0 {
            let trailer = Trailer {
                stale_ms: lifetime.stale_ms,
                lease: FillLease::unique(),
            };
            trailer.append_to(&mut stored);
        }
        let ms = (lifetime.fresh.as_millis() + lifetime.stale_ms).to_string();
        let args: [&[u8]; 3] = [&Trailer::lease_digits(*lease), &stored, ms.as_bytes()];
        let filled = self.script(&CACHE_FILL, &[key], &args).await?;
        Ok(filled == Value::Int(1))
    }

    async fn abandon(&self, key: &Key, lease: &FillLease) -> Result<()> {
        let args: [&[u8]; 1] = [&Trailer::placeholder(*lease)];
        self.link
            .calls
            .script(&CACHE_ABANDON, &[key], &args)
            .await?;
        Ok(())
    }
}

fn write(key: &Key, value: &Json, ms: u64) -> Cmd {
    let mut command = Cmd::with_capacity(5, key.as_bytes().len() + value.len() + 32);
    command
        .arg("SET")
        .arg(key.as_bytes())
        .arg(&value[..])
        .arg("PX")
        .arg(ms);
    command
}

fn command(words: &[&[u8]]) -> Cmd {
    let bytes = words.iter().map(|word| word.len()).sum();
    let mut command = Cmd::with_capacity(words.len(), bytes);
    for word in words {
        command.arg(*word);
    }
    command
}
