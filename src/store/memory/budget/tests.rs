//! Tests of the bounds, and that the count matches the allocator.

use std::future::Future;

use futures_util::FutureExt;

use super::*;
use crate::measure::{is_counted, kept, long_names, short_names};
use crate::store::locks::{LockKeys, ProcessAddress, QueueTurn};
use crate::store::memory::locks::MemoryLocks;
use crate::store::memory::presence::MemoryRoster;
use crate::store::memory::rate_limits::MemoryLimiter;
use crate::store::memory::{Clock, MemoryStore};
use crate::store::presence::{Condition, Socket};
use crate::store::rate_limits::{Algorithm, Rule};
use crate::store::{Json, Key, Tag, Tagged, Ttl};

#[test]
fn values_have_what_others_leave() {
    let budget = Budget::new(6400);
    let (values, tags) = (
        budget.account(MemoryKind::Values),
        budget.account(MemoryKind::Tags),
    );
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
        for kind in MemoryKind::ALL
            .into_iter()
            .filter(|kind| *kind != MemoryKind::Values)
        {
            let account = budget.account(kind);
            account.set(account.most() as usize);
        }
    }
    assert!(budget.total() <= 6400, "{}", budget.total());
    for kind in [MemoryKind::Limits, MemoryKind::Journal] {
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
    budget.account(MemoryKind::Values).add(900);
    budget.account(MemoryKind::Limits).set(100);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    budget.account(MemoryKind::Limits).set(101);
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
        let account = budget.account(MemoryKind::Locks);
        let locks = MemoryLocks::new(account, Clock::system(), Box::new(|_| ()));
        let (address, ttl) = (ProcessAddress::unique(), Ttl::from_whole_millis(60_000));
        // Creates what all names share.
        LockKeys::new(b"", b"first");
        let taken = kept(|| {
            for name in &names {
                let keys = LockKeys::new(b"", name.as_bytes());
                locks.take_now(&keys, address.token(), ttl, QueueTurn::No, 0);
            }
        });
        is_counted(budget.total(), taken, SHORT);
    });
}

#[test]
fn limits_are_counted() {
    both(|names, off| {
        let budget = budget();
        let limiter = MemoryLimiter::new(budget.account(MemoryKind::Limits), Clock::system());
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
        let account = budget.account(MemoryKind::Presence);
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
