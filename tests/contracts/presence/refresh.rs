//! Refreshing, and the versions that decide.

use super::*;

contract!(
    a_refresh_is_refused_if_something_newer_is_known,
    a_refresh_of_what_is_unknown_depends,
    a_removed_socket_is_not_refreshed,
    versions_grow,
    metadata_come_back_byte_for_byte,
);

async fn a_refresh_is_refused_if_something_newer_is_known<W: World>(world: &W) {
    let (here, there) = (in_rooms("a", "s", &["r"]), in_rooms("b", "s", &["q"]));
    let first = world.set(&here).await;
    let second = world.set_if(&here, TTL_MS, since(first, false)).await;
    let second = second.expect("nothing has happened");
    for or_lost in [false, true] {
        let again = in_rooms("a", "s", &["r"]);
        let stale = world.set_if(&again, TTL_MS, since(first, or_lost)).await;
        assert_eq!(stale, None);
    }
    let third = world.set(&there).await;
    for or_lost in [false, true] {
        let stale = world.set_if(&here, TTL_MS, since(second, or_lost)).await;
        assert_eq!(stale, None);
    }
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
    assert_eq!(room(world, "q").await, ["b/s"]);
    assert!(
        world
            .set_if(&here, TTL_MS, since(third, true))
            .await
            .is_some()
    );
    assert_eq!(room(world, "r").await, ["a/s"]);
    assert!(room(world, "q").await.is_empty());
}

async fn a_refresh_of_what_is_unknown_depends<W: World>(world: &W) {
    let socket = in_rooms("a", "s", &["r"]);
    assert_eq!(world.set_if(&socket, TTL_MS, since(5, false)).await, None);
    let version = world.set(&socket).await;
    world.pass(TTL_MS).await;
    let refused = world.set_if(&socket, TTL_MS, since(version, false)).await;
    assert_eq!(refused, None, "it has ended");
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
    let back = world.set_if(&socket, TTL_MS, since(version, true)).await;
    assert!(back > Some(version));
    assert_eq!(room(world, "r").await, ["a/s"]);
}

async fn a_removed_socket_is_not_refreshed<W: World>(world: &W) {
    let socket = in_rooms("a", "s", &["r"]);
    let version = world.set(&socket).await;
    let removed = world.remove("a", "s").await;
    assert!(removed > version);
    for ms in [0, REMOVED_MS - SLACK_MS] {
        world.pass(ms).await;
        for version in [version, removed, removed + 1_000_000] {
            for or_lost in [false, true] {
                let refreshed = world.set_if(&socket, TTL_MS, since(version, or_lost)).await;
                assert_eq!(refreshed, None);
            }
        }
    }
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
    assert!(world.set(&socket).await > removed);
    assert_eq!(room(world, "r").await, ["a/s"]);
}

async fn versions_grow<W: World>(world: &W) {
    let mut last = 0;
    for round in 0..50 {
        let name = ["a", "b"][round % 2];
        let set = world.set(&in_rooms(name, "s", &["r"])).await;
        assert!(set > last, "{set} after {last}");
        last = set;
        if round % 3 == 0 {
            let removed = world.remove(name, "s").await;
            assert!(removed > last, "{removed} after {last}");
            last = removed;
        }
        if round % 10 == 0 {
            world.pass(2 * TTL_MS).await;
        }
        let there = world.list(Place::User(name), Detail::Records).await;
        let versions = there.iter().map(|one| one.record.as_ref().unwrap().version);
        assert!(versions.into_iter().all(|version| version == last));
    }
}

async fn metadata_come_back_byte_for_byte<W: World>(world: &W) {
    let long = format!(r#"{{"roomId":"r","x":"{}"}}"#, "é:".repeat(100_000));
    for metadata in [
        r#"{"roomId":"r"}"#,
        r#"{"roomId":"r","__proto__":{"a":1},"constructor":null}"#,
        "{ \"roomId\" : \"r\",\n\"a\":\"\\u0000:\\n😀\", \"b\":1e2, \"a\":2 }",
        r#"{"roomId":["r","r","q"],"1:2:3":"----------------1:2:3:{}"}"#,
        &long,
    ] {
        let socket = Socket::new("a", "s", metadata.as_bytes());
        let version = world.set(&socket).await;
        for place in socket.places() {
            let there = world.list(place, Detail::Records).await;
            assert_eq!(there.len(), 1);
            assert_eq!((&*there[0].user, &*there[0].socket), ("a", "s"));
            let record = there[0].record.as_ref().unwrap();
            assert_eq!(record.metadata, metadata.as_bytes());
            assert_eq!(record.version, version);
            is_about(record.left.as_millis() as u64, TTL_MS);
            is_about(record.seen_at_ms, world.now().await);
        }
    }
}
