//! What a store can do: typed operations, each of them atomic and on one key, so that all of them
//! work on a cluster. [`tags`] group keys that are invalidated together.
//!
//! Two stores implement the trait, [`redis`] and [`memory`], and one suite of tests
//! (`tests/contracts/store/`) runs on both. [`crate::backplane`] decides what an operation means to
//! a caller, and which of the two stores answers it.

pub mod availability;
pub mod bus;
pub mod error;
pub mod glob;
pub mod keyed_mutex;
pub mod locks;
pub mod memory;
pub mod parts;
pub mod presence;
pub mod rate_limits;
pub mod redis;
pub mod remote;
mod slot;
pub mod tags;
pub mod topics;
pub mod types;

use std::future::Future;

pub use bus::Bus;
pub use error::{Result, StoreError};
pub use glob::Pattern;
pub use locks::Locker;
pub use presence::{ProcessLeases, Roster};
pub use rate_limits::Limiter;
pub use tags::{Tag, Tagged, Version};
pub use types::{Fetched, FillLease, Json, Key, Lifetime, ServerFacts, ServerReply, Ttl};

/// Atomic operations on cached JSON texts.
pub trait Store: Send + Sync {
    /// The text under `key`, unless it is absent, expired, of another type, or only a lease. O(1).
    fn get(&self, key: &Key) -> impl Future<Output = Result<Option<Json>>> + Send;

    /// Replaces any value under `key`, of any type. `false`: the store did not store it (the text
    /// is larger than the whole store). O(1).
    fn set(&self, key: &Key, value: Json, ttl: Ttl) -> impl Future<Output = Result<bool>> + Send;

    /// As [`Store::get`], and how much longer the value is fresh. O(1).
    fn get_timed(&self, key: &Key) -> impl Future<Output = Result<Option<(Json, Ttl)>>> + Send;

    /// The remaining TTL of `key`; `None`: it does not exist. O(1).
    fn time_left(&self, key: &Key) -> impl Future<Output = Result<Option<Ttl>>> + Send;

    /// Makes `key` absent, leases included. O(1).
    fn delete(&self, key: &Key) -> impl Future<Output = Result<()>> + Send;

    /// Makes all of `keys` absent, each separately, not atomically. O(keys).
    fn delete_all(&self, keys: &[Key]) -> impl Future<Output = Result<()>> + Send;

    /// Deletes every key that begins with one of `spaces` and continues with a match of one of
    /// `patterns`, in bounded steps of one walk. Returns how many it removed. O(keys in the store).
    fn delete_matching(
        &self,
        spaces: &[&Key],
        patterns: &[Pattern],
    ) -> impl Future<Output = Result<u64>> + Send;

    /// Reads `key` for a caller that can load the value if it is absent. Returns the value, or a
    /// lease that [`Store::fill`] takes. The lease of an absent key lasts `lease_ttl`.
    ///
    /// Any other write or delete of the key, by any client, ends the lease (the idea of the leases
    /// of "Scaling Memcache at Facebook", NSDI '13, section 3.2.1). O(1).
    fn fetch(&self, key: &Key, lease_ttl: Ttl) -> impl Future<Output = Result<Fetched>> + Send;

    /// Sets `key` if `lease` is still valid. Returns whether it did. O(1).
    fn fill(
        &self,
        key: &Key,
        lease: &FillLease,
        value: Json,
        lifetime: Lifetime,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Gives back the lease of an absent key, so that the next [`Store::fetch`] gets a new one.
    /// O(1).
    fn abandon(&self, key: &Key, lease: &FillLease) -> impl Future<Output = Result<()>> + Send;
}

/// What only a server can be asked.
pub trait ServerInfo: Send + Sync {
    /// Whether it answers at all.
    fn ping(&self) -> impl Future<Output = Result<()>> + Send;

    /// What it has reported about itself.
    fn facts(&self) -> &ServerFacts;

    /// Its memory usage and its limit (0: no limit), in bytes.
    fn memory(&self) -> impl Future<Output = Result<(u64, u64)>> + Send;
}

/// Raw commands of the caller; only a server has them.
pub trait RawCommands: Send + Sync {
    fn call(&self, words: &[&[u8]]) -> impl Future<Output = Result<ServerReply>> + Send;
}
