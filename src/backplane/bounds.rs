//! Checks that the memory which a backplane reports, after a load of all functions with names from
//! 1 to 60 KB, is what the allocator has given it. `BOUNDS_SECONDS=60` runs the long form.

use std::env;
use std::time::{Duration, Instant};

use super::*;
use crate::measure::{is_counted, taken};
use crate::store::bus::{Reach, TopicKind};
use crate::store::memory::budget::MemoryKind;
use crate::store::presence::{Place, Socket};
use crate::store::rate_limits::{Algorithm, Rule};
use crate::store::remote::NeverReached;
use crate::store::topics;
use crate::store::{Fetched, Json, Lifetime, Ttl};

const MB: u64 = 1024 * 1024;
const TTL: Ttl = Ttl::from_whole_millis(3_600_000);
const OFF: f64 = 0.1;
/// A subscriber, and a watcher of rooms.
const RECEIVERS: [u32; 2] = [1, 2];

struct BoundsLoad {
    backplane: Arc<Backplane<NeverReached>>,
    random: fastrand::Rng,
    named: u64,
    pad: Vec<u8>,
}

impl BoundsLoad {
    /// Sometimes a name that was used before.
    fn name(&mut self) -> Vec<u8> {
        let is_old = self.random.f64() < 0.3;
        let number = match is_old {
            true => self.random.u64(..self.named.max(1)),
            false => self.named,
        };
        self.named += u64::from(!is_old);
        let length = 1000 + (number * 7919 % 58_990) as usize;
        [format!("{number}:").as_bytes(), &self.pad[..length]].concat()
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.name()).expect("digits and letters")
    }

    fn value(&mut self) -> Json {
        let length = self.random.usize(..20_000);
        let text = std::str::from_utf8(&self.pad[..length]).expect("letters");
        Json::from(format!(r#"{{"text":"{text}"}}"#))
    }

    fn query(&mut self) -> Query {
        let room = self.text();
        Query {
            name: self.name().into(),
            params: format!(r#"{{"roomId":"{room}"}}"#).into_bytes().into(),
            rooms: vec![room],
        }
    }

    fn socket(&mut self) -> Socket {
        let (user, id) = (self.text(), self.text());
        let metadata = format!(r#"{{"roomId":["{}","{}"]}}"#, self.text(), self.text());
        Socket::new(&user, &id, metadata.as_bytes())
    }

    async fn call(&mut self) {
        match self.random.u32(..5) {
            0 => self.call_cache().await,
            1 => self.call_tagged().await,
            2 => self.call_counted().await,
            3 => self.call_presence().await,
            _ => self.call_bus().await,
        }
    }

    async fn call_cache(&mut self) {
        let it = self.backplane.clone();
        let (name, value) = (self.name(), self.value());
        match self.random.u32(..8) {
            0 => {
                it.cache_get(&name).await;
            }
            1 | 2 => {
                it.cache_set(&name, value, TTL).await;
            }
            3 => {
                it.cache_delete(&name).await;
            }
            4 => {
                it.cache_delete_pattern(&[&name[..3], &b"*"[..]].concat())
                    .await;
            }
            5 => {
                if let Fetched::Absent(lease) = it.cache_fetch(&name, TTL).await {
                    let (fresh, stale_ms) = (TTL, 60_000);
                    let lifetime = Lifetime { fresh, stale_ms };
                    it.cache_fill(&name, lease, value, lifetime).await;
                }
            }
            6 => it.message_set(&name, value, TTL).await,
            _ => {
                it.message_get(&name).await;
            }
        }
    }

    async fn call_tagged(&mut self) {
        let it = self.backplane.clone();
        let (name, query, value) = (self.name(), self.query(), self.value());
        match self.random.u32(..9) {
            0 => {
                it.query_get(&query).await;
            }
            1 => {
                it.query_set(&query, value, TTL).await;
            }
            2 => {
                it.query_fetch(&query).await;
            }
            3 => {
                it.query_invalidate_name(&name).await;
            }
            4 => {
                it.query_invalidate_room(&name).await;
            }
            5 => {
                it.session_get(&name).await;
            }
            6 => {
                it.session_set(&name, &[self.text()], value, TTL).await;
            }
            7 => {
                it.session_delete(&name).await;
            }
            _ => {
                it.session_invalidate(&name).await;
            }
        }
    }

    async fn call_counted(&mut self) {
        let it = self.backplane.clone();
        let rule = Rule {
            algorithm: Algorithm::FixedWindow,
            limit: 100,
            window_ms: TTL.as_millis(),
        };
        let name = self.name();
        match self.random.u32(..5) {
            0 | 1 => {
                it.limit_check(&name, rule, 1).await;
            }
            2 => it.limit_reset(&name).await,
            3 => {
                let request = LockRequest {
                    handle: self.named,
                    name: name.into(),
                    ttl: TTL,
                    wait: Some(Duration::ZERO),
                    keeping: Keeping::Named,
                };
                it.lock_take(request).await;
            }
            _ => {
                it.lock_release_named(&name).await;
            }
        }
    }

    async fn call_presence(&mut self) {
        let it = self.backplane.clone();
        let socket = self.socket();
        match self.random.u32(..6) {
            0..=2 => {
                it.presence_set(socket, TTL).await;
            }
            3 => {
                it.presence_remove(&socket.user, &socket.id).await;
            }
            4 => {
                it.presence_records(Place::Room(&socket.rooms[0])).await;
            }
            _ => {
                it.presence_last_seen(&socket.user).await;
            }
        }
    }

    async fn call_bus(&mut self) {
        let it = self.backplane.clone();
        let [subscriber, watcher] = RECEIVERS;
        let (room, tag) = (self.text(), topics::SubscriptionTag(self.named));
        let (name, kind) = (room.as_bytes(), TopicKind::Channel);
        match self.random.u32(..5) {
            0 => {
                it.publish(Reach::Everywhere, name, self.value()).await;
            }
            1 => {
                it.subscribe(subscriber, kind, name, tag).await;
            }
            2 => it.unsubscribe(subscriber, kind, name).await,
            3 => {
                it.presence_watch(watcher, &room, tag).await;
            }
            _ => it.presence_unwatch(&room),
        }
        // Subscriptions are not refused: the program must end what it began.
        if self.random.u32(..40) == 0 {
            it.close_subscriber(subscriber);
            it.presence_unwatch_all();
        }
    }
}

/// Of everything that is kept.
fn told(backplane: &Backplane<NeverReached>) -> u64 {
    let kinds = backplane.metrics().memory;
    kinds.iter().map(|(_, bytes)| bytes).sum()
}

async fn measured(max_bytes: u64) {
    let seconds = env::var("BOUNDS_SECONDS").map_or(3, |text| text.parse().expect("a number"));
    let backplane = Backplane::new(
        Options::nowhere(max_bytes),
        Arc::new(|_| ()),
        Arc::new(|_| ()),
    );
    backplane.start();
    backplane.cache_get(b"k").await;
    let mut load = BoundsLoad {
        backplane: backplane.clone(),
        random: fastrand::Rng::with_seed(1),
        named: 0,
        pad: vec![b'x'; 60_000],
    };
    let (before, told_before) = (taken(), told(&backplane));
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut calls = 0;
    while Instant::now() < until {
        load.call().await;
        calls += 1;
        if calls % 64 == 0 {
            tokio::task::yield_now().await;
            let wanted = [MemoryKind::Subscriptions, MemoryKind::Watches]
                .map(|kind| backplane.budget.bytes(kind));
            assert!(backplane.budget.total() <= max_bytes + wanted.iter().sum::<u64>());
        }
    }
    // Everything that has been started ends.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let took = (taken() - before) as f64;
    let counted = told(&backplane) - told_before;
    let kinds = backplane.metrics().memory;
    println!("{calls} calls in {seconds} s: told {counted}, taken {took}: {kinds:?}");
    is_counted(counted, took, OFF);
    backplane.close().await;
}

#[tokio::test]
async fn what_is_told_is_what_is_taken_of_a_little() {
    measured(8 * MB).await;
}

#[tokio::test]
async fn what_is_told_is_what_is_taken_of_much() {
    measured(64 * MB).await;
}
