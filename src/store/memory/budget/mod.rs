//! How many bytes this process keeps, by kind, and how many it may keep.
//!
//! One budget bounds everything that a backplane keeps in memory. Values get what the other kinds
//! leave, and make room as soon as one of those grows. The others have a share each, and at most
//! seven eighths together. What happens at the bound depends on the kind, and never breaks a
//! promise.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The kinds of kept data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// Of the cache, of queries and of sessions, with their keys.
    Values,
    /// By which values are invalidated.
    Tags,
    /// Sessions that have to be set on Redis.
    Sessions,
    /// Those of an outage.
    Locks,
    /// Locks that this process holds.
    Leases,
    /// Callers that wait for one.
    Waiters,
    /// Locks that have to be released on Redis.
    Gifts,
    Limits,
    /// Misses that may be followed by a set.
    Fills,
    /// What has to be deleted on Redis.
    Journal,
    /// Limits that have to be reset on Redis.
    Resets,
    Presence,
    /// Sockets that have to be removed on Redis.
    Removals,
    /// The subscriptions.
    Subscriptions,
    /// Watched rooms, and the sockets in them.
    Watches,
}

impl MemoryKind {
    pub const ALL: [Self; 15] = [
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
        Self::Subscriptions,
        Self::Watches,
    ];

    /// The name in metrics.
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
            Self::Subscriptions => "subscriptions",
            Self::Watches => "watches",
        }
    }

    /// In 64ths of the whole. Subscriptions and watches are never refused: the other kinds make
    /// room.
    fn share(self) -> u64 {
        match self {
            Self::Values | Self::Subscriptions | Self::Watches => 64,
            Self::Presence | Self::Tags => 32,
            Self::Leases | Self::Waiters | Self::Limits | Self::Journal => 16,
            Self::Locks | Self::Fills | Self::Sessions => 8,
            Self::Gifts | Self::Removals | Self::Resets => 4,
        }
    }

    /// The guaranteed share of a kind, however much the others take, in 64ths: counting must
    /// continue.
    fn floor(self) -> u64 {
        match self {
            Self::Limits | Self::Journal => 4,
            _ => 0,
        }
    }
}

const WHOLE: u64 = 64;
/// Of everything but the values, without the guaranteed shares of others.
const OTHERS: u64 = 56;

pub struct Budget {
    max: u64,
    kinds: [AtomicU64; MemoryKind::ALL.len()],
    total: AtomicU64,
    /// Makes the values make room.
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

    pub fn account(self: &Arc<Self>, kind: MemoryKind) -> Account {
        Account {
            budget: self.clone(),
            kind,
        }
    }

    /// Called, once set, whenever more is kept than allowed. Of the data locked at that time, it
    /// may wait only for the values.
    pub fn on_pressure(&self, make_room: impl Fn() + Send + Sync + 'static) {
        let _ = self.on_pressure.set(Box::new(make_room));
    }

    pub fn bytes(&self, kind: MemoryKind) -> u64 {
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

    fn most(&self, kind: MemoryKind) -> u64 {
        let others = self.total().saturating_sub(self.bytes(kind));
        if kind == MemoryKind::Values {
            return self.max.saturating_sub(others);
        }
        let others = others.saturating_sub(self.bytes(MemoryKind::Values));
        let left = self.part(OTHERS).saturating_sub(others);
        left.min(self.part(kind.share()))
            .max(self.part(kind.floor()))
    }
}

/// How much of one kind is kept, as reported by its keeper.
#[derive(Clone)]
pub struct Account {
    budget: Arc<Budget>,
    kind: MemoryKind,
}

impl Account {
    /// Of something that has its own bound.
    pub fn alone(kind: MemoryKind, max: u64) -> Self {
        Budget::new(max).account(kind)
    }

    pub fn bytes(&self) -> u64 {
        self.budget.bytes(self.kind)
    }

    /// How much of it there may be now.
    pub fn most(&self) -> u64 {
        self.budget.most(self.kind)
    }

    /// Whether this many more bytes may be kept.
    pub fn has_room(&self, more: usize) -> bool {
        self.bytes() + more as u64 <= self.most()
    }

    pub fn is_over(&self) -> bool {
        self.bytes() > self.most()
    }

    /// This many bytes are kept now. Must be called by one caller at a time.
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
            && self.kind != MemoryKind::Values
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

/// What an allocation of this many bytes takes: the allocator has four sizes from one power of two
/// to the next. A page holds only a few large ones, and some of it remains unused.
pub const fn allocated(bytes: usize) -> usize {
    const WORD: usize = 8;
    if bytes <= 8 * WORD {
        return bytes.next_multiple_of(2 * WORD);
    }
    let quarter = 1 << ((bytes - 1).ilog2() - 2);
    let size = bytes.next_multiple_of(quarter);
    if bytes < 4096 { size } else { size + size / 32 }
}

/// What the table of a map or a set takes that has room for `capacity` entries of that size. It has
/// an eighth more, and a byte for each.
pub const fn table(capacity: usize, entry: usize) -> usize {
    capacity * 8 / 7 * (entry + 1)
}

/// What an entry takes in a table, which is at least half full.
pub const fn slot(entry: usize) -> usize {
    (entry + 1) * 12 / 7
}

#[cfg(test)]
mod tests;
