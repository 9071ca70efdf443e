//! Query results, by the query's name and its parameters. Each belongs to its name and to its
//! rooms, and is dropped when one of them is invalidated.

pub mod query_fence;
pub mod recent;

use std::fmt::Write;
use std::slice::from_ref;
use std::time::Instant;

use ring::digest::{Context, SHA256};

use super::Backplane;
use super::stats::cache_stats::AnsweredBy;
use super::tagged_entries::{TaggedEntry, TaggedLookup};
use crate::store::remote::Remote;
use crate::store::tags::Tagged;
use crate::store::{Fetched, FillLease, Json, Key, Pattern, Ttl};
use query_fence::SetCondition;

const SPACE: &[u8] = b"query:";
pub(super) const NAMES: &[u8] = b"query-name:";
const ROOMS: &[u8] = b"query-room:";
/// Bytes of a digest: collisions cannot be constructed.
const DIGEST_BYTES: usize = 20;
/// How often a value is looked for that was set and is gone again.
const MOST_LOOKS: usize = 4;

/// The requested query.
pub struct Query {
    pub name: Box<[u8]>,
    /// The same text for equal parameters.
    pub params: Box<[u8]>,
    pub rooms: Vec<String>,
}

impl<R: Remote> Backplane<R> {
    /// A miss is remembered: until then nothing was known of what is set next.
    pub async fn query_get(&self, query: &Query) -> Option<Json> {
        let entry = self.query_entry(query);
        let looked = self.look(&entry, Instant::now()).await;
        looked.count(&self.feature_stats.queries);
        match looked {
            TaggedLookup::Hit(value, _) => Some(value),
            TaggedLookup::Miss(seen) => {
                self.query_fence.missed(&entry.key, seen);
                None
            }
        }
    }

    /// `false`: not stored, because it was invalidated after it was missed here, or not known to be
    /// stored.
    pub async fn query_set(&self, query: &Query, value: Json, ttl: Ttl) -> bool {
        let entry = self.query_entry(query);
        let seen = match self.query_fence.fence(&entry.key) {
            SetCondition::Shut => {
                self.feature_stats.queries.fenced();
                return false;
            }
            SetCondition::None => None,
            SetCondition::Seen(seen) => Some(seen),
        };
        let ttl_here = self.options.degraded_query_ttl;
        let kept = self
            .keep(&entry, seen.as_deref(), value, ttl, ttl_here)
            .await;
        if !kept && seen.is_some() {
            self.feature_stats.queries.fenced();
        }
        kept
    }

    /// Reads for a caller that can load the value. A lease is good for one [`Self::query_fill`].
    pub async fn query_fetch(&self, query: &Query) -> Fetched {
        let (entry, asked) = (self.query_entry(query), Instant::now());
        for _ in 0..MOST_LOOKS {
            let begun = self.query_fence.begin();
            let looked = self.look(&entry, asked).await;
            match looked {
                TaggedLookup::Hit(value, from) => {
                    self.feature_stats.queries.read(true, from);
                    return Fetched::Fresh(value);
                }
                TaggedLookup::Miss(seen) => {
                    if let Some(lease) = self.query_fence.lease(&entry.key, seen, begun) {
                        self.feature_stats.queries.read(false, AnsweredBy::Redis);
                        return Fetched::Absent(lease);
                    }
                }
            }
        }
        Fetched::Absent(FillLease::NONE)
    }

    /// Returns whether the loaded value was stored.
    pub async fn query_fill(&self, query: &Query, lease: FillLease, value: Json, ttl: Ttl) -> bool {
        let entry = self.query_entry(query);
        let Some(seen) = self.query_fence.redeem(&entry.key, lease) else {
            self.feature_stats.queries.fenced();
            return false;
        };
        let ttl_here = self.options.degraded_query_ttl;
        let kept = self.keep(&entry, Some(&seen), value, ttl, ttl_here).await;
        self.query_fence.resolved(&entry.key, lease, kept);
        if !kept {
            self.feature_stats.queries.fenced();
        }
        kept
    }

    pub fn query_abandon(&self, query: &Query, lease: FillLease) {
        let key = self.query_key(query);
        if self.query_fence.redeem(&key, lease).is_some() {
            self.query_fence.resolved(&key, lease, false);
        }
    }

    pub async fn query_invalidate_name(&self, name: &[u8]) -> u64 {
        self.invalidate(&self.tag(NAMES, name)).await
    }

    pub async fn query_invalidate_room(&self, room: &[u8]) -> u64 {
        self.invalidate(&self.tag(ROOMS, room)).await
    }

    /// Every query whose name matches.
    pub async fn query_invalidate(&self, glob: &[u8]) -> u64 {
        let (space, pattern) = (&self.tag(NAMES, b""), &Pattern::new(glob));
        let remote = self.on_remote_in_steps(move |store| async move {
            store.invalidate_matching(space, from_ref(pattern)).await
        });
        let removed = match remote.await {
            Some(outcome) => outcome,
            None => {
                self.journal.add_tag_pattern(pattern);
                let removed = self
                    .memory
                    .invalidate_matching(space, from_ref(pattern))
                    .await;
                if let Some(server) = self.refusing() {
                    let _ = server.invalidate_matching(space, from_ref(pattern)).await;
                }
                removed
            }
        };
        removed.unwrap_or(0)
    }

    fn query_entry(&self, query: &Query) -> TaggedEntry {
        let rooms = query.rooms.iter();
        let rooms = rooms.map(|room| self.tag(ROOMS, room.as_bytes()));
        TaggedEntry {
            key: self.query_key(query),
            tags: std::iter::once(self.tag(NAMES, &query.name))
                .chain(rooms)
                .collect(),
        }
    }

    fn query_key(&self, query: &Query) -> Key {
        let mut digest = Context::new(&SHA256);
        digest.update(&query.name.len().to_be_bytes());
        digest.update(&query.name);
        digest.update(&query.params);
        let mut hex = String::with_capacity(2 * DIGEST_BYTES);
        for byte in &digest.finish().as_ref()[..DIGEST_BYTES] {
            let _ = write!(hex, "{byte:02x}");
        }
        self.key(SPACE, hex.as_bytes())
    }
}
