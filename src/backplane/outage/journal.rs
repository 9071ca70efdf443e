//! What this process wrote or deleted while Redis was unavailable. All of it is deleted on Redis
//! before the first call is sent there again, so that nothing older is ever read.

use std::collections::HashSet;
use std::mem;

use crate::mutex::{Mutex, MutexGuard};
use crate::store::memory::budget::{Account, allocated, slot};
use crate::store::memory::steps;
use crate::store::parts::Parts;
use crate::store::{Key, Pattern, Tag};

/// Each is compared with every key in one walk.
const MAX_PATTERNS: usize = 256;
/// Each costs several commands.
const MAX_TAGS: usize = 50_000;

/// Bounded in bytes; beyond the bound, single keys are no longer recorded.
pub struct Journal {
    entries: Mutex<JournalEntries>,
    account: Account,
    on_overflow: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
pub struct JournalEntries {
    pub keys: Parts<Key, ()>,
    pub patterns: HashSet<Pattern>,
    pub tags: HashSet<Tag>,
    /// For the names of tags.
    pub tag_patterns: HashSet<Pattern>,
    /// Too much to record: everything has to be deleted.
    pub everything: bool,
    bytes: usize,
}

impl Journal {
    /// `on_overflow` runs once each time the journal overflows.
    pub fn new(account: Account, on_overflow: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            entries: Mutex::default(),
            account,
            on_overflow: Box::new(on_overflow),
        }
    }

    pub fn add_key(&self, key: &Key) {
        self.add(|entries| {
            if entries.keys.insert(key.clone(), ()).is_none() {
                entries.bytes += slot(size_of::<Key>()) + allocated(key.as_bytes().len());
            }
        });
    }

    pub fn add_pattern(&self, pattern: &Pattern) {
        self.add(|entries| {
            if entries.patterns.insert(pattern.clone()) {
                entries.bytes += pattern_bytes(pattern);
            }
        });
    }

    pub fn add_tag(&self, tag: &Tag) {
        self.add(|entries| {
            if entries.tags.insert(tag.clone()) {
                entries.bytes += slot(size_of::<Tag>()) + allocated(tag.key().as_bytes().len());
            }
        });
    }

    pub fn add_tag_pattern(&self, pattern: &Pattern) {
        self.add(|entries| {
            if entries.tag_patterns.insert(pattern.clone()) {
                entries.bytes += pattern_bytes(pattern);
            }
        });
    }

    /// What has to be deleted; `None` if there is nothing.
    pub fn take(&self) -> Option<JournalEntries> {
        let mut known = self.lock();
        let entries = mem::take(&mut *known);
        self.account.set(0);
        drop(known);
        (!entries.are_none()).then_some(entries)
    }

    pub fn clear(&self) {
        if let Some(entries) = self.take() {
            entries.let_go();
        }
    }

    pub fn is_empty(&self) -> bool {
        self.lock().are_none()
    }

    /// Puts back what could not be deleted.
    pub fn put_back(&self, taken: JournalEntries) {
        self.add(|entries| {
            entries.everything |= taken.everything;
            entries.bytes += taken.bytes;
            entries.keys.extend(taken.keys);
            entries.patterns.extend(taken.patterns);
            entries.tags.extend(taken.tags);
            entries.tag_patterns.extend(taken.tag_patterns);
        });
    }

    fn add(&self, change: impl FnOnce(&mut JournalEntries)) {
        let mut entries = self.lock();
        let known = entries.everything;
        if !known {
            change(&mut entries);
        }
        self.account.set(entries.bytes);
        if self.account.is_over() || entries.are_too_many() {
            let everything = JournalEntries {
                everything: true,
                ..JournalEntries::default()
            };
            mem::replace(&mut *entries, everything).let_go();
            self.account.set(0);
        }
        if entries.everything && !known {
            drop(entries);
            (self.on_overflow)();
        }
    }

    fn lock(&self) -> MutexGuard<'_, JournalEntries> {
        self.entries.lock()
    }
}

impl JournalEntries {
    fn are_none(&self) -> bool {
        let patterns = self.patterns.len() + self.tag_patterns.len();
        !self.everything && self.keys.is_empty() && self.tags.is_empty() && patterns == 0
    }

    /// Drops them, in steps.
    pub fn let_go(self) {
        steps::let_go(self.keys.into_items());
        steps::let_go(self.tags.into_iter());
    }

    /// Must be carried out soon.
    fn are_too_many(&self) -> bool {
        self.tags.len() > MAX_TAGS || self.patterns.len() + self.tag_patterns.len() > MAX_PATTERNS
    }
}

fn pattern_bytes(pattern: &Pattern) -> usize {
    slot(size_of::<Pattern>()) + allocated(pattern.as_bytes().len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::measure::{is_counted, kept, long_names, short_names};
    use crate::store::memory::budget::MemoryKind;

    fn counting() -> (Journal, Arc<AtomicUsize>) {
        let overflows = Arc::new(AtomicUsize::new(0));
        let counter = overflows.clone();
        let account = Account::alone(MemoryKind::Journal, 4 << 20);
        let journal = Journal::new(account, move || {
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
        for i in 0..40_000 {
            journal.add_key(&key(i));
            assert!(!journal.account.is_over());
        }
        let entries = journal.take().unwrap();
        assert!(entries.everything && entries.keys.is_empty());
        assert_eq!(overflows.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn is_bounded_in_bytes_too() {
        let (journal, overflows) = counting();
        let long = vec![b'x'; 64 * 1024];
        for i in 0..20_u16 {
            journal.add_key(&Key::new(&[&long, &i.to_be_bytes()]));
        }
        assert!(journal.take().unwrap().everything);
        assert_eq!(overflows.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn is_counted_as_it_is() {
        for (names, most_off) in [
            (long_names(300).collect::<Vec<_>>(), 0.1),
            (short_names(20_000).collect(), 0.34),
        ] {
            let journal = Journal::new(Account::alone(MemoryKind::Journal, 1 << 30), || ());
            let taken = kept(|| {
                for name in &names {
                    journal.add_key(&Key::new(&[name.as_bytes()]));
                    journal.add_tag(&Tag::new(b"", b"room:", name.as_bytes()));
                }
            });
            is_counted(journal.account.bytes(), taken, most_off);
            let entries = journal.take().unwrap();
            assert_eq!(journal.account.bytes(), 0);
            journal.put_back(entries);
            is_counted(journal.account.bytes(), taken, most_off);
        }
    }
}
