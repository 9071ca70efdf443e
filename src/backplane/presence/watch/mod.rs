//! Watching rooms. Each watch has its own view of its room, and tells how that changes: so whatever
//! comes twice, late or not at all is told once.
//!
//! What others do comes on the room's channel. What nobody tells, the end of a TTL or of a process, a
//! watch notices itself: it looks when the time of somebody in its view has come, and when a life ends.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::backplane::mailbox::{Mail, Mailbox};
use crate::backplane::{Backplane, Event};
use crate::store::Json;
use crate::store::availability::Availability;
use crate::store::bus::{Topic, TopicKind};
use crate::store::presence::{Detail, Life, News, Place, Present, Record};
use crate::store::remote::feed::{Feed, FeedEvent};
use crate::store::topics::{Message, Tag, Topics};

/// How long somebody may be missing without a reason before it counts as having left: after an outage
/// every process sets its sockets again.
const GRACE: Duration = Duration::from_secs(5);
/// A room is not looked at more often.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How often is asked which lives go on.
const LOOK_AT_LIVES: Duration = Duration::from_secs(2);
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[derive(Default)]
pub struct Watches(Mutex<Watched>);

#[derive(Default)]
struct Watched {
    rooms: HashMap<Box<str>, Watch>,
    /// The rooms by the tags of their watches.
    tags: HashMap<u64, Box<str>>,
    feed: Option<Arc<WatchFeed>>,
}

struct Watch {
    tag: Tag,
    signals: mpsc::UnboundedSender<Signal>,
}

enum Signal {
    News(Bytes),
    /// Redis was away.
    Back,
    /// News may have been missed.
    Missed,
    LifeEnded,
}

impl Watched {
    fn add(&mut self, room: &str, watch: Watch) {
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
            self.feed = None;
        }
    }

    fn hear(&self, room: &str, text: Bytes) {
        if let Some(watch) = self.rooms.get(room) {
            let _ = watch.signals.send(Signal::News(text));
        }
    }
}

impl Watches {
    /// Something happened in a room.
    pub fn hear(&self, room: &str, text: Bytes) {
        self.watched().hear(room, text);
    }

    /// Redis was away.
    pub fn back(&self) {
        self.signal(|| Signal::Back);
    }

    pub fn clear(&self) {
        *self.watched() = Watched::default();
    }

    fn hear_tagged(&self, message: Message) {
        let watched = self.watched();
        if let Some(room) = watched.tags.get(&message.tag.0) {
            watched.hear(room, message.payload);
        }
    }

    fn signal(&self, signal: impl Fn() -> Signal) {
        for watch in self.watched().rooms.values() {
            let _ = watch.signals.send(signal());
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection on which this process hears of its rooms, and the task that asks which lives go on.
struct WatchFeed {
    topics: Arc<Topics>,
    mailbox: Arc<Mailbox>,
    _feed: Feed,
    lives: AbortHandle,
}

impl Drop for WatchFeed {
    fn drop(&mut self) {
        self.lives.abort();
    }
}

impl Backplane {
    /// From now on what happens in a room comes into the receiver's mailbox, with `tag`. Answers whether
    /// it can be heard already. To be called on the I/O thread.
    pub async fn presence_watch(self: &Arc<Self>, receiver: u32, room: &str, tag: Tag) -> bool {
        let feed = self.presence_feed(receiver);
        let (signals, inbox) = mpsc::unbounded_channel();
        let watch = Watch { tag, signals };
        self.presence.watches.watched().add(room, watch);
        let channel = self.presence_channel(room);
        feed.topics.want(&channel, tag);
        let (ready, is_ready) = oneshot::channel();
        let view = View {
            backplane: self.clone(),
            room: room.into(),
            tag,
            mailbox: feed.mailbox.clone(),
            there: HashMap::new(),
            whole_since: None,
            look_at: Instant::now(),
        };
        let wait = self.wait(std::time::Instant::now());
        let heard = match self.store_within(&wait).await {
            Some(_) => timeout_at(wait.answer_by().into(), feed.topics.settled(&channel)).await,
            None => Ok(true),
        };
        tokio::spawn(view.keep(inbox, ready));
        is_ready.await.is_ok() && heard.unwrap_or(false)
    }

    pub fn presence_unwatch(&self, room: &str) {
        let mut watched = self.presence.watches.watched();
        watched.remove(room);
        if let Some(feed) = &watched.feed {
            feed.topics.unwant(&self.presence_channel(room));
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

    fn presence_feed(self: &Arc<Self>, receiver: u32) -> Arc<WatchFeed> {
        let mut watched = self.presence.watches.watched();
        if let Some(feed) = &watched.feed {
            return feed.clone();
        }
        let around = &self.surroundings;
        let heard = self.presence.watches.clone();
        let topics = Topics::new(Box::new(move |message| heard.hear_tagged(message)));
        let (restored, on_event) = (self.presence.watches.clone(), around.on_event.clone());
        let feed = Feed::start(
            around.endpoint.clone(),
            around.switch.clone(),
            topics.clone(),
            move |event| match event {
                FeedEvent::Restored => restored.signal(|| Signal::Missed),
                FeedEvent::Lost(_) => {}
                FeedEvent::Refused(code) => on_event(Event::Refused { code }),
            },
        );
        let feed = Arc::new(WatchFeed {
            topics,
            mailbox: Mailbox::new(receiver, around.bounds, around.on_mail.clone()),
            _feed: feed,
            lives: tokio::spawn(look_at_lives(self.clone())).abort_handle(),
        });
        watched.feed = Some(feed.clone());
        feed
    }

    /// Asks which of the lives go on that the watched rooms depend on.
    async fn presence_look_at_lives(&self) {
        let Availability::Ready(store) = self.switch.now() else {
            return;
        };
        if self
            .presence
            .lives
            .look_again(&self.presence.roster(&store))
            .await
            == Ok(true)
        {
            self.presence.watches.signal(|| Signal::LifeEnded);
        }
    }
}

/// Until the last watch ends.
async fn look_at_lives(backplane: Arc<Backplane>) {
    loop {
        sleep(LOOK_AT_LIVES).await;
        backplane.presence_look_at_lives().await;
    }
}

/// A user and one of its sockets.
type Id = (Box<str>, Box<str>);

/// Who is in a room, as far as has been told.
struct View {
    backplane: Arc<Backplane>,
    room: Box<str>,
    tag: Tag,
    mailbox: Arc<Mailbox>,
    there: HashMap<Id, Seen>,
    /// When the last outage ended, if there was one.
    whole_since: Option<Instant>,
    look_at: Instant,
}

struct Seen {
    version: u64,
    life: Option<Life>,
    metadata: Json,
    ends: Instant,
    missing_since: Option<Instant>,
}

impl View {
    async fn keep(
        mut self,
        mut signals: mpsc::UnboundedReceiver<Signal>,
        ready: oneshot::Sender<()>,
    ) {
        // What was told before is part of what is found now.
        while signals.try_recv().is_ok() {}
        self.begin().await;
        let _ = ready.send(());
        loop {
            tokio::select! {
                biased;
                signal = signals.recv() => match signal {
                    Some(Signal::News(text)) => self.hear(&text),
                    Some(Signal::Back) => {
                        self.whole_since = Some(Instant::now());
                        self.look().await;
                    }
                    Some(Signal::Missed) => self.look().await,
                    Some(Signal::LifeEnded) if self.depends_on_ended() => self.look().await,
                    Some(Signal::LifeEnded) => {}
                    None => return,
                },
                () = sleep_until(self.look_at) => self.look().await,
            }
        }
    }

    /// Whoever is there at the beginning has not come.
    async fn begin(&mut self) {
        let (there, _) = self.list().await;
        for (id, seen) in there.into_iter().filter_map(seen) {
            self.there.insert(id, seen);
        }
        self.look_later();
    }

    async fn list(&self) -> (Vec<Present>, bool) {
        let place = Place::Room(&self.room);
        self.backplane.presence_list(place, Detail::Records).await
    }

    /// Tells what is different from the view. News that come meanwhile are heard afterwards.
    async fn look(&mut self) {
        let (there, is_whole) = self.list().await;
        let mut found = HashSet::new();
        for (id, seen) in there.into_iter().filter_map(seen) {
            found.insert(id.clone());
            self.see(id, seen);
        }
        if is_whole {
            self.miss(&found);
        }
        self.look_later();
        if !is_whole {
            // It will be said when Redis is back.
            self.look_at = Instant::now() + FAR;
        }
    }

    fn hear(&mut self, text: &Bytes) {
        match News::parse(text) {
            Some(News::Is {
                user,
                socket,
                life,
                version,
                left,
                metadata,
            }) => {
                let seen = Seen {
                    version,
                    life,
                    metadata,
                    ends: end(left),
                    missing_since: None,
                };
                self.look_at = self.look_at.min(seen.ends);
                self.see((user, socket), seen);
            }
            Some(News::Left {
                user,
                socket,
                version,
            }) => {
                let id = (user, socket);
                if self
                    .there
                    .get(&id)
                    .is_some_and(|seen| seen.version <= version)
                {
                    self.leave(&id);
                }
            }
            None => {}
        }
    }

    fn see(&mut self, id: Id, seen: Seen) {
        let kind = match self.there.get(&id) {
            None => Some("join"),
            Some(known) if known.version > seen.version => return,
            Some(known) if known.metadata != seen.metadata => Some("update"),
            Some(_) => None,
        };
        if let Some(kind) = kind {
            self.tell(kind, &id, &seen.metadata);
        }
        self.there.insert(id, seen);
    }

    /// Has those leave who were not found and will not be.
    fn miss(&mut self, found: &HashSet<Id>) {
        let now = Instant::now();
        let calm_since = self.whole_since.map_or(now, |since| since + GRACE);
        let lives = &self.backplane.presence.lives;
        let mut left = Vec::new();
        for (id, seen) in &mut self.there {
            if found.contains(id) {
                continue;
            }
            let missing_since = *seen.missing_since.get_or_insert(now);
            let has_ended = seen.ends <= now || lives.has_ended(seen.life);
            let leaves_at = match has_ended {
                true => calm_since,
                false => calm_since.max(missing_since + GRACE),
            };
            // Then it is looked for again; or when its time has come, which may be sooner.
            seen.ends = match has_ended {
                true => leaves_at,
                false => leaves_at.min(seen.ends),
            };
            if leaves_at <= now {
                left.push(id.clone());
            }
        }
        for id in left {
            self.leave(&id);
        }
    }

    fn leave(&mut self, id: &Id) {
        if let Some(seen) = self.there.remove(id) {
            self.tell("leave", id, &seen.metadata);
        }
    }

    fn depends_on_ended(&self) -> bool {
        let lives = &self.backplane.presence.lives;
        self.there.values().any(|seen| !lives.is_alive(seen.life))
    }

    fn look_later(&mut self) {
        let now = Instant::now();
        let first = self.there.values().map(|seen| seen.ends).min();
        self.look_at = first.unwrap_or(now + FAR).max(now + LOOK_AGAIN);
    }

    fn tell(&self, kind: &str, (user, socket): &Id, metadata: &Json) {
        let metadata: Option<&RawValue> = serde_json::from_slice(metadata).ok();
        let metadata = metadata.map_or("null", RawValue::get);
        let [user, socket, room] = [user, socket, &self.room].map(|text| json!(text));
        let event = format!(
            r#"{{"type":"{kind}","userId":{user},"socketId":{socket},"roomId":{room},"metadata":{metadata}}}"#
        );
        self.mailbox.put(Mail::Message(Message {
            tag: self.tag,
            channel: None,
            payload: event.into(),
        }));
    }
}

fn seen(present: Present) -> Option<(Id, Seen)> {
    let Record {
        version,
        left,
        metadata,
        ..
    } = present.record?;
    let seen = Seen {
        version,
        life: present.life,
        metadata,
        ends: end(left),
        missing_since: None,
    };
    Some(((present.user, present.socket), seen))
}

fn end(left: Duration) -> Instant {
    Instant::now() + left.min(FAR)
}
