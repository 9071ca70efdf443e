//! The cache: JSON texts under `cache:<key>`, in the format of the modules that this package
//! replaces.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Instant;

use super::Backplane;
use super::local_cache::LocalCache;
use super::routing::deadline::within;
use super::stats::cache_stats::AnsweredBy;
use crate::store::memory::Bounds;
use crate::store::remote::Remote;
use crate::store::{Fetched, FillLease, Json, Key, Lifetime, Pattern, Store, Ttl};

pub(super) const SPACE: &[u8] = b"cache:";

#[derive(Clone, Copy)]
pub struct LocalCacheOptions {
    pub bounds: Bounds,
    /// The longest that a value stays in the local cache.
    pub ttl: Ttl,
}

/// The local cache in front of the cache on Redis.
pub struct KeyLocalCache {
    pub(super) layer: Arc<LocalCache>,
    ttl: Ttl,
}

impl KeyLocalCache {
    pub fn new(options: LocalCacheOptions) -> Self {
        Self {
            layer: Arc::new(LocalCache::new(options.bounds)),
            ttl: options.ttl,
        }
    }

    pub fn bytes(&self) -> u64 {
        self.layer.bytes()
    }
}

impl<R: Remote> Backplane<R> {
    /// Returns a miss for anything that cannot be read.
    pub async fn cache_get(&self, name: &[u8]) -> Option<Json> {
        let key = &self.cache_key(name);
        if let Some(local) = &self.local_cache {
            return Box::pin(self.cache_get_timed(local, key, Instant::now())).await;
        }
        let remote = self.on_remote(move |store| async move { store.get(key).await });
        let (found, from) = match remote.await {
            Some(outcome) => (outcome, AnsweredBy::Redis),
            None => (self.memory.get(key).await, AnsweredBy::Memory),
        };
        let found = found.ok().flatten();
        self.feature_stats.cache.read(found.is_some(), from);
        found
    }

    /// Keeps what it reads from Redis in the local cache.
    async fn cache_get_timed(
        &self,
        local: &KeyLocalCache,
        key: &Key,
        begun: Instant,
    ) -> Option<Json> {
        self.invalidation_bus
            .listen(&self.switch, &self.surroundings);
        let passage = local.layer.begin(key);
        let remote = self.on_remote_since(
            begun,
            move |store| async move { store.get_timed(key).await },
        );
        let (found, from) = match remote.await {
            Some(Ok(Some((text, left)))) => {
                passage.keep(&text, local.ttl.min(left));
                (Some(text), AnsweredBy::Redis)
            }
            Some(_) => (None, AnsweredBy::Redis),
            None => (
                self.memory.get(key).await.ok().flatten(),
                AnsweredBy::Memory,
            ),
        };
        self.feature_stats.cache.read(found.is_some(), from);
        found
    }

    /// What the local cache has. Callable from any thread.
    pub fn cache_read_local(&self, name: &[u8]) -> Option<Json> {
        let found = self
            .local_cache
            .as_ref()?
            .layer
            .read(&self.cache_key(name))?;
        self.feature_stats.cache.read(true, AnsweredBy::Memory);
        Some(found)
    }

    /// The value of a key in the local cache, or of all keys, is about to change: reads from now on
    /// ask Redis. Callable from any thread.
    pub fn cache_forget(&self, name: Option<&[u8]>) {
        match (&self.local_cache, name) {
            (Some(local), Some(name)) => local.layer.forget(&self.cache_key(name)),
            (Some(local), None) => local.layer.clear(),
            (None, _) => {}
        }
    }

    /// Nor may it find the result of a read made before the change in the same tick.
    fn forget_local(&self, key: &Key) {
        if let Some(local) = &self.local_cache {
            self.invalidation_bus
                .listen(&self.switch, &self.surroundings);
            local.layer.forget(key);
        }
    }

    /// The value of a key, or of all keys, has changed: drops it from the local cache here and in
    /// the other instances.
    async fn changed(&self, key: Option<&Key>, begun: Instant) {
        let Some(local) = &self.local_cache else {
            return;
        };
        match key {
            Some(key) => local.layer.forget(key),
            None => local.layer.clear(),
        }
        Box::pin(self.told(begun, self.tell(key, begun))).await;
    }

    /// `false`: not stored, or not known to be stored.
    pub async fn cache_set(&self, name: &[u8], value: Json, ttl: Ttl) -> bool {
        let key = &self.cache_key(name);
        self.forget_local(key);
        let (text, begun) = (&value, Instant::now());
        let remote = self
            .tell_remote(begun, move |store| async move {
                store.set(key, text.clone(), ttl).await
            })
            .await;
        let kept = match remote {
            Some(outcome) => outcome,
            None => {
                let kept = self.memory.set(key, value, ttl).await;
                Box::pin(self.outdated(key)).await;
                kept
            }
        };
        self.changed(Some(key), begun).await;
        kept.unwrap_or(false)
    }

    /// `false`: not known to be carried out.
    pub async fn cache_delete(&self, name: &[u8]) -> bool {
        let key = &self.cache_key(name);
        self.forget_local(key);
        let begun = Instant::now();
        let is_deleted = self.remove(key).await;
        self.changed(Some(key), begun).await;
        is_deleted
    }

    /// Deletes one key, here or on Redis. Returns whether that is known to be carried out.
    pub(super) async fn remove(&self, key: &Key) -> bool {
        let remote = self.tell_remote(Instant::now(), move |store| async move {
            store.delete(key).await
        });
        let deleted = match remote.await {
            Some(outcome) => outcome,
            None => {
                let deleted = self.memory.delete(key).await;
                Box::pin(self.outdated(key)).await;
                deleted
            }
        };
        deleted.is_ok()
    }

    /// Returns how many keys were removed where the call was carried out.
    pub async fn cache_delete_pattern(&self, glob: &[u8]) -> u64 {
        let space = &self.key(SPACE, b"");
        let pattern = &Pattern::new(glob);
        let remote = self
            .on_remote_in_steps(move |store| async move {
                store.delete_matching(&[space], from_ref(pattern)).await
            })
            .await;
        let removed = match remote {
            Some(outcome) => outcome,
            None => self.delete_matching_here(space, pattern).await,
        };
        self.changed(None, Instant::now()).await;
        removed.unwrap_or(0)
    }

    /// Reads for a caller that can load the value. A lease is good for one [`Self::cache_fill`]. A
    /// value that cannot be read counts as absent, without a lease: it is loaded but not stored.
    pub async fn cache_fetch(&self, name: &[u8], lease_ttl: Ttl) -> Fetched {
        let (key, begun) = (&self.cache_key(name), Instant::now());
        let mut left = None;
        if let Some(local) = &self.local_cache {
            if let Some(text) = Box::pin(self.cache_get_timed(local, key, begun)).await {
                return Fetched::Fresh(text);
            }
            left = Some(self.time_left(begun));
        }
        let remote = self.on_remote_since(begun, move |store| async move {
            let fetched = store.fetch(key, lease_ttl);
            match left {
                Some(left) => within(left, fetched).await,
                None => fetched.await,
            }
        });
        let (fetched, from) = match remote.await {
            Some(outcome) => (outcome, AnsweredBy::Redis),
            None => (self.memory.fetch(key, lease_ttl).await, AnsweredBy::Memory),
        };
        let fetched = fetched.unwrap_or(Fetched::Absent(FillLease::NONE));
        let is_hit = matches!(fetched, Fetched::Fresh(_));
        if is_hit || self.local_cache.is_none() {
            self.feature_stats.cache.read(is_hit, from);
        }
        fetched
    }

    /// Returns whether the loaded value was stored.
    pub async fn cache_fill(
        &self,
        name: &[u8],
        lease: FillLease,
        value: Json,
        lifetime: Lifetime,
    ) -> bool {
        let key = &self.cache_key(name);
        let (lease, text, begun) = (&lease, &value, Instant::now());
        let remote = self
            .tell_remote(begun, move |store| async move {
                store.fill(key, lease, text.clone(), lifetime).await
            })
            .await;
        let kept = match remote {
            Some(outcome) => outcome,
            None => {
                let kept = self.memory.fill(key, lease, value.clone(), lifetime).await;
                if kept == Ok(true) {
                    self.outdated(key).await;
                }
                kept
            }
        };
        if kept == Ok(true) {
            self.changed(Some(key), begun).await;
        } else {
            self.feature_stats.cache.fenced();
        }
        kept.unwrap_or(false)
    }

    pub async fn cache_abandon(&self, name: &[u8], lease: FillLease) {
        let key = &self.cache_key(name);
        let lease = &lease;
        let remote = self.tell_remote(Instant::now(), move |store| async move {
            store.abandon(key, lease).await
        });
        if remote.await.is_none() {
            let _ = self.memory.abandon(key, lease).await;
        }
    }

    fn cache_key(&self, name: &[u8]) -> Key {
        self.key(SPACE, name)
    }

    /// The value that Redis holds under `key` is older than the one of this process. Must be called
    /// together with the change here, without an await in between: Redis may be back after the
    /// first await.
    pub(super) async fn outdated(&self, key: &Key) {
        self.journal.add_key(key);
        if let Some(server) = self.refusing() {
            // This only informs the others sooner; the journal guarantees it.
            let _ = server.delete(key).await;
        }
    }

    async fn delete_matching_here(
        &self,
        space: &Key,
        pattern: &Pattern,
    ) -> crate::store::Result<u64> {
        self.journal.add_pattern(pattern);
        let removed = self
            .memory
            .delete_matching(&[space], from_ref(pattern))
            .await;
        if let Some(server) = self.refusing() {
            let _ = server.delete_matching(&[space], from_ref(pattern)).await;
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::backplane::{Keeping, LockRequest, Options};
    use crate::store::bus::Reach;
    use crate::store::remote::NeverReached;

    #[test]
    fn hot_calls_are_small() {
        let backplane =
            Backplane::<NeverReached>::new(Options::nowhere(1), Arc::new(|_| ()), Arc::new(|_| ()));
        let get = backplane.cache_get(b"key");
        let set = backplane.cache_set(b"key", Json::new(), Ttl::from_whole_millis(1));
        let publish = backplane.publish(Reach::Everywhere, b"channel", Json::new());
        let lock = backplane.lock_take(LockRequest {
            name: Arc::default(),
            handle: 1,
            ttl: Ttl::from_whole_millis(1),
            wait: None,
            keeping: Keeping::Owned,
        });
        assert!(size_of_val(&lock) <= 1024, "{}", size_of_val(&lock));
        assert!(size_of_val(&publish) <= 1024, "{}", size_of_val(&publish));
        assert!(size_of_val(&get) <= 1024, "{}", size_of_val(&get));
        assert!(size_of_val(&set) <= 1024, "{}", size_of_val(&set));
    }
}
