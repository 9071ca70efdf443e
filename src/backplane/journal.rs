//! What this process wrote or deleted while Redis was away, so that nothing older than it is
//! ever read there: all of it is deleted on Redis before the first call goes to it again.

use std::collections::HashSet;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::{Key, Pattern, Tag};

/// Together at most some 40 MB; beyond, single keys are no longer told apart.
const MAX_KEYS: usize = 200_000;
const MAX_KEY_BYTES: usize = 16 * 1024 * 1024;
const MAX_PATTERNS: usize = 256;

pub struct Journal {
    entries: Mutex<Entries>,
    on_overflow: Box<dyn Fn() + Send + Sync>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Entries {
    pub keys: HashSet<Key>,
    pub patterns: HashSet<Pattern>,
    pub tags: HashSet<Tag>,
    /// Of the names of tags.
    pub tag_patterns: HashSet<Pattern>,
    /// Too much to remember: everything has to go.
    pub everything: bool,
    key_bytes: usize,
}

impl Journal {
    /// `on_overflow` runs once for each time that the journal gave up counting.
    pub fn new(on_overflow: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            entries: Mutex::default(),
            on_overflow: Box::new(on_overflow),
        }
    }

    pub fn add_key(&self, key: &Key) {
        self.add(|entries| {
            if entries.keys.insert(key.clone()) {
                entries.key_bytes += key.as_bytes().len();
            }
        });
    }

    pub fn add_pattern(&self, pattern: &Pattern) {
        self.add(|entries| {
            entries.patterns.insert(pattern.clone());
        });
    }

    pub fn add_tag(&self, tag: &Tag) {
        self.add(|entries| {
            if entries.tags.insert(tag.clone()) {
                entries.key_bytes += tag.key().as_bytes().len();
            }
        });
    }

    pub fn add_tag_pattern(&self, pattern: &Pattern) {
        self.add(|entries| {
            entries.tag_patterns.insert(pattern.clone());
        });
    }

    /// What has to be deleted; `None` when there is nothing.
    pub fn take(&self) -> Option<Entries> {
        let entries = mem::take(&mut *self.lock());
        (entries != Entries::default()).then_some(entries)
    }

    pub fn is_empty(&self) -> bool {
        *self.lock() == Entries::default()
    }

    /// Gives back what could not be deleted.
    pub fn put_back(&self, taken: Entries) {
        self.add(|entries| {
            entries.everything |= taken.everything;
            entries.key_bytes += taken.key_bytes;
            entries.keys.extend(taken.keys);
            entries.patterns.extend(taken.patterns);
            entries.tags.extend(taken.tags);
            entries.tag_patterns.extend(taken.tag_patterns);
        });
    }

    fn add(&self, change: impl FnOnce(&mut Entries)) {
        let mut entries = self.lock();
        let known = entries.everything;
        if !known {
            change(&mut entries);
        }
        if entries.is_too_much() {
            *entries = Entries {
                everything: true,
                ..Entries::default()
            };
        }
        if entries.everything && !known {
            drop(entries);
            (self.on_overflow)();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn is_too_much(&self) -> bool {
        self.keys.len() + self.tags.len() > MAX_KEYS
            || self.key_bytes > MAX_KEY_BYTES
            || self.patterns.len() + self.tag_patterns.len() > MAX_PATTERNS
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn counting() -> (Journal, Arc<AtomicUsize>) {
        let overflows = Arc::new(AtomicUsize::new(0));
        let counter = overflows.clone();
        let journal = Journal::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        (journal, overflows)
    }

    fn key(i: usize) -> Key {
        Key::new(&[i.to_string().as_bytes()])
    }

    #[test]
    fn remembers_each_key_once_and_is_empty_after_take() {
        let (journal, _) = counting();
        journal.add_key(&key(1));
        journal.add_key(&key(1));
        journal.add_pattern(&Pattern::new(b"x*"));
        let entries = journal.take().unwrap();
        assert_eq!((entries.keys.len(), entries.patterns.len()), (1, 1));
        assert!(journal.take().is_none());
        journal.put_back(entries);
        assert_eq!(journal.take().unwrap().keys.len(), 1);
    }

    #[test]
    fn remembers_tags_and_gives_them_back() {
        let (journal, _) = counting();
        let tag = Tag::new(b"", b"room:", b"1");
        journal.add_tag(&tag);
        journal.add_tag_pattern(&Pattern::new(b"x*"));
        let entries = journal.take().unwrap();
        journal.put_back(entries);
        let entries = journal.take().unwrap();
        assert!(entries.tags.contains(&tag));
        assert!(entries.tag_patterns.contains(&Pattern::new(b"x*")));
    }

    #[test]
    fn overflows_to_everything_and_says_so_once() {
        let (journal, overflows) = counting();
        for i in 0..=MAX_KEYS {
            journal.add_key(&key(i));
        }
        journal.add_key(&key(MAX_KEYS + 7));
        let entries = journal.take().unwrap();
        assert!(entries.everything && entries.keys.is_empty());
        assert_eq!(overflows.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn is_bounded_in_bytes_too() {
        let (journal, overflows) = counting();
        let long = vec![b'x'; 64 * 1024];
        for i in 0..300_u16 {
            journal.add_key(&Key::new(&[&long, &i.to_be_bytes()]));
        }
        assert!(journal.take().unwrap().everything);
        assert_eq!(overflows.load(Ordering::Relaxed), 1);
    }
}
