//! The process leases, with which the sockets of a process end.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use super::{Place, Present};
use crate::store::Result;

/// A process lease without a heartbeat for this time has ended, and never begins again.
pub const LEASE: Duration = Duration::from_secs(15);
/// The time between start and end of a process, or a part of it: its sockets end with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessLease(u64);

impl ProcessLease {
    pub fn unique() -> Self {
        Self(fastrand::u64(..))
    }

    /// `None`: 16 hyphens, for a socket that lives by its TTL alone.
    pub fn parse(text: &[u8]) -> Option<Self> {
        u64::from_str_radix(str::from_utf8(text).ok()?, 16)
            .ok()
            .map(Self)
    }

    pub fn text(lease: Option<Self>) -> String {
        lease.map_or_else(|| "-".repeat(LEASE_BYTES), |lease| lease.to_string())
    }
}

pub const LEASE_BYTES: usize = 16;

impl fmt::Display for ProcessLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The last heartbeat of a process lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Ms since 1970.
    pub at_ms: u64,
    /// Of its lease; zero: it has ended.
    pub left: Duration,
}

/// Process leases that live as long as their heartbeats continue. Only a server has others than
/// this process's own.
pub trait ProcessLeases {
    /// Begins or renews a process lease. `false`: it has ended. O(log leases).
    fn beat(&self, lease: ProcessLease, begins: bool) -> impl Future<Output = Result<bool>> + Send;

    /// Those of the last hour. One that is not among them was lost, and may continue as another.
    /// O(leases).
    fn leases(&self) -> impl Future<Output = Result<HashMap<ProcessLease, Heartbeat>>> + Send;

    /// The last heartbeat of a process lease, in the last 30 days. O(1).
    fn last_beat(&self, lease: ProcessLease) -> impl Future<Output = Result<Option<u64>>> + Send;

    /// Removes sockets from a place whose process lease has ended. O(sockets).
    fn forget(
        &self,
        place: Place<'_>,
        ended: &[Present],
    ) -> impl Future<Output = Result<()>> + Send;
}
