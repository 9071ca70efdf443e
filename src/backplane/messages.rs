//! Results about messages, by hashes of theirs: on Redis for all instances, and in a layer of memory
//! before it, which is all there is while Redis is away. All of them have one tag, by which they are
//! cleared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::try_join;

use super::Backplane;
use super::local::LocalLayer;
use super::news::News;
use super::tagged::Entry;
use crate::store::bus::{Bus, Reach};
use crate::store::memory::Bounds;
use crate::store::tags::Tagged;
use crate::store::{Json, Key, Store, Ttl};

const SPACE: &[u8] = b"message:";
pub(super) const ALL: &[u8] = b"message-all";

pub struct Messages {
    pub(super) layer: Arc<LocalLayer>,
    pub(super) news: Arc<News>,
    hits_on_redis: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
pub struct MessageStats {
    pub entries: usize,
    pub hits: u64,
    pub hits_in_memory: u64,
    pub misses: u64,
}

impl Messages {
    pub fn new(prefix: &[u8], bounds: Bounds) -> Self {
        let layer = Arc::new(LocalLayer::new(bounds));
        Self {
            news: Arc::new(News::new(prefix, layer.clone())),
            layer,
            hits_on_redis: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }
}

impl Backplane {
    /// What the layer has. From any thread.
    pub fn message_at_hand(&self, hash: &[u8]) -> Option<Json> {
        self.messages.layer.read(&self.key(SPACE, hash))
    }

    /// A get that is made from now on does not find at hand what was there before. From any thread.
    pub fn message_forget(&self, hash: &[u8]) {
        self.messages.layer.forget(&self.key(SPACE, hash));
    }

    /// From any thread.
    pub fn message_forget_all(&self) {
        self.messages.layer.clear();
    }

    pub async fn message_get(&self, hash: &[u8]) -> Option<Json> {
        let Entry { key, tags } = &self.message_entry(hash);
        let messages = &self.messages;
        messages.news.listen(&self.surroundings);
        let passage = messages.layer.begin(key);
        let remote = self.on_remote(move |store| async move {
            let found = store.get_tagged(key, tags);
            let (found, left) = try_join(found, store.time_left(key)).await?;
            Ok(found.zip(left))
        });
        let found = match remote.await {
            Some(Ok(Some((text, left)))) => {
                passage.keep(&text, left);
                messages.hits_on_redis.fetch_add(1, Ordering::Relaxed);
                Some(text)
            }
            Some(_) => None,
            None => messages.layer.read(key),
        };
        if found.is_none() {
            messages.misses.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    pub async fn message_set(&self, hash: &[u8], value: Json, ttl: Ttl) {
        let Entry { key, tags } = &self.message_entry(hash);
        let layer = &self.messages.layer;
        self.messages.news.listen(&self.surroundings);
        // Nor what a get before it, in the same tick, is reading.
        layer.forget(key);
        let passage = layer.begin(key);
        let text = &value;
        let under_way = self.tagged_sets.read().await;
        let remote = self
            .on_remote(move |store| async move {
                store.set_tagged(key, tags, None, text.clone(), ttl).await
            })
            .await;
        drop(under_way);
        match remote {
            Some(outcome) => {
                match outcome {
                    Ok(Some(_)) => passage.keep(&value, ttl),
                    // Whether it was kept is not known.
                    _ => layer.forget(key),
                }
                self.tell(Some(key)).await;
            }
            None => {
                layer.put(key, &value, ttl);
                self.messages.news.tell_later();
                self.outdated(key).await;
            }
        }
    }

    pub async fn message_clear(&self) {
        self.messages.news.listen(&self.surroundings);
        self.messages.layer.clear();
        self.invalidate(&self.tag(ALL, b"")).await;
        self.messages.layer.clear();
        self.tell(None).await;
    }

    /// From any thread.
    pub fn message_sweep(&self) {
        self.messages.layer.sweep();
    }

    /// From any thread.
    pub fn message_stats(&self) -> MessageStats {
        let messages = &self.messages;
        let hits_in_memory = messages.layer.hits();
        MessageStats {
            entries: messages.layer.len(),
            hits: hits_in_memory + messages.hits_on_redis.load(Ordering::Relaxed),
            hits_in_memory,
            misses: messages.misses.load(Ordering::Relaxed),
        }
    }

    /// Tells the other instances that a key has changed, or all.
    async fn tell(&self, key: Option<&Key>) {
        let news = &self.messages.news;
        let told = self.on_remote(move |store| async move {
            let news = &self.messages.news;
            store
                .publish(Reach::Everywhere, news.channel(), news.about(key))
                .await
        });
        if !matches!(told.await, Some(Ok(_))) {
            news.tell_later();
        }
    }

    fn message_entry(&self, hash: &[u8]) -> Entry {
        Entry {
            key: self.key(SPACE, hash),
            tags: vec![self.tag(ALL, b"")],
        }
    }
}
