//! Tests that long work is done in steps, and that calls between the steps see a correct state.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join;
use tokio::task::yield_now;

use super::*;
use crate::io_thread::steps::AT_ONCE;
use crate::measure::{MOST_FREED, freed, step_by_step, until_quiet};
use crate::store::memory::budget::MemoryKind;
use crate::store::memory::rate_limits::MemoryLimiter;
use crate::store::rate_limits::{Algorithm, Rule};
use crate::store::{Tag, Tagged, Version};

const MANY: usize = 20_000;
fn large_store() -> (MemoryStore, Clock) {
    let clock = Clock::manual();
    let bounds = Bounds {
        max_entries: 2 * MANY as u64,
        max_bytes: 1 << 30,
    };
    (MemoryStore::new(bounds, clock.clone()), clock)
}

async fn set_with(store: &MemoryStore, at: usize, tags: &[Tag]) -> Vec<Version> {
    let key = numbered(at);
    let set = store.set_tagged(&key, tags, None, Json::from_static(b"1"), TTL);
    set.await.unwrap().unwrap()
}

fn numbered(at: usize) -> Key {
    Key::new(&[format!("{at:0>100}").as_bytes()])
}

fn one_tag() -> [Tag; 1] {
    [Tag::new(b"", b"room:", b"1")]
}

#[tokio::test]
async fn a_tag_with_many_entries_is_swept_in_steps() {
    let ((store, _), tags) = (large_store(), one_tag());
    for at in 0..MANY {
        set_with(&store, at, &tags).await;
    }
    for at in (0..MANY).step_by(2) {
        store.take_out(&numbered(at));
    }
    let (mut steps, mut added) = (0, 0);
    let sets = || {
        // A caller between two steps adds to the tag that is swept.
        let set = set_with(&store, MANY + added, &tags);
        drop(futures_util::FutureExt::now_or_never(set).unwrap());
        (steps, added) = (steps + 1, added + 1);
    };
    let ((), most) = step_by_step(store.sweep(), sets).await;
    assert!(
        most <= MOST_FREED && steps > MANY / AT_ONCE / 2,
        "{most} {steps}"
    );
    let known = store
        .tags()
        .state(tags[0].key())
        .map(|state| state.entries.len());
    assert_eq!(known, Some(MANY / 2 + added));
    let left = MANY / 2 + added;
    assert_eq!(store.invalidate(&tags[0]).await, Ok(left as u64));
    assert!(store.is_empty());
    assert_eq!(store.tags_bytes(), 0);
}

#[tokio::test]
async fn a_tag_whose_time_has_passed_ends_at_once_and_is_freed_in_steps() {
    let ((store, clock), tags) = (large_store(), one_tag());
    for ends in [false, true] {
        for at in 0..MANY {
            set_with(&store, at, &tags).await;
        }
        clock.advance(TTL.as_millis() + 1000);
        let most = match ends {
            true => step_by_step(store.sweep(), || ()).await.1,
            // The set of an entry finds that it has ended.
            false => step_by_step(set_with(&store, MANY, &tags), || ()).await.1,
        };
        let later = until_quiet().await;
        assert!(most.max(later) <= MOST_FREED, "{ends} {most} {later}");
    }
    assert_eq!((store.len(), store.tags_bytes()), (0, 0));
}

#[tokio::test]
async fn tags_that_end_at_their_bound_are_void_at_once_and_freed_in_steps() {
    let budget = Budget::new(64 << 20);
    let store = MemoryStore::within(&budget, 1_000_000, Clock::manual());
    let tags = one_tag();
    let version = set_with(&store, 0, &tags).await;
    for at in 1..MANY {
        assert_eq!(set_with(&store, at, &tags).await, version);
    }
    // It is not used any more: it is among the older ones, which are dropped.
    let (mut most, mut others) = (0, 0_u32);
    while store.have_versions(&tags, &version).await == Ok(true) {
        others += 1;
        let other = Tag::new(
            b"",
            b"",
            &[&[b'x'; 60_000][..], others.to_string().as_bytes()].concat(),
        );
        let before = freed();
        store.versions(&[other], TTL).await.unwrap();
        most = most.max(freed() - before);
    }
    assert!(most <= AT_ONCE, "{most}");
    let (text, current) = store.get_with_versions(&numbered(0), &tags).await.unwrap();
    assert!(
        text.is_some() && current == [None],
        "void, and not freed yet"
    );
    // An entry that is set again meanwhile stays.
    let anew = set_with(&store, MANY - 1, &tags).await;
    let mut before = store.len();
    assert_eq!(before, MANY);
    while store.len() > 1 {
        yield_now().await;
        assert!(
            before - store.len() <= 2 * AT_ONCE,
            "{}",
            before - store.len()
        );
        before = store.len();
    }
    assert!(until_quiet().await <= MOST_FREED);
    assert_eq!(store.len(), 1);
    assert_eq!(store.have_versions(&tags, &anew).await, Ok(true));
    assert!(store.get(&numbered(MANY - 1)).await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_cleared_is_gone_at_once_and_freed_in_steps() {
    let ((store, _), tags) = (large_store(), one_tag());
    for at in 0..MANY {
        let own = Tag::new(b"", b"name:", at.to_string().as_bytes());
        set_with(&store, at, &[tags[0].clone(), own]).await;
    }
    let before = freed();
    store.clear();
    assert_eq!((store.len(), store.bytes(), store.tags_bytes()), (0, 0, 0));
    assert!(freed() - before <= AT_ONCE, "{}", freed() - before);
    set_with(&store, 1, &tags).await;
    let most = until_quiet().await;
    assert!(most <= MOST_FREED, "{most}");
    assert_eq!(store.invalidate(&tags[0]).await, Ok(1));
}

#[tokio::test]
async fn limits_that_are_cleared_are_freed_in_steps() {
    let account = Budget::new(1 << 30).account(MemoryKind::Limits);
    let limiter = MemoryLimiter::new(account.clone(), Clock::manual());
    let rule = Rule {
        algorithm: Algorithm::FixedWindow,
        limit: 1,
        window_ms: 60_000,
    };
    for at in 0..MANY {
        assert!(limiter.check_now(&numbered(at), rule, 1).allowed);
    }
    let before = freed();
    limiter.clear();
    assert!(freed() - before <= AT_ONCE, "{}", freed() - before);
    assert_eq!(account.bytes(), 0);
    assert!(limiter.check_now(&numbered(0), rule, 1).allowed);
    let most = until_quiet().await;
    assert!(most <= MOST_FREED, "{most}");
}

/// How often another task on the thread runs while `work` is done.
async fn turns_during<T>(work: impl Future<Output = T>) -> (T, usize) {
    let turns = Arc::new(AtomicUsize::new(0));
    let counter = turns.clone();
    let other = tokio::spawn(async move {
        loop {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let done = work.await;
    other.abort();
    (done, turns.load(Ordering::Relaxed))
}

#[tokio::test]
async fn long_work_lets_others_have_their_turns() {
    const MANY: u64 = 30_000;
    let clock = Clock::manual();
    let store = MemoryStore::new(
        Bounds {
            max_entries: MANY * 2,
            max_bytes: 1 << 30,
        },
        clock.clone(),
    );
    let fill = |ttl: u64| {
        for i in 0..MANY {
            let name = format!("{:0>100}", i);
            store.put(
                &Key::new(&[name.as_bytes()]),
                &Json::from_static(b"1"),
                Ttl::from_whole_millis(ttl),
            );
        }
    };
    fill(1000);
    let all = (Key::new(&[]), [Pattern::new(b"*")]);
    let (removed, turns) = turns_during(store.delete_matching(&[&all.0], &all.1)).await;
    assert_eq!((removed, store.len()), (Ok(MANY), 0));
    assert!(turns > 10, "{turns}");
    fill(1000);
    clock.advance(1001);
    let ((), turns) = turns_during(store.sweep()).await;
    assert_eq!((store.len(), store.bytes()), (0, 0));
    assert!(turns > 10, "{turns}");
}

#[tokio::test]
async fn what_is_set_while_a_pattern_is_deleted_stays() {
    const MANY: usize = 5000;
    let store = MemoryStore::new(
        Bounds {
            max_entries: 100_000,
            max_bytes: 1 << 30,
        },
        Clock::manual(),
    );
    let key = |i: usize| Key::new(&[format!("{i:0>100}").as_bytes()]);
    let ttl = Ttl::from_whole_millis(1000);
    for i in 0..MANY {
        store.put(&key(i), &Json::from_static(b"1"), ttl);
    }
    let (root, all) = (Key::new(&[]), [Pattern::new(b"*")]);
    let spaces = [&root];
    let sets = async {
        for i in 0..MANY {
            store.put(&key(i), &Json::from_static(b"2"), ttl);
            if i % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
    };
    let deletes = join(
        store.delete_matching(&spaces, &all),
        store.delete_matching(&spaces, &all),
    );
    let ((first, _), ()) = join(deletes, sets).await;
    assert!(first.unwrap() > 0);
    for i in 0..MANY {
        assert_eq!(
            store.get(&key(i)).await.unwrap(),
            Some(Json::from_static(b"2")),
            "{i}"
        );
    }
}

#[tokio::test]
async fn tags_are_invalidated_in_steps_too() {
    const MANY: u64 = 20_000;
    let clock = Clock::manual();
    let store = MemoryStore::new(
        Bounds {
            max_entries: MANY * 2,
            max_bytes: 1 << 30,
        },
        clock,
    );
    let ttl = Ttl::from_whole_millis(1000);
    let one = Tag::new(b"", b"user:", b"1");
    for i in 0..MANY {
        let name = format!("{i:0>100}");
        let (key, tags) = (
            Key::new(&[name.as_bytes()]),
            [Tag::new(b"", b"name:", name.as_bytes()), one.clone()],
        );
        let set = store.set_tagged(&key, &tags, None, Json::from_static(b"1"), ttl);
        assert!(set.await.unwrap().is_some());
    }
    let (removed, turns) = turns_during(store.invalidate(&one)).await;
    assert_eq!((removed, store.len()), (Ok(MANY), 0));
    assert!(turns > 10, "{turns}");
    let (all, space) = ([Pattern::new(b"*")], Tag::new(b"", b"name:", b""));
    let (removed, turns) = turns_during(store.invalidate_matching(&space, &all)).await;
    assert_eq!(removed, Ok(0));
    assert!(turns > 10, "{turns}");
}
