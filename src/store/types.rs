//! The common types of the stores.

use std::time::Duration;

use bytes::Bytes;

/// A JSON text in UTF-8. Stores never look inside.
pub type Json = Bytes;

/// The full name of a key as Redis sees it, prefix included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(Box<[u8]>);

impl Key {
    pub fn new(parts: &[&[u8]]) -> Self {
        Self(parts.concat().into_boxed_slice())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Key {
    fn from(name: Vec<u8>) -> Self {
        Self(name.into_boxed_slice())
    }
}

/// A time to live in whole milliseconds, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ttl(u64);

impl Ttl {
    pub const fn from_whole_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Rounds up, so that nothing lives shorter than promised.
    pub fn from_millis(ms: f64) -> Self {
        Self((ms.ceil() as u64).max(1))
    }

    pub const fn as_millis(self) -> u64 {
        self.0
    }

    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl From<Duration> for Ttl {
    fn from(duration: Duration) -> Self {
        Self::from_millis(duration.as_secs_f64() * 1000.0)
    }
}

/// How long a loaded value is served, and how much longer it is kept for a loader that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    pub fresh: Ttl,
    /// Milliseconds after `fresh`; 0 keeps nothing.
    pub stale_ms: u64,
}

/// The right to fill one key once. Opaque; equal leases are the same lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FillLease(pub u64);

impl FillLease {
    /// Used when no lease could be given. It fills nothing.
    pub const NONE: Self = Self(0);

    /// A unique lease.
    pub fn unique() -> Self {
        Self(fastrand::u64(1..))
    }
}

/// The result of [`super::Store::fetch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    Fresh(Json),
    /// Past its TTL, kept for a loader that fails.
    Stale(Json, FillLease),
    Absent(FillLease),
}

/// What a server reports about itself, in its own words; nothing where it does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// `redis` or `valkey`.
    pub name: Option<String>,
    pub version: Option<String>,
    /// `standalone`, `cluster` or `sentinel`.
    pub mode: Option<String>,
    /// `master`, or `replica` or `slave`.
    pub role: Option<String>,
}

/// Appends JSON to the existing text. Must be called where it delays nobody.
pub type Write = Box<dyn FnOnce(&mut Vec<u8>) + Send>;

/// The answer of a server to a raw command of the caller, as JSON.
pub enum ServerReply {
    Small(Json),
    Large(Write),
}
