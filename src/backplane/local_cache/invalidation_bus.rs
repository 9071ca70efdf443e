//! Notifications of changes between instances, for the local caches in front of Redis.
//!
//! A local cache may keep something only while it receives these notifications: on a connection
//! that listens, and from a server that has not been emptied, which nobody reports. So a tag that
//! nobody invalidates is read every second: when its version is gone, so is everything that was
//! read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::LocalCache;
use crate::backplane::Backplane;
use crate::backplane::pubsub::subscriber::Surroundings;
use crate::mutex::{Mutex, MutexGuard};
use crate::store::availability::{Availability, Switch};
use crate::store::bus::{Bus, Reach, Topic, TopicKind};
use crate::store::remote::Remote;
use crate::store::remote::{PubsubEvent, Receiving};
use crate::store::topics::{Message, Topics};
use crate::store::{Key, Result, StoreError, Tag, Tagged, Ttl};

/// How soon an emptied server is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const A_DAY: Ttl = Ttl::from_whole_millis(24 * 60 * 60 * 1000);
const SENDER_BYTES: usize = 16;

pub struct InvalidationBus {
    layers: Arc<Layers>,
    channel: Key,
    mark: Tag,
    sender: String,
    hearing: Arc<Mutex<Hearing>>,
    listening: Mutex<Option<Listening>>,
    /// Something was changed that the others have not been told of.
    untold: AtomicBool,
}

struct Layers(Vec<Arc<LocalCache>>);

impl Layers {
    fn clear(&self) {
        self.0.iter().for_each(|layer| layer.clear());
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Hearing {
    pubsub_connection: bool,
    redis: bool,
    is_refused: bool,
}

/// From the first use to `close`.
struct Listening {
    _pubsub_connection: Box<dyn Receiving>,
    look: AbortHandle,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.look.abort();
    }
}

impl InvalidationBus {
    pub fn new(prefix: &[u8], layers: Vec<Arc<LocalCache>>) -> Self {
        Self {
            layers: Arc::new(Layers(layers)),
            channel: Key::new(&[prefix, b"backplane:changes"]),
            mark: Tag::new(prefix, b"backplane:mark", b""),
            sender: format!("{:016x}", fastrand::u64(..)),
            hearing: Arc::default(),
            listening: Mutex::default(),
            untold: AtomicBool::new(false),
        }
    }

    /// Starts to listen, once. Must be called on the I/O thread.
    pub fn listen<S: Tagged + 'static>(&self, switch: &Arc<Switch<S>>, around: &Surroundings) {
        let mut listening = self.listening();
        if listening.is_some() {
            return;
        }
        let (layers, sender) = (self.layers.clone(), self.sender.clone());
        let deliver = move |message: Message| hear(&layers, &sender, &message.payload);
        let topics = Topics::new(Box::new(deliver));
        let (layers, hearing) = (self.layers.clone(), self.hearing.clone());
        let pubsub_connection = (around.receive)(
            topics.clone(),
            Box::new(move |event| match event {
                PubsubEvent::Restored => {
                    change(&hearing, &layers, |it| it.pubsub_connection = true)
                }
                PubsubEvent::Lost(_) => {
                    change(&hearing, &layers, |it| it.pubsub_connection = false)
                }
                PubsubEvent::Refused => change(&hearing, &layers, |it| it.is_refused = true),
            }),
        );
        let topic = Topic {
            kind: TopicKind::Channel,
            name: self.channel.clone(),
        };
        topics.want(&topic, crate::store::topics::SubscriptionTag(0));
        let (switch, mark) = (switch.clone(), self.mark.clone());
        let layers = self.layers.clone();
        let look = move || look(switch.clone(), mark.clone(), layers.clone());
        *listening = Some(Listening {
            _pubsub_connection: pubsub_connection,
            look: around.keep_going("what looks for changes", look),
        });
    }

    /// Called on every change of state.
    pub fn follow<S>(&self, redis: &Availability<S>) {
        let is_there = matches!(redis, Availability::Ready(_));
        change(&self.hearing, &self.layers, |it| it.redis = is_there);
        if matches!(redis, Availability::Closed) {
            *self.listening() = None;
        }
    }

    /// The notification for one key, or for all.
    fn about(&self, key: Option<&Key>) -> Bytes {
        let what = key.map_or(&b"*"[..], Key::as_bytes);
        let kind: &[u8] = if key.is_some() { b"-" } else { b"" };
        [self.sender.as_bytes(), kind, what].concat().into()
    }

    pub fn tell_later(&self) {
        self.untold.store(true, Ordering::Relaxed);
    }

    pub fn is_reconciled(&self) -> bool {
        !self.untold.load(Ordering::Relaxed)
    }

    /// Makes the other instances drop everything if there is a change that they have not been told
    /// of.
    pub async fn reconcile<S: Bus>(&self, store: &S) -> Result<()> {
        if !self.untold.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let told = store.publish(Reach::Everywhere, &self.channel, self.about(None));
        match told.await {
            // A user who may not publish has never told anybody.
            Ok(_) | Err(StoreError::Rejected(_)) => Ok(()),
            Err(error) => {
                self.tell_later();
                Err(error)
            }
        }
    }

    fn listening(&self) -> MutexGuard<'_, Option<Listening>> {
        self.listening.lock()
    }
}

impl<R: Remote> Backplane<R> {
    /// Tells the other instances that a key has changed, or all keys.
    pub(crate) async fn tell(&self, key: Option<&Key>, begun: Instant) {
        let invalidation_bus = &self.invalidation_bus;
        let told = self.tell_remote(begun, move |store| async move {
            let (channel, text) = (&invalidation_bus.channel, invalidation_bus.about(key));
            store.publish(Reach::Everywhere, channel, text).await
        });
        if !matches!(told.await, Some(Ok(_))) {
            invalidation_bus.tell_later();
        }
    }
}

fn change(hearing: &Mutex<Hearing>, layers: &Layers, change: impl FnOnce(&mut Hearing)) {
    let mut hearing = hearing.lock();
    let before = *hearing;
    change(&mut hearing);
    if *hearing == before {
        return;
    }
    let hears = hearing.pubsub_connection && hearing.redis && !hearing.is_refused;
    layers.0.iter().for_each(|layer| layer.hears(hears));
}

fn hear(layers: &Layers, own: &str, text: &[u8]) {
    match text.split_at_checked(SENDER_BYTES) {
        Some((sender, _)) if sender == own.as_bytes() => {}
        Some((_, [b'-', key @ ..])) => {
            let key = Key::new(&[key]);
            layers.0.iter().for_each(|layer| layer.forget(&key));
        }
        _ => layers.clear(),
    }
}

async fn look<S: Tagged>(switch: Arc<Switch<S>>, mark: Tag, layers: Arc<Layers>) {
    let marks = [mark];
    let mut known = Vec::new();
    loop {
        if let Availability::Ready(store) = switch.now() {
            let is_same = store.have_versions(&marks, &known).await;
            if is_same == Ok(false)
                && let Ok(versions) = store.versions(&marks, A_DAY).await
            {
                if !known.is_empty() {
                    layers.clear();
                }
                known = versions;
            }
        }
        sleep(LOOK_EVERY).await;
    }
}
