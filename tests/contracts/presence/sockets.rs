//! Setting, moving and removing sockets.

use super::*;

contract!(
    a_socket_is_with_its_user_and_in_its_rooms,
    hostile_ids_do_not_reach_each_other,
    a_user_has_several_sockets_and_a_removal_takes_one,
    moving_leaves_the_rooms_before,
    the_last_user_of_a_socket_wins,
    a_late_removal_by_the_user_before_hurts_nobody,
    a_socket_ends_with_its_ttl_everywhere,
    a_shorter_ttl_shortens,
    one_live_socket_keeps_no_dead_one,
    who_has_lost_the_answer_may_set_the_same_again,
);

async fn a_socket_is_with_its_user_and_in_its_rooms<W: World>(world: &W) {
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
    world.set(&in_rooms("a", "s", &["r", "q"])).await;
    world.set(&in_rooms("a", "t", &["r"])).await;
    world.set(&in_rooms("b", "u", &["r"])).await;
    world
        .set(&Socket::new("c", "v", br#"{"roomId":"q"}"#))
        .await;
    world.set(&Socket::new("c", "w", b"{}")).await;
    assert_eq!(user(world, "a").await, ["a/s", "a/t"]);
    assert_eq!(user(world, "c").await, ["c/v", "c/w"]);
    assert_eq!(room(world, "r").await, ["a/s", "a/t", "b/u"]);
    assert_eq!(room(world, "q").await, ["a/s", "c/v"]);
    assert!(room(world, "a").await.is_empty() && user(world, "r").await.is_empty());
}

async fn hostile_ids_do_not_reach_each_other<W: World>(world: &W) {
    let emoji = "😀".repeat(256);
    let hostile = [
        "a:b",
        "a",
        "b:c",
        "c",
        "*",
        "?",
        "[a]",
        "{x}",
        "{",
        "}",
        "{}",
        "a{x}b",
        "\0",
        "a\0",
        "__proto__",
        "1:a",
        "3:a:b",
        "0:",
        " ",
        "",
        "~",
        "~~~~~~~~~~~~~~~~a",
        "----------------",
        "data:a",
        &emoji,
    ];
    for (i, name) in hostile.iter().enumerate() {
        for (j, place) in hostile.iter().enumerate() {
            let metadata = serde_json::json!({ "roomId": place, "i": i }).to_string();
            let id = format!("{name}:{place}{}", if (i + j) % 2 == 0 { "" } else { ":" });
            world
                .set(&Socket::new(
                    name,
                    &format!("{j}/{i}/{id}"),
                    metadata.as_bytes(),
                ))
                .await;
        }
    }
    for (i, name) in hostile.iter().enumerate() {
        let of_user = world.list(Place::User(name), Detail::Records).await;
        assert_eq!(of_user.len(), hostile.len(), "of {name:?}");
        assert!(of_user.iter().all(|one| &*one.user == *name));
        let in_room = world.list(Place::Room(name), Detail::Records).await;
        let users: HashSet<_> = in_room.iter().map(|one| &*one.user).collect();
        assert_eq!(users, HashSet::from(hostile), "in {name:?}");
        for one in &in_room {
            assert_eq!(one.socket.split('/').next(), Some(&*i.to_string()));
        }
    }
    for one in world.list(Place::User("*"), Detail::Ids).await {
        world.remove("*", &one.socket).await;
    }
    for name in hostile.iter().filter(|name| **name != "*") {
        let left = world.list(Place::Room(name), Detail::Ids).await.len();
        assert_eq!(left, hostile.len() - 1, "in {name:?}");
        assert_eq!(user(world, name).await.len(), hostile.len(), "of {name:?}");
    }
    // Socket ids that are each other's users.
    world.set(&in_rooms("1:x", "y", &["pairs"])).await;
    world.set(&in_rooms("1", "x:y", &["pairs"])).await;
    world.set(&in_rooms("", "1:xy", &["pairs"])).await;
    world.remove("1", "y").await;
    world.remove("1:x", "x:y").await;
    assert_eq!(room(world, "pairs").await, ["/1:xy", "1/x:y", "1:x/y"]);
}

async fn a_user_has_several_sockets_and_a_removal_takes_one<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r", "q"])).await;
    world.set(&in_rooms("a", "t", &["r"])).await;
    world.remove("a", "s").await;
    assert_eq!(user(world, "a").await, ["a/t"]);
    assert_eq!(room(world, "r").await, ["a/t"]);
    assert!(room(world, "q").await.is_empty());
    world.remove("a", "s").await;
    assert_eq!(user(world, "a").await, ["a/t"]);
    world.remove("a", "t").await;
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
}

async fn moving_leaves_the_rooms_before<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r", "q"])).await;
    world.set(&in_rooms("a", "s", &["q", "p"])).await;
    assert!(room(world, "r").await.is_empty());
    assert_eq!(room(world, "q").await, ["a/s"]);
    assert_eq!(room(world, "p").await, ["a/s"]);
    world.set(&Socket::new("a", "s", b"{}")).await;
    assert!(room(world, "q").await.is_empty() && room(world, "p").await.is_empty());
    assert_eq!(user(world, "a").await, ["a/s"]);
}

async fn the_last_user_of_a_socket_wins<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r", "q"])).await;
    world.set(&in_rooms("b", "s", &["r"])).await;
    assert!(user(world, "a").await.is_empty() && room(world, "q").await.is_empty());
    assert_eq!(user(world, "b").await, ["b/s"]);
    assert_eq!(room(world, "r").await, ["b/s"]);
    world.set(&in_rooms("a", "s", &["q"])).await;
    assert!(user(world, "b").await.is_empty() && room(world, "r").await.is_empty());
    assert_eq!(user(world, "a").await, ["a/s"]);
    assert_eq!(room(world, "q").await, ["a/s"]);
}

async fn a_late_removal_by_the_user_before_hurts_nobody<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r"])).await;
    let version = world.set(&in_rooms("b", "s", &["r"])).await;
    world.remove("a", "s").await;
    assert_eq!(user(world, "b").await, ["b/s"]);
    assert_eq!(room(world, "r").await, ["b/s"]);
    let refreshed = world
        .set_if(&in_rooms("b", "s", &["r"]), TTL_MS, since(version, false))
        .await;
    assert!(refreshed.is_some(), "the removal was of another's socket");
}

async fn a_socket_ends_with_its_ttl_everywhere<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r"])).await;
    world.pass(TTL_MS - SLACK_MS).await;
    assert_eq!(user(world, "a").await, ["a/s"]);
    assert_eq!(room(world, "r").await, ["a/s"]);
    world.pass(SLACK_MS).await;
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
    world.set(&in_rooms("a", "s", &["r"])).await;
    assert_eq!(room(world, "r").await, ["a/s"]);
}

async fn a_shorter_ttl_shortens<W: World>(world: &W) {
    let socket = in_rooms("a", "s", &["r"]);
    for (first, then) in [(50 * TTL_MS, TTL_MS), (TTL_MS, 50 * TTL_MS)] {
        world.set_if(&socket, first, Condition::Always).await;
        world.set_if(&socket, then, Condition::Always).await;
        for place in socket.places() {
            let there = world.list(place, Detail::Records).await;
            let left = there[0].record.as_ref().unwrap().left;
            is_about(left.as_millis() as u64, then);
        }
        world.pass(TTL_MS).await;
        assert_eq!(user(world, "a").await.len(), usize::from(then > TTL_MS));
        assert_eq!(room(world, "r").await.len(), usize::from(then > TTL_MS));
    }
}

/// Its first attempt may have been carried out in part.
async fn who_has_lost_the_answer_may_set_the_same_again<W: World>(world: &W) {
    let before = world.set(&in_rooms("a", "s", &["q"])).await;
    let socket = in_rooms("a", "s", &["r"]);
    for _ in 0..2 {
        let set = world.set_if(&socket, TTL_MS, since(before, false)).await;
        assert!(set.is_some());
    }
    assert_eq!(room(world, "r").await, ["a/s"]);
    world.remove("a", "s").await;
    let set = world.set_if(&socket, TTL_MS, since(before, true)).await;
    assert_eq!(set, None, "it was removed since");
}

async fn one_live_socket_keeps_no_dead_one<W: World>(world: &W) {
    world.set(&in_rooms("a", "dead", &["r", "q"])).await;
    for _ in 0..4 {
        world.set(&in_rooms("a", "live", &["q"])).await;
        world.pass(TTL_MS / 2).await;
    }
    assert_eq!(user(world, "a").await, ["a/live"]);
    assert_eq!(room(world, "q").await, ["a/live"]);
    assert!(room(world, "r").await.is_empty());
}
