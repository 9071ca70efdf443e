//! The tags of the entries in memory.
//!
//! Bounded in bytes. Beyond, the older half of them ends, and with them what they void: an entry without its
//! tags could not be invalidated.

use std::collections::{HashMap, HashSet};
use std::mem;

use super::MemoryStore;
use super::budget::{Account, allocated, slot};
use crate::store::tags::{Tag, Tagged, Version, stamp, unstamp};
use crate::store::{Json, Key, Pattern, Result, Store, Ttl};

/// What a tag lasts longer than its entries, ms.
const SPARE_MS: u64 = 1000;

pub struct Tags {
    /// What was set since the last half ended; the others may be the next.
    young: HashMap<Key, State>,
    old: HashMap<Key, State>,
    young_bytes: u64,
    account: Account,
}

pub struct State {
    version: Version,
    gone_at: u64,
    entries: HashSet<Key>,
}

impl State {
    fn bytes(&self, tag: &Key) -> u64 {
        let entries: u64 = self.entries.iter().map(entry_bytes).sum();
        tag_bytes(tag) + entries
    }
}

fn tag_bytes(tag: &Key) -> u64 {
    (slot(size_of::<(Key, State)>()) + allocated(tag.as_bytes().len())) as u64
}

fn entry_bytes(entry: &Key) -> u64 {
    (slot(size_of::<Key>()) + allocated(entry.as_bytes().len())) as u64
}

impl Tags {
    pub fn new(account: Account) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            young_bytes: 0,
            account,
        }
    }

    pub fn clear(&mut self) {
        self.young = HashMap::new();
        self.old = HashMap::new();
        self.young_bytes = 0;
        self.account.set(0);
    }

    fn state(&self, tag: &Key) -> Option<&State> {
        self.young.get(tag).or_else(|| self.old.get(tag))
    }

    fn version(&self, tag: &Tag, now: u64) -> Option<Version> {
        let state = self.state(tag.key())?;
        (now < state.gone_at).then_some(state.version)
    }

    fn join(&mut self, tag: &Tag, entry: Option<&Key>, now: u64, ttl: Ttl) -> Version {
        if self.version(tag, now).is_none() {
            self.end(tag.key());
        }
        if let Some(state) = self.old.remove(tag.key()) {
            self.young_bytes += state.bytes(tag.key());
            self.young.insert(tag.key().clone(), state);
        }
        // The entry is set after its tags, and must not outlive them.
        let spare = if entry.is_some() { SPARE_MS } else { 0 };
        let gone_at = now + ttl.as_millis() + spare;
        let (mut more, account) = (0, &self.account);
        let state = self.young.entry(tag.key().clone()).or_insert_with(|| {
            more += tag_bytes(tag.key());
            State {
                version: Version::unique(),
                gone_at,
                entries: HashSet::new(),
            }
        });
        state.gone_at = state.gone_at.max(gone_at);
        if let Some(entry) = entry
            && state.entries.insert(entry.clone())
        {
            more += entry_bytes(entry);
        }
        self.young_bytes += more;
        account.add(more);
        state.version
    }

    fn end(&mut self, tag: &Key) -> Option<State> {
        let (state, is_young) = match self.young.remove(tag) {
            Some(state) => (state, 1),
            None => (self.old.remove(tag)?, 0),
        };
        let bytes = state.bytes(tag);
        self.young_bytes -= bytes * is_young;
        self.account.sub(bytes);
        Some(state)
    }

    /// Those that were there before the last time.
    fn end_older(&mut self) -> HashMap<Key, State> {
        let ended = mem::replace(&mut self.old, mem::take(&mut self.young));
        self.account.sub(bytes_of(&ended));
        self.young_bytes = 0;
        ended
    }

    fn sweep(&mut self, now: u64, is_there: impl Fn(&Key) -> bool) {
        for tags in [&mut self.young, &mut self.old] {
            tags.retain(|_, state| {
                state.entries.retain(&is_there);
                now < state.gone_at
            });
        }
        self.young_bytes = bytes_of(&self.young);
        self.account
            .set((self.young_bytes + bytes_of(&self.old)) as usize);
    }

    /// Whether these and an entry of theirs fit into what there may be.
    fn have_room_for(&self, tags: &[Tag], entry: Option<&Key>) -> bool {
        let of_entry = entry.map_or(0, entry_bytes);
        let each = tags.iter().map(|tag| tag_bytes(tag.key()) + of_entry);
        let more = each.sum::<u64>();
        let is_young_full = self.young_bytes + more > self.account.most() / 2;
        !is_young_full && self.account.has_room(more as usize)
    }
}

/// O(tags and entries in them).
fn bytes_of(tags: &HashMap<Key, State>) -> u64 {
    tags.iter().map(|(tag, state)| state.bytes(tag)).sum()
}

impl MemoryStore {
    pub(super) fn sweep_tags(&self) {
        let now = self.clock.now_ms();
        let mut tags = self.tags();
        let cache = self.lock();
        tags.sweep(now, |entry| cache.contains_key(entry));
    }

    /// Ends the older ones if there is no room; `false`: there is none for these.
    fn make_room_for_tags(&self, tags: &[Tag], entry: Option<&Key>) -> bool {
        // After the second time none is left.
        for _ in 0..2 {
            if self.tags().have_room_for(tags, entry) {
                return true;
            }
            let ended = self.tags().end_older();
            for state in ended.into_values() {
                self.void(Some(state));
            }
        }
        self.tags().have_room_for(tags, entry)
    }

    fn void(&self, state: Option<State>) -> u64 {
        let Some(state) = state else { return 0 };
        let now = self.clock.now_ms();
        let mut cache = self.lock();
        let mut removed = 0;
        for entry in &state.entries {
            let carries_it = self
                .live(&mut cache, entry, now)
                .and_then(|live| unstamp(&live.text))
                .is_some_and(|(versions, _)| versions.contains(&state.version));
            if carries_it {
                self.drop_from(&mut cache, entry);
                removed += 1;
            }
        }
        removed
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
            // Of tags that nobody has, and that no value is kept with.
            return Ok(tags.iter().map(|_| Version::unique()).collect());
        }
        let (mut known, now) = (self.tags(), self.clock.now_ms());
        Ok(tags
            .iter()
            .map(|tag| known.join(tag, None, now, keep))
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
            let (mut known, now) = (self.tags(), self.clock.now_ms());
            let current = tags.iter().map(|tag| known.version(tag, now));
            if seen.is_some_and(|seen| !seen.iter().copied().map(Some).eq(current)) {
                return Ok(None);
            }
            let joined = tags
                .iter()
                .map(|tag| known.join(tag, Some(entry), now, ttl));
            joined.collect::<Vec<_>>()
        };
        let kept = self.set(entry, stamp(&versions, &value), ttl).await?;
        Ok(kept.then_some(versions))
    }

    async fn invalidate(&self, tag: &Tag) -> Result<u64> {
        let ended = self.tags().end(tag.key());
        Ok(self.void(ended))
    }

    async fn invalidate_matching(&self, space: &Tag, patterns: &[Pattern]) -> Result<u64> {
        let matching: Vec<Key> = {
            let known = self.tags();
            let keys = known.young.keys().chain(known.old.keys()).filter(|key| {
                let name = key.as_bytes().strip_prefix(space.key().as_bytes());
                name.is_some_and(|name| patterns.iter().any(|pattern| pattern.matches(name)))
            });
            keys.cloned().collect()
        };
        let mut removed = 0;
        for tag in matching {
            let ended = self.tags().end(&tag);
            removed += self.void(ended);
        }
        Ok(removed)
    }
}
