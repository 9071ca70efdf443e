//! What one receiver wants to receive, whichever bus carries it. A pub/sub connection from Redis
//! reconciles the server's state with this one; the bus within the process looks only here.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Notify, oneshot, watch};

use super::bus::{Topic, TopicKind};
use super::memory::budget::{Account, MemoryKind, allocated, slot};
use super::{Key, Pattern};
use crate::mutex::{Mutex, MutexGuard};

/// The receiver's identification of a topic. The stores never look inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionTag(pub u64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub tag: SubscriptionTag,
    /// The channel's full name, if the topic alone does not tell.
    pub channel: Option<Bytes>,
    pub payload: Bytes,
}

pub type Deliver = Box<dyn Fn(Message) + Send + Sync>;

/// A topic that may have to be subscribed to or unsubscribed, and who waits for that: `true` when
/// the server has confirmed it, `false` when it has refused.
pub struct Change {
    pub topic: Topic,
    pub done: oneshot::Sender<bool>,
}

pub struct Topics {
    wanted: Mutex<Wanted>,
    /// While a pub/sub connection is attached: the changes that it has not looked at yet.
    changes: Mutex<Vec<Change>>,
    changed: Notify,
    is_attached: watch::Sender<bool>,
    deliver: Deliver,
    account: Account,
}

#[derive(Default)]
struct Wanted {
    channels: HashMap<Key, SubscriptionTag>,
    shards: HashMap<Key, SubscriptionTag>,
    patterns: HashMap<Key, (SubscriptionTag, Pattern)>,
}

impl Wanted {
    fn tag(&self, topic: &Topic) -> Option<SubscriptionTag> {
        match topic.kind {
            TopicKind::Channel => self.channels.get(&topic.name).copied(),
            TopicKind::Shard => self.shards.get(&topic.name).copied(),
            TopicKind::Pattern => self.patterns.get(&topic.name).map(|(tag, _)| *tag),
        }
    }

    fn all(&self) -> Vec<Topic> {
        fn of<'a>(kind: TopicKind, names: impl Iterator<Item = &'a Key>) -> Vec<Topic> {
            names.cloned().map(|name| Topic { kind, name }).collect()
        }
        [
            of(TopicKind::Channel, self.channels.keys()),
            of(TopicKind::Pattern, self.patterns.keys()),
            of(TopicKind::Shard, self.shards.keys()),
        ]
        .concat()
    }
}

/// What a topic takes: here, and in the pub/sub connection, which knows what the server sends.
fn bytes(topic: &Topic) -> u64 {
    let (entry, names) = match topic.kind {
        TopicKind::Pattern => (size_of::<(Key, (SubscriptionTag, Pattern))>(), 3),
        TopicKind::Channel | TopicKind::Shard => (size_of::<(Key, SubscriptionTag)>(), 2),
    };
    let name = allocated(topic.name.as_bytes().len());
    (slot(entry) + slot(size_of::<Topic>()) + names * name) as u64
}

impl Topics {
    /// For topics whose memory is not counted, because they are few.
    pub fn new(deliver: Deliver) -> Arc<Self> {
        Self::counted(Account::alone(MemoryKind::Subscriptions, u64::MAX), deliver)
    }

    pub fn counted(account: Account, deliver: Deliver) -> Arc<Self> {
        Arc::new(Self {
            wanted: Mutex::default(),
            changes: Mutex::default(),
            changed: Notify::new(),
            is_attached: watch::Sender::new(false),
            deliver,
            account,
        })
    }

    /// From now on messages of `topic` are delivered with `tag`.
    pub fn want(&self, topic: &Topic, tag: SubscriptionTag) {
        let mut wanted = self.wanted();
        let name = topic.name.clone();
        let was_wanted = match topic.kind {
            TopicKind::Channel => wanted.channels.insert(name, tag).is_some(),
            TopicKind::Shard => wanted.shards.insert(name, tag).is_some(),
            TopicKind::Pattern => {
                let pattern = Pattern::new(name.as_bytes());
                wanted.patterns.insert(name, (tag, pattern)).is_some()
            }
        };
        drop(wanted);
        if !was_wanted {
            self.account.add(bytes(topic));
        }
        drop(self.change(topic));
    }

    /// From now on nothing of `topic` is delivered.
    pub fn unwant(&self, topic: &Topic) {
        let mut wanted = self.wanted();
        let was_wanted = match topic.kind {
            TopicKind::Channel => wanted.channels.remove(&topic.name).is_some(),
            TopicKind::Shard => wanted.shards.remove(&topic.name).is_some(),
            TopicKind::Pattern => wanted.patterns.remove(&topic.name).is_some(),
        };
        drop(wanted);
        if was_wanted {
            self.account.sub(bytes(topic));
        }
        drop(self.change(topic));
        // Callers that wait for a pub/sub connection to be subscribed to need not wait.
        self.is_attached.send_modify(|_| ());
    }

    pub fn is_wanted(&self, topic: &Topic) -> bool {
        self.wanted().tag(topic).is_some()
    }

    pub fn is_empty(&self) -> bool {
        let wanted = self.wanted();
        wanted.channels.is_empty() && wanted.shards.is_empty() && wanted.patterns.is_empty()
    }

    /// Resolves when the server has confirmed a wanted topic (`true`), or refused it, or when it is
    /// not wanted any more (`false`). Without a pub/sub connection it never resolves; the waiting
    /// caller has a deadline.
    pub async fn resolved(&self, topic: &Topic) -> bool {
        loop {
            let mut attached = self.is_attached.subscribe();
            let worth_asking = |is_attached: &bool| *is_attached || !self.is_wanted(topic);
            if attached.wait_for(worth_asking).await.is_err() || !self.is_wanted(topic) {
                return false;
            }
            // No answer: the connection was lost. The next pub/sub connection begins with
            // everything that is wanted.
            if let Ok(confirmed) = self.change(topic).await {
                return confirmed;
            }
        }
    }

    /// Resolves when the server no longer sends a topic that is not wanted. Without a connection it
    /// does not send it.
    pub async fn ended(&self, topic: &Topic) {
        if *self.is_attached.borrow() {
            let _ = self.change(topic).await;
        }
    }

    /// Tells the pub/sub connection, if there is one, to look at a topic again.
    fn change(&self, topic: &Topic) -> oneshot::Receiver<bool> {
        let (done, answer) = oneshot::channel();
        if *self.is_attached.borrow() {
            let topic = topic.clone();
            self.changes().push(Change { topic, done });
        }
        self.changed.notify_one();
        answer
    }

    /// Delivers a message that a server has sent for `topic`, unless it is not wanted any more.
    pub fn deliver(&self, topic: &Topic, channel: Option<Bytes>, payload: Bytes) {
        let tag = self.wanted().tag(topic);
        if let Some(tag) = tag {
            (self.deliver)(Message {
                tag,
                channel,
                payload,
            });
        }
    }

    /// Delivers a message to every topic that `channel` belongs to. Returns how many.
    pub fn publish(&self, exact: TopicKind, channel: &Key, payload: &Bytes) -> u64 {
        let matching = self.matching(exact, channel);
        for (tag, is_pattern) in &matching {
            let channel = is_pattern.then(|| Bytes::copy_from_slice(channel.as_bytes()));
            (self.deliver)(Message {
                tag: *tag,
                channel,
                payload: payload.clone(),
            });
        }
        matching.len() as u64
    }

    fn matching(&self, exact: TopicKind, channel: &Key) -> Vec<(SubscriptionTag, bool)> {
        let wanted = self.wanted();
        let named = match exact {
            TopicKind::Shard => {
                return wanted
                    .shards
                    .get(channel)
                    .map(|tag| (*tag, false))
                    .into_iter()
                    .collect();
            }
            _ => wanted.channels.get(channel).map(|tag| (*tag, false)),
        };
        let globbed = wanted.patterns.values();
        let globbed = globbed.filter(|(_, pattern)| pattern.matches(channel.as_bytes()));
        named
            .into_iter()
            .chain(globbed.map(|(tag, _)| (*tag, true)))
            .collect()
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock()
    }

    fn changes(&self) -> MutexGuard<'_, Vec<Change>> {
        self.changes.lock()
    }
}

/// A pub/sub connection's hold on topics; ends when it is dropped.
pub struct Attached<'a>(&'a Topics);

impl Topics {
    /// Waits until something is wanted.
    pub async fn any(&self) {
        while self.is_empty() {
            self.changed.notified().await;
        }
    }

    /// Everything that is wanted now; later changes come from [`Attached::changes`].
    pub fn attach(&self) -> (Attached<'_>, Vec<Topic>) {
        self.is_attached.send_replace(true);
        (Attached(self), self.wanted().all())
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        let all = self.wanted().all();
        self.account.sub(all.iter().map(bytes).sum());
    }
}

impl Attached<'_> {
    /// Waits for changes; never none.
    pub async fn changes(&self) -> Vec<Change> {
        loop {
            let changes = mem::take(&mut *self.0.changes());
            if !changes.is_empty() {
                return changes;
            }
            self.0.changed.notified().await;
        }
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        self.0.is_attached.send_replace(false);
        self.0.changes().clear();
    }
}
