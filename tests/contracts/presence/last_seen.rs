//! When a user was last seen.

use super::*;

contract!(
    a_user_was_last_seen_when_set_or_removed,
    a_user_whose_socket_has_ended_was_last_seen_when_it_was_set,
    removing_what_has_ended_does_not_forget_when_it_was_seen,
    a_user_whose_socket_went_to_another_was_seen,
);

async fn a_user_was_last_seen_when_set_or_removed<W: World>(world: &W) {
    assert_eq!(world.last_seen("a").await, None);
    world.set(&in_rooms("a", "s", &[])).await;
    is_about(seen_ago(world, "a").await, 0);
    world.pass(TTL_MS / 2).await;
    is_about(seen_ago(world, "a").await, TTL_MS / 2);
    world.set(&in_rooms("a", "t", &[])).await;
    is_about(seen_ago(world, "a").await, 0);
    world.pass(TTL_MS / 4).await;
    world.remove("a", "s").await;
    world.remove("a", "t").await;
    is_about(seen_ago(world, "a").await, 0);
    world.pass(1000 * TTL_MS).await;
    is_about(seen_ago(world, "a").await, 1000 * TTL_MS);
    assert_eq!(world.last_seen("b").await, None);
}

async fn a_user_whose_socket_has_ended_was_last_seen_when_it_was_set<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r"])).await;
    world.pass(3 * TTL_MS).await;
    assert!(user(world, "a").await.is_empty());
    is_about(seen_ago(world, "a").await, 3 * TTL_MS);
}

async fn removing_what_has_ended_does_not_forget_when_it_was_seen<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r"])).await;
    world.pass(3 * TTL_MS).await;
    world.remove("a", "s").await;
    is_about(seen_ago(world, "a").await, 3 * TTL_MS);
}

async fn a_user_whose_socket_went_to_another_was_seen<W: World>(world: &W) {
    world.set(&in_rooms("a", "s", &["r"])).await;
    world.pass(TTL_MS / 2).await;
    world.set(&in_rooms("b", "s", &["r"])).await;
    is_about(seen_ago(world, "b").await, 0);
    assert!(seen_ago(world, "a").await <= TTL_MS / 2 + SLACK_MS);
}
