//! What every locker promises: one holder at a time, in order of arrival, with growing fences. The
//! same steps run on both, in a time that the test moves.

mod clocks;
mod expiry;
mod fences;
mod leases;
mod model;
mod names;
mod older_clients;
mod processes;
mod queue;

use std::collections::HashSet;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Connected, Server, answer, connect};
use redis_backplane::store::bus::{Topic, TopicKind};
use redis_backplane::store::locks::{
    HANDOVER, LockKeys, Locker, ProcessAddress, QueueTurn, Taken, Token, Wake, parse_wake,
};
use redis_backplane::store::memory::Clock;
use redis_backplane::store::memory::budget::{Account, MemoryKind};
use redis_backplane::store::memory::locks::MemoryLocks;
use redis_backplane::store::redis::RedisStore;
use redis_backplane::store::redis::pubsub_connection::PubsubConnection;
use redis_backplane::store::topics::{SubscriptionTag, Topics};
use redis_backplane::store::{Key, Ttl};
use serde_json::Value as Answer;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(10);

const PREFIX: &[u8] = b"app:";

const LEASE_MS: u64 = 40_000;

const LEASE: Ttl = Ttl::from_whole_millis(LEASE_MS);

const HANDOVER_MS: u64 = HANDOVER.as_duration().as_millis() as u64;

/// What may pass on a real clock while a test does a step.
const SLACK_MS: u64 = 10_000;

/// A locker, a way to let its time pass, and a process whose waiters are called.
trait World {
    type Locker: Locker;
    fn locker(&self) -> &Self::Locker;
    /// A new one of the process that hears its calls.
    fn token(&self) -> Token;
    /// Lets so much of a lock's time pass.
    async fn pass(&self, keys: &LockKeys, ms: u64);
    /// All calls since this was asked last.
    async fn calls(&self) -> Vec<Wake>;
}

struct InMemory {
    locks: MemoryLocks,
    clock: Clock,
    address: ProcessAddress,
    calls: Arc<Mutex<Vec<Wake>>>,
}

impl InMemory {
    async fn new() -> Self {
        let (clock, calls) = (Clock::manual(), Arc::<Mutex<Vec<Wake>>>::default());
        let called = calls.clone();
        let on_call = Box::new(move |call| called.lock().unwrap().push(call));
        Self {
            locks: MemoryLocks::new(
                Account::alone(MemoryKind::Locks, 1 << 20),
                clock.clone(),
                on_call,
            ),
            clock,
            address: ProcessAddress::unique(),
            calls,
        }
    }

    fn called(&self) -> Vec<Wake> {
        mem::take(&mut *self.calls.lock().unwrap())
    }
}

impl World for InMemory {
    type Locker = MemoryLocks;
    fn locker(&self) -> &MemoryLocks {
        &self.locks
    }
    fn token(&self) -> Token {
        self.address.token()
    }
    async fn pass(&self, _: &LockKeys, ms: u64) {
        self.clock.advance(ms);
    }
    async fn calls(&self) -> Vec<Wake> {
        self.called()
    }
}

struct OnRedis {
    here: Process,
    connected: Connected,
    server: Server,
}

/// Hears the calls of its waiters until it is dropped.
struct Process {
    address: ProcessAddress,
    calls: tokio::sync::Mutex<tokio::sync::mpsc::UnboundedReceiver<Wake>>,
    _pubsub_connection: PubsubConnection,
}

impl Process {
    async fn start(server: &Server, connected: &Connected) -> Self {
        let address = ProcessAddress::unique();
        let (sender, calls) = tokio::sync::mpsc::unbounded_channel();
        let topics = Topics::new(Box::new(move |message| {
            let call = parse_wake(&message.payload).expect("a call");
            let _ = sender.send(call);
        }));
        let channel = Topic {
            kind: TopicKind::Channel,
            name: address.channel(PREFIX),
        };
        topics.want(&channel, SubscriptionTag(0));
        let switch = connected.switch.clone();
        let pubsub_connection =
            PubsubConnection::start(server.endpoint(), switch, topics.clone(), |_| ());
        let settled = timeout(PATIENCE, topics.resolved(&channel)).await;
        assert_eq!(settled, Ok(true), "the process should be reachable");
        Self {
            address,
            calls: tokio::sync::Mutex::new(calls),
            _pubsub_connection: pubsub_connection,
        }
    }

    /// What came before a call that the test makes itself.
    async fn calls(&self, store: &RedisStore) -> Vec<Wake> {
        let (last, channel) = (self.address.token(), self.address.channel(PREFIX));
        let text = format!("{last}:0");
        let words: [&[u8]; 3] = [b"PUBLISH", channel.as_bytes(), text.as_bytes()];
        assert_eq!(answer(store, &words).await, 1);
        let mut calls = Vec::new();
        loop {
            let next = timeout(PATIENCE, async { self.calls.lock().await.recv().await });
            let call = next.await.expect("a call should come").unwrap();
            if call.0 == last {
                return calls;
            }
            calls.push(call);
        }
    }
}

impl OnRedis {
    async fn new() -> Self {
        let server = Server::start();
        let connected = connect(&server).await;
        Self {
            here: Process::start(&server, &connected).await,
            connected,
            server,
        }
    }

    async fn call(&self, words: &[&[u8]]) -> Answer {
        answer(self.locker(), words).await
    }

    /// One word about a key, and what goes with it.
    async fn ask(&self, word: &str, key: &Key, rest: &[&str]) -> Answer {
        let mut words = vec![word.as_bytes(), key.as_bytes()];
        words.extend(rest.iter().map(|word| word.as_bytes()));
        self.call(&words).await
    }

    async fn set(&self, key: &Key, value: &str) {
        self.ask("SET", key, &[value]).await;
    }

    async fn ms_left(&self, key: &Key) -> i64 {
        self.ask("PTTL", key, &[]).await.as_i64().unwrap()
    }

    async fn is_there(&self, key: &Key) -> bool {
        self.ask("EXISTS", key, &[]).await == 1
    }

    /// Waits until a key has ended by itself.
    async fn is_gone(&self, key: &Key) {
        let deadline = Instant::now() + PATIENCE;
        while self.is_there(key).await {
            assert!(Instant::now() < deadline, "{key:?} should end");
            sleep(Duration::from_millis(2)).await;
        }
    }
}

impl World for OnRedis {
    type Locker = RedisStore;
    fn locker(&self) -> &RedisStore {
        &self.connected.store
    }
    fn token(&self) -> Token {
        self.here.address.token()
    }
    /// The lock and its fence are so much nearer to their end; what is over goes at once. The queue
    /// stays: whoever waits comes by before it ends.
    async fn pass(&self, keys: &LockKeys, ms: u64) {
        for key in [&keys.lock, &keys.fence] {
            let left = self.ms_left(key).await;
            if left >= 0 {
                let left = (left - ms as i64).to_string();
                self.ask("PEXPIRE", key, &[&left]).await;
            }
        }
    }
    async fn calls(&self) -> Vec<Wake> {
        self.here.calls(self.locker()).await
    }
}

fn keys(name: &str) -> LockKeys {
    LockKeys::new(PREFIX, name.as_bytes())
}

/// What one caller can do with one lock.
struct Caller<'a, W> {
    world: &'a W,
    keys: LockKeys,
    token: Token,
}

impl<'a, W: World> Caller<'a, W> {
    fn new(world: &'a W, keys: &LockKeys) -> Self {
        Self::with(world, keys, world.token())
    }

    fn with(world: &'a W, keys: &LockKeys, token: Token) -> Self {
        let keys = keys.clone();
        Self { world, keys, token }
    }

    async fn take(&self, turn: QueueTurn) -> Taken {
        self.take_with(LEASE, turn, 0).await
    }

    async fn take_with(&self, lease: Ttl, turn: QueueTurn, known_fence: u64) -> Taken {
        let locker = self.world.locker();
        let taken = locker.take(&self.keys, self.token, lease, turn, known_fence);
        taken.await.unwrap()
    }

    /// Gets the lock; its fence.
    async fn gets(&self) -> u64 {
        self.gets_with(LEASE, 0).await
    }

    async fn gets_with(&self, lease: Ttl, known_fence: u64) -> u64 {
        match self.take_with(lease, QueueTurn::No, known_fence).await {
            Taken::Granted { fence } => fence,
            denied => panic!("{denied:?}"),
        }
    }

    /// Is denied the lock; when the lease ends, and the place.
    async fn is_denied(&self, turn: QueueTurn) -> (Option<Duration>, u64) {
        match self.take(turn).await {
            Taken::Denied { free_in, place } => (free_in, place),
            granted => panic!("{granted:?}"),
        }
    }

    /// Is denied the lock without waiting for it, for about so long.
    async fn is_denied_for(&self, ms: u64) {
        let (free_in, place) = self.is_denied(QueueTurn::No).await;
        is_about(free_in.expect("a lease that ends"), ms);
        assert_eq!(place, 0, "who does not wait has no place");
    }

    async fn waits(&self) -> u64 {
        self.is_denied(QueueTurn::New).await.1
    }

    async fn extends(&self, ms: u64) -> bool {
        let (locker, lease) = (self.world.locker(), Ttl::from_whole_millis(ms));
        locker.extend(&self.keys, self.token, lease).await.unwrap()
    }

    async fn gives(&self) -> bool {
        let locker = self.world.locker();
        locker.give(&self.keys, self.token).await.unwrap()
    }
}

/// As long as that, a millisecond more at most, or what has passed meanwhile less.
fn is_about(time: Duration, ms: u64) {
    let bounds = ms.saturating_sub(SLACK_MS)..=ms + 1;
    assert!(
        bounds.contains(&(time.as_millis() as u64)),
        "{time:?} is not {ms} ms"
    );
}

/// So many callers, each with a place in the queue behind the one before.
async fn queue<'a, W: World>(world: &'a W, keys: &LockKeys, count: usize) -> Vec<Caller<'a, W>> {
    let mut last = 0;
    let mut callers = Vec::new();
    for _ in 0..count {
        let caller = Caller::new(world, keys);
        let place = caller.waits().await;
        assert!(place > last, "{place} is not behind {last}");
        last = place;
        callers.push(caller);
    }
    callers
}

/// A call to look at once.
fn now<W>(caller: &Caller<W>) -> Wake {
    (caller.token, Duration::ZERO)
}

fn after<W>(caller: &Caller<W>, lease: Ttl) -> Wake {
    (caller.token, lease.as_duration())
}
