//! The tags of the entries in memory.

use std::collections::{HashMap, HashSet};

use super::MemoryStore;
use crate::store::tags::{Tag, Tagged, Version, stamp, unstamp};
use crate::store::{Json, Key, Pattern, Result, Store, Ttl};

/// For each entry that the store can hold: two tags, and as many again before the dead are swept.
const NAMES_AN_ENTRY: u64 = 4;

/// What a tag lasts longer than its entries, ms.
const SPARE_MS: u64 = 1000;

#[derive(Debug, Default)]
pub struct Tags {
    tags: HashMap<Key, State>,
    /// Tags, and entries in them.
    names: u64,
}

#[derive(Debug)]
struct State {
    version: Version,
    gone_at: u64,
    entries: HashSet<Key>,
}

impl State {
    fn names(&self) -> u64 {
        1 + self.entries.len() as u64
    }
}

impl Tags {
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn version(&self, tag: &Tag, now: u64) -> Option<Version> {
        let state = self.tags.get(tag.key())?;
        (now < state.gone_at).then_some(state.version)
    }

    fn join(&mut self, tag: &Tag, entry: Option<&Key>, now: u64, ttl: Ttl) -> Version {
        if self.version(tag, now).is_none() {
            self.end(tag.key());
        }
        // The entry is set after its tags, and must not outlive them.
        let spare = if entry.is_some() { SPARE_MS } else { 0 };
        let gone_at = now + ttl.as_millis() + spare;
        let names = &mut self.names;
        let state = self.tags.entry(tag.key().clone()).or_insert_with(|| {
            *names += 1;
            State {
                version: Version::unique(),
                gone_at,
                entries: HashSet::new(),
            }
        });
        state.gone_at = state.gone_at.max(gone_at);
        if let Some(entry) = entry {
            self.names += u64::from(state.entries.insert(entry.clone()));
        }
        state.version
    }

    fn end(&mut self, tag: &Key) -> Option<State> {
        let state = self.tags.remove(tag)?;
        self.names -= state.names();
        Some(state)
    }

    fn sweep(&mut self, now: u64, is_there: impl Fn(&Key) -> bool) {
        self.tags.retain(|_, state| {
            state.entries.retain(&is_there);
            now < state.gone_at
        });
        self.names = self.tags.values().map(State::names).sum();
    }
}

impl MemoryStore {
    pub(super) fn sweep_tags(&self) {
        let now = self.clock.now_ms();
        let mut tags = self.tags();
        let cache = self.lock();
        tags.sweep(now, |entry| cache.contains_key(entry));
    }

    /// Beyond the bound everything that has tags goes: without them it could not be invalidated.
    fn make_room_for_tags(&self) {
        let most = self.max_entries.saturating_mul(NAMES_AN_ENTRY);
        if self.tags().names < most {
            return;
        }
        self.sweep_tags();
        if self.tags().names >= most / 2 {
            self.clear();
        }
    }

    fn void(&self, state: Option<State>) -> u64 {
        let Some(state) = state else { return 0 };
        let now = self.clock.now_ms();
        let mut cache = self.lock();
        let mut removed = 0;
        for entry in &state.entries {
            let carries_it = Self::live(&mut cache, entry, now)
                .and_then(|live| unstamp(&live.text))
                .is_some_and(|(versions, _)| versions.contains(&state.version));
            if carries_it {
                cache.remove(entry);
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
        self.make_room_for_tags();
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
        self.make_room_for_tags();
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
            let keys = known.tags.keys().filter(|key| {
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
