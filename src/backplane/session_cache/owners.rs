//! The owners of the sessions that this process has set or read. If the owner is known, a session
//! is read together with the tags of its users in one round trip. If it was dropped, it takes one
//! more.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::unsync::Cache;

use crate::mutex::{Mutex, MutexGuard};
use crate::store::memory::budget::allocated;
use crate::store::{Key, Tag};

/// About 25,000 sessions.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// Only for the first allocation.
const ESTIMATED: usize = 64;
/// The key, the tags and the table, beside the bytes of their names.
const OVERHEAD_BYTES: usize = 200;

pub struct SessionOwners(Mutex<Cache<Key, Arc<[Tag]>, OwnerWeight>>);

#[derive(Clone)]
struct OwnerWeight;

impl Weighter<Key, Arc<[Tag]>> for OwnerWeight {
    fn weight(&self, session: &Key, users: &Arc<[Tag]>) -> u64 {
        let names = users
            .iter()
            .map(|tag| allocated(tag.key().as_bytes().len()));
        let session = allocated(session.as_bytes().len());
        (session + names.sum::<usize>() + OVERHEAD_BYTES) as u64
    }
}

impl Default for SessionOwners {
    fn default() -> Self {
        Self(Mutex::new(Cache::with_weighter(
            ESTIMATED,
            MAX_BYTES,
            OwnerWeight,
        )))
    }
}

impl SessionOwners {
    pub fn of(&self, session: &Key) -> Option<Arc<[Tag]>> {
        self.known().get(session).cloned()
    }

    pub fn remember(&self, session: &Key, users: Vec<Tag>) {
        self.known().insert(session.clone(), users.into());
    }

    pub fn forget(&self, session: &Key) {
        self.known().remove(session);
    }

    /// The memory they take.
    pub fn bytes(&self) -> u64 {
        self.known().weight()
    }

    pub fn clear(&self) {
        self.known().clear();
    }

    fn known(&self) -> MutexGuard<'_, Cache<Key, Arc<[Tag]>, OwnerWeight>> {
        self.0.lock()
    }
}
