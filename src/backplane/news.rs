//! What instances tell each other of what they have changed, for the layers of memory before Redis.
//!
//! A layer may keep something only while it hears the others: on a connection that listens, and to a
//! server that has not been emptied, which nobody tells. So a tag that nobody invalidates is looked at
//! every second: when its version is gone, so is everything that was read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::Event;
use super::local::LocalLayer;
use super::subscriber::Surroundings;
use crate::store::availability::{Availability, Switch};
use crate::store::bus::{Bus, Reach, Topic, TopicKind};
use crate::store::remote::RedisStore;
use crate::store::remote::feed::{Feed, FeedEvent};
use crate::store::topics::{Message, Topics};
use crate::store::{Key, Result, StoreError, Tag, Tagged, Ttl};

/// How soon is noticed that a server was emptied.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const A_DAY: Ttl = Ttl::from_whole_millis(24 * 60 * 60 * 1000);
const SENDER_BYTES: usize = 16;

pub struct News {
    layer: Arc<LocalLayer>,
    channel: Key,
    mark: Tag,
    sender: String,
    hearing: Arc<Mutex<Hearing>>,
    listening: Mutex<Option<Listening>>,
    /// Something was changed that the others have not been told of.
    untold: AtomicBool,
}

#[derive(Default)]
struct Hearing {
    feed: bool,
    redis: bool,
    is_refused: bool,
}

/// From the first use to `close`.
struct Listening {
    _feed: Feed,
    look: AbortHandle,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.look.abort();
    }
}

impl News {
    pub fn new(prefix: &[u8], layer: Arc<LocalLayer>) -> Self {
        Self {
            layer,
            channel: Key::new(&[prefix, b"backplane:changes"]),
            mark: Tag::new(prefix, b"backplane:mark", b""),
            sender: format!("{:016x}", fastrand::u64(..)),
            hearing: Arc::default(),
            listening: Mutex::default(),
            untold: AtomicBool::new(false),
        }
    }

    /// Begins to listen, once. To be called on the I/O thread.
    pub fn listen(&self, around: &Surroundings) {
        let mut listening = self.listening();
        if listening.is_some() {
            return;
        }
        let (layer, sender) = (self.layer.clone(), self.sender.clone());
        let deliver = move |message: Message| hear(&layer, &sender, &message.payload);
        let topics = Topics::new(Box::new(deliver));
        let (layer, hearing) = (self.layer.clone(), self.hearing.clone());
        let on_event = around.on_event.clone();
        let feed = Feed::start(
            around.endpoint.clone(),
            around.switch.clone(),
            topics.clone(),
            move |event| match event {
                FeedEvent::Restored => change(&hearing, &layer, |it| it.feed = true),
                FeedEvent::Lost(_) => change(&hearing, &layer, |it| it.feed = false),
                FeedEvent::Refused(code) => {
                    change(&hearing, &layer, |it| it.is_refused = true);
                    on_event(Event::Refused { code });
                }
            },
        );
        let topic = Topic {
            kind: TopicKind::Channel,
            name: self.channel.clone(),
        };
        topics.want(&topic, crate::store::topics::Tag(0));
        let look = look(around.switch.clone(), self.mark.clone(), self.layer.clone());
        *listening = Some(Listening {
            _feed: feed,
            look: tokio::spawn(look).abort_handle(),
        });
    }

    /// Hears of every change of state.
    pub fn follow(&self, redis: &Availability<RedisStore>) {
        let is_there = matches!(redis, Availability::Ready(_));
        change(&self.hearing, &self.layer, |it| it.redis = is_there);
        if matches!(redis, Availability::Closed) {
            *self.listening() = None;
        }
    }

    pub fn channel(&self) -> &Key {
        &self.channel
    }

    /// What the others are told of one key, or of all.
    pub fn about(&self, key: Option<&Key>) -> Bytes {
        let what = key.map_or(&b"*"[..], Key::as_bytes);
        let kind: &[u8] = if key.is_some() { b"-" } else { b"" };
        [self.sender.as_bytes(), kind, what].concat().into()
    }

    pub fn tell_later(&self) {
        self.untold.store(true, Ordering::Relaxed);
    }

    pub fn is_settled(&self) -> bool {
        !self.untold.load(Ordering::Relaxed)
    }

    /// Has the others forget everything if there is something that they have not been told of.
    pub async fn settle(&self, store: &RedisStore) -> Result<()> {
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
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn change(hearing: &Mutex<Hearing>, layer: &LocalLayer, change: impl FnOnce(&mut Hearing)) {
    let mut hearing = hearing.lock().unwrap_or_else(PoisonError::into_inner);
    change(&mut hearing);
    layer.hears(hearing.feed && hearing.redis && !hearing.is_refused);
}

fn hear(layer: &LocalLayer, own: &str, news: &[u8]) {
    match news.split_at_checked(SENDER_BYTES) {
        Some((sender, _)) if sender == own.as_bytes() => {}
        Some((_, [b'-', key @ ..])) => layer.forget(&Key::new(&[key])),
        _ => layer.clear(),
    }
}

async fn look(switch: Arc<Switch<RedisStore>>, mark: Tag, layer: Arc<LocalLayer>) {
    let marks = [mark];
    let mut known = Vec::new();
    loop {
        if let Availability::Ready(store) = switch.now() {
            let is_same = store.have_versions(&marks, &known).await;
            if is_same == Ok(false)
                && let Ok(versions) = store.versions(&marks, A_DAY).await
            {
                if !known.is_empty() {
                    layer.clear();
                }
                known = versions;
            }
        }
        sleep(LOOK_EVERY).await;
    }
}
