//! Tests of what only the in-memory store promises: its bounds, and the clock. The rest is in the
//! contract that both stores pass.

mod in_steps;

use super::*;

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
