//! Publishing and subscribing: through Redis, and within this process while Redis is unavailable.

pub mod mailbox;
pub(super) mod subscriber;

use std::time::Instant;

use bytes::Bytes;
use tokio::time::timeout_at;

use super::Backplane;
use super::routing::AtMostOnce;
use crate::store::availability::Availability;
use crate::store::bus::{Bus, Reach, Topic, TopicKind};
use crate::store::remote::Remote;
use crate::store::topics::SubscriptionTag;
use crate::store::{Key, glob};

impl<R: Remote> Backplane<R> {
    /// Why Redis is unavailable, if it is.
    fn outage(&self) -> Option<String> {
        match self.switch.now() {
            Availability::Degraded(outage) => Some(outage.reason),
            _ => None,
        }
    }

    /// Returns how many subscriptions the message reached, as far as is known. A message whose
    /// answer was lost may or may not have reached anybody, and is not sent again.
    pub async fn publish(&self, reach: Reach, channel: &[u8], payload: Bytes) -> u64 {
        let channel = &self.key(b"", channel);
        let published = self.on_remote_once(|store| {
            let payload = payload.clone();
            async move { store.publish(reach, channel, payload).await }
        });
        let published = published.await;
        self.pubsub_stats.published();
        match published {
            AtMostOnce::Answered(Ok(reached)) => reached,
            AtMostOnce::Answered(Err(_)) | AtMostOnce::Unknown => 0,
            AtMostOnce::Unavailable => self.publish_here(reach, channel, payload).await,
        }
    }

    async fn publish_here(&self, reach: Reach, channel: &Key, payload: Bytes) -> u64 {
        let local = &self.subscribers.local;
        local.publish(reach, channel, payload).await.unwrap_or(0)
    }

    /// How many clients are subscribed to each channel by name: on the server, or in this process.
    pub async fn receivers(&self, reach: Reach, channels: &[&[u8]]) -> Vec<u64> {
        let channels: Vec<Key> = channels.iter().map(|name| self.key(b"", name)).collect();
        let channels = &channels;
        let counted = self.on_remote(|store| async move { store.receivers(reach, channels).await });
        match counted.await {
            Some(Ok(counts)) => counts,
            _ => {
                let counted = self.subscribers.local.receivers(reach, channels).await;
                counted.unwrap_or_default()
            }
        }
    }

    /// From now on, messages published to the topic arrive in the subscriber's mailbox, with `tag`.
    /// Returns whether that is already the case: the server has confirmed it, or Redis is
    /// unavailable and only this process counts. The topic is wanted in any case, until it is
    /// unsubscribed.
    pub async fn subscribe(
        &self,
        number: u32,
        kind: TopicKind,
        name: &[u8],
        tag: SubscriptionTag,
    ) -> bool {
        let subscriber = self
            .subscribers
            .get_or_make(number, self.outage(), &self.surroundings);
        let topic = self.topic(kind, name);
        subscriber.topics.want(&topic, tag);
        subscriber.listens();
        let wait = self.wait(Instant::now());
        if self.store_within(&wait).await.is_some() {
            let settled = subscriber.topics.resolved(&topic);
            if let Ok(confirmed) = timeout_at(wait.answer_by().into(), settled).await {
                return confirmed;
            }
        }
        matches!(self.switch.now(), Availability::Degraded(_))
    }

    /// Resolves when the server has confirmed it, or need not.
    pub async fn unsubscribe(&self, number: u32, kind: TopicKind, name: &[u8]) {
        let Some(subscriber) = self.subscribers.get(number) else {
            return;
        };
        let topic = self.topic(kind, name);
        subscriber.topics.unwant(&topic);
        if matches!(self.switch.now(), Availability::Ready(_)) {
            let wait = self.wait(Instant::now());
            let ended = subscriber.topics.ended(&topic);
            let _ = timeout_at(wait.answer_by().into(), ended).await;
        }
    }

    /// Ends a subscriber, its subscriptions and its connection.
    pub fn close_subscriber(&self, number: u32) {
        self.subscribers.remove(number);
    }

    /// Whether Redis is available, once that is known.
    pub async fn initialized(&self) -> bool {
        self.store_within(&self.wait(Instant::now()))
            .await
            .is_some()
    }

    fn topic(&self, kind: TopicKind, name: &[u8]) -> Topic {
        let prefix = self.options.key_prefix.as_bytes();
        let name = match kind {
            TopicKind::Pattern => Key::new(&[&glob::escape(prefix), name]),
            TopicKind::Channel | TopicKind::Shard => Key::new(&[prefix, name]),
        };
        Topic { kind, name }
    }
}
