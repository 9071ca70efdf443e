//! Watching rooms. Each watch has its own view of its room and reports how that view changes. So a
//! change that arrives twice, late or not at all is reported once. Changes by others arrive on the
//! room's channel. Nobody sends a notification for the end of a TTL or of a process. A watch
//! notices these itself: it reads the room when the time of a socket in its view has come, and when
//! a process lease ends.

mod signals;
mod view;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};

use crate::backplane::Backplane;
use crate::backplane::pubsub::mailbox::Mailbox;
use crate::mutex::{Mutex, MutexGuard};
use crate::store::availability::Availability;
use crate::store::bus::{Topic, TopicKind};
use crate::store::remote::Remote;
use crate::store::remote::{PubsubEvent, Receiving};
use crate::store::topics::{Message, SubscriptionTag, Topics};

use signals::{Signal, Signals, signals};
use view::RoomView;

/// How often the live process leases are requested.
const LOOK_AT_LEASES: Duration = Duration::from_secs(2);

#[derive(Default)]
pub struct RoomWatches(Mutex<WatchTable>);

#[derive(Default)]
struct WatchTable {
    rooms: HashMap<Box<str>, RoomWatch>,
    /// The rooms by the tags of their watches.
    tags: HashMap<u64, Box<str>>,
    pubsub_connection: Option<Arc<WatchConnection>>,
}

struct RoomWatch {
    tag: SubscriptionTag,
    signals: Signals,
}

impl WatchTable {
    fn add(&mut self, room: &str, watch: RoomWatch) {
        self.tags.insert(watch.tag.0, room.into());
        if let Some(before) = self.rooms.insert(room.into(), watch) {
            self.tags.remove(&before.tag.0);
        }
    }

    fn remove(&mut self, room: &str) {
        if let Some(watch) = self.rooms.remove(room) {
            self.tags.remove(&watch.tag.0);
        }
        if self.rooms.is_empty() {
            self.pubsub_connection = None;
        }
    }

    fn hear(&self, room: &str, text: impl FnOnce() -> Bytes) {
        if let Some(watch) = self.rooms.get(room) {
            watch.signals.news(text());
        }
    }
}

impl RoomWatches {
    /// Something happened in a room. The text is created only if somebody watches it.
    pub fn hear(&self, room: &str, text: impl FnOnce() -> Bytes) {
        self.watched().hear(room, text);
    }

    /// Redis was unavailable.
    pub fn back(&self) {
        self.signal(|| Signal::Back);
    }

    /// Bytes in their mailbox.
    pub fn waiting(&self) -> usize {
        let watched = self.watched();
        watched
            .pubsub_connection
            .as_ref()
            .map_or(0, |pubsub_connection| pubsub_connection.mailbox.waiting().1)
    }

    pub fn clear(&self) {
        *self.watched() = WatchTable::default();
    }

    fn hear_tagged(&self, message: Message) {
        let watched = self.watched();
        if let Some(room) = watched.tags.get(&message.tag.0) {
            watched.hear(room, || message.payload);
        }
    }

    fn signal(&self, signal: impl Fn() -> Signal) {
        for watch in self.watched().rooms.values() {
            watch.signals.send(signal());
        }
    }

    fn watched(&self) -> MutexGuard<'_, WatchTable> {
        self.0.lock()
    }
}

/// The connection on which this process receives the notifications of its rooms, and the task that
/// asks which process leases are alive.
struct WatchConnection {
    topics: Arc<Topics>,
    mailbox: Arc<Mailbox>,
    _pubsub_connection: Box<dyn Receiving>,
    leases: AbortHandle,
}

impl Drop for WatchConnection {
    fn drop(&mut self) {
        self.leases.abort();
    }
}

impl<R: Remote> Backplane<R> {
    /// From now on, events in a room arrive in the receiver's mailbox, with `tag`. Returns whether
    /// they can be received already. Must be called on the I/O thread.
    pub async fn presence_watch(
        self: &Arc<Self>,
        receiver: u32,
        room: &str,
        tag: SubscriptionTag,
    ) -> bool {
        let pubsub_connection = self.presence_connection(receiver);
        let (signals, inbox) = signals(&self.presence.watches_account);
        let watch = RoomWatch { tag, signals };
        self.presence.watches.watched().add(room, watch);
        let channel = self.presence_channel(room);
        pubsub_connection.topics.want(&channel, tag);
        let (ready, is_ready) = oneshot::channel();
        let view = RoomView::new(self.clone(), room, tag, pubsub_connection.mailbox.clone());
        let wait = self.wait(Instant::now().into_std());
        let is_there = self.store_within(&wait).await.is_some();
        let (begun, answer_by) = (Instant::now(), wait.answer_by().into());
        let heard = match is_there {
            true => timeout_at(answer_by, pubsub_connection.topics.resolved(&channel)).await,
            false => Ok(true),
        };
        tokio::spawn(view.keep(inbox, ready, begun));
        is_ready.await.is_ok() && heard.unwrap_or(false)
    }

    pub fn presence_unwatch(&self, room: &str) {
        let mut watched = self.presence.watches.watched();
        watched.remove(room);
        if let Some(pubsub_connection) = &watched.pubsub_connection {
            pubsub_connection
                .topics
                .unwant(&self.presence_channel(room));
        }
    }

    /// Ends all watches.
    pub fn presence_unwatch_all(&self) {
        self.presence.watches.clear();
    }

    fn presence_channel(&self, room: &str) -> Topic {
        Topic {
            kind: TopicKind::Channel,
            name: self.presence.names.channel(room),
        }
    }

    fn presence_connection(self: &Arc<Self>, receiver: u32) -> Arc<WatchConnection> {
        let mut watched = self.presence.watches.watched();
        if let Some(pubsub_connection) = &watched.pubsub_connection {
            return pubsub_connection.clone();
        }
        let around = &self.surroundings;
        let heard = self.presence.watches.clone();
        let account = self.presence.watches_account.clone();
        let deliver = Box::new(move |message| heard.hear_tagged(message));
        let topics = Topics::counted(account, deliver);
        let restored = self.presence.watches.clone();
        let pubsub_connection = (around.receive)(
            topics.clone(),
            Box::new(move |event| match event {
                PubsubEvent::Restored => restored.signal(|| Signal::Missed),
                PubsubEvent::Lost(_) | PubsubEvent::Refused => {}
            }),
        );
        let pubsub_connection = Arc::new(WatchConnection {
            topics,
            // Events of rooms are not messages and are not counted as such.
            mailbox: Mailbox::new(
                receiver,
                around.bounds,
                Arc::default(),
                around.on_mail.clone(),
            ),
            _pubsub_connection: pubsub_connection,
            leases: self.keep_going("what looks at lives", {
                let kept = self.clone();
                move || look_at_leases(kept.clone())
            }),
        });
        watched.pubsub_connection = Some(pubsub_connection.clone());
        pubsub_connection
    }

    /// Asks which of the process leases are alive that the watched rooms depend on.
    async fn presence_look_at_leases(&self) {
        let Availability::Ready(store) = self.switch.now() else {
            return;
        };
        if self
            .presence
            .leases
            .look_again(&self.presence.roster(&*store))
            .await
            == Ok(true)
        {
            self.presence.watches.signal(|| Signal::LeaseEnded);
        }
    }
}

/// Until the last watch ends.
async fn look_at_leases<R: Remote>(backplane: Arc<Backplane<R>>) {
    loop {
        sleep(LOOK_AT_LEASES).await;
        backplane.presence_look_at_leases().await;
    }
}
