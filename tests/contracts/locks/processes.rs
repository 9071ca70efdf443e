//! Waiters of several processes, on Redis.

use super::*;

#[tokio::test]
async fn a_waiter_whose_process_is_gone_is_skipped_and_forgotten() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let gone = ProcessAddress::unique();
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    // All of them came long ago.
    let alive = Caller::new(world, &keys);
    for place in [1, 2, 3, 5] {
        let dead = Caller::with(world, &keys, gone.token());
        dead.is_denied(QueueTurn::Place(place)).await;
    }
    alive.is_denied(QueueTurn::Place(4)).await;
    assert_eq!(world.ask("ZCARD", &keys.queue, &[]).await, 5);
    assert!(holder.gives().await);
    assert_eq!(world.calls().await, [now(&alive)]);
    alive.gets().await;
    assert!(
        !world.is_there(&keys.queue).await,
        "the last one is gone, too"
    );
    assert!(alive.gives().await);
    assert!(!world.is_there(&keys.lock).await);
}

/// A process begins to listen when its first waiter has come.
#[tokio::test]
async fn a_waiter_that_is_new_is_waited_for_although_it_cannot_be_reached() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [holder, newcomer] = [(); 2].map(|()| Caller::new(world, &keys));
    holder.gets().await;
    let new = Caller::with(world, &keys, ProcessAddress::unique().token());
    new.waits().await;
    assert!(holder.gives().await);
    newcomer.is_denied_for(250).await;
    new.gets().await;
}

#[tokio::test]
async fn a_lease_that_only_the_dead_wait_for_ends_free() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [holder, newcomer] = [(); 2].map(|()| Caller::new(world, &keys));
    holder.gets().await;
    let dead = Caller::with(world, &keys, ProcessAddress::unique().token());
    let place = dead.is_denied(QueueTurn::Place(1)).await.1;
    world.pass(&keys, LEASE_MS).await;
    newcomer.gets().await;
    assert!(!world.is_there(&keys.queue).await);
    // Should it not have been dead after all, it comes again.
    assert_eq!(dead.is_denied(QueueTurn::Place(place)).await.1, place);
    assert!(
        newcomer.gives().await,
        "and nobody is called who cannot hear"
    );
    assert!(!world.is_there(&keys.lock).await);
}

#[tokio::test]
async fn each_process_hears_of_its_own_waiters() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let there = Process::start(&world.server, &world.connected).await;
    let [holder, here] = [(); 2].map(|()| Caller::new(world, &keys));
    holder.gets().await;
    let other = Caller::with(world, &keys, there.address.token());
    other.waits().await;
    here.waits().await;
    assert!(holder.gives().await);
    assert_eq!(there.calls(world.locker()).await, [now(&other)]);
    assert_eq!(world.calls().await, [after(&here, HANDOVER)]);
    other.gets().await;
    assert_eq!(there.calls(world.locker()).await, []);
    assert_eq!(world.calls().await, [after(&here, LEASE)]);
}
