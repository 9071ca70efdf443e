//! What every store promises. The same tests run on both of them, unmodified.

use std::time::{Duration, Instant};

use crate::support::{InMemory, OnRedis};
use bytes::Bytes;
use redis_backplane::store::memory::MemoryStore;
use redis_backplane::store::remote::RedisStore;
use redis_backplane::store::{Fetched, FillLease, Json, Key, Lifetime, Pattern, Store, Ttl};

const MINUTE: Ttl = Ttl::from_whole_millis(60_000);

/// A store, and a way to let its time pass.
trait World {
    type Store: Store;
    fn store(&self) -> &Self::Store;
    async fn a_moment(&self);
}

impl World for InMemory {
    type Store = MemoryStore;
    fn store(&self) -> &MemoryStore {
        &self.0
    }
    async fn a_moment(&self) {
        self.1.advance(5);
    }
}

impl World for OnRedis {
    type Store = RedisStore;
    fn store(&self) -> &RedisStore {
        &self.connected.store
    }
    async fn a_moment(&self) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

contract! {
    a_value_is_what_was_set,
    a_value_tells_how_long_it_is_fresh,
    a_value_expires_and_not_before,
    deletes_leave_nothing,
    a_pattern_deletes_its_matches_in_its_space,
    patterns_mean_the_same_everywhere,
    hostile_keys_are_only_themselves,
    a_lease_is_shared_and_filled_once,
    a_write_ends_a_lease,
    a_delete_ends_a_lease,
    an_abandoned_lease_makes_room_for_a_new_one,
    a_lease_expires,
    no_lease_fills_nothing,
    a_stale_value_is_kept_for_a_loader_and_for_nobody_else,
    a_delete_ends_a_stale_value_and_its_lease,
}

fn key(name: &str) -> Key {
    Key::new(&[b"s:", name.as_bytes()])
}

fn json(text: &str) -> Json {
    Bytes::copy_from_slice(text.as_bytes())
}

fn fresh(ms: u64) -> Lifetime {
    Lifetime {
        fresh: Ttl::from_whole_millis(ms),
        stale_ms: 0,
    }
}

async fn absent_lease(store: &impl Store, key: &Key) -> FillLease {
    match store.fetch(key, MINUTE).await.unwrap() {
        Fetched::Absent(lease) => lease,
        other => panic!("expected a lease, found {other:?}"),
    }
}

async fn eventually<W: World>(world: &W, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        world.a_moment().await;
    }
}

async fn a_value_is_what_was_set(world: &impl World) {
    let store = world.store();
    let k = key("a");
    assert_eq!(store.get(&k).await.unwrap(), None);
    let large = json(&format!("\"{}\"", "x".repeat(1 << 20)));
    for text in [json("1"), json("null"), json("\"\""), large, json("{}")] {
        assert!(store.set(&k, text.clone(), MINUTE).await.unwrap());
        assert_eq!(store.get(&k).await.unwrap(), Some(text));
    }
}

async fn a_value_tells_how_long_it_is_fresh(world: &impl World) {
    let (store, name) = (world.store(), key("k"));
    assert_eq!(store.get_timed(&name).await, Ok(None));
    assert_eq!(store.time_left(&name).await, Ok(None));
    store.set(&name, json("1"), MINUTE).await.unwrap();
    let (text, left) = store.get_timed(&name).await.unwrap().unwrap();
    assert_eq!(text, json("1"));
    assert!(left <= MINUTE && left.as_millis() > 50_000, "{left:?}");
    assert!(store.time_left(&name).await.unwrap() > Some(Ttl::from_whole_millis(50_000)));
    // A value that may be served stale is kept for longer than it is fresh.
    store.delete(&name).await.unwrap();
    let Ok(Fetched::Absent(lease)) = store.fetch(&name, MINUTE).await else {
        panic!("there is nothing");
    };
    assert_eq!(store.get_timed(&name).await, Ok(None), "only a lease");
    let brief = Lifetime {
        fresh: Ttl::from_whole_millis(3),
        stale_ms: 60_000,
    };
    store.fill(&name, &lease, json("2"), brief).await.unwrap();
    world.a_moment().await;
    assert_eq!(store.get_timed(&name).await, Ok(None));
    assert!(store.time_left(&name).await.unwrap() > Some(Ttl::from_whole_millis(50_000)));
}

async fn a_value_expires_and_not_before(world: &impl World) {
    let store = world.store();
    let (short, long) = (key("short"), key("long"));
    let ttl = Ttl::from_whole_millis(150);
    let begun = Instant::now();
    store.set(&short, json("1"), ttl).await.unwrap();
    store.set(&long, json("1"), MINUTE).await.unwrap();
    let early = store.get(&short).await.unwrap();
    assert!(early.is_some() || begun.elapsed() >= Duration::from_millis(150));
    eventually(world, "expired", async || {
        store.get(&short).await.unwrap().is_none()
    })
    .await;
    assert!(store.get(&long).await.unwrap().is_some());
    // A shorter TTL shortens.
    store
        .set(&long, json("2"), Ttl::from_millis(0.2))
        .await
        .unwrap();
    eventually(world, "expired", async || {
        store.get(&long).await.unwrap().is_none()
    })
    .await;
}

async fn deletes_leave_nothing(world: &impl World) {
    let store = world.store();
    let keys: Vec<Key> = (0..300).map(|i| key(&format!("d{i}"))).collect();
    for k in &keys {
        store.set(k, json("1"), MINUTE).await.unwrap();
    }
    store.delete(&keys[0]).await.unwrap();
    store.delete(&keys[0]).await.unwrap();
    assert_eq!(store.get(&keys[0]).await.unwrap(), None);
    assert!(store.get(&keys[1]).await.unwrap().is_some());
    store.delete_all(&keys).await.unwrap();
    for k in &keys {
        assert_eq!(store.get(k).await.unwrap(), None);
    }
}

async fn a_pattern_deletes_its_matches_in_its_space(world: &impl World) {
    let store = world.store();
    for i in 0..3_000 {
        store
            .set(&key(&format!("x:{i}")), json("1"), MINUTE)
            .await
            .unwrap();
    }
    let elsewhere = Key::new(&[b"other:x:1"]);
    store.set(&elsewhere, json("1"), MINUTE).await.unwrap();
    store.set(&key("y:1"), json("1"), MINUTE).await.unwrap();
    let removed = store
        .delete_matching(&[&key("")], &[Pattern::new(b"x:*")])
        .await
        .unwrap();
    assert_eq!(removed, 3_000);
    assert!(store.get(&elsewhere).await.unwrap().is_some());
    assert!(store.get(&key("y:1")).await.unwrap().is_some());
    // Several patterns in one walk.
    for name in ["a:1", "a:2", "b:1", "c:1"] {
        store.set(&key(name), json("1"), MINUTE).await.unwrap();
    }
    let several = [b"a:*", b"b:?", b"a:1"].map(|glob| Pattern::new(glob));
    let removed = store.delete_matching(&[&key("")], &several).await;
    assert_eq!(removed, Ok(3));
    assert!(store.get(&key("c:1")).await.unwrap().is_some());
    assert_eq!(store.delete_matching(&[&key("")], &[]).await, Ok(0));
    // Several spaces in one walk.
    let (one, two) = (Key::new(&[b"one:"]), Key::new(&[b"two:"]));
    for name in [&b"one:1"[..], b"two:1", b"two:2", b"three:1"] {
        let key = Key::new(&[name]);
        store.set(&key, json("1"), MINUTE).await.unwrap();
    }
    let all = [Pattern::new(b"*")];
    assert_eq!(store.delete_matching(&[&one, &two], &all).await, Ok(3));
    let three = Key::new(&[b"three:1"]);
    assert!(store.get(&three).await.unwrap().is_some());
    assert_eq!(store.delete_matching(&[], &all).await, Ok(0));
    // A space with glob characters in it is only itself.
    let odd = Key::new(&[b"s*[", b"1"]);
    store.set(&odd, json("1"), MINUTE).await.unwrap();
    let space = Key::new(&[b"s*["]);
    assert_eq!(
        store
            .delete_matching(&[&space], &[Pattern::new(b"*")])
            .await
            .unwrap(),
        1
    );
    assert!(store.get(&key("y:1")).await.unwrap().is_some());
}

/// The in-memory store has its own reading of a glob; both are held against one table, so they
/// are held against each other.
async fn patterns_mean_the_same_everywhere(world: &impl World) {
    let names = [
        "", "a", "b", "ab", "a*b", "[a]", "a]", "\\", "a\\b", "^", "-", "é", "a-c",
    ];
    let table: &[(&str, &[&str])] = &[
        ("?", &["a", "b", "\\", "^", "-"]),
        ("??", &["ab", "a]", "é"]),
        ("a*", &["a", "ab", "a*b", "a]", "a\\b", "a-c"]),
        ("a\\*b", &["a*b"]),
        ("[ab]", &["a", "b"]),
        ("[^ab]", &["\\", "^", "-"]),
        ("[a-c]*", &["a", "b", "ab", "a*b", "a]", "a\\b", "a-c"]),
        ("[c-a]", &["a", "b"]),
        ("[\\]a]", &["a"]),
        ("\\[a\\]", &["[a]"]),
        ("[ab", &["a", "b"]),
        ("\\", &["\\"]),
        ("a[\\*-]*", &["a*b", "a-c"]),
        ("[]a", &[]),
        (
            "[^]*",
            &[
                "a", "b", "ab", "a*b", "[a]", "a]", "\\", "a\\b", "^", "-", "é", "a-c",
            ],
        ),
        ("*b", &["b", "ab", "a*b", "a\\b"]),
        ("*\\b", &["b", "ab", "a*b", "a\\b"]),
    ];
    let store = world.store();
    for (pattern, expected) in table {
        for name in names {
            store.set(&key(name), json("1"), MINUTE).await.unwrap();
        }
        store
            .delete_matching(&[&key("")], &[Pattern::new(pattern.as_bytes())])
            .await
            .unwrap();
        let mut gone = Vec::new();
        for name in names {
            if store.get(&key(name)).await.unwrap().is_none() {
                gone.push(name);
            }
        }
        assert_eq!(&gone[..], *expected, "pattern {pattern}");
    }
}

async fn hostile_keys_are_only_themselves(world: &impl World) {
    let store = world.store();
    let names = [
        "*",
        "?",
        "[a]",
        "{x}",
        "a b",
        "a\0b",
        "\r\n",
        "é",
        "e\u{301}",
        "__proto__",
        "😀",
        "\"",
    ];
    for (i, name) in names.iter().enumerate() {
        store
            .set(&key(name), json(&i.to_string()), MINUTE)
            .await
            .unwrap();
    }
    for (i, name) in names.iter().enumerate() {
        assert_eq!(
            store.get(&key(name)).await.unwrap(),
            Some(json(&i.to_string()))
        );
    }
    store.delete(&key("*")).await.unwrap();
    assert!(store.get(&key("?")).await.unwrap().is_some());
}

async fn a_lease_is_shared_and_filled_once(world: &impl World) {
    let store = world.store();
    let k = key("l");
    let lease = absent_lease(store, &k).await;
    assert_eq!(absent_lease(store, &k).await, lease);
    assert_eq!(store.get(&k).await.unwrap(), None, "a lease is no value");
    assert!(
        store
            .fill(&k, &lease, json("1"), fresh(60_000))
            .await
            .unwrap()
    );
    assert!(
        !store
            .fill(&k, &lease, json("2"), fresh(60_000))
            .await
            .unwrap()
    );
    assert_eq!(store.get(&k).await.unwrap(), Some(json("1")));
    assert_eq!(
        store.fetch(&k, MINUTE).await.unwrap(),
        Fetched::Fresh(json("1"))
    );
}

async fn a_write_ends_a_lease(world: &impl World) {
    let store = world.store();
    let k = key("w");
    let lease = absent_lease(store, &k).await;
    store.set(&k, json("\"explicit\""), MINUTE).await.unwrap();
    assert!(
        !store
            .fill(&k, &lease, json("\"loaded\""), fresh(60_000))
            .await
            .unwrap()
    );
    assert_eq!(store.get(&k).await.unwrap(), Some(json("\"explicit\"")));
}

async fn a_delete_ends_a_lease(world: &impl World) {
    let store = world.store();
    let k = key("d");
    let first = absent_lease(store, &k).await;
    store.delete(&k).await.unwrap();
    let second = absent_lease(store, &k).await;
    assert_ne!(first, second);
    assert!(
        !store
            .fill(&k, &first, json("1"), fresh(60_000))
            .await
            .unwrap()
    );
    assert!(
        store
            .fill(&k, &second, json("2"), fresh(60_000))
            .await
            .unwrap()
    );
    let third = key("p");
    let lease = absent_lease(store, &third).await;
    store
        .delete_matching(&[&key("")], &[Pattern::new(b"*")])
        .await
        .unwrap();
    assert!(
        !store
            .fill(&third, &lease, json("1"), fresh(60_000))
            .await
            .unwrap()
    );
}

async fn an_abandoned_lease_makes_room_for_a_new_one(world: &impl World) {
    let store = world.store();
    let k = key("ab");
    let first = absent_lease(store, &k).await;
    store.abandon(&k, &first).await.unwrap();
    let second = absent_lease(store, &k).await;
    assert_ne!(first, second);
    // Giving back what one no longer has changes nothing.
    store.abandon(&k, &first).await.unwrap();
    assert!(
        store
            .fill(&k, &second, json("1"), fresh(60_000))
            .await
            .unwrap()
    );
    store.abandon(&k, &second).await.unwrap();
    assert_eq!(store.get(&k).await.unwrap(), Some(json("1")));
}

async fn no_lease_fills_nothing(world: &impl World) {
    let store = world.store();
    let spaces = [b"1".as_slice(), &[b' '; 64]].concat();
    for text in [b"\"set\"".to_vec(), spaces] {
        let (k, text) = (key("none"), Bytes::from(text));
        store.set(&k, text.clone(), MINUTE).await.unwrap();
        let filled = store
            .fill(&k, &FillLease::NONE, json("2"), fresh(60_000))
            .await;
        assert_eq!(filled, Ok(false));
        store.abandon(&k, &FillLease::NONE).await.unwrap();
        assert_eq!(store.get(&k).await.unwrap(), Some(text));
    }
    let absent = key("none, absent");
    let filled = store.fill(&absent, &FillLease::NONE, json("2"), fresh(60_000));
    assert_eq!(filled.await, Ok(false));
}

async fn a_lease_expires(world: &impl World) {
    let store = world.store();
    let k = key("le");
    let Fetched::Absent(first) = store.fetch(&k, Ttl::from_whole_millis(30)).await.unwrap() else {
        panic!("nothing is there");
    };
    eventually(world, "a new lease", async || {
        absent_lease(store, &k).await != first
    })
    .await;
    assert!(
        !store
            .fill(&k, &first, json("1"), fresh(60_000))
            .await
            .unwrap()
    );
}

async fn a_stale_value_is_kept_for_a_loader_and_for_nobody_else(world: &impl World) {
    let store = world.store();
    let k = key("st");
    let lease = absent_lease(store, &k).await;
    let lifetime = Lifetime {
        fresh: Ttl::from_whole_millis(100),
        stale_ms: 60_000,
    };
    assert!(store.fill(&k, &lease, json("1"), lifetime).await.unwrap());
    eventually(world, "stale", async || {
        store.get(&k).await.unwrap().is_none()
    })
    .await;
    let Fetched::Stale(text, lease) = store.fetch(&k, MINUTE).await.unwrap() else {
        panic!("a stale value should be there");
    };
    assert_eq!(text, json("1"));
    store.abandon(&k, &lease).await.unwrap();
    assert!(
        store
            .fill(&k, &lease, json("2"), fresh(60_000))
            .await
            .unwrap()
    );
    assert_eq!(store.get(&k).await.unwrap(), Some(json("2")));
}

async fn a_delete_ends_a_stale_value_and_its_lease(world: &impl World) {
    let store = world.store();
    let k = key("sd");
    let lease = absent_lease(store, &k).await;
    let lifetime = Lifetime {
        fresh: Ttl::from_whole_millis(1),
        stale_ms: 60_000,
    };
    assert!(store.fill(&k, &lease, json("1"), lifetime).await.unwrap());
    eventually(world, "stale", async || {
        store.get(&k).await.unwrap().is_none()
    })
    .await;
    let Fetched::Stale(_, lease) = store.fetch(&k, MINUTE).await.unwrap() else {
        panic!("a stale value should be there");
    };
    store.delete(&k).await.unwrap();
    assert!(
        !store
            .fill(&k, &lease, json("2"), fresh(60_000))
            .await
            .unwrap()
    );
    assert!(matches!(
        store.fetch(&k, MINUTE).await.unwrap(),
        Fetched::Absent(_)
    ));
}
