//! What ends by itself.

use super::*;

#[tokio::test]
async fn nothing_is_kept_for_ever() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 2).await;
    let fence_outlives = world.ms_left(&keys.fence).await - world.ms_left(&keys.lock).await;
    assert!(fence_outlives > 60_000, "{fence_outlives}");
    assert!(world.ms_left(&keys.queue).await > 0);
    assert!(holder.extends(10 * LEASE_MS).await);
    let left = world.ms_left(&keys.fence).await - world.ms_left(&keys.lock).await;
    assert!(left > 60_000, "the fence outlives an extended lease, too");
    assert!(holder.gives().await);
    waiters[0].gets().await;
    assert!(world.ms_left(&keys.queue).await > 0);
    assert!(!waiters[1].gives().await);
    assert!(!world.is_there(&keys.queue).await, "nobody waits");
    assert!(waiters[0].gives().await);
    assert!(!world.is_there(&keys.lock).await, "nobody holds it");
    assert!(world.ms_left(&keys.fence).await > 0);
    let size = world.call(&[b"DBSIZE"]).await;
    assert_eq!(size, 1, "the fence is all that is left");
}

#[tokio::test]
async fn whoever_still_waits_keeps_the_queue() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    Caller::new(world, &keys).gets().await;
    let waiter = Caller::new(world, &keys);
    let place = waiter.waits().await;
    world.ask("PEXPIRE", &keys.queue, &["15000"]).await;
    waiter.is_denied(QueueTurn::Place(place)).await;
    let left = Duration::from_millis(world.ms_left(&keys.queue).await as u64);
    is_about(left, 60_000);
}
