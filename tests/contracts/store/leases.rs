//! Leases, under which a loaded value is set.

use super::*;

contract!(
    a_lease_is_shared_and_filled_once,
    a_write_ends_a_lease,
    a_delete_ends_a_lease,
    an_abandoned_lease_makes_room_for_a_new_one,
    a_lease_expires,
    no_lease_fills_nothing,
    a_stale_value_is_kept_for_a_loader_and_for_nobody_else,
    a_delete_ends_a_stale_value_and_its_lease,
);

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
