//! The existing tags, and the keys of their entries; all of it is counted in bytes.

use std::collections::HashMap;
use std::mem;

use crate::store::memory::budget::{Account, allocated, slot};
use crate::store::memory::entry::Look;
use crate::store::memory::removal::STEP_BYTES;
use crate::store::memory::steps::Pass;
use crate::store::parts::Parts;
use crate::store::tags::{Tag, Version};
use crate::store::{Key, Ttl};

/// How much longer a tag lasts than its entries, ms.
const SPARE_MS: u64 = 1000;

pub struct Tags {
    /// What was set since the last half was dropped; the others may be next.
    young: Parts<Key, TagState>,
    old: Parts<Key, TagState>,
    young_bytes: u64,
    /// How often the older half has been dropped.
    ends: u64,
    account: Account,
}

pub struct TagState {
    pub version: Version,
    pub entries: Parts<Key, ()>,
    gone_at: u64,
    /// Of everything that is kept of it.
    bytes: u64,
    look: Look,
}

/// The position of a pass among the parts.
#[derive(Default)]
pub struct Cursor {
    ends: u64,
    is_young: bool,
    part: usize,
}

fn tag_bytes(tag: &Key) -> u64 {
    (slot(size_of::<(Key, TagState)>()) + allocated(tag.as_bytes().len())) as u64
}

fn entry_bytes(entry: &Key) -> u64 {
    (slot(size_of::<Key>()) + allocated(entry.as_bytes().len())) as u64
}

impl TagState {
    fn new(tag: &Key, number: u64) -> Self {
        Self {
            version: Version::unique(),
            entries: Parts::default(),
            gone_at: 0,
            bytes: tag_bytes(tag),
            look: Look {
                number,
                ..Look::default()
            },
        }
    }

    /// Returns the additional bytes.
    fn add(&mut self, entry: &Key) -> u64 {
        if self.entries.get(entry).is_some() {
            return 0;
        }
        self.entries.insert(entry.clone(), ());
        let more = entry_bytes(entry);
        self.bytes += more;
        // A part with long keys must also be hashed in one step.
        self.entries.spread(self.bytes as usize / STEP_BYTES);
        more
    }

    pub fn is_alive(&self, now: u64) -> bool {
        now < self.gone_at
    }
}

impl Tags {
    pub fn new(account: Account) -> Self {
        Self {
            young: Parts::default(),
            old: Parts::default(),
            young_bytes: 0,
            ends: 0,
            account,
        }
    }

    #[cfg(test)]
    pub fn bytes(&self) -> u64 {
        self.account.bytes()
    }

    /// Returns all that existed.
    pub fn clear(&mut self) -> [Parts<Key, TagState>; 2] {
        self.young_bytes = 0;
        self.account.set(0);
        [mem::take(&mut self.young), mem::take(&mut self.old)]
    }

    pub fn state(&self, tag: &Key) -> Option<&TagState> {
        self.young.get(tag).or_else(|| self.old.get(tag))
    }

    pub fn version(&self, tag: &Tag, now: u64) -> Option<Version> {
        let state = self.state(tag.key())?;
        state.is_alive(now).then_some(state.version)
    }

    /// An expired tag must have been ended before. `number`: of the tag, if it is new.
    pub fn join(
        &mut self,
        tag: &Tag,
        entry: Option<&Key>,
        number: u64,
        (now, ttl): (u64, Ttl),
    ) -> Version {
        if let Some(state) = self.old.remove(tag.key()) {
            self.young_bytes += state.bytes;
            self.young.insert(tag.key().clone(), state);
        }
        let mut more = 0;
        let state = self.young.get_or_insert_with(tag.key(), || {
            let state = TagState::new(tag.key(), number);
            more += state.bytes;
            state
        });
        // The entry is set after its tags, and must not outlive them.
        let spare = if entry.is_some() { SPARE_MS } else { 0 };
        state.gone_at = state.gone_at.max(now + ttl.as_millis() + spare);
        more += entry.map_or(0, |entry| state.add(entry));
        let version = state.version;
        self.young_bytes += more;
        self.account.add(more);
        version
    }

    /// From now on no entry that has it is valid.
    pub fn end(&mut self, tag: &Key) -> Option<TagState> {
        let (state, is_young) = match self.young.remove(tag) {
            Some(state) => (state, 1),
            None => (self.old.remove(tag)?, 0),
        };
        self.young_bytes -= state.bytes * is_young;
        self.account.sub(state.bytes);
        Some(state)
    }

    /// Ends those that existed before the last time.
    pub fn end_older(&mut self) -> Parts<Key, TagState> {
        let ended = mem::replace(&mut self.old, mem::take(&mut self.young));
        self.account.sub(self.account.bytes() - self.young_bytes);
        self.young_bytes = 0;
        self.ends += 1;
        ended
    }

    /// The next tags of a pass, and whether they were the last. `cost`: of looking at one, in
    /// bytes.
    pub fn some(
        &self,
        (pass, at): (&Pass<'_>, &mut Cursor),
        cost: impl Fn(&Key, &TagState) -> usize,
        wanted: impl Fn(&Key, &TagState) -> bool,
    ) -> (Vec<Key>, bool) {
        let (mut found, mut left) = (Vec::new(), STEP_BYTES);
        while let Some(part) = self.part(at) {
            for (tag, state) in part {
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
            at.part += 1;
        }
        (found, true)
    }

    /// The older ones come first: one that becomes young meanwhile is found later.
    fn part(&self, at: &mut Cursor) -> Option<&HashMap<Key, TagState>> {
        if at.ends != self.ends {
            // The young ones are the older ones now.
            *at = Cursor {
                ends: self.ends,
                ..Cursor::default()
            };
        }
        if !at.is_young {
            if let Some(part) = self.old.part(at.part) {
                return Some(part);
            }
            (at.is_young, at.part) = (true, 0);
        }
        self.young.part(at.part)
    }

    /// Drops the entries of a tag that no longer exist, one part of them. Returns whether there are
    /// more parts.
    pub fn prune(&mut self, tag: &Key, part: usize, is_there: impl Fn(&Key) -> bool) -> bool {
        let (state, is_young) = match self.young.get_mut(tag) {
            Some(state) => (state, 1),
            None => match self.old.get_mut(tag) {
                Some(state) => (state, 0),
                None => return false,
            },
        };
        let mut freed = 0;
        state.entries.retain_in(part, |entry, ()| {
            let stays = is_there(entry);
            freed += entry_bytes(entry) * u64::from(!stays);
            stays
        });
        state.bytes -= freed;
        let has_more = part + 1 < state.entries.count();
        self.young_bytes -= freed * is_young;
        self.account.sub(freed);
        has_more
    }

    /// Whether these and an entry of theirs fit into the bound.
    pub fn have_room_for(&self, tags: &[Tag], entry: Option<&Key>) -> bool {
        let of_entry = entry.map_or(0, entry_bytes);
        let each = tags.iter().map(|tag| tag_bytes(tag.key()) + of_entry);
        let more = each.sum::<u64>();
        let is_young_full = self.young_bytes + more > self.account.most() / 2;
        !is_young_full && self.account.has_room(more as usize)
    }
}
