//! What those hear who watch a room.

use super::*;

contract!(
    news_are_told_once,
    an_unchanged_refresh_is_no_news,
    news_tell_all_of_a_socket,
    a_socket_that_goes_to_another_user_leaves_and_comes,
);

async fn news_are_told_once<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r", "q"])).await;
    assert_eq!(told_in_any_order(world).await, ["q +a/s", "r +a/s"]);
    let changed = br#"{"roomId":["r","q"],"typing":true}"#;
    world.set(&Socket::new("a", "s", changed)).await;
    assert_eq!(told_in_any_order(world).await, ["q +a/s", "r +a/s"]);
    world.set(&in_rooms("a", "s", &["r", "p"])).await;
    let moved = ["p +a/s", "q -a/s", "r +a/s"];
    assert_eq!(told_in_any_order(world).await, moved);
    world.remove("b", "s").await;
    assert!(told(world).await.is_empty(), "it is not theirs");
    world.remove("a", "s").await;
    assert_eq!(told_in_any_order(world).await, ["p -a/s", "r -a/s"]);
    world.remove("a", "s").await;
    assert!(told(world).await.is_empty(), "it was gone");
    world.set(&in_rooms("a", "s", &["r"])).await;
    world.set(&in_rooms("a", "t", &["r"])).await;
    world.remove("a", "s").await;
    assert_eq!(told(world).await, ["r +a/s", "r +a/t", "r -a/s"]);
}

async fn an_unchanged_refresh_is_no_news<W: World>(world: &W) {
    let socket = in_rooms("a", "s", &["r"]);
    let version = world.set(&socket).await;
    told(world).await;
    world.set(&socket).await;
    world.set_if(&socket, TTL_MS, since(version, false)).await;
    assert!(told(world).await.is_empty());
    world.pass(TTL_MS + SLACK_MS).await;
    world.set(&socket).await;
    assert_eq!(told(world).await, ["r +a/s"], "it had ended");
}

async fn news_tell_all_of_a_socket<W: World>(world: &W) {
    let name = "1:é\0";
    let socket = Socket::new(name, ":s", "{\"roomId\":\"r:*\",\"😀\":1}".as_bytes());
    let set = world.set(&socket).await;
    let removed = world.remove(name, ":s").await;
    let is = RoomEvent::Is {
        user: name.into(),
        socket: ":s".into(),
        lease: None,
        version: set,
        left: TTL.as_duration(),
        metadata: socket.metadata.clone(),
    };
    let left = RoomEvent::Left {
        user: name.into(),
        socket: ":s".into(),
        version: removed,
    };
    let room = || "r:*".to_owned();
    assert_eq!(world.news().await, [(room(), is), (room(), left)]);
}

async fn a_socket_that_goes_to_another_user_leaves_and_comes<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r", "q"])).await;
    told(world).await;
    world.set(&in_rooms("b", "s", &["r"])).await;
    assert_eq!(
        told_in_any_order(world).await,
        ["q -a/s", "r +b/s", "r -a/s"]
    );
    world.remove("a", "s").await;
    assert!(told(world).await.is_empty());
    world.set(&in_rooms("a", "s", &["r"])).await;
    assert_eq!(told_in_any_order(world).await, ["r +a/s", "r -b/s"]);
}
