//! What every store promises. The same tests run on both of them, unmodified.

mod leases;
mod values;

use std::time::{Duration, Instant};

use crate::support::{InMemory, OnRedis};
use bytes::Bytes;
use redis_backplane::store::memory::MemoryStore;
use redis_backplane::store::redis::RedisStore;
use redis_backplane::store::{Fetched, FillLease, Json, Key, Lifetime, Pattern, Store, Ttl};

const MINUTE: Ttl = Ttl::from_whole_millis(60_000);

/// A store, and a way to let its time pass.
trait World {
    type Store: Store;
    fn store(&self) -> &Self::Store;
    async fn a_moment(&self);
}

impl World for InMemory {
    type Store = MemoryStore;
    fn store(&self) -> &MemoryStore {
        &self.0
    }
    async fn a_moment(&self) {
        self.1.advance(5);
    }
}

impl World for OnRedis {
    type Store = RedisStore;
    fn store(&self) -> &RedisStore {
        &self.connected.store
    }
    async fn a_moment(&self) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn key(name: &str) -> Key {
    Key::new(&[b"s:", name.as_bytes()])
}

fn json(text: &str) -> Json {
    Bytes::copy_from_slice(text.as_bytes())
}

fn fresh(ms: u64) -> Lifetime {
    Lifetime {
        fresh: Ttl::from_whole_millis(ms),
        stale_ms: 0,
    }
}

async fn absent_lease(store: &impl Store, key: &Key) -> FillLease {
    match store.fetch(key, MINUTE).await.unwrap() {
        Fetched::Absent(lease) => lease,
        other => panic!("expected a lease, found {other:?}"),
    }
}

async fn eventually<W: World>(world: &W, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        world.a_moment().await;
    }
}
