//! Entries with tags: on Redis while it is available, in this process while it is not.

use std::time::Instant;

use super::Backplane;
use super::routing::deadline::within;
use super::stats::cache_stats::{AnsweredBy, CacheStats};
use crate::store::remote::Remote;
use crate::store::tags::Tagged;
use crate::store::{Json, Key, Result, Tag, Ttl, Version};

/// The minimum time for which a tag keeps the version that a miss has seen.
const SEEN_FOR: Ttl = Ttl::from_whole_millis(10 * 60 * 1000);

/// An entry's key, and its tags.
pub struct TaggedEntry {
    pub key: Key,
    pub tags: Vec<Tag>,
}

/// What was found, and who answered.
pub enum TaggedLookup {
    Hit(Json, AnsweredBy),
    /// The versions that the tags had then; none if they could not be read.
    Miss(Vec<Version>),
}

impl TaggedLookup {
    pub fn count(&self, counts: &CacheStats) {
        match self {
            Self::Hit(_, from) => counts.read(true, *from),
            Self::Miss(_) => counts.read(false, AnsweredBy::Redis),
        }
    }
}

impl<R: Remote> Backplane<R> {
    /// For a call that has already `begun`.
    pub(super) async fn look(&self, entry: &TaggedEntry, begun: Instant) -> TaggedLookup {
        let left = self.time_left(begun);
        let remote = self.on_remote_since(begun, move |store| async move {
            within(left, look(&*store, entry, AnsweredBy::Redis)).await
        });
        let looked = match remote.await {
            Some(outcome) => outcome,
            None => look(&*self.memory, entry, AnsweredBy::Memory).await,
        };
        looked.unwrap_or(TaggedLookup::Miss(Vec::new()))
    }

    /// Sets an entry if its tags have the versions that were `seen`. Returns whether it did. Here
    /// it lasts no longer than `ttl_here`.
    pub(super) async fn keep(
        &self,
        entry: &TaggedEntry,
        seen: Option<&[Version]>,
        value: Json,
        ttl: Ttl,
        ttl_here: Ttl,
    ) -> bool {
        let begun = Instant::now();
        let set = self.set_entry(entry, seen, value, [ttl, ttl_here], begun);
        self.told(begun, set).await
    }

    async fn set_entry(
        &self,
        TaggedEntry { key, tags }: &TaggedEntry,
        seen: Option<&[Version]>,
        value: Json,
        [ttl, ttl_here]: [Ttl; 2],
        begun: Instant,
    ) -> bool {
        let text = &value;
        let under_way = self.tagged_sets.read().await;
        let remote = self
            .tell_remote(begun, move |store| async move {
                store.set_tagged(key, tags, seen, text.clone(), ttl).await
            })
            .await;
        let kept = match remote {
            Some(outcome) => outcome,
            None => {
                let ttl = ttl.min(ttl_here);
                let kept = self.memory.set_tagged(key, tags, seen, value, ttl).await;
                if matches!(kept, Ok(Some(_))) {
                    Box::pin(self.outdated(key)).await;
                }
                kept
            }
        };
        drop(under_way);
        matches!(kept, Ok(Some(_)))
    }

    /// Returns how many entries were removed where the call was carried out. Sets in progress are
    /// completed before it.
    pub(super) async fn invalidate(&self, tag: &Tag) -> u64 {
        let begun = Instant::now();
        self.told(begun, self.end_tag(tag, begun)).await
    }

    async fn end_tag(&self, tag: &Tag, begun: Instant) -> u64 {
        drop(self.tagged_sets.write().await);
        let remote = self.tell_remote(
            begun,
            move |store| async move { store.invalidate(tag).await },
        );
        match remote.await {
            Some(Ok(removed)) => removed,
            Some(Err(_)) => {
                // It is unknown whether it was carried out.
                self.journal.add_tag(tag);
                0
            }
            None => {
                self.journal.add_tag(tag);
                let removed = self.memory.invalidate(tag).await;
                if let Some(server) = self.refusing() {
                    let _ = server.invalidate(tag).await;
                }
                removed.unwrap_or(0)
            }
        }
    }
}

async fn look<S: Tagged>(
    store: &S,
    TaggedEntry { key, tags }: &TaggedEntry,
    from: AnsweredBy,
) -> Result<TaggedLookup> {
    match store.get_tagged(key, tags).await? {
        Some(value) => Ok(TaggedLookup::Hit(value, from)),
        None => store.versions(tags, SEEN_FOR).await.map(TaggedLookup::Miss),
    }
}
