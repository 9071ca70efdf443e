//! What every locker promises: one holder at a time, in order of arrival, with growing fences. The
//! same steps run on both, in a time that the test moves.

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
use redis_backplane::store::remote::RedisStore;
use redis_backplane::store::remote::pubsub_connection::PubsubConnection;
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

contract!(
    a_free_lock_is_granted_and_a_taken_one_is_denied_until_its_lease_ends,
    who_asks_again_has_the_lock_for_a_full_lease_with_a_greater_fence,
    fences_grow_over_every_acquisition,
    a_fence_is_greater_than_what_the_caller_knows,
    only_the_owner_extends,
    an_extended_lease_ends_when_it_was_said_to,
    a_late_owner_extends_and_frees_nothing,
    a_lock_that_nobody_waits_for_is_free_once_given,
    waiters_are_handed_the_lock_in_order_of_arrival,
    a_newcomer_does_not_barge_in_when_the_lock_was_given,
    a_newcomer_does_not_barge_in_when_the_lease_has_ended,
    a_waiter_does_not_overtake_those_before_it,
    a_waiter_that_leaves_blocks_nobody_behind_it,
    when_the_first_leaves_the_next_is_called,
    when_the_first_leaves_a_free_lock_the_next_is_called_at_once,
    who_was_handed_the_lock_and_does_not_want_it_passes_it_on,
    a_lock_that_is_not_taken_over_goes_to_the_next,
    the_first_in_the_queue_is_called_again_with_every_new_lease,
    a_place_is_kept_by_who_was_lost_from_the_queue,
    asking_again_neither_loses_nor_doubles_a_place,
    who_asks_once_without_waiting_keeps_its_place,
    locks_know_nothing_of_each_other,
);

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

async fn a_free_lock_is_granted_and_a_taken_one_is_denied_until_its_lease_ends(world: &impl World) {
    let keys = keys("a");
    let [one, two] = [(); 2].map(|()| Caller::new(world, &keys));
    assert!(one.gets().await > 0);
    two.is_denied_for(LEASE_MS).await;
    world.pass(&keys, LEASE_MS - SLACK_MS).await;
    two.is_denied_for(SLACK_MS).await;
    world.pass(&keys, SLACK_MS).await;
    two.gets().await;
    one.is_denied_for(LEASE_MS).await;
    assert_eq!(world.calls().await, []);
}

async fn who_asks_again_has_the_lock_for_a_full_lease_with_a_greater_fence(world: &impl World) {
    let keys = keys("a");
    let [one, two] = [(); 2].map(|()| Caller::new(world, &keys));
    let first = one.gets().await;
    world.pass(&keys, LEASE_MS - SLACK_MS).await;
    assert!(one.gets().await > first);
    two.is_denied_for(LEASE_MS).await;
    world.pass(&keys, LEASE_MS - SLACK_MS).await;
    two.is_denied(QueueTurn::No).await;
    // The second answer was for the same lock: giving it once is enough.
    assert!(one.gives().await);
    two.gets().await;
}

async fn fences_grow_over_every_acquisition(world: &impl World) {
    let keys = keys("a");
    let mut last = 0;
    for _ in 0..10 {
        let [released, expired, waiting] = [(); 3].map(|()| Caller::new(world, &keys));
        let mut fences = vec![released.gets().await];
        assert!(released.gives().await);
        fences.push(expired.gets().await);
        world.pass(&keys, LEASE_MS).await;
        fences.push(released.gets().await);
        waiting.waits().await;
        assert!(released.gives().await);
        fences.push(waiting.gets().await);
        fences.push(waiting.gets().await);
        assert!(waiting.gives().await);
        for fence in fences {
            assert!(fence > last, "{fence} after {last}");
            last = fence;
        }
    }
}

async fn a_fence_is_greater_than_what_the_caller_knows(world: &impl World) {
    let keys = keys("a");
    let caller = Caller::new(world, &keys);
    let first = caller.gets().await;
    // More than any clock has counted until now.
    let known = first + 1_000_000_000_000;
    assert!(caller.gets_with(LEASE, known).await > known);
    assert!(caller.gives().await);
    let next = Caller::new(world, &keys);
    assert!(next.gets().await > known + 1, "it is remembered");
    assert!(next.gets_with(LEASE, first).await > known + 2);
}

async fn only_the_owner_extends(world: &impl World) {
    let keys = keys("a");
    let [one, two, waiting] = [(); 3].map(|()| Caller::new(world, &keys));
    assert!(!one.extends(LEASE_MS).await, "nobody has it");
    one.gets().await;
    waiting.waits().await;
    for other in [&two, &waiting] {
        assert!(!other.extends(10 * LEASE_MS).await);
        assert!(!other.extends(1).await);
    }
    two.is_denied_for(LEASE_MS).await;
}

async fn an_extended_lease_ends_when_it_was_said_to(world: &impl World) {
    let keys = keys("a");
    let [one, two] = [(); 2].map(|()| Caller::new(world, &keys));
    one.gets().await;
    assert!(one.extends(3 * LEASE_MS).await);
    two.is_denied_for(3 * LEASE_MS).await;
    world.pass(&keys, 2 * LEASE_MS).await;
    two.is_denied_for(LEASE_MS).await;
    assert!(one.extends(LEASE_MS / 2).await, "it may become shorter");
    two.is_denied_for(LEASE_MS / 2).await;
    world.pass(&keys, LEASE_MS / 2).await;
    two.gets().await;
}

async fn a_late_owner_extends_and_frees_nothing(world: &impl World) {
    let keys = keys("a");
    let [late, next, other] = [(); 3].map(|()| Caller::new(world, &keys));
    late.gets().await;
    world.pass(&keys, LEASE_MS).await;
    assert!(!late.extends(LEASE_MS).await && !late.gives().await);
    next.gets().await;
    assert!(!late.extends(10 * LEASE_MS).await && !late.gives().await);
    other.is_denied_for(LEASE_MS).await;
    assert!(next.gives().await);
    // What was given is not the owner's any more, either.
    assert!(!next.extends(LEASE_MS).await && !next.gives().await);
    other.gets().await;
}

async fn a_lock_that_nobody_waits_for_is_free_once_given(world: &impl World) {
    let keys = keys("a");
    for _ in 0..3 {
        let caller = Caller::new(world, &keys);
        caller.gets().await;
        assert!(caller.gives().await);
    }
    assert_eq!(world.calls().await, []);
}

async fn waiters_are_handed_the_lock_in_order_of_arrival(world: &impl World) {
    let keys = keys("a");
    let mut holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 5).await;
    assert_eq!(world.calls().await, [], "each was told when to come");
    let mut waiters = waiters.into_iter().peekable();
    while let Some(next) = waiters.next() {
        assert!(holder.gives().await);
        let mut handed = vec![now(&next)];
        handed.extend(waiters.peek().map(|first| after(first, HANDOVER)));
        assert_eq!(world.calls().await, handed);
        next.gets().await;
        let behind = waiters.peek().map(|first| after(first, LEASE));
        assert_eq!(world.calls().await, Vec::from_iter(behind));
        holder = next;
    }
    assert!(holder.gives().await);
    assert_eq!(world.calls().await, []);
}

async fn a_newcomer_does_not_barge_in_when_the_lock_was_given(world: &impl World) {
    let keys = keys("a");
    let [holder, waiter, newcomer] = [(); 3].map(|()| Caller::new(world, &keys));
    holder.gets().await;
    waiter.waits().await;
    assert!(holder.gives().await);
    for other in [&newcomer, &holder] {
        other.is_denied_for(HANDOVER_MS).await;
    }
    waiter.gets().await;
    newcomer.is_denied_for(LEASE_MS).await;
}

async fn a_newcomer_does_not_barge_in_when_the_lease_has_ended(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 2).await;
    world.pass(&keys, LEASE_MS).await;
    Caller::new(world, &keys).is_denied_for(HANDOVER_MS).await;
    // By asking it has found out for the first that the lock is free.
    let handed = [now(&waiters[0]), after(&waiters[1], HANDOVER)];
    assert_eq!(world.calls().await, handed);
    assert!(!holder.gives().await, "it was the first's already");
    waiters[0].gets().await;
}

async fn a_waiter_does_not_overtake_those_before_it(world: &impl World) {
    let keys = keys("a");
    Caller::new(world, &keys).gets().await;
    let waiters = queue(world, &keys, 3).await;
    world.pass(&keys, LEASE_MS).await;
    waiters[2].is_denied(QueueTurn::No).await;
    waiters[1].is_denied(QueueTurn::New).await;
    assert_eq!(world.calls().await[0], now(&waiters[0]));
    waiters[0].gets().await;
    assert!(waiters[0].gives().await);
    waiters[2].is_denied(QueueTurn::No).await;
    waiters[1].gets().await;
}

async fn a_waiter_that_leaves_blocks_nobody_behind_it(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 4).await;
    for left in [&waiters[1], &waiters[2]] {
        assert!(!left.gives().await, "it does not hold the lock");
    }
    assert_eq!(
        world.calls().await,
        [],
        "that changes nothing for the first"
    );
    Caller::new(world, &keys).is_denied_for(LEASE_MS).await;
    assert!(holder.gives().await);
    waiters[0].gets().await;
    assert!(waiters[0].gives().await);
    waiters[3].gets().await;
    assert!(waiters[3].gives().await);
    Caller::new(world, &keys).gets().await;
}

async fn when_the_first_leaves_the_next_is_called(world: &impl World) {
    let keys = keys("a");
    Caller::new(world, &keys).gets().await;
    let waiters = queue(world, &keys, 2).await;
    world.pass(&keys, LEASE_MS / 2).await;
    assert!(!waiters[0].gives().await);
    let calls = world.calls().await;
    assert_eq!((calls.len(), calls[0].0), (1, waiters[1].token));
    is_about(calls[0].1, LEASE_MS / 2);
    assert!(!waiters[0].gives().await, "it has left already");
    assert!(!waiters[1].gives().await, "nobody is behind it");
    assert_eq!(world.calls().await, []);
}

async fn when_the_first_leaves_a_free_lock_the_next_is_called_at_once(world: &impl World) {
    let keys = keys("a");
    Caller::new(world, &keys).gets().await;
    let waiters = queue(world, &keys, 2).await;
    world.pass(&keys, LEASE_MS).await;
    assert!(!waiters[0].gives().await);
    assert_eq!(world.calls().await, [now(&waiters[1])]);
    waiters[1].gets().await;
}

async fn who_was_handed_the_lock_and_does_not_want_it_passes_it_on(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 2).await;
    assert!(holder.gives().await);
    world.calls().await;
    assert!(waiters[0].gives().await, "it was handed the lock");
    assert_eq!(world.calls().await, [now(&waiters[1])]);
    Caller::new(world, &keys).is_denied_for(HANDOVER_MS).await;
    assert!(!waiters[0].gives().await);
    assert!(waiters[1].gives().await);
    Caller::new(world, &keys).gets().await;
}

async fn a_lock_that_is_not_taken_over_goes_to_the_next(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 3).await;
    assert!(holder.gives().await);
    // The first two have been killed. Whoever is behind them is called for the end of their time.
    let mut expected = vec![now(&waiters[0]), after(&waiters[1], HANDOVER)];
    assert_eq!(world.calls().await, expected);
    world.pass(&keys, HANDOVER_MS).await;
    waiters[2].is_denied(QueueTurn::No).await;
    expected = vec![now(&waiters[1]), after(&waiters[2], HANDOVER)];
    assert_eq!(world.calls().await, expected);
    assert!(!waiters[0].gives().await, "its time is over");
    world.pass(&keys, HANDOVER_MS).await;
    waiters[2].gets().await;
    assert_eq!(world.calls().await, []);
}

async fn the_first_in_the_queue_is_called_again_with_every_new_lease(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 3).await;
    let longer = Ttl::from_whole_millis(2 * LEASE_MS);
    holder.gets_with(longer, 0).await;
    assert_eq!(world.calls().await, [after(&waiters[0], longer)]);
    world.pass(&keys, 2 * LEASE_MS).await;
    waiters[0].gets().await;
    assert_eq!(world.calls().await, [after(&waiters[1], LEASE)]);
}

async fn a_place_is_kept_by_who_was_lost_from_the_queue(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let lost = Caller::new(world, &keys);
    let place = lost.waits().await;
    let behind = queue(world, &keys, 2).await;
    assert!(!lost.gives().await);
    world.calls().await;
    assert_eq!(lost.is_denied(QueueTurn::Place(place)).await.1, place);
    let last = queue(world, &keys, 1).await;
    assert!(holder.gives().await);
    for next in [&lost, &behind[0], &behind[1], &last[0]] {
        assert_eq!(world.calls().await[0], now(next));
        next.gets().await;
        world.calls().await;
        assert!(next.gives().await);
    }
}

async fn asking_again_neither_loses_nor_doubles_a_place(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let first = Caller::new(world, &keys);
    let place = first.waits().await;
    let second = queue(world, &keys, 1).await.remove(0);
    for _ in 0..3 {
        assert_eq!(first.is_denied(QueueTurn::Place(place)).await.1, place);
    }
    // The answer to the first question was lost: it is asked as a new one.
    first.is_denied(QueueTurn::New).await;
    assert!(holder.gives().await);
    for next in [&first, &second] {
        assert_eq!(world.calls().await[0], now(next));
        assert!(next.gives().await);
    }
    assert_eq!(world.calls().await, [], "nobody is left");
    holder.gets().await;
}

async fn who_asks_once_without_waiting_keeps_its_place(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 2).await;
    waiters[0].is_denied_for(LEASE_MS).await;
    assert!(holder.gives().await);
    assert_eq!(world.calls().await[0], now(&waiters[0]));
    waiters[0].gets().await;
}

/// Names that mean something to Redis, to Lua, to formats; and each other's beginnings and ends.
const HOSTILE: [&str; 22] = [
    "",
    "a",
    "a:b",
    "a:",
    ":a",
    "{a}",
    "x{a}y",
    "{",
    "}",
    "{}",
    "{}{a}",
    "}{",
    "a{b",
    "a{b}c{d}",
    "{{a}}",
    "é{ü}",
    "\0",
    "a\0b",
    "a b\r\n",
    "*",
    "%s%d",
    "日本語",
];

async fn locks_know_nothing_of_each_other(world: &impl World) {
    let mut held = Vec::new();
    for name in HOSTILE {
        let holder = Caller::new(world, &keys(name));
        holder.gets().await;
        let waiter = queue(world, &holder.keys, 1).await.remove(0);
        held.push((holder, waiter));
    }
    for (holder, waiter) in held {
        assert!(holder.gives().await, "{:?}", holder.keys);
        assert_eq!(world.calls().await, [now(&waiter)]);
        waiter.gets().await;
    }
}

/// Bit by bit, as the cluster specification describes it.
fn slot(key: &Key) -> u16 {
    let key = key.as_bytes();
    let open = key.iter().position(|byte| *byte == b'{');
    let tag = open.and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    let crc = tag.unwrap_or(key).iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            let carry = if crc & 0x8000 == 0 { 0 } else { 0x1021 };
            crc << 1 ^ carry
        })
    });
    crc % 16384
}

#[test]
fn the_keys_of_a_lock_are_its_own_and_in_one_slot() {
    // What CLUSTER KEYSLOT answers.
    assert_eq!(slot(&Key::new(&[b"foo"])), 12182);
    assert_eq!(slot(&Key::new(&[b"{user1000}.following"])), 3443);
    for prefix in ["", "app:", "{app}:", "{}", "}", "a{b}{c}", "é\0:"] {
        let mut all = HashSet::new();
        let many = (0..500).map(|i| format!("{i}"));
        for name in HOSTILE.map(str::to_owned).into_iter().chain(many) {
            let keys = LockKeys::new(prefix.as_bytes(), name.as_bytes());
            let lock = Key::new(&[prefix.as_bytes(), b"lock:", name.as_bytes()]);
            assert_eq!(keys.lock, lock, "it is where older versions look");
            for key in [keys.lock, keys.fence, keys.queue] {
                assert_eq!(slot(&key), slot(&lock), "{key:?}");
                assert!(all.insert(key), "{name:?} shares a key");
            }
        }
    }
}

#[tokio::test]
async fn a_waiter_whose_process_is_gone_is_skipped_and_forgotten() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let gone = ProcessAddress::unique();
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    // All of them came long ago.
    let alive = Caller::new(world, &keys);
    for place in [1, 2, 3, 5] {
        let dead = Caller::with(world, &keys, gone.token());
        dead.is_denied(QueueTurn::Place(place)).await;
    }
    alive.is_denied(QueueTurn::Place(4)).await;
    assert_eq!(world.ask("ZCARD", &keys.queue, &[]).await, 5);
    assert!(holder.gives().await);
    assert_eq!(world.calls().await, [now(&alive)]);
    alive.gets().await;
    assert!(
        !world.is_there(&keys.queue).await,
        "the last one is gone, too"
    );
    assert!(alive.gives().await);
    assert!(!world.is_there(&keys.lock).await);
}

/// A process begins to listen when its first waiter has come.
#[tokio::test]
async fn a_waiter_that_is_new_is_waited_for_although_it_cannot_be_reached() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [holder, newcomer] = [(); 2].map(|()| Caller::new(world, &keys));
    holder.gets().await;
    let new = Caller::with(world, &keys, ProcessAddress::unique().token());
    new.waits().await;
    assert!(holder.gives().await);
    newcomer.is_denied_for(250).await;
    new.gets().await;
}

#[tokio::test]
async fn a_lease_that_only_the_dead_wait_for_ends_free() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [holder, newcomer] = [(); 2].map(|()| Caller::new(world, &keys));
    holder.gets().await;
    let dead = Caller::with(world, &keys, ProcessAddress::unique().token());
    let place = dead.is_denied(QueueTurn::Place(1)).await.1;
    world.pass(&keys, LEASE_MS).await;
    newcomer.gets().await;
    assert!(!world.is_there(&keys.queue).await);
    // Should it not have been dead after all, it comes again.
    assert_eq!(dead.is_denied(QueueTurn::Place(place)).await.1, place);
    assert!(
        newcomer.gives().await,
        "and nobody is called who cannot hear"
    );
    assert!(!world.is_there(&keys.lock).await);
}

#[tokio::test]
async fn each_process_hears_of_its_own_waiters() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let there = Process::start(&world.server, &world.connected).await;
    let [holder, here] = [(); 2].map(|()| Caller::new(world, &keys));
    holder.gets().await;
    let other = Caller::with(world, &keys, there.address.token());
    other.waits().await;
    here.waits().await;
    assert!(holder.gives().await);
    assert_eq!(there.calls(world.locker()).await, [now(&other)]);
    assert_eq!(world.calls().await, [after(&here, HANDOVER)]);
    other.gets().await;
    assert_eq!(there.calls(world.locker()).await, []);
    assert_eq!(world.calls().await, [after(&here, LEASE)]);
}

#[tokio::test]
async fn a_lock_is_its_token_as_a_plain_text_that_ends() {
    let world = &OnRedis::new().await;
    let holder = Caller::new(world, &keys("a"));
    holder.gets().await;
    let (lock, token) = (&holder.keys.lock, holder.token.to_string());
    assert_eq!(lock, &Key::new(&[b"app:lock:a"]));
    assert_eq!(world.ask("TYPE", lock, &[]).await, "string");
    assert_eq!(world.ask("GET", lock, &[]).await, token);
    is_about(
        Duration::from_millis(world.ms_left(lock).await as u64),
        LEASE_MS,
    );
}

#[tokio::test]
async fn an_older_client_is_kept_out_and_keeps_others_out() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [one, two] = [(); 2].map(|()| Caller::new(world, &keys));
    let older = ["old-token", "NX", "EX", "30"];
    one.gets().await;
    assert_eq!(world.ask("SET", &keys.lock, &older).await, Answer::Null);
    assert!(one.gives().await);
    assert_eq!(world.ask("SET", &keys.lock, &older).await, "OK");
    assert!(!one.extends(LEASE_MS).await && !one.gives().await);
    one.is_denied_for(30_000).await;
    two.waits().await;
    let held = world.ask("GET", &keys.lock, &[]).await;
    assert_eq!(held, "old-token");
    assert_eq!(world.ask("DEL", &keys.lock, &[]).await, 1);
    // Nobody was called; the lock is the waiter's all the same.
    one.is_denied_for(HANDOVER_MS).await;
    two.gets().await;
}

#[tokio::test]
async fn an_older_client_may_end_a_lease() {
    let world = &OnRedis::new().await;
    let holder = Caller::new(world, &keys("a"));
    holder.gets().await;
    assert_eq!(world.ask("DEL", &holder.keys.lock, &[]).await, 1);
    assert!(!holder.extends(LEASE_MS).await && !holder.gives().await);
    Caller::new(world, &holder.keys).gets().await;
}

#[tokio::test]
async fn a_key_that_is_no_lock_of_ours_is_somebodys() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [one, two] = [(); 2].map(|()| Caller::new(world, &keys));
    for foreign in [
        ["RPUSH", "x", ""],
        ["HSET", "x", "y"],
        ["SET", "", "KEEPTTL"],
        ["SET", "1", "KEEPTTL"],
    ] {
        let rest = if foreign[0] == "RPUSH" { 1..2 } else { 1..3 };
        world.ask(foreign[0], &keys.lock, &foreign[rest]).await;
        let before = world.ask("DUMP", &keys.lock, &[]).await;
        assert_eq!(one.is_denied(QueueTurn::No).await, (None, 0), "{foreign:?}");
        assert_eq!(
            two.is_denied(QueueTurn::New).await.0,
            None,
            "nobody knows how long"
        );
        assert!(!one.extends(1).await && !two.extends(1).await);
        assert!(!one.gives().await && !two.gives().await);
        assert_eq!(world.ask("DUMP", &keys.lock, &[]).await, before);
        assert_eq!(world.ms_left(&keys.lock).await, -1, "{foreign:?}");
        world.ask("DEL", &keys.lock, &[]).await;
    }
    one.gets().await;
}

#[tokio::test]
async fn a_lock_whose_lease_somebody_made_endless_is_still_its_owners() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [holder, waiter] = [(); 2].map(|()| Caller::new(world, &keys));
    holder.gets().await;
    world.ask("PERSIST", &keys.lock, &[]).await;
    assert_eq!(waiter.is_denied(QueueTurn::New).await.0, None);
    assert!(holder.extends(LEASE_MS).await);
    waiter.is_denied_for(LEASE_MS).await;
    world.ask("PERSIST", &keys.lock, &[]).await;
    assert!(holder.gives().await);
    waiter.gets().await;
    assert!(world.ms_left(&keys.lock).await > 0);
}

#[tokio::test]
async fn nothing_is_kept_for_ever() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 2).await;
    let fence_outlives = world.ms_left(&keys.fence).await - world.ms_left(&keys.lock).await;
    assert!(fence_outlives > 60_000, "{fence_outlives}");
    assert!(world.ms_left(&keys.queue).await > 0);
    assert!(holder.extends(10 * LEASE_MS).await);
    let left = world.ms_left(&keys.fence).await - world.ms_left(&keys.lock).await;
    assert!(left > 60_000, "the fence outlives an extended lease, too");
    assert!(holder.gives().await);
    waiters[0].gets().await;
    assert!(world.ms_left(&keys.queue).await > 0);
    assert!(!waiters[1].gives().await);
    assert!(!world.is_there(&keys.queue).await, "nobody waits");
    assert!(waiters[0].gives().await);
    assert!(!world.is_there(&keys.lock).await, "nobody holds it");
    assert!(world.ms_left(&keys.fence).await > 0);
    let size = world.call(&[b"DBSIZE"]).await;
    assert_eq!(size, 1, "the fence is all that is left");
}

#[tokio::test]
async fn whoever_still_waits_keeps_the_queue() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    Caller::new(world, &keys).gets().await;
    let waiter = Caller::new(world, &keys);
    let place = waiter.waits().await;
    world.ask("PEXPIRE", &keys.queue, &["15000"]).await;
    waiter.is_denied(QueueTurn::Place(place)).await;
    let left = Duration::from_millis(world.ms_left(&keys.queue).await as u64);
    is_about(left, 60_000);
}

#[tokio::test]
async fn a_fence_that_was_lost_is_followed_by_a_greater_one() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let caller = Caller::new(world, &keys);
    let mut last = caller.gets().await;
    // By the server's clock alone, then by what the caller knows.
    for ahead in [0, 1_000_000_000_000] {
        world.ask("DEL", &keys.fence, &[]).await;
        let known = last * u64::from(ahead > 0) + ahead;
        let next = caller.gets_with(LEASE, known).await;
        assert!(next > last.max(known), "{next} after {last}, {known}");
        last = next;
    }
    world.call(&[b"FLUSHALL"]).await;
    assert!(caller.gets_with(LEASE, last).await > last);
}

#[tokio::test]
async fn a_fence_grows_when_the_servers_clock_is_set_back() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let caller = Caller::new(world, &keys);
    // As if an hour, or ten years, ahead of now.
    let mut last = caller.gets().await;
    for ahead in [3_600_000_000, 315_360_000_000_000] {
        let future = last + ahead;
        world.set(&keys.fence, &future.to_string()).await;
        for expected in future + 1..future + 4 {
            assert_eq!(caller.gets().await, expected);
            assert!(caller.gives().await);
        }
        let stored = world.ask("GET", &keys.fence, &[]).await;
        last = future + 3;
        assert_eq!(stored, last.to_string());
        assert!(world.ms_left(&keys.fence).await > 0);
    }
}

#[tokio::test]
async fn a_fence_key_that_holds_no_number_does_no_harm() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let caller = Caller::new(world, &keys);
    let mut last = caller.gets().await;
    for foreign in ["", "abc", "-5", "1e3", "0x10", "list"] {
        world.ask("DEL", &keys.fence, &[]).await;
        match foreign {
            "list" => drop(world.ask("RPUSH", &keys.fence, &["x"]).await),
            text => world.set(&keys.fence, text).await,
        }
        let fence = caller.gets().await;
        assert!(fence > last, "{fence} after {last} and {foreign:?}");
        last = fence;
    }
}

/// Lua reads these as numbers, which no other is greater than.
#[tokio::test]
async fn a_fence_key_that_holds_no_end_of_numbers_does_no_harm() {
    let world = &OnRedis::new().await;
    for foreign in ["nan", "-nan", "inf"] {
        let caller = Caller::new(world, &keys(foreign));
        let before = caller.gets().await;
        world.set(&caller.keys.fence, foreign).await;
        let first = caller.gets().await;
        let second = caller.gets().await;
        assert!(
            before < first && first < second,
            "{foreign}: {before}, {first}, {second}"
        );
    }
}

#[tokio::test]
async fn a_server_whose_clock_jumps_ahead_frees_the_lock_and_nothing_else() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [old, new, other] = [(); 3].map(|()| Caller::new(world, &keys));
    let fence = old.gets().await;
    world.pass(&keys, 3_600_000).await;
    assert!(new.gets_with(LEASE, 0).await > fence);
    assert!(!old.extends(LEASE_MS).await && !old.gives().await);
    other.is_denied_for(LEASE_MS).await;
}

#[tokio::test]
async fn a_server_whose_clock_is_set_back_leaves_the_lock_to_its_owner() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [holder, waiter] = [(); 2].map(|()| Caller::new(world, &keys));
    holder.gets().await;
    let hour = LEASE_MS + 3_600_000;
    for key in [&keys.lock, &keys.fence] {
        world.ask("PEXPIRE", key, &[&hour.to_string()]).await;
    }
    waiter.waits().await;
    waiter.is_denied_for(hour).await;
    assert!(holder.extends(LEASE_MS).await);
    waiter.is_denied_for(LEASE_MS).await;
    assert!(holder.gives().await);
    waiter.gets().await;
}

/// Nothing is moved here: the server's own clock ends two leases.
#[tokio::test]
async fn leases_end_by_themselves() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [one, two, three] = [(); 3].map(|()| Caller::new(world, &keys));
    let first = one.gets_with(Ttl::from_whole_millis(30), 0).await;
    world.is_gone(&keys.lock).await;
    let second = two.gets_with(LEASE, 0).await;
    assert!(second > first);
    assert!(!one.gives().await);
    three.waits().await;
    assert!(two.extends(30).await);
    assert_eq!(
        world.calls().await,
        [after(&three, Ttl::from_whole_millis(30))]
    );
    world.is_gone(&keys.lock).await;
    assert!(!two.extends(LEASE_MS).await && !two.gives().await);
    two.is_denied(QueueTurn::No).await;
    assert_eq!(world.calls().await, [now(&three)]);
    assert!(three.gets().await > second);
}

/// Whoever was told when a lease ends and comes then finds it has ended.
#[tokio::test]
async fn nobody_is_told_to_come_too_early() {
    let world = &OnRedis::new().await;
    for round in 0..20 {
        let keys = keys(&format!("a{round}"));
        let [one, two] = [(); 2].map(|()| Caller::new(world, &keys));
        one.gets_with(Ttl::from_whole_millis(25), 0).await;
        if let Taken::Denied { free_in, .. } = two.take(QueueTurn::No).await {
            sleep(free_in.expect("a lease that ends")).await;
            two.gets().await;
        }
    }
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_scripts_is_told_them_again() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [holder, waiter] = [(); 2].map(|()| Caller::new(world, &keys));
    let forget: [&[u8]; 2] = [b"SCRIPT", b"FLUSH"];
    for _ in 0..3 {
        holder.gets().await;
        world.call(&forget).await;
        waiter.waits().await;
        world.call(&forget).await;
        assert!(holder.extends(LEASE_MS).await);
        world.call(&forget).await;
        assert!(holder.gives().await);
        world.call(&forget).await;
        waiter.gets().await;
        assert!(waiter.gives().await);
    }
}

/// Of many who ask at once, one has the lock, and all have it once.
#[tokio::test]
async fn many_at_once_have_it_one_after_the_other() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let callers: Vec<_> = (0..200).map(|_| Caller::new(world, &keys)).collect();
    let taken = callers.iter().map(|caller| caller.take(QueueTurn::New));
    let taken = futures_util::future::join_all(taken).await;
    let granted = |taken: &Taken| matches!(taken, Taken::Granted { .. });
    assert_eq!(taken.iter().filter(|taken| granted(taken)).count(), 1);
    let mut holder = taken.iter().position(granted).unwrap();
    let mut had = HashSet::from([holder]);
    let mut last = 0;
    while callers[holder].gives().await {
        let calls = world.calls().await;
        let Some((token, _)) = calls.first() else {
            break;
        };
        holder = callers
            .iter()
            .position(|caller| caller.token == *token)
            .unwrap();
        let fence = callers[holder].gets().await;
        assert!(fence > last);
        last = fence;
        world.calls().await;
        assert!(had.insert(holder), "it had its turn");
    }
    assert_eq!(had.len(), callers.len());
}

/// Redis has granted it before it went away: whoever holds the lock here, it is not theirs.
#[tokio::test]
async fn a_lock_that_is_occupied_is_its_tokens() {
    let world = &InMemory::new().await;
    let keys = keys("a");
    let [owner, one, waiter] = [(); 3].map(|()| Caller::new(world, &keys));
    one.gets().await;
    waiter.waits().await;
    world.locks.occupy(&keys, owner.token, LEASE);
    assert!(!one.extends(LEASE_MS).await && !one.gives().await);
    one.is_denied_for(LEASE_MS).await;
    assert!(owner.extends(LEASE_MS).await);
    assert!(owner.gives().await);
    assert_eq!(world.called(), [after(&waiter, LEASE), now(&waiter)]);
    waiter.gets().await;
}

/// What is swept away is what is over, and fences go on after all is forgotten.
#[tokio::test]
async fn a_sweep_changes_nothing_for_anybody() {
    let world = &InMemory::new().await;
    let [held, awaited, over] = ["a", "b", "c"].map(|name| Caller::new(world, &keys(name)));
    for caller in [&held, &awaited, &over] {
        caller.gets().await;
    }
    let waiter = queue(world, &awaited.keys, 1).await.remove(0);
    world.clock.advance(LEASE_MS - 1);
    let last = held.gets().await;
    world.clock.advance(1);
    world.locks.sweep();
    Caller::new(world, &held.keys)
        .is_denied(QueueTurn::No)
        .await;
    Caller::new(world, &awaited.keys)
        .is_denied(QueueTurn::No)
        .await;
    assert_eq!(world.called(), [now(&waiter)]);
    assert!(Caller::new(world, &over.keys).gets().await > last);
    world.locks.clear();
    assert!(!held.gives().await);
    assert!(Caller::new(world, &held.keys).gets().await > last + 1);
}

/// One lock, as a list of what everybody knows about it.
#[derive(Default)]
struct LockModel {
    holder: Option<(Token, u64)>,
    /// In order of their places.
    queue: Vec<(u64, Token)>,
    calls: Vec<Wake>,
}

impl LockModel {
    fn at(&mut self, now: u64) {
        if self.holder.is_some_and(|(_, until)| until <= now) {
            self.holder = None;
        }
    }

    fn is_held_by(&self, token: Token) -> bool {
        self.holder.is_some_and(|(holder, _)| holder == token)
    }

    fn call_first(&mut self, ms: u64) {
        let first = self.queue.first();
        let call = first.map(|(_, token)| (*token, Duration::from_millis(ms)));
        self.calls.extend(call);
    }

    fn hand_over(&mut self, now: u64) {
        if !self.queue.is_empty() {
            self.call_first(0);
            let (_, next) = self.queue.remove(0);
            self.holder = Some((next, now + HANDOVER_MS));
            self.call_first(HANDOVER_MS);
        }
    }

    /// For how long the token is denied the lock; `None`: it has it.
    fn take(&mut self, now: u64, token: Token, lease: u64) -> Option<u64> {
        let is_first = self.queue.first().is_none_or(|(_, first)| *first == token);
        if self.holder.is_none() && !is_first {
            self.hand_over(now);
        }
        if let Some((_, until)) = self.holder.filter(|(holder, _)| *holder != token) {
            return Some(until - now);
        }
        self.queue.retain(|(_, waiting)| *waiting != token);
        self.holder = Some((token, now + lease));
        self.call_first(lease);
        None
    }

    fn wait(&mut self, place: u64, token: Token) {
        self.queue.push((place, token));
        self.queue.sort_by_key(|(place, _)| *place);
        self.queue.dedup();
    }

    fn extend(&mut self, now: u64, token: Token, lease: u64) -> bool {
        let is_holder = self.is_held_by(token);
        if is_holder {
            self.holder = Some((token, now + lease));
            self.call_first(lease);
        }
        is_holder
    }

    fn give(&mut self, now: u64, token: Token) -> bool {
        if self.is_held_by(token) {
            self.holder = None;
            self.hand_over(now);
            return true;
        }
        if self.queue.first().is_some_and(|(_, first)| *first == token) {
            self.queue.remove(0);
            self.call_first(self.holder.map_or(0, |(_, until)| until - now));
        }
        self.queue.retain(|(_, waiting)| *waiting != token);
        false
    }
}

#[tokio::test]
async fn agrees_with_a_model_over_random_steps() {
    const LOCKS: usize = 3;
    const TOKENS: usize = 5;
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = &InMemory::new().await;
        let tokens: [Token; TOKENS] = std::array::from_fn(|_| world.token());
        let names: [LockKeys; LOCKS] = std::array::from_fn(|i| keys(&i.to_string()));
        let mut models: [LockModel; LOCKS] = Default::default();
        let mut places = [[None; TOKENS]; LOCKS];
        let (mut last_place, mut last_fence) = (0, 0);
        let mut granted = 0;
        for step in 0..1000 {
            let (lock, who) = (random.usize(..LOCKS), random.usize(..TOKENS));
            let (model, token) = (&mut models[lock], tokens[who]);
            let caller = Caller::with(world, &names[lock], token);
            let lease = random.u64(1..3000);
            let now = world.clock.now_ms();
            model.at(now);
            match random.u8(0..10) {
                0..5 => {
                    let turn = match (random.bool(), places[lock][who]) {
                        (false, _) => QueueTurn::No,
                        (true, Some(place)) => QueueTurn::Place(place),
                        (true, None) => QueueTurn::New,
                    };
                    let known = last_fence + random.u64(0..5) * random.u64(0..2);
                    let known = if random.bool() { known } else { 0 };
                    let ttl = Ttl::from_whole_millis(lease);
                    let taken = caller.take_with(ttl, turn, known).await;
                    match (taken, model.take(now, token, lease)) {
                        (Taken::Granted { fence }, None) => {
                            assert!(fence > last_fence.max(known), "{seed} {step}");
                            last_fence = fence;
                            places[lock][who] = None;
                            granted += 1;
                        }
                        (Taken::Denied { free_in, place }, Some(ms)) => {
                            assert_eq!(free_in, Some(Duration::from_millis(ms)), "{seed} {step}");
                            match turn {
                                QueueTurn::No => assert_eq!(place, 0),
                                QueueTurn::New => assert!(place > last_place),
                                QueueTurn::Place(mine) => assert_eq!(place, mine),
                            }
                            if place > 0 {
                                last_place = last_place.max(place);
                                places[lock][who] = Some(place);
                                model.wait(place, token);
                            }
                        }
                        other => panic!("{other:?} at {seed} {step}"),
                    }
                }
                5 => {
                    let extended = caller.extends(lease).await;
                    assert_eq!(extended, model.extend(now, token, lease), "{seed} {step}");
                }
                6 | 7 => {
                    assert_eq!(
                        caller.gives().await,
                        model.give(now, token),
                        "{seed} {step}"
                    );
                    // Some come back later, and some as if they were new.
                    if random.bool() {
                        places[lock][who] = None;
                    }
                }
                8 => world.clock.advance(random.u64(0..1500)),
                _ => world.locks.sweep(),
            }
            assert_eq!(world.called(), mem::take(&mut model.calls), "{seed} {step}");
        }
        assert!(
            granted > 100,
            "{granted} of {seed}: hardly anything was tested"
        );
    }
}

/// Waiters that do nothing but what they are told to, and some of which die: the lock is never free
/// while one of them waits.
#[tokio::test]
async fn whoever_comes_when_called_never_waits_in_vain() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = &InMemory::new().await;
        let keys = keys("a");
        // When each of them looks next, and its place.
        let mut waiting: Vec<(Caller<InMemory>, u64, QueueTurn)> = Vec::new();
        let mut holder: Option<(Caller<InMemory>, u64)> = None;
        let mut alive = 0;
        let mut served = Vec::new();
        for _ in 0..100 {
            let now = world.clock.now_ms();
            waiting.push((Caller::new(world, &keys), now, QueueTurn::New));
        }
        while let Some(next) = next_look(&waiting, holder.as_ref()) {
            let now = world.clock.now_ms();
            assert!(next < now + 2 * LEASE_MS, "nobody looks for a long time");
            world.clock.advance(next.saturating_sub(now));
            let now = world.clock.now_ms();
            if let Some((done, _)) = holder.take_if(|(_, ends)| *ends <= now) {
                assert!(done.gives().await);
            } else if let Some(at) = waiting.iter().position(|(_, look, _)| *look <= now) {
                match waiting[at].0.take(waiting[at].2).await {
                    Taken::Granted { .. } => {
                        let (caller, ..) = waiting.remove(at);
                        served.push(caller.token);
                        alive += 1;
                        // One in three is killed with the lock in its hands.
                        holder = (random.u8(0..3) > 0).then_some((caller, now + 500));
                    }
                    Taken::Denied { free_in, place } => {
                        let ms = free_in.unwrap().as_millis() as u64;
                        assert!(ms > 0, "nobody is denied a lock that is free now");
                        waiting[at].1 = now + ms;
                        waiting[at].2 = QueueTurn::Place(place);
                    }
                }
            }
            // One in ten of those who are called is dead, or has had enough, which it says.
            for (token, after) in world.called() {
                let at = waiting
                    .iter()
                    .position(|(caller, ..)| caller.token == token);
                let Some(at) = at else { continue };
                waiting[at].1 = now + after.as_millis() as u64;
                match random.u8(0..20) {
                    0 => drop(waiting.remove(at)),
                    1 => {
                        let (caller, ..) = waiting.remove(at);
                        caller.gives().await;
                    }
                    _ => {}
                }
            }
        }
        assert!(waiting.is_empty() && alive > 50, "{seed}: {alive}");
        let once: HashSet<_> = served.iter().collect();
        assert_eq!(once.len(), served.len());
    }
}

fn next_look<W>(
    waiting: &[(Caller<W>, u64, QueueTurn)],
    holder: Option<&(Caller<W>, u64)>,
) -> Option<u64> {
    let looks = waiting.iter().map(|(_, look, _)| *look);
    looks.chain(holder.map(|(_, ends)| *ends)).min()
}
