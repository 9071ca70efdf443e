//! Misses that precede a set: a miss is remembered with the versions that it saw, so that a value
//! loaded afterwards is stored only if they are unchanged.
//!
//! A `set` does not say which `get` it belongs to. If several open misses of an entry saw different
//! versions, the value may belong to any of them, and none is stored until all have been followed
//! by a set or are given up. Some are never followed by a set, because their query failed or found
//! nothing.

use std::mem;
use std::ops::{Deref, DerefMut};

use std::time::{Duration, Instant};

use super::recent::{RecentMap, Remembered};
use crate::mutex::{Mutex, MutexGuard};
use crate::store::memory::budget::Account;
use crate::store::memory::steps;
use crate::store::{FillLease, Key, Version};

/// A miss that has not been followed by a value by then counts as abandoned, unless nobody else
/// asks.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(60);
/// For how long a set without a recorded miss is refused after misses had to be dropped.
const CAREFUL_FOR: Duration = Duration::from_secs(60);

type Versions = Vec<Version>;

/// Remembered misses and leases; each may take half of the room.
pub struct QueryFence {
    open: Mutex<OpenMisses>,
    account: Account,
}

#[derive(Default)]
struct OpenMisses {
    misses: RecentMap<Miss>,
    leases: RecentMap<LeasedFill>,
    /// How many values have been set under leases.
    filled: u64,
}

impl Remembered for Miss {
    fn versions(&self) -> usize {
        match &self.seen {
            SeenVersions::Same(seen) => seen.len(),
            SeenVersions::Different(_) => 0,
        }
    }
}

impl Remembered for LeasedFill {
    fn versions(&self) -> usize {
        match self {
            Self::Out(_, seen) | Self::Filling(_, seen) => seen.len(),
            Self::Filled(_) => 0,
        }
    }
}

enum LeasedFill {
    Out(FillLease, Versions),
    /// The value is being set.
    Filling(FillLease, Versions),
    /// The value was set, with this number.
    Filled(u64),
}

/// The open misses of one entry.
struct Miss {
    seen: SeenVersions,
    open: usize,
    last: Instant,
}

enum SeenVersions {
    Same(Versions),
    /// They saw different versions, since this time.
    Different(Instant),
}

/// The condition for setting a value.
#[derive(Debug, PartialEq, Eq)]
pub enum SetCondition {
    /// No miss is recorded.
    None,
    Seen(Versions),
    /// The value may be older than an invalidation.
    Shut,
}

impl QueryFence {
    pub fn new(account: Account) -> Self {
        Self {
            open: Mutex::default(),
            account,
        }
    }

    pub fn missed(&self, entry: &Key, seen: Versions) {
        self.missed_at(entry, seen, Instant::now());
    }

    fn missed_at(&self, entry: &Key, seen: Versions, now: Instant) {
        let mut open = self.open();
        let before = open.misses.remove(entry);
        let before = before.filter(|before| {
            let since = match before.seen {
                SeenVersions::Same(_) => before.last,
                SeenVersions::Different(since) => since,
            };
            now - since < GIVEN_UP_AFTER
        });
        let opened = before.as_ref().map_or(0, |before| before.open);
        let miss = Miss {
            seen: match before.map(|before| before.seen) {
                Some(SeenVersions::Same(others)) if others != seen => SeenVersions::Different(now),
                Some(SeenVersions::Different(since)) => SeenVersions::Different(since),
                _ => SeenVersions::Same(seen),
            },
            open: opened + 1,
            last: now,
        };
        open.misses.insert(entry.clone(), miss);
    }

    /// The condition for a set without a lease.
    pub fn fence(&self, entry: &Key) -> SetCondition {
        let mut open = self.open();
        let Some(mut miss) = open.misses.remove(entry) else {
            let is_careful = open.misses.has_forgotten_within(CAREFUL_FOR);
            return if is_careful {
                SetCondition::Shut
            } else {
                SetCondition::None
            };
        };
        let fence = match &miss.seen {
            SeenVersions::Same(seen) => SetCondition::Seen(seen.clone()),
            SeenVersions::Different(_) => SetCondition::Shut,
        };
        miss.open -= 1;
        if miss.open > 0 {
            open.misses.insert(entry.clone(), miss);
        }
        fence
    }

    /// The number to pass to [`Self::lease`] by every look-up from now on.
    pub fn begin(&self) -> u64 {
        self.open().filled
    }

    /// The right to set a missed value; the same one for all callers that saw the same versions.
    /// `None`: a value was set since the look-up began, and may be readable.
    pub fn lease(&self, entry: &Key, seen: Versions, begun: u64) -> Option<FillLease> {
        if seen.is_empty() {
            return Some(FillLease::NONE);
        }
        let mut open = self.open();
        let lease = match open.leases.remove(entry) {
            Some(LeasedFill::Filled(number)) if number > begun => {
                open.leases
                    .insert(entry.clone(), LeasedFill::Filled(number));
                return None;
            }
            Some(LeasedFill::Filling(lease, others)) if others == seen => {
                open.leases
                    .insert(entry.clone(), LeasedFill::Filling(lease, seen));
                return Some(lease);
            }
            Some(LeasedFill::Out(lease, others)) if others == seen => lease,
            _ => FillLease::unique(),
        };
        open.leases
            .insert(entry.clone(), LeasedFill::Out(lease, seen));
        Some(lease)
    }

    /// The outcome of a value whose lease was redeemed.
    pub fn resolved(&self, entry: &Key, lease: FillLease, is_kept: bool) {
        let mut open = self.open();
        match open.leases.remove(entry) {
            Some(LeasedFill::Filling(current, _)) if current == lease => {}
            Some(newer) => return open.leases.insert(entry.clone(), newer),
            None => {}
        }
        if is_kept {
            open.filled += 1;
            let number = open.filled;
            open.leases
                .insert(entry.clone(), LeasedFill::Filled(number));
        }
    }

    /// The versions that belong to a lease, for a value that is about to be set; [`Self::resolved`]
    /// must follow. `None`: the lease has already ended.
    pub fn redeem(&self, entry: &Key, lease: FillLease) -> Option<Versions> {
        let mut open = self.open();
        match open.leases.remove(entry)? {
            LeasedFill::Out(current, seen) if current == lease => {
                let filling = LeasedFill::Filling(lease, seen.clone());
                open.leases.insert(entry.clone(), filling);
                Some(seen)
            }
            other => {
                open.leases.insert(entry.clone(), other);
                None
            }
        }
    }

    pub fn clear(&self) {
        let mut open = self.open();
        let gone = mem::take(&mut *open);
        steps::let_go(gone.misses.into_items());
        steps::let_go(gone.leases.into_items());
    }

    fn open(&self) -> OpenMissesGuard<'_> {
        let mut open = self.open.lock();
        let most = self.account.most() as usize / 2;
        open.misses.limit(most);
        open.leases.limit(most);
        OpenMissesGuard {
            open,
            account: &self.account,
        }
    }
}

/// Updates the account after a change.
struct OpenMissesGuard<'a> {
    open: MutexGuard<'a, OpenMisses>,
    account: &'a Account,
}

impl Deref for OpenMissesGuard<'_> {
    type Target = OpenMisses;

    fn deref(&self) -> &OpenMisses {
        &self.open
    }
}

impl DerefMut for OpenMissesGuard<'_> {
    fn deref_mut(&mut self) -> &mut OpenMisses {
        &mut self.open
    }
}

impl Drop for OpenMissesGuard<'_> {
    fn drop(&mut self) {
        self.account
            .set(self.open.misses.bytes() + self.open.leases.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{is_counted, kept, short_names};
    use crate::store::memory::budget::MemoryKind;

    fn query_fence() -> QueryFence {
        QueryFence::new(Account::alone(MemoryKind::Fills, 1 << 20))
    }

    fn key(name: usize) -> Key {
        Key::new(&[&name.to_be_bytes()])
    }

    fn versions() -> Versions {
        vec![Version::unique()]
    }

    #[test]
    fn a_set_heeds_what_its_miss_saw_once() {
        let (query_fence, seen) = (query_fence(), versions());
        assert_eq!(query_fence.fence(&key(1)), SetCondition::None);
        query_fence.missed(&key(1), seen.clone());
        assert_eq!(query_fence.fence(&key(2)), SetCondition::None);
        assert_eq!(query_fence.fence(&key(1)), SetCondition::Seen(seen));
        assert_eq!(query_fence.fence(&key(1)), SetCondition::None);
    }

    #[test]
    fn nobody_is_kept_while_misses_saw_different_things() {
        let query_fence = query_fence();
        query_fence.missed(&key(1), versions());
        let later = versions();
        query_fence.missed(&key(1), later.clone());
        assert_eq!(query_fence.fence(&key(1)), SetCondition::Shut);
        query_fence.missed(&key(1), later.clone());
        assert_eq!(query_fence.fence(&key(1)), SetCondition::Shut);
        assert_eq!(query_fence.fence(&key(1)), SetCondition::Shut);
        query_fence.missed(&key(1), later.clone());
        assert_eq!(query_fence.fence(&key(1)), SetCondition::Seen(later));
    }

    #[test]
    fn those_who_never_come_are_given_up_though_others_go_on() {
        let (query_fence, begun) = (query_fence(), Instant::now());
        query_fence.missed_at(&key(1), versions(), begun);
        let later = versions();
        for second in 1..60 {
            let now = begun + Duration::from_secs(second);
            query_fence.missed_at(&key(1), later.clone(), now);
            assert_eq!(query_fence.fence(&key(1)), SetCondition::Shut);
        }
        let now = begun + GIVEN_UP_AFTER + Duration::from_secs(1);
        query_fence.missed_at(&key(1), later.clone(), now);
        assert_eq!(query_fence.fence(&key(1)), SetCondition::Seen(later));
    }

    #[test]
    fn a_lease_is_shared_by_those_who_saw_the_same() {
        let (query_fence, seen) = (query_fence(), versions());
        let ask = |seen| {
            query_fence
                .lease(&key(1), seen, query_fence.begin())
                .unwrap()
        };
        let lease = ask(seen.clone());
        assert_eq!(ask(seen.clone()), lease);
        let later = versions();
        let newer = ask(later.clone());
        assert_ne!(newer, lease);
        assert_eq!(query_fence.redeem(&key(1), lease), None);
        assert_eq!(query_fence.redeem(&key(1), newer), Some(later.clone()));
        assert_eq!(query_fence.redeem(&key(1), newer), None);
        assert_eq!(ask(later.clone()), newer, "its value is on the way");
        query_fence.resolved(&key(1), newer, false);
        assert_ne!(ask(later), newer);
        assert_eq!(ask(Vec::new()), FillLease::NONE);
    }

    #[test]
    fn whoever_looked_before_the_value_came_looks_again() {
        let (query_fence, seen) = (query_fence(), versions());
        let begun = query_fence.begin();
        let lease = query_fence.lease(&key(1), seen.clone(), begun).unwrap();
        query_fence.redeem(&key(1), lease);
        query_fence.resolved(&key(1), lease, true);
        assert_eq!(query_fence.lease(&key(1), seen.clone(), begun), None);
        assert!(query_fence.lease(&key(2), seen.clone(), begun).is_some());
        assert!(
            query_fence
                .lease(&key(1), seen, query_fence.begin())
                .is_some()
        );
    }

    #[test]
    fn what_was_forgotten_is_not_set() {
        const MANY: usize = 10_000;
        let query_fence = query_fence();
        for i in 0..MANY {
            query_fence.missed(&key(i), versions());
            assert!(!query_fence.account.is_over());
        }
        assert_eq!(query_fence.fence(&key(0)), SetCondition::Shut);
        assert!(matches!(
            query_fence.fence(&key(MANY - 1)),
            SetCondition::Seen(_)
        ));
        query_fence.clear();
        assert_eq!(query_fence.account.bytes(), 0);
    }

    #[test]
    fn what_there_is_no_room_for_is_not_set() {
        let query_fence = QueryFence::new(Account::alone(MemoryKind::Fills, 100));
        query_fence.missed(&key(1), versions());
        assert_eq!(query_fence.fence(&key(1)), SetCondition::Shut);
        let lease = query_fence.lease(&key(1), versions(), query_fence.begin());
        assert_eq!(query_fence.redeem(&key(1), lease.unwrap()), None);
    }

    #[test]
    fn is_counted_as_it_is() {
        let query_fence = QueryFence::new(Account::alone(MemoryKind::Fills, 1 << 30));
        let taken = kept(|| {
            for name in short_names(20_000) {
                let key = Key::new(&[name.as_bytes()]);
                query_fence.missed(&key, vec![Version::unique(), Version::unique()]);
                query_fence.lease(&key, vec![Version::unique(), Version::unique()], 0);
            }
        });
        is_counted(query_fence.account.bytes(), taken, 0.34);
    }
}
