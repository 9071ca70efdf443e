//! Removal of entries that are invalid because one of their tags has ended, also when the caller
//! that ended it does not wait.

use std::sync::Arc;

use super::budget::Account;
use super::entry::bytes;
use super::{Cache, Clock, MemoryStore};
use crate::mutex::Mutex;
use crate::store::Key;
use crate::store::tags::{Version, unstamp};

pub struct InvalidEntries {
    cache: Arc<Mutex<Cache>>,
    values: Account,
    clock: Clock,
}

impl MemoryStore {
    pub(super) fn invalid_entries(&self) -> InvalidEntries {
        InvalidEntries {
            cache: self.cache.clone(),
            values: self.values.clone(),
            clock: self.clock.clone(),
        }
    }
}

impl InvalidEntries {
    /// Whether the entry was there and carried that version.
    pub fn take_out(&self, version: Version, entry: &Key) -> bool {
        let (mut cache, now) = (self.cache.lock(), self.clock.now_ms());
        let carries_it = cache
            .peek(entry)
            .filter(|known| known.is_alive(now))
            .and_then(|known| unstamp(&known.text))
            .is_some_and(|(versions, _)| versions.contains(&version));
        if carries_it && let Some((key, known)) = cache.remove(entry) {
            self.values.sub(bytes(&key, &known.text));
        }
        carries_it
    }
}
