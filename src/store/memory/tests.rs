//! What only the in-memory store promises: its bounds, and the clock. The rest is in the
//! contract that both stores pass.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join;

use super::*;
use crate::store::{Tag, Tagged};

const TTL: Ttl = Ttl::from_whole_millis(60_000);

fn store(max_entries: u64, max_bytes: u64) -> MemoryStore {
    MemoryStore::new(
        Bounds {
            max_entries,
            max_bytes,
        },
        Clock::manual(),
    )
}

fn key(name: &str) -> Key {
    Key::new(&[name.as_bytes()])
}

#[tokio::test]
async fn holds_its_bound_in_entries() {
    let store = store(100, 1 << 20);
    for i in 0..10_000 {
        let value = Bytes::from(format!("{i}"));
        store.set(&key(&i.to_string()), value, TTL).await.unwrap();
        assert!(store.len() <= 100);
    }
    assert!(
        store.len() > 80,
        "it should use what it may: {}",
        store.len()
    );
}

#[tokio::test]
async fn holds_its_bound_in_bytes() {
    let store = store(1_000_000, 1 << 20);
    for i in 0..1_000 {
        let value = Bytes::from(vec![b'1'; 10_000]);
        store.set(&key(&i.to_string()), value, TTL).await.unwrap();
        assert!(store.bytes() <= 1 << 20);
    }
    assert!(
        store.len() > 50,
        "it should use what it may: {}",
        store.len()
    );
}

#[tokio::test]
async fn what_was_read_again_outlives_what_was_not() {
    let store = store(100, 1 << 20);
    let hot = key("hot");
    store
        .set(&hot, Bytes::from_static(b"1"), TTL)
        .await
        .unwrap();
    for i in 0..1_000 {
        assert!(store.get(&hot).await.unwrap().is_some());
        let value = Bytes::from_static(b"2");
        store.set(&key(&i.to_string()), value, TTL).await.unwrap();
    }
}

#[tokio::test]
async fn a_value_larger_than_the_store_is_not_kept_and_ends_the_old_one() {
    let store = store(10, 10_000);
    let k = key("k");
    assert!(store.set(&k, Bytes::from_static(b"1"), TTL).await.unwrap());
    let large = Bytes::from(vec![b'1'; 20_000]);
    assert!(!store.set(&k, large, TTL).await.unwrap());
    assert_eq!(store.get(&k).await.unwrap(), None);
}

#[tokio::test]
async fn expires_by_its_clock_and_sweeps() {
    let store = store(10, 10_000);
    let ttl = Ttl::from_whole_millis(1_000);
    for name in ["a", "b"] {
        store
            .set(&key(name), Bytes::from_static(b"1"), ttl)
            .await
            .unwrap();
    }
    store.clock.advance(999);
    assert!(store.get(&key("a")).await.unwrap().is_some());
    store.clock.advance(1);
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    assert_eq!(store.len(), 1);
    store.sweep_now();
    assert!(store.is_empty());
    assert_eq!(store.bytes(), 0);
}

/// How often somebody else on the thread has a turn while `work` is done.
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
