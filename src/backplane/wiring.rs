//! How the parts of a backplane are put together.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::sync::{Notify, RwLock};

use super::Backplane;
use super::cache::KeyLocalCache;
use super::credentials::CredentialRequests;
use super::event::{Event, OnEvent, event};
use super::health::HealthMonitor;
use super::health::troubles::Troubles;
use super::local_cache::LocalCache;
use super::local_cache::invalidation_bus::InvalidationBus;
use super::locks::Locks;
use super::options::Options;
use super::outage::journal::Journal;
use super::presence::Presence;
use super::pubsub::mailbox::OnMail;
use super::pubsub::subscriber::{Subscribers, Surroundings};
use super::query_cache::query_fence::QueryFence;
use super::routing::call_order::CallOrder;
use super::session_cache::OutageSessions;
use super::stats::cache_stats::FeatureStats;
use super::stats::call_stats::CallStats;
use super::stats::pubsub_stats::PubsubStats;
use crate::mutex::Mutex;
use crate::store::availability::Switch;
use crate::store::memory::budget::{Budget, MemoryKind};
use crate::store::memory::rate_limits::MemoryLimiter;
use crate::store::memory::{Clock, MemoryStore};
use crate::store::remote::Remote;

impl<R: Remote> Backplane<R> {
    pub fn new(mut options: Options, on_event: OnEvent, on_mail: OnMail) -> Arc<Self> {
        let credential_requests = CredentialRequests::new(on_event.clone());
        let troubles = Arc::new(Troubles::default());
        credential_requests.attach(
            &mut options.endpoint,
            options.asks_for_credentials,
            &troubles,
        );
        let overflow = on_event.clone();
        let call_order = Arc::new(CallOrder::default());
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
        let messages = Arc::new(LocalCache::new(options.messages));
        let local_cache = options.local_cache.map(KeyLocalCache::new);
        let cached = local_cache.iter().map(|local| local.layer.clone());
        let layers = cached.chain([messages.clone()]).collect();
        let invalidation_bus = Arc::new(InvalidationBus::new(prefix, layers));
        let health_monitor = Arc::new(HealthMonitor::default());
        let pubsub_stats = Arc::new(PubsubStats::default());
        let switch = {
            let health_monitor = health_monitor.clone();
            let (call_order, subscribers) = (call_order.clone(), subscribers.clone());
            let (locks, presence) = (locks.clone(), presence.clone());
            let invalidation_bus = invalidation_bus.clone();
            let on_event = on_event.clone();
            Arc::new(Switch::new(move |state| {
                call_order.resolve(state.is_resolved());
                health_monitor.follow(state);
                on_event(event(state));
                subscribers.follow(state);
                locks.follow(state);
                presence.follow(state);
                invalidation_bus.follow(state);
            }))
        };
        let surroundings = Surroundings {
            receive: R::receive(options.endpoint.clone(), switch.clone()),
            prefix_bytes: options.key_prefix.len(),
            bounds: options.mail,
            subscriptions: budget.account(MemoryKind::Subscriptions),
            pubsub_stats: pubsub_stats.clone(),
            on_mail,
            on_event,
        };
        Arc::new(Self {
            memory,
            limiter: Arc::new(MemoryLimiter::new(
                budget.account(MemoryKind::Limits),
                Clock::system(),
            )),
            journal: Arc::new(Journal::new(
                budget.account(MemoryKind::Journal),
                move || {
                    overflow(Event::JournalOverflow);
                },
            )),
            resets: Arc::new(Journal::new(budget.account(MemoryKind::Resets), || ())),
            locks,
            presence,
            sessions: Arc::new(OutageSessions::new(budget.account(MemoryKind::Sessions))),
            query_fence: QueryFence::new(budget.account(MemoryKind::Fills)),
            budget,
            call_stats: CallStats::new(options.call_kinds),
            health_monitor,
            troubles,
            pubsub_stats,
            feature_stats: FeatureStats::default(),
            local_cache,
            tagged_sets: RwLock::default(),
            messages,
            invalidation_bus,
            switch,
            call_order,
            recovering: Arc::default(),
            subscribers,
            surroundings,
            credential_requests,
            options,
            running: Mutex::default(),
            pending: AtomicUsize::new(0),
            pending_bytes: AtomicUsize::new(0),
            drained: Notify::new(),
        })
    }
}
