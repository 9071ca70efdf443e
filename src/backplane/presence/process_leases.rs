//! This process's own process lease, and what is known of those of others.

use std::collections::{HashMap, HashSet};
use std::mem;

use std::time::{Duration, Instant};

use crate::mutex::{Mutex, MutexGuard};
use crate::store::Result;
use crate::store::presence::{Heartbeat, Present, ProcessLease, ProcessLeases};

/// The maximum age of what is known of others.
const FRESH: Duration = Duration::from_secs(1);
/// Beyond this number, lost ones are determined again.
const MOST_LOST: usize = 10_000;

/// The process lease under which this process sets its sockets. One that has ended is followed by
/// another.
pub struct OwnLease(Mutex<CurrentLease>);

#[derive(Clone, Copy)]
struct CurrentLease {
    lease: ProcessLease,
    has_begun: bool,
}

impl CurrentLease {
    fn new() -> Self {
        Self {
            lease: ProcessLease::unique(),
            has_begun: false,
        }
    }
}

impl Default for OwnLease {
    fn default() -> Self {
        Self(Mutex::new(CurrentLease::new()))
    }
}

impl OwnLease {
    /// The process lease, which the store knows.
    pub async fn lease<L: ProcessLeases>(&self, store: &L) -> Result<ProcessLease> {
        let current = *self.current();
        if !current.has_begun {
            store.beat(current.lease, true).await?;
            self.begun(current.lease);
        }
        Ok(current.lease)
    }

    /// The process lease, which the store may not know yet.
    pub fn current_lease(&self) -> ProcessLease {
        self.current().lease
    }

    /// Whether it is still the current process lease, so that what was set under it is present.
    pub fn is(&self, lease: ProcessLease) -> bool {
        self.current().lease == lease
    }

    pub fn has_begun(&self) -> bool {
        self.current().has_begun
    }

    /// Renews the process lease. `false`: it had ended, and another begins. If several callers find
    /// that at once, only one is told.
    pub async fn beat<L: ProcessLeases>(&self, store: &L) -> Result<bool> {
        let lease = self.lease(store).await?;
        if store.beat(lease, false).await? {
            return Ok(true);
        }
        let mut current = self.current();
        let is_first = current.lease == lease;
        if is_first {
            *current = CurrentLease::new();
        }
        Ok(!is_first)
    }

    fn begun(&self, lease: ProcessLease) {
        let mut current = self.current();
        current.has_begun |= current.lease == lease;
    }

    fn current(&self) -> MutexGuard<'_, CurrentLease> {
        self.0.lock()
    }
}

/// Which process leases were alive a moment ago.
#[derive(Default)]
pub struct KnownLeases(Mutex<ProcessLeaseTable>);

#[derive(Default)]
struct ProcessLeaseTable {
    beats: HashMap<ProcessLease, Heartbeat>,
    /// Those that the store does not know, permanently.
    lost: HashSet<ProcessLease>,
    asked: Option<Instant>,
    /// As of the last check of the watchers: readers ask as well, and tell nobody.
    watched: HashMap<ProcessLease, Heartbeat>,
}

impl KnownLeases {
    /// Determines which of the process leases are alive that the sockets depend on.
    pub async fn look<L: ProcessLeases>(&self, store: &L, present: &[Present]) -> Result<()> {
        if self.has_to_ask(present) {
            self.ask(store).await?;
            let mut known = self.known();
            if known.lost.len() > MOST_LOST {
                known.lost.clear();
            }
            let lost = leases(present).filter(|lease| !known.beats.contains_key(lease));
            let lost: Vec<ProcessLease> = lost.collect();
            known.lost.extend(lost);
        }
        Ok(())
    }

    /// Asks again for the watchers. Returns whether one is no longer alive that they have not been
    /// told of.
    pub async fn look_again<L: ProcessLeases>(&self, store: &L) -> Result<bool> {
        self.ask(store).await?;
        let mut known = self.known();
        let now = known.beats.clone();
        let before = mem::replace(&mut known.watched, now);
        let had_ended = |lease| before.get(lease).is_some_and(|beat| beat.left.is_zero());
        let mut all = before.keys().chain(known.beats.keys());
        Ok(all.any(|lease| known.goes_on(*lease) != Some(true) && !had_ended(lease)))
    }

    /// Whether a socket is present as far as its process lease is concerned.
    pub fn is_alive(&self, lease: Option<ProcessLease>) -> bool {
        lease.is_none_or(|lease| self.known().goes_on(lease) == Some(true))
    }

    /// Whether a process lease is certain to have ended. One that the store has lost may have a
    /// successor.
    pub fn has_ended(&self, lease: Option<ProcessLease>) -> bool {
        lease.is_some_and(|lease| self.known().goes_on(lease) == Some(false))
    }

    pub fn last_beat(&self, lease: ProcessLease) -> Option<u64> {
        self.known().beats.get(&lease).map(|beat| beat.at_ms)
    }

    async fn ask<L: ProcessLeases>(&self, store: &L) -> Result<()> {
        let asked = Instant::now();
        let beats = store.leases().await?;
        let mut known = self.known();
        if known.asked < Some(asked) {
            known.beats = beats;
            known.asked = Some(asked);
        }
        Ok(())
    }

    /// What goes on may have ended since, at once if it is over: whoever asks another process learns
    /// the same.
    fn has_to_ask(&self, present: &[Present]) -> bool {
        let known = self.known();
        let age = known.asked.map(|asked| asked.elapsed());
        leases(present).any(|lease| match known.beats.get(&lease) {
            Some(beat) if beat.left.is_zero() => false,
            Some(beat) => age.is_none_or(|age| age >= FRESH.min(beat.left)),
            None if known.lost.contains(&lease) => false,
            None => true,
        })
    }

    fn known(&self) -> MutexGuard<'_, ProcessLeaseTable> {
        self.0.lock()
    }
}

impl ProcessLeaseTable {
    /// `None`: nothing is known.
    fn goes_on(&self, lease: ProcessLease) -> Option<bool> {
        self.beats.get(&lease).map(|beat| !beat.left.is_zero())
    }
}

fn leases(present: &[Present]) -> impl Iterator<Item = ProcessLease> {
    present.iter().filter_map(|present| present.lease)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::store::presence::{LEASE, Place};

    /// A server that knows one lease, of which so much is left whenever it is asked.
    struct OneProcess {
        lease: ProcessLease,
        left: Vec<Duration>,
        asked: AtomicUsize,
    }

    impl ProcessLeases for OneProcess {
        async fn beat(&self, _: ProcessLease, _: bool) -> Result<bool> {
            Ok(true)
        }

        async fn leases(&self) -> Result<HashMap<ProcessLease, Heartbeat>> {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            let left = self.left[asked];
            Ok(HashMap::from([(self.lease, Heartbeat { at_ms: 1, left })]))
        }

        async fn last_beat(&self, _: ProcessLease) -> Result<Option<u64>> {
            Ok(None)
        }

        async fn forget(&self, _: Place<'_>, _: &[Present]) -> Result<()> {
            Ok(())
        }
    }

    /// The result of each of three checks, and how often the server was asked.
    async fn look_three_times(left: [Duration; 3]) -> ([bool; 3], usize) {
        let server = OneProcess {
            lease: ProcessLease::unique(),
            left: left.into(),
            asked: AtomicUsize::default(),
        };
        let present = [Present {
            user: "u".into(),
            socket: "s".into(),
            lease: Some(server.lease),
            record: None,
        }];
        let (leases, mut found) = (KnownLeases::default(), [false; 3]);
        for found in &mut found {
            leases.look(&server, &present).await.unwrap();
            *found = leases.is_alive(Some(server.lease));
        }
        (found, server.asked.into_inner())
    }

    #[tokio::test]
    async fn a_lease_is_asked_for_again_when_it_is_over() {
        let moment = Duration::from_nanos(1);
        assert_eq!(look_three_times([LEASE; 3]).await, ([true; 3], 1));
        assert_eq!(
            look_three_times([moment, Duration::ZERO, LEASE]).await,
            ([true, false, false], 2)
        );
        assert_eq!(
            look_three_times([moment, LEASE, LEASE]).await,
            ([true; 3], 2)
        );
    }
}
