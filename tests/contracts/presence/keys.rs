//! What is left in the keys, on Redis.

use super::*;

#[test]
fn metadata_name_rooms_in_their_order_and_once() {
    let rooms = |metadata: &str| rooms_of(metadata.as_bytes());
    assert_eq!(
        *rooms(r#"{"roomId":["b","a","b",1,null,["c"],""]}"#),
        ["b", "a", ""].map(Box::from)
    );
    assert_eq!(*rooms(r#"{"roomId":"a:b"}"#), ["a:b"].map(Box::from));
    for none in [
        r#"{"roomId":1}"#,
        r#"{"roomId":{"a":"b"}}"#,
        r#"{"room":"a"}"#,
        "null",
        "",
    ] {
        assert!(rooms(none).is_empty(), "{none}");
    }
}

#[tokio::test]
async fn who_has_left_leaves_no_key() {
    let world = &OnRedis::new().await;
    for name in ["a", "{x}", "*", "{"] {
        world.set(&in_rooms(name, "s", &["r", name])).await;
        world.set(&in_rooms(name, "s", &[])).await;
        world.set(&in_rooms(name, "s", &["r", name])).await;
        world.remove(name, "s").await;
        assert_eq!(world.keys().await, BTreeSet::new());
    }
}

#[tokio::test]
async fn who_has_ended_leaves_no_key() {
    let world = &OnRedis::new().await;
    for i in 0..100 {
        world.set(&in_rooms("a", &i.to_string(), &["r"])).await;
    }
    world.set(&in_rooms("b", "0", &["q"])).await;
    world.pass(TTL_MS).await;
    for _ in 0..2 {
        for place in [
            Place::User("a"),
            Place::Room("r"),
            Place::User("b"),
            Place::Room("q"),
        ] {
            assert!(ids(world, place).await.is_empty());
        }
    }
    assert_eq!(world.keys().await, BTreeSet::new());
    world.set(&in_rooms("a", "s", &["r"])).await;
    world.pass(3 * TTL_MS).await;
    assert_eq!(world.keys().await, BTreeSet::new(), "and when nobody asks");
}

#[tokio::test]
async fn keys_of_other_types_are_no_panic() {
    let world = &OnRedis::new().await;
    let socket = in_rooms("a", "s", &["r"]);
    let user = world.names.place(Place::User("a"));
    let room = world.names.place(Place::Room("r"));
    let own = world.names.socket("s");
    let seen = user.last_seen.clone().unwrap();
    for key in [
        &user.members,
        &user.records,
        &room.members,
        &room.records,
        &own,
        &seen,
    ] {
        for make in ["SET", "LPUSH", "ZADD", "HSET"] {
            world.call(&[b"FLUSHALL"]).await;
            let words: &[&[u8]] = match make {
                "ZADD" => &[b"ZADD", key.as_bytes(), b"99999999999999", b"x"],
                "HSET" => &[b"HSET", key.as_bytes(), b"s", b"x"],
                _ => &[make.as_bytes(), key.as_bytes(), b"x"],
            };
            world.call(words).await;
            let roster = world.roster();
            let _ = roster
                .set(&socket, None, None, TTL, Condition::Always)
                .await;
            let _ = roster.set(&socket, None, None, TTL, since(1, true)).await;
            for place in socket.places() {
                for detail in [Detail::Ids, Detail::Records] {
                    let _ = roster.list(place, detail).await;
                }
            }
            let _ = roster.last_seen("a").await;
            let _ = roster.remove("a", "s", &[]).await;
            assert!(
                roster
                    .set(
                        &in_rooms("b", "t", &["q"]),
                        None,
                        None,
                        TTL,
                        Condition::Always
                    )
                    .await
                    .is_ok()
            );
            assert_eq!(ids(world, Place::Room("q")).await, ["b/t"]);
        }
    }
}

#[tokio::test]
async fn a_large_room_is_complete_while_others_refresh() {
    const COUNT: usize = 5000;
    let world = &OnRedis::new().await;
    let sockets: Vec<_> = (0..COUNT)
        .map(|i| in_rooms(&format!("u{}", i / 2), &i.to_string(), &["r"]))
        .collect();
    join_all(sockets.iter().map(|socket| world.set(socket))).await;
    let refresh = async {
        for chunk in sockets[..1000].chunks(50) {
            join_all(chunk.iter().map(|socket| world.set(socket))).await;
        }
    };
    let read = async {
        for detail in [Detail::Ids, Detail::Records] {
            let there = world.list(Place::Room("r"), detail).await;
            let distinct: HashSet<_> = there.iter().map(|one| &*one.socket).collect();
            assert_eq!((there.len(), distinct.len()), (COUNT, COUNT));
            let complete = |one: &Present| one.record.is_some() == (detail == Detail::Records);
            assert!(there.iter().all(complete));
        }
    };
    join(refresh, read).await;
    world.pass(TTL_MS).await;
    assert!(room(world, "r").await.is_empty());
    world.set(&sockets[0]).await;
    assert_eq!(room(world, "r").await, ["u0/0"]);
}
