//! The tags of the entries in memory.
//!
//! Bounded in bytes. Beyond, the older half of them ends, and with them what they void: an entry without its
//! tags could not be invalidated.

use std::collections::{HashMap, HashSet};
use std::mem;

use tokio::task::yield_now;

use super::MemoryStore;
use super::budget::{Account, allocated, slot};
use super::entry::Look;
use super::in_steps::{LOOK_BYTES, STEP_BYTES};
use super::steps::{self, Pass};
use crate::store::glob::matches_in;
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
    look: Look,
}

/// Entries that are voided in one step.
const VOID_AT_ONCE: usize = 1024;

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
        steps::let_go(mem::take(&mut self.young).into_iter());
        steps::let_go(mem::take(&mut self.old).into_iter());
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

    /// `number`: of the tag, if it is a new one.
    fn join(
        &mut self,
        tag: &Tag,
        entry: Option<&Key>,
        number: u64,
        (now, ttl): (u64, Ttl),
    ) -> Version {
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
                look: Look {
                    number,
                    ..Look::default()
                },
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

    fn all(&self) -> impl Iterator<Item = (&Key, &State)> {
        self.young.iter().chain(&self.old)
    }

    /// The next tags of a pass that are asked for, and whether they were the last. `cost`: of looking at one, in bytes.
    fn some(
        &self,
        pass: &Pass<'_>,
        cost: impl Fn(&Key, &State) -> usize,
        wanted: impl Fn(&Key, &State) -> bool,
    ) -> (Vec<Key>, bool) {
        let (mut found, mut left) = (Vec::new(), STEP_BYTES);
        for (tag, state) in self.all() {
            let Look { number, looked } = &state.look;
            if !pass.is_next(*number, looked.get()) {
                continue;
            }
            if left == 0 {
                return (found, false);
            }
            looked.set(pass.number());
            left = left.saturating_sub(cost(tag, state));
            if wanted(tag, state) {
                left = left.saturating_sub(tag.as_bytes().len());
                found.push(tag.clone());
            }
        }
        (found, true)
    }

    /// Forgets the entries of a tag that are gone.
    fn prune(&mut self, tag: &Key, is_there: impl Fn(&Key) -> bool) {
        let (state, is_young) = match self.young.get_mut(tag) {
            Some(state) => (state, 1),
            None => match self.old.get_mut(tag) {
                Some(state) => (state, 0),
                None => return,
            },
        };
        let before = state.bytes(tag);
        state.entries.retain(is_there);
        let freed = before - state.bytes(tag);
        self.young_bytes -= freed * is_young;
        self.account.sub(freed);
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
    /// In steps. O(tags and entries in them).
    pub(super) async fn sweep_tags(&self) {
        let now = self.clock.now_ms();
        let pass = self.passes.begin().await;
        loop {
            let cost = |_: &Key, state: &State| LOOK_BYTES * (1 + state.entries.len());
            let (some, is_done) = self.tags().some(&pass, cost, |_, _| true);
            for tag in &some {
                let (mut tags, cache) = (self.tags(), self.lock());
                match tags.state(tag) {
                    Some(state) if now < state.gone_at => {
                        tags.prune(tag, |entry| cache.contains_key(entry));
                    }
                    _ => drop(tags.end(tag)),
                }
            }
            if is_done {
                return;
            }
            yield_now().await;
        }
    }

    /// Ends the older ones if there is no room; `false`: there is none for these.
    fn make_room_for_tags(&self, tags: &[Tag], entry: Option<&Key>) -> bool {
        // After the second time none is left.
        for _ in 0..2 {
            if self.tags().have_room_for(tags, entry) {
                return true;
            }
            let ended = self.tags().end_older();
            for state in ended.values() {
                self.void_some(state.version, state.entries.iter());
            }
            steps::let_go(ended.into_iter());
        }
        self.tags().have_room_for(tags, entry)
    }

    /// Removes what is void without the tag, in steps: it is not read with its tags any more.
    async fn void(&self, state: Option<State>) -> u64 {
        let Some(state) = state else { return 0 };
        let mut removed = 0;
        let mut entries = state.entries.iter();
        loop {
            let some = entries.by_ref().take(VOID_AT_ONCE);
            let (seen, more) = self.void_some(state.version, some);
            removed += more;
            if seen < VOID_AT_ONCE {
                return removed;
            }
            yield_now().await;
        }
    }

    /// How many there were, and how many of them were removed.
    fn void_some<'a>(
        &self,
        version: Version,
        entries: impl Iterator<Item = &'a Key>,
    ) -> (usize, u64) {
        let (mut cache, now) = (self.lock(), self.clock.now_ms());
        let (mut seen, mut removed) = (0, 0);
        for entry in entries {
            seen += 1;
            let carries_it = self
                .live(&mut cache, entry, now)
                .and_then(|live| unstamp(&live.text))
                .is_some_and(|(versions, _)| versions.contains(&version));
            if carries_it {
                self.drop_from(&mut cache, entry);
                removed += 1;
            }
        }
        (seen, removed)
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
            let (mut known, now) = (self.tags(), self.clock.now_ms());
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
        Ok(self.void(ended).await)
    }

    async fn invalidate_matching(&self, space: &Tag, patterns: &[Pattern]) -> Result<u64> {
        let pass = self.passes.begin().await;
        let mut removed = 0;
        loop {
            let cost = |tag: &Key, _: &State| LOOK_BYTES + tag.as_bytes().len();
            let goes = |tag: &Key, _: &State| matches_in(&[space.key()], patterns, tag.as_bytes());
            let (some, is_done) = self.tags().some(&pass, cost, goes);
            for tag in &some {
                let ended = self.tags().end(tag);
                removed += self.void(ended).await;
            }
            if is_done {
                return Ok(removed);
            }
            yield_now().await;
        }
    }
}
