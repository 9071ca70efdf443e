//! What the calls mean: on Redis while it is there, in this process while it is not, and what
//! has to be put right in between. Knows the stores by their traits.

mod cache;
mod calls;
mod client;
mod counts;
mod deaf;
mod fills;
mod forbidden;
mod journal;
mod limits;
mod local;
mod locks;
mod logins;
pub mod mailbox;
mod messages;
mod metrics;
mod news;
mod owners;
mod presence;
mod pubsub;
mod queries;
mod recovery;
mod remote;
mod sessions;
mod status;
mod subscriber;
mod tagged;
mod traffic;
mod troubles;
mod turns;
mod wait;

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, RwLock};
use tokio::task::AbortHandle;

use crate::store::availability::{Availability, Outage, Switch};
use crate::store::memory::budget::{Budget, Kind};
use crate::store::memory::limits::MemoryLimiter;
use crate::store::memory::{Bounds, Clock, MemoryStore};
use crate::store::remote::RedisStore;
use crate::store::remote::connection::endpoint::{Address, Endpoint};
use crate::store::remote::connection::supervisor::Supervisor;
use crate::store::{Key, Tag, Ttl};

use cache::LocalCache;
pub use cache::LocalCacheOptions;
use calls::Calls;
pub use calls::{CallCounts, Latency, Outcome, Watched};
pub use client::CallError;
use counts::Counts;
use fills::Fills;
use journal::Journal;
pub use limits::Source;
use local::LocalLayer;
use locks::Locks;
pub use locks::{Keeping, LockOutcome, LockRequest, WhenAway};
pub use logins::Answered;
use logins::Logins;
use mailbox::{MailBounds, OnMail};
pub use metrics::Metrics;
use news::News;
use presence::Presence;
pub use queries::Query;
use recovery::{Recovering, Replay, Spaces};
use sessions::Sessions;
use status::StatusBoard;
pub use status::{Health, Status};
use subscriber::{Subscribers, Surroundings};
use traffic::Traffic;
use troubles::Troubles;
use turns::Turns;

/// How often what has expired is taken out of memory.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

pub struct Options {
    pub endpoint: Endpoint,
    /// Whether the program is asked for credentials before each login.
    pub asks_for_credentials: bool,
    /// Before every key and every channel.
    pub key_prefix: String,
    pub memory: Bounds,
    /// Of each subscriber.
    pub mail: MailBounds,
    pub locks: WhenAway,
    /// Whether presence that is set here lasts as long as this process.
    pub heartbeat: bool,
    /// How long a query result lasts that is kept here while Redis is away.
    pub degraded_query_ttl: Ttl,
    /// Of the layer of memory before the messages on Redis.
    pub messages: Bounds,
    /// Before what is cached on Redis, if wanted.
    pub local_cache: Option<LocalCacheOptions>,
    /// Kinds of calls that are counted.
    pub call_kinds: usize,
}

/// What the user of a backplane is told, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `reason`: why Redis is away; empty otherwise.
    State { name: &'static str, reason: String },
    /// More was written in an outage than could be remembered key by key.
    JournalOverflow,
    /// A task panicked, and was started again.
    Failed { what: &'static str },
    /// The server lets nobody do this, or not this user: a command by its name, `keys` or `channels`.
    Forbidden { what: String },
    /// No connection that receives can be had, though Redis is there.
    Deaf { reason: String },
    /// A lock that was held is somebody else's, or may be.
    LockLost { handle: u64 },
    /// The server wants no password, and one was sent.
    NeedlessPassword,
    /// To be answered with [`Backplane::answer_login`].
    CredentialsWanted { number: u32 },
}

pub type OnEvent = Arc<dyn Fn(Event) + Send + Sync>;

pub struct Backplane {
    options: Options,
    budget: Arc<Budget>,
    memory: Arc<MemoryStore>,
    limiter: Arc<MemoryLimiter>,
    journal: Arc<Journal>,
    /// Of the rate limits that were reset; beyond its bound all of them are.
    resets: Arc<Journal>,
    locks: Arc<Locks>,
    presence: Arc<Presence>,
    sessions: Arc<Sessions>,
    fills: Fills,
    pub calls: Calls,
    status: Arc<StatusBoard>,
    troubles: Arc<Troubles>,
    traffic: Arc<Traffic>,
    counts: Counts,
    local_cache: Option<LocalCache>,
    /// Held by those who set something that has tags.
    tagged_sets: RwLock<()>,
    messages: Arc<LocalLayer>,
    news: Arc<News>,
    switch: Arc<Switch<RedisStore>>,
    turns: Arc<Turns>,
    recovering: Arc<Recovering>,
    subscribers: Arc<Subscribers>,
    surroundings: Surroundings,
    logins: Arc<Logins>,
    running: Mutex<Option<Running>>,
    pending: AtomicUsize,
    drained: Notify,
}

/// What lives from the first call to `close`.
struct Running {
    since: Instant,
    /// None when there is nothing to connect to.
    _supervisor: Option<Supervisor>,
    sweeper: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

impl Backplane {
    pub fn new(mut options: Options, on_event: OnEvent, on_mail: OnMail) -> Arc<Self> {
        let logins = Logins::new(on_event.clone());
        let troubles = Arc::new(Troubles::default());
        logins.attach(
            &mut options.endpoint,
            options.asks_for_credentials,
            &troubles,
        );
        let overflow = on_event.clone();
        let turns = Arc::new(Turns::default());
        let subscribers = Arc::new(Subscribers::default());
        let prefix = options.key_prefix.as_bytes();
        let budget = Budget::new(options.memory.max_bytes);
        let memory = MemoryStore::within(&budget, options.memory.max_entries, Clock::system());
        let memory = Arc::new(memory);
        let squeezed = Arc::downgrade(&memory);
        budget.on_pressure(move || {
            if let Some(memory) = squeezed.upgrade() {
                memory.make_room();
            }
        });
        let locks = Locks::new(options.locks, prefix, &budget, on_event.clone());
        let locks = Arc::new(locks);
        let presence = Arc::new(Presence::new(options.heartbeat, prefix, &budget));
        let messages = Arc::new(LocalLayer::new(options.messages));
        let local_cache = options.local_cache.map(LocalCache::new);
        let cached = local_cache.iter().map(|local| local.layer.clone());
        let layers = cached.chain([messages.clone()]).collect();
        let news = Arc::new(News::new(prefix, layers));
        let status = Arc::new(StatusBoard::default());
        let traffic = Arc::new(Traffic::default());
        let switch = {
            let status = status.clone();
            let (turns, subscribers) = (turns.clone(), subscribers.clone());
            let (locks, presence) = (locks.clone(), presence.clone());
            let news = news.clone();
            let on_event = on_event.clone();
            Arc::new(Switch::new(move |state| {
                turns.settle(state.is_settled());
                status.follow(state);
                on_event(event(state));
                subscribers.follow(state);
                locks.follow(state);
                presence.follow(state);
                news.follow(state);
            }))
        };
        let surroundings = Surroundings {
            endpoint: options.endpoint.clone(),
            switch: switch.clone(),
            prefix_bytes: options.key_prefix.len(),
            bounds: options.mail,
            traffic: traffic.clone(),
            on_mail,
            on_event,
        };
        Arc::new(Self {
            memory,
            limiter: Arc::new(MemoryLimiter::new(
                budget.account(Kind::Limits),
                Clock::system(),
            )),
            journal: Arc::new(Journal::new(budget.account(Kind::Journal), move || {
                overflow(Event::JournalOverflow);
            })),
            resets: Arc::new(Journal::new(budget.account(Kind::Resets), || ())),
            locks,
            presence,
            sessions: Arc::new(Sessions::new(budget.account(Kind::Sessions))),
            fills: Fills::new(budget.account(Kind::Fills)),
            budget,
            calls: Calls::new(options.call_kinds),
            status,
            troubles,
            traffic,
            counts: Counts::default(),
            local_cache,
            tagged_sets: RwLock::default(),
            messages,
            news,
            switch,
            turns,
            recovering: Arc::default(),
            subscribers,
            surroundings,
            logins,
            options,
            running: Mutex::default(),
            pending: AtomicUsize::new(0),
            drained: Notify::new(),
        })
    }

    /// Makes the first attempt to connect, once. To be called on the I/O thread.
    pub fn start(&self) {
        if !matches!(self.switch.now(), Availability::Idle) {
            return;
        }
        if let Address::Unknown(reason) = &self.options.endpoint.address {
            self.stay_away(reason.clone());
            return;
        }
        let replay = Replay {
            journal: self.journal.clone(),
            memory: self.memory.clone(),
            limiter: self.limiter.clone(),
            subscribers: self.subscribers.clone(),
            cached: Spaces {
                keys: self.key(cache::SPACE, b""),
                tags: Some(self.tag(queries::NAMES, b"")),
                // Without its tags nothing is valid, but for sessions of nobody.
                others: [
                    queries::NAMES,
                    messages::ALL,
                    sessions::USERS,
                    sessions::SPACE,
                ]
                .map(|space| self.key(space, b""))
                .to_vec(),
            },
            resets: self.resets.clone(),
            limited: Spaces {
                keys: self.key(limits::SPACE, b""),
                tags: None,
                others: Vec::new(),
            },
            sessions: self.sessions.clone(),
            news: self.news.clone(),
            locks: self.locks.clone(),
            presence: self.presence.clone(),
            recovering: self.recovering.clone(),
        };
        let supervisor = Supervisor::start(
            self.options.endpoint.clone(),
            self.key(b"backplane:probe", b""),
            Arc::new(replay),
            self.switch.clone(),
        );
        self.run(Some(supervisor));
    }

    /// Nothing can be connected to: what is called works from memory.
    fn stay_away(&self, reason: String) {
        self.switch.set(Availability::Degraded(Outage {
            reason,
            refusing: None,
        }));
        self.run(None);
    }

    fn run(&self, supervisor: Option<Supervisor>) {
        *self.running() = Some(Running {
            since: Instant::now(),
            _supervisor: supervisor,
            sweeper: {
                let (memory, locks) = (self.memory.clone(), self.locks.clone());
                self.keep_going("what sweeps the memory", move || {
                    sweep(memory.clone(), locks.clone())
                })
            },
        });
    }

    /// Says that a task panicked, and goes on.
    fn say_failed(&self, what: &'static str) {
        (self.surroundings.on_event)(Event::Failed { what });
    }

    fn keep_going<F>(
        &self,
        what: &'static str,
        make: impl FnMut() -> F + Send + 'static,
    ) -> AbortHandle
    where
        F: Future<Output = ()> + Send,
    {
        self.surroundings.keep_going(what, make)
    }

    /// Lets the calls that are under way come to their end, then ends everything else.
    pub async fn close(&self) {
        self.locks.end_waits();
        self.drain().await;
        let last = self.switch.now();
        *self.running() = None;
        self.switch.set(Availability::Closed);
        if let Some(store) = last.store() {
            // Work that is still going on holds the store, and through it the connections.
            store.link().end();
        }
        self.drain().await;
        self.subscribers.clear();
        self.memory.clear();
        self.limiter.clear();
        self.sessions.clear();
        self.fills.clear();
    }

    /// Waits until no call is under way, but no longer than a call may take.
    async fn drain(&self) {
        let all_done = self.drained.notified();
        if self.pending.load(Ordering::Acquire) > 0 {
            let patience = self.options.endpoint.command_timeout;
            let _ = tokio::time::timeout(patience, all_done).await;
        }
    }

    /// `idle`, `connecting`, `ready`, `degraded` or `closed`. From any thread.
    pub fn state_name(&self) -> &'static str {
        name(&self.switch.now())
    }

    /// What the program has answered to a question for credentials. From any thread.
    pub fn answer_login(&self, number: u32, answer: Answered) {
        self.logins.answer(number, answer);
    }

    /// Counts a call as under way until the guard is dropped.
    pub fn pending(self: &Arc<Self>) -> Pending {
        self.pending.fetch_add(1, Ordering::Relaxed);
        Pending(self.clone())
    }

    fn prefix(&self) -> &[u8] {
        self.options.key_prefix.as_bytes()
    }

    fn key(&self, space: &[u8], name: &[u8]) -> Key {
        Key::new(&[self.prefix(), space, name])
    }

    fn tag(&self, space: &[u8], name: &[u8]) -> Tag {
        Tag::new(self.prefix(), space, name)
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct Pending(Arc<Backplane>);

impl Drop for Pending {
    fn drop(&mut self) {
        if self.0.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.drained.notify_waiters();
        }
    }
}

fn name<S>(state: &Availability<S>) -> &'static str {
    match state {
        Availability::Idle => "idle",
        Availability::Connecting => "connecting",
        Availability::Ready(_) => "ready",
        Availability::Degraded(_) => "degraded",
        Availability::Closed => "closed",
    }
}

fn event<S>(state: &Availability<S>) -> Event {
    let reason = match state {
        Availability::Degraded(outage) => outage.reason.clone(),
        _ => String::new(),
    };
    Event::State {
        name: name(state),
        reason,
    }
}

async fn sweep(memory: Arc<MemoryStore>, locks: Arc<Locks>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        memory.sweep().await;
        locks.sweep();
    }
}
