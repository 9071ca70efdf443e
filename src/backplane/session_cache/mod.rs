//! Sessions, by their sockets. Each belongs to its users. The tag of a user knows the user's
//! sessions, so that they can be removed. A session names its users, because the reader does not
//! know them. Without the tags of its users, any of which Redis may have evicted, nobody could end
//! the session, and it is invalid.

pub mod owners;

use std::collections::HashMap;
use std::mem;

use std::time::Instant;

use futures_util::future::try_join_all;

use super::Backplane;
use super::routing::deadline::within;
use super::stats::cache_stats::AnsweredBy;
use crate::mutex::{Mutex, MutexGuard};
use crate::store::memory::budget::{Account, allocated, slot};
use crate::store::memory::{MemoryStore, steps};
use crate::store::remote::Remote;
use crate::store::tags::{Tagged, unstamp, with_names};
use crate::store::{Json, Key, Result, StoreError, Tag, Ttl};
use owners::SessionOwners;

pub(super) const SPACE: &[u8] = b"session:";
pub(super) const USERS: &[u8] = b"session-user:";
/// Sessions that are sent to Redis at once.
const AT_ONCE: usize = 128;
/// How often the set of a session is repeated whose user is continually invalidated.
const ATTEMPTS: usize = 5;

/// The sessions that were set here while Redis was unavailable, with their users. Bounded in bytes;
/// sessions beyond the bound end with the outage.
pub struct OutageSessions {
    unwritten: Mutex<HashMap<Key, Vec<Tag>>>,
    owners: SessionOwners,
    account: Account,
}

fn bytes(key: &Key, tags: &[Tag]) -> usize {
    let names = tags.iter().map(|tag| allocated(tag.key().as_bytes().len()));
    let own = slot(size_of::<(Key, Vec<Tag>)>()) + allocated(size_of_val(tags));
    own + allocated(key.as_bytes().len()) + names.sum::<usize>()
}

/// Sessions, each with its users.
type Unwritten = Vec<(Key, Vec<Tag>)>;

impl OutageSessions {
    pub fn new(account: Account) -> Self {
        Self {
            unwritten: Mutex::default(),
            owners: SessionOwners::default(),
            account,
        }
    }

    pub fn is_reconciled(&self) -> bool {
        self.unwritten().is_empty()
    }

    /// What is known of the owners takes this much.
    pub fn bytes_of_owners(&self) -> u64 {
        self.owners.bytes()
    }

    pub fn clear(&self) {
        steps::let_go(self.take().into_iter());
        self.owners.clear();
    }

    /// What has to be written, for [`Self::reconcile`]. Must be called before the journal is taken,
    /// which deletes the same keys: a session set from now on is deleted and written in the next
    /// round.
    pub fn take(&self) -> Unwritten {
        let mut unwritten = self.unwritten();
        self.account.set(0);
        mem::take(&mut *unwritten).into_iter().collect()
    }

    /// Puts back what could not be written and has not been set again.
    pub fn put_back(&self, rest: &[(Key, Vec<Tag>)]) {
        for (key, tags) in rest {
            let is_set_again = self.unwritten().contains_key(key);
            if !is_set_again {
                self.write_later(key, tags);
            }
        }
    }

    /// Sets on Redis what is still alive in memory, with its remaining TTL.
    pub async fn reconcile(
        &self,
        store: &impl Tagged,
        memory: &MemoryStore,
        unwritten: Unwritten,
    ) -> Result<()> {
        for (at, step) in unwritten.chunks(AT_ONCE).enumerate() {
            let written = step.iter().map(async |(key, tags)| {
                let Some((stored, ttl)) = memory.remaining(key) else {
                    return Ok(true);
                };
                match unstamp(&stored) {
                    Some((versions, value)) if memory.have_versions(tags, &versions).await? => {
                        // What the server does not let this user write ends with the outage.
                        match write(store, key, tags, value, ttl).await {
                            Err(StoreError::Rejected(_)) => Ok(false),
                            other => other,
                        }
                    }
                    _ => Ok(true),
                }
            });
            if let Err(error) = try_join_all(written).await {
                self.put_back(&unwritten[at * AT_ONCE..]);
                return Err(error);
            }
        }
        Ok(())
    }

    fn write_later(&self, key: &Key, tags: &[Tag]) {
        let (mut unwritten, bytes) = (self.unwritten(), bytes(key, tags));
        if let Some(before) = unwritten.remove(key) {
            self.account.sub(self::bytes(key, &before) as u64);
        }
        if self.account.has_room(bytes) {
            self.account.add(bytes as u64);
            unwritten.insert(key.clone(), tags.to_vec());
        }
    }

    fn unwritten(&self) -> MutexGuard<'_, HashMap<Key, Vec<Tag>>> {
        self.unwritten.lock()
    }
}

impl<R: Remote> Backplane<R> {
    pub async fn session_get(&self, socket: &[u8]) -> Option<Json> {
        let (key, space) = (&self.key(SPACE, socket), &self.tag(USERS, b""));
        let owners = &self.sessions.owners;
        let known = owners.of(key);
        let guess = known.as_deref().unwrap_or_default();
        let begun = Instant::now();
        let left = self.time_left(begun);
        let remote = self.on_remote_since(begun, move |store| async move {
            within(left, store.get_named(key, space, guess)).await
        });
        let (found, from) = match remote.await {
            Some(outcome) => (outcome, AnsweredBy::Redis),
            None => (
                self.memory.get_named(key, space, &[]).await,
                AnsweredBy::Memory,
            ),
        };
        let found = found.ok().flatten();
        self.feature_stats.sessions.read(found.is_some(), from);
        let found = found?;
        if let Some(tags) = found.tags {
            owners.remember(key, tags);
        }
        Some(found.value)
    }

    /// `false`: not stored, or not known to be stored.
    pub async fn session_set(
        &self,
        socket: &[u8],
        users: &[String],
        value: Json,
        ttl: Ttl,
    ) -> bool {
        let key = &self.key(SPACE, socket);
        let tags = users.iter().map(|user| self.tag(USERS, user.as_bytes()));
        let tags = &tags.collect::<Vec<_>>();
        let value = with_names(users.iter().map(|user| user.as_bytes()), &value);
        let begun = Instant::now();
        self.told(begun, self.session_write(key, tags, value, ttl, begun))
            .await
    }

    async fn session_write(
        &self,
        key: &Key,
        tags: &[Tag],
        value: Json,
        ttl: Ttl,
        begun: Instant,
    ) -> bool {
        let text = &value;
        let under_way = self.tagged_sets.read().await;
        let remote = self
            .tell_remote(begun, move |store| async move {
                write(&*store, key, tags, text.clone(), ttl).await
            })
            .await;
        let kept = match remote {
            Some(outcome) => {
                self.sessions.owners.remember(key, tags.to_vec());
                outcome
            }
            None => {
                let kept = write(&*self.memory, key, tags, value, ttl).await;
                if kept == Ok(true) {
                    self.sessions.write_later(key, tags);
                }
                Box::pin(self.outdated(key)).await;
                kept
            }
        };
        drop(under_way);
        kept.unwrap_or(false)
    }

    /// `false`: not known to be carried out.
    pub async fn session_delete(&self, socket: &[u8]) -> bool {
        let key = &self.key(SPACE, socket);
        self.sessions.owners.forget(key);
        self.remove(key).await
    }

    /// Returns how many sessions of the user were removed.
    pub async fn session_invalidate(&self, user: &[u8]) -> u64 {
        self.invalidate(&self.tag(USERS, user)).await
    }
}

/// Sets a session, and sets it again if one of its users was invalidated meanwhile: the
/// invalidation may have looked for it before it was there, and nobody would find it later.
async fn write(
    store: &impl Tagged,
    key: &Key,
    tags: &[Tag],
    value: Json,
    ttl: Ttl,
) -> Result<bool> {
    for _ in 0..ATTEMPTS {
        let Some(versions) = store
            .set_tagged(key, tags, None, value.clone(), ttl)
            .await?
        else {
            return Ok(false);
        };
        if tags.is_empty() || store.have_versions(tags, &versions).await? {
            return Ok(true);
        }
    }
    store.delete(key).await.map(|()| false)
}
