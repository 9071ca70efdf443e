//! How many bytes this process keeps, by kind, and how many it may.
//!
//! One budget bounds all that a backplane keeps in memory. Values have what the other kinds leave, and
//! make room as soon as one of those grows. The others have a share each, and at most seven eighths
//! together; what happens at the bound is each kind's own business, and never breaks a promise.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of the cache, of queries and of sessions, with their keys.
    Values,
    /// By which values are invalidated.
    Tags,
    /// Sessions that are to be set on Redis.
    Sessions,
    /// Those of an outage.
    Locks,
    /// Locks that this process has.
    Leases,
    /// Who waits for one.
    Waiters,
    /// Locks that are to be given back on Redis.
    Gifts,
    Limits,
    /// What was missed, and may be set.
    Fills,
    /// What is to be deleted on Redis.
    Journal,
    /// Limits that are to be reset on Redis.
    Resets,
    Presence,
    /// Sockets that are to be removed on Redis.
    Removals,
}

impl Kind {
    pub const ALL: [Self; 13] = [
        Self::Values,
        Self::Tags,
        Self::Sessions,
        Self::Locks,
        Self::Leases,
        Self::Waiters,
        Self::Gifts,
        Self::Limits,
        Self::Fills,
        Self::Journal,
        Self::Resets,
        Self::Presence,
        Self::Removals,
    ];

    /// As metrics call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::Tags => "tags",
            Self::Sessions => "sessions",
            Self::Locks => "locks",
            Self::Leases => "leases",
            Self::Waiters => "waiters",
            Self::Gifts => "gifts",
            Self::Limits => "limits",
            Self::Fills => "fills",
            Self::Journal => "journal",
            Self::Resets => "resets",
            Self::Presence => "presence",
            Self::Removals => "removals",
        }
    }

    /// In 64ths of the whole.
    fn share(self) -> u64 {
        match self {
            Self::Values => 64,
            Self::Presence | Self::Tags => 32,
            Self::Leases | Self::Waiters | Self::Limits | Self::Journal => 16,
            Self::Locks | Self::Fills | Self::Sessions => 8,
            Self::Gifts | Self::Removals | Self::Resets => 4,
        }
    }

    /// What a kind has however much the others take, in 64ths: counting must go on.
    fn floor(self) -> u64 {
        match self {
            Self::Limits | Self::Journal => 4,
            _ => 0,
        }
    }
}

const WHOLE: u64 = 64;
/// Of all but the values, without what others have for certain.
const OTHERS: u64 = 56;

pub struct Budget {
    max: u64,
    kinds: [AtomicU64; Kind::ALL.len()],
    total: AtomicU64,
    /// Has the values make room.
    on_pressure: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Budget {
    pub fn new(max: u64) -> Arc<Self> {
        Arc::new(Self {
            max,
            kinds: Default::default(),
            total: AtomicU64::new(0),
            on_pressure: OnceLock::new(),
        })
    }

    pub fn account(self: &Arc<Self>, kind: Kind) -> Account {
        Account {
            budget: self.clone(),
            kind,
        }
    }

    /// Called, once set, whenever more is kept than may be; nothing that is locked then may be waited for
    /// but the values.
    pub fn on_pressure(&self, make_room: impl Fn() + Send + Sync + 'static) {
        let _ = self.on_pressure.set(Box::new(make_room));
    }

    pub fn bytes(&self, kind: Kind) -> u64 {
        self.kinds[kind as usize].load(Ordering::Relaxed)
    }

    pub fn max(&self) -> u64 {
        self.max
    }

    /// Of all kinds.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    fn part(&self, of_64: u64) -> u64 {
        (u128::from(self.max) * u128::from(of_64) / u128::from(WHOLE)) as u64
    }

    fn most(&self, kind: Kind) -> u64 {
        let others = self.total().saturating_sub(self.bytes(kind));
        if kind == Kind::Values {
            return self.max.saturating_sub(others);
        }
        let others = others.saturating_sub(self.bytes(Kind::Values));
        let left = self.part(OTHERS).saturating_sub(others);
        left.min(self.part(kind.share()))
            .max(self.part(kind.floor()))
    }
}

/// What is kept of one kind, as whoever keeps it says.
#[derive(Clone)]
pub struct Account {
    budget: Arc<Budget>,
    kind: Kind,
}

impl Account {
    /// Of something that is bounded by itself.
    pub fn alone(kind: Kind, max: u64) -> Self {
        Budget::new(max).account(kind)
    }

    pub fn bytes(&self) -> u64 {
        self.budget.bytes(self.kind)
    }

    /// How much of it there may be now.
    pub fn most(&self) -> u64 {
        self.budget.most(self.kind)
    }

    /// Whether so many bytes more may be kept.
    pub fn has_room(&self, more: usize) -> bool {
        self.bytes() + more as u64 <= self.most()
    }

    pub fn is_over(&self) -> bool {
        self.bytes() > self.most()
    }

    /// So many bytes are kept now. To be called by one at a time.
    pub fn set(&self, bytes: usize) {
        let before = self.bytes();
        match (bytes as u64).checked_sub(before) {
            Some(more) => self.add(more),
            None => self.sub(before - bytes as u64),
        }
    }

    pub fn add(&self, bytes: u64) {
        let budget = &self.budget;
        budget.kinds[self.kind as usize].fetch_add(bytes, Ordering::Relaxed);
        let total = budget.total.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if total > budget.max
            && self.kind != Kind::Values
            && let Some(make_room) = budget.on_pressure.get()
        {
            make_room();
        }
    }

    pub fn sub(&self, bytes: u64) {
        self.budget.kinds[self.kind as usize].fetch_sub(bytes, Ordering::Relaxed);
        self.budget.total.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What an allocation of so many bytes takes: the allocator has four sizes from one power of two to the next. Of
/// what is large, a page has room for few, and some is left over.
pub const fn allocated(bytes: usize) -> usize {
    const WORD: usize = 8;
    if bytes <= 8 * WORD {
        return bytes.next_multiple_of(2 * WORD);
    }
    let quarter = 1 << ((bytes - 1).ilog2() - 2);
    let size = bytes.next_multiple_of(quarter);
    if bytes < 4096 { size } else { size + size / 32 }
}

/// What the table of a map or a set takes that has room for `capacity` entries of that size. It has an eighth
/// more, and a byte for each.
pub const fn table(capacity: usize, entry: usize) -> usize {
    capacity * 8 / 7 * (entry + 1)
}

/// What an entry takes in a table, which is half full at the least.
pub const fn slot(entry: usize) -> usize {
    (entry + 1) * 12 / 7
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use futures_util::FutureExt;

    use super::*;
    use crate::measure::{is_counted, kept, long_names, short_names};
    use crate::store::limits::{Algorithm, Rule};
    use crate::store::locks::{Address, LockKeys, Turn};
    use crate::store::memory::limits::MemoryLimiter;
    use crate::store::memory::locks::MemoryLocks;
    use crate::store::memory::presence::MemoryRoster;
    use crate::store::memory::{Clock, MemoryStore};
    use crate::store::presence::{Condition, Socket};
    use crate::store::{Json, Key, Tag, Tagged, Ttl};

    #[test]
    fn values_have_what_others_leave() {
        let budget = Budget::new(6400);
        let (values, tags) = (budget.account(Kind::Values), budget.account(Kind::Tags));
        assert_eq!((values.most(), tags.most()), (6400, 3200));
        tags.set(3000);
        assert_eq!(values.most(), 3400);
        assert!(tags.has_room(200) && !tags.has_room(201));
        tags.set(10);
        assert_eq!((values.most(), budget.total()), (6390, 10));
    }

    #[test]
    fn others_take_no_more_than_there_is_whatever_they_do() {
        let budget = Budget::new(6400);
        for _ in 0..2 {
            for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Values) {
                let account = budget.account(kind);
                account.set(account.most() as usize);
            }
        }
        assert!(budget.total() <= 6400, "{}", budget.total());
        for kind in [Kind::Limits, Kind::Journal] {
            assert!(budget.bytes(kind) >= 400);
        }
    }

    #[test]
    fn values_are_asked_to_make_room_for_others() {
        let budget = Budget::new(1000);
        let asked = Arc::new(AtomicU64::new(0));
        let counted = asked.clone();
        budget.on_pressure(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        budget.account(Kind::Values).add(900);
        budget.account(Kind::Limits).set(100);
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        budget.account(Kind::Limits).set(101);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn allocations_are_rounded_up() {
        for (bytes, takes) in [
            (0, 0),
            (1, 16),
            (64, 64),
            (65, 80),
            (128, 128),
            (129, 160),
            (60_000, 67_584),
        ] {
            assert_eq!(allocated(bytes), takes, "{bytes}");
        }
    }
    const LONG: f64 = 0.1;
    const SHORT: f64 = 0.34;

    fn both(check: impl Fn(Vec<String>, f64)) {
        check(long_names(300).collect(), LONG);
        check(short_names(20_000).collect(), SHORT);
    }

    fn budget() -> Arc<Budget> {
        Budget::new(1 << 30)
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        future.now_or_never().expect("memory answers at once")
    }

    #[test]
    fn values_are_counted() {
        both(|names, off| {
            let budget = budget();
            let store = MemoryStore::within(&budget, 1_000_000, Clock::system());
            let ttl = Ttl::from_whole_millis(60_000);
            let taken = kept(|| {
                for name in &names {
                    let value = Json::copy_from_slice(&name.as_bytes()[..name.len() / 2]);
                    store.put(&Key::new(&[name.as_bytes()]), &value, ttl);
                }
            });
            is_counted(budget.total(), taken, off);
            store.clear();
            assert_eq!(budget.total(), 0);
        });
    }

    #[test]
    fn tags_are_counted() {
        both(|names, off| {
            let budget = budget();
            let store = MemoryStore::within(&budget, 1_000_000, Clock::system());
            let ttl = Ttl::from_whole_millis(60_000);
            let taken = kept(|| {
                for name in &names {
                    let key = Key::new(&[b"entry:", &name.as_bytes()[name.len() - 14..]]);
                    let tag = Tag::new(b"", b"room:", name.as_bytes());
                    let (tags, value) = ([tag], Json::from_static(b"1"));
                    let set = store.set_tagged(&key, &tags, None, value, ttl);
                    assert!(wait(set).unwrap().is_some());
                }
            });
            is_counted(budget.total(), taken, off);
        });
    }

    #[test]
    fn locks_are_counted() {
        both(|names, _| {
            let budget = budget();
            let account = budget.account(Kind::Locks);
            let locks = MemoryLocks::new(account, Clock::system(), Box::new(|_| ()));
            let (address, ttl) = (Address::unique(), Ttl::from_whole_millis(60_000));
            // Makes what all names share.
            LockKeys::new(b"", b"first");
            let taken = kept(|| {
                for name in &names {
                    let keys = LockKeys::new(b"", name.as_bytes());
                    locks.take_now(&keys, address.token(), ttl, Turn::No, 0);
                }
            });
            is_counted(budget.total(), taken, SHORT);
        });
    }

    #[test]
    fn limits_are_counted() {
        both(|names, off| {
            let budget = budget();
            let limiter = MemoryLimiter::new(budget.account(Kind::Limits), Clock::system());
            let rule = Rule {
                algorithm: Algorithm::FixedWindow,
                limit: 10,
                window_ms: 60_000,
            };
            let taken = kept(|| {
                for name in &names {
                    limiter.check_now(&Key::new(&[name.as_bytes()]), rule, 1);
                }
            });
            is_counted(budget.total(), taken, off);
        });
    }

    #[test]
    fn presence_is_counted() {
        both(|names, off| {
            let budget = budget();
            let account = budget.account(Kind::Presence);
            let roster = MemoryRoster::new(account, Clock::system(), Box::new(|_, _| ()));
            let ttl = Some(Ttl::from_whole_millis(60_000));
            let taken = kept(|| {
                for (at, name) in names.iter().enumerate() {
                    let metadata = format!(r#"{{"roomId":"{}{name}"}}"#, at % 50);
                    let socket = Socket::new(&format!("u{name}"), name, metadata.as_bytes());
                    let set = roster.set_now(Arc::new(socket), ttl, Condition::Always);
                    assert!(set.is_some());
                }
            });
            is_counted(budget.total(), taken, off);
            for name in &names {
                roster.remove_now(&format!("u{name}"), name);
            }
            assert!(budget.total() > 0, "it is remembered that they have gone");
            roster.clear();
            assert_eq!(budget.total(), 0);
        });
    }
}
