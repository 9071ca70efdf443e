//! Values, their ends and their keys.

use super::*;

contract!(
    a_value_is_what_was_set,
    a_value_tells_how_long_it_is_fresh,
    a_value_expires_and_not_before,
    deletes_leave_nothing,
    a_pattern_deletes_its_matches_in_its_space,
    patterns_mean_the_same_everywhere,
    hostile_keys_are_only_themselves,
);

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
