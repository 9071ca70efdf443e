//! The tags of the entries in memory.
//!
//! Bounded in bytes. Beyond the bound, the older half is dropped together with its entries: an
//! entry without its tags could not be invalidated.

mod index;

use std::iter::once;

use tokio::task::yield_now;

use super::removal::LOOK_BYTES;
use super::{MemoryStore, steps};
use crate::io_thread::steps::for_each_of_cost;
use crate::store::glob::matches_in;
use crate::store::parts::{PART, Parts};
use crate::store::tags::{Tag, Tagged, Version, stamp};
use crate::store::{Json, Key, Pattern, Result, Store, Ttl};

pub use index::Tags;
use index::{Cursor, TagState};

/// This many bytes of its key are as much work as an entry.
const BYTES_AS_AN_ENTRY: usize = 256;

/// The cost of invalidating an entry, in entries.
fn cost_of(entry: &Key) -> usize {
    1 + entry.as_bytes().len() / BYTES_AS_AN_ENTRY
}

impl MemoryStore {
    /// In steps. O(tags and entries in them).
    pub(super) async fn sweep_tags(&self) {
        let now = self.clock.now_ms();
        let (pass, mut at) = (self.passes.begin().await, Cursor::default());
        loop {
            let cost = |_: &Key, state: &TagState| LOOK_BYTES * (1 + state.entries.len().min(PART));
            let (some, is_done) = self.tags().some((&pass, &mut at), cost, |_, _| true);
            for tag in &some {
                self.sweep_tag(tag, now).await;
            }
            if is_done {
                return;
            }
            yield_now().await;
        }
    }

    async fn sweep_tag(&self, tag: &Key, now: u64) {
        let mut part = 0;
        while self.sweep_part(tag, part, now) {
            part += 1;
            yield_now().await;
        }
    }

    /// Whether there is more of it.
    fn sweep_part(&self, tag: &Key, part: usize, now: u64) -> bool {
        let (mut tags, cache) = (self.tags(), self.lock());
        if tags.state(tag).is_some_and(|state| state.is_alive(now)) {
            return tags.prune(tag, part, |entry| cache.contains_key(entry));
        }
        let_go_of(tags.end(tag));
        false
    }

    /// Drops the older ones if there is no room. `false`: there is no room for these.
    fn make_room_for_tags(&self, tags: &[Tag], entry: Option<&Key>) -> bool {
        // After the second time none is left.
        for _ in 0..2 {
            if self.tags().have_room_for(tags, entry) {
                return true;
            }
            let ended = self.tags().end_older();
            self.void_later(ended);
        }
        self.tags().have_room_for(tags, entry)
    }

    /// Removes entries that are invalid without these tags: they are no longer read with their
    /// tags.
    fn void_later(&self, ended: Parts<Key, TagState>) {
        let invalid = self.invalid_entries();
        let entries = ended.into_items().flat_map(|(_, state)| {
            let of_tag = state.entries.into_items();
            let void = of_tag.map(move |(entry, ())| Some((state.version, entry)));
            // A tag without entries is also work.
            once(None).chain(void)
        });
        steps::later(entries, move |void| {
            void.map_or(1, |(version, entry)| {
                invalid.take_out(version, &entry);
                cost_of(&entry)
            })
        });
    }

    /// As [`Self::void_later`], and returns how many there were.
    async fn remove_invalid(&self, state: Option<TagState>) -> u64 {
        let Some(TagState {
            version, entries, ..
        }) = state
        else {
            return 0;
        };
        let (invalid, mut removed) = (self.invalid_entries(), 0);
        for_each_of_cost(entries.into_items(), |(entry, ())| {
            removed += u64::from(invalid.take_out(version, &entry));
            cost_of(&entry)
        })
        .await;
        removed
    }

    #[cfg(test)]
    pub(super) fn tags_bytes(&self) -> u64 {
        self.tags().bytes()
    }

    pub(super) fn clear_tags(&self) {
        let all = self.tags().clear().into_iter();
        let tags = all.flat_map(Parts::into_items).flat_map(|(tag, state)| {
            let entries = state.entries.into_items();
            once(tag).chain(entries.map(|(entry, ())| entry))
        });
        steps::let_go(tags);
    }

    /// An expired tag has no entries any more.
    fn end_if_gone(&self, tags: &[Tag], now: u64) {
        let mut known = self.tags();
        for tag in tags {
            if known
                .state(tag.key())
                .is_some_and(|state| !state.is_alive(now))
            {
                let_go_of(known.end(tag.key()));
            }
        }
    }
}

/// Drops a former tag.
fn let_go_of(state: Option<TagState>) {
    if let Some(state) = state
        && state.entries.len() > PART
    {
        steps::let_go(state.entries.into_items());
    }
}

impl Tagged for MemoryStore {
    async fn get_with_versions(
        &self,
        entry: &Key,
        tags: &[Tag],
    ) -> Result<(Option<Json>, Vec<Option<Version>>)> {
        let stored = self.get(entry).await?;
        let (known, now) = (self.tags(), self.clock.now_ms());
        let current = tags.iter().map(|tag| known.version(tag, now)).collect();
        Ok((stored, current))
    }

    async fn versions(&self, tags: &[Tag], keep: Ttl) -> Result<Vec<Version>> {
        if !self.make_room_for_tags(tags, None) {
            // Of tags that nobody has, and that no value is stored with.
            return Ok(tags.iter().map(|_| Version::unique()).collect());
        }
        let now = self.clock.now_ms();
        self.end_if_gone(tags, now);
        let mut known = self.tags();
        Ok(tags
            .iter()
            .map(|tag| known.join(tag, None, self.passes.entry(), (now, keep)))
            .collect())
    }

    async fn have_versions(&self, tags: &[Tag], versions: &[Version]) -> Result<bool> {
        let (known, now) = (self.tags(), self.clock.now_ms());
        let current = tags.iter().map(|tag| known.version(tag, now));
        Ok(versions.iter().copied().map(Some).eq(current))
    }

    async fn set_tagged(
        &self,
        entry: &Key,
        tags: &[Tag],
        seen: Option<&[Version]>,
        value: Json,
        ttl: Ttl,
    ) -> Result<Option<Vec<Version>>> {
        if !self.make_room_for_tags(tags, Some(entry)) {
            self.take_out(entry);
            return Ok(None);
        }
        let versions = {
            let now = self.clock.now_ms();
            self.end_if_gone(tags, now);
            let mut known = self.tags();
            let current = tags.iter().map(|tag| known.version(tag, now));
            if seen.is_some_and(|seen| !seen.iter().copied().map(Some).eq(current)) {
                return Ok(None);
            }
            let joined = tags
                .iter()
                .map(|tag| known.join(tag, Some(entry), self.passes.entry(), (now, ttl)));
            joined.collect::<Vec<_>>()
        };
        let kept = self.set(entry, stamp(&versions, &value), ttl).await?;
        Ok(kept.then_some(versions))
    }

    async fn invalidate(&self, tag: &Tag) -> Result<u64> {
        let ended = self.tags().end(tag.key());
        Ok(self.remove_invalid(ended).await)
    }

    async fn invalidate_matching(&self, space: &Tag, patterns: &[Pattern]) -> Result<u64> {
        let (pass, mut at) = (self.passes.begin().await, Cursor::default());
        let mut removed = 0;
        loop {
            let cost = |tag: &Key, _: &TagState| LOOK_BYTES + tag.as_bytes().len();
            let goes =
                |tag: &Key, _: &TagState| matches_in(&[space.key()], patterns, tag.as_bytes());
            let (some, is_done) = self.tags().some((&pass, &mut at), cost, goes);
            for tag in &some {
                let ended = self.tags().end(tag);
                removed += self.remove_invalid(ended).await;
            }
            if is_done {
                return Ok(removed);
            }
            yield_now().await;
        }
    }
}
