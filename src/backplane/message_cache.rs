//! The message cache: results keyed by a hash of the message, on Redis for all instances, with a
//! local cache in front of it, which is all there is while Redis is unavailable. All results have
//! one tag, by which they are cleared.

use std::time::Instant;

use futures_util::future::try_join;

use super::Backplane;
use super::stats::cache_stats::AnsweredBy;
use super::tagged_entries::TaggedEntry;
use crate::store::remote::Remote;
use crate::store::{Json, Ttl};

const SPACE: &[u8] = b"message:";
pub(super) const ALL: &[u8] = b"message-all";

impl<R: Remote> Backplane<R> {
    /// What the local cache has. Callable from any thread.
    pub fn message_read_local(&self, hash: &[u8]) -> Option<Json> {
        let found = self.messages.read(&self.key(SPACE, hash))?;
        self.feature_stats.messages.read(true, AnsweredBy::Memory);
        Some(found)
    }

    /// A get made from now on does not find the old value in the local cache. Callable from any
    /// thread.
    pub fn message_forget(&self, hash: &[u8]) {
        self.messages.forget(&self.key(SPACE, hash));
    }

    /// Callable from any thread.
    pub fn message_forget_all(&self) {
        self.messages.clear();
    }

    pub async fn message_get(&self, hash: &[u8]) -> Option<Json> {
        let TaggedEntry { key, tags } = &self.message_entry(hash);
        let messages = &self.messages;
        self.invalidation_bus
            .listen(&self.switch, &self.surroundings);
        let passage = messages.begin(key);
        let remote = self.on_remote(move |store| async move {
            let found = store.get_tagged(key, tags);
            let (found, left) = try_join(found, store.time_left(key)).await?;
            Ok(found.zip(left))
        });
        let (found, from) = match remote.await {
            Some(Ok(Some((text, left)))) => {
                passage.keep(&text, left);
                (Some(text), AnsweredBy::Redis)
            }
            Some(_) => (None, AnsweredBy::Redis),
            None => (messages.read(key), AnsweredBy::Memory),
        };
        self.feature_stats.messages.read(found.is_some(), from);
        found
    }

    pub async fn message_set(&self, hash: &[u8], value: Json, ttl: Ttl) {
        let begun = Instant::now();
        self.told(begun, self.message_tell(hash, value, ttl, begun))
            .await;
    }

    async fn message_tell(&self, hash: &[u8], value: Json, ttl: Ttl, begun: Instant) {
        let TaggedEntry { key, tags } = &self.message_entry(hash);
        let layer = &self.messages;
        self.invalidation_bus
            .listen(&self.switch, &self.surroundings);
        // Nor may it find the result of a get made before it in the same tick.
        layer.forget(key);
        let passage = layer.begin(key);
        let text = &value;
        let under_way = self.tagged_sets.read().await;
        let remote = self
            .tell_remote(begun, move |store| async move {
                store.set_tagged(key, tags, None, text.clone(), ttl).await
            })
            .await;
        drop(under_way);
        match remote {
            Some(outcome) => {
                match outcome {
                    Ok(Some(_)) => passage.replace(&value, ttl),
                    Ok(None) => layer.forget(key),
                    Err(_) => {
                        // It is unknown whether it was stored, and what was there before.
                        layer.forget(key);
                        self.journal.add_key(key);
                    }
                }
                self.tell(Some(key), begun).await;
            }
            None => {
                layer.put(key, &value, ttl);
                self.invalidation_bus.tell_later();
                self.outdated(key).await;
            }
        }
    }

    pub async fn message_clear(&self) {
        self.invalidation_bus
            .listen(&self.switch, &self.surroundings);
        self.messages.clear();
        let begun = Instant::now();
        let cleared = async {
            self.invalidate(&self.tag(ALL, b"")).await;
            self.messages.clear();
            self.tell(None, begun).await;
        };
        self.told(begun, cleared).await;
    }

    /// Callable from any thread.
    pub fn message_sweep(&self) {
        self.messages.sweep();
    }

    /// How many results the local cache has. Callable from any thread.
    pub fn local_messages(&self) -> usize {
        self.messages.len()
    }

    fn message_entry(&self, hash: &[u8]) -> TaggedEntry {
        TaggedEntry {
            key: self.key(SPACE, hash),
            tags: vec![self.tag(ALL, b"")],
        }
    }
}
