//! Who waits, and who is next.

use super::*;

contract!(
    waiters_are_handed_the_lock_in_order_of_arrival,
    a_newcomer_does_not_barge_in_when_the_lock_was_given,
    a_newcomer_does_not_barge_in_when_the_lease_has_ended,
    a_waiter_does_not_overtake_those_before_it,
    a_waiter_that_leaves_blocks_nobody_behind_it,
    when_the_first_leaves_the_next_is_called,
    when_the_first_leaves_a_free_lock_the_next_is_called_at_once,
    who_was_handed_the_lock_and_does_not_want_it_passes_it_on,
    a_lock_that_is_not_taken_over_goes_to_the_next,
    the_first_in_the_queue_is_called_again_with_every_new_lease,
    a_place_is_kept_by_who_was_lost_from_the_queue,
    asking_again_neither_loses_nor_doubles_a_place,
    who_asks_once_without_waiting_keeps_its_place,
);

async fn waiters_are_handed_the_lock_in_order_of_arrival(world: &impl World) {
    let keys = keys("a");
    let mut holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 5).await;
    assert_eq!(world.calls().await, [], "each was told when to come");
    let mut waiters = waiters.into_iter().peekable();
    while let Some(next) = waiters.next() {
        assert!(holder.gives().await);
        let mut handed = vec![now(&next)];
        handed.extend(waiters.peek().map(|first| after(first, HANDOVER)));
        assert_eq!(world.calls().await, handed);
        next.gets().await;
        let behind = waiters.peek().map(|first| after(first, LEASE));
        assert_eq!(world.calls().await, Vec::from_iter(behind));
        holder = next;
    }
    assert!(holder.gives().await);
    assert_eq!(world.calls().await, []);
}

async fn a_newcomer_does_not_barge_in_when_the_lock_was_given(world: &impl World) {
    let keys = keys("a");
    let [holder, waiter, newcomer] = [(); 3].map(|()| Caller::new(world, &keys));
    holder.gets().await;
    waiter.waits().await;
    assert!(holder.gives().await);
    for other in [&newcomer, &holder] {
        other.is_denied_for(HANDOVER_MS).await;
    }
    waiter.gets().await;
    newcomer.is_denied_for(LEASE_MS).await;
}

async fn a_newcomer_does_not_barge_in_when_the_lease_has_ended(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 2).await;
    world.pass(&keys, LEASE_MS).await;
    Caller::new(world, &keys).is_denied_for(HANDOVER_MS).await;
    // By asking it has found out for the first that the lock is free.
    let handed = [now(&waiters[0]), after(&waiters[1], HANDOVER)];
    assert_eq!(world.calls().await, handed);
    assert!(!holder.gives().await, "it was the first's already");
    waiters[0].gets().await;
}

async fn a_waiter_does_not_overtake_those_before_it(world: &impl World) {
    let keys = keys("a");
    Caller::new(world, &keys).gets().await;
    let waiters = queue(world, &keys, 3).await;
    world.pass(&keys, LEASE_MS).await;
    waiters[2].is_denied(QueueTurn::No).await;
    waiters[1].is_denied(QueueTurn::New).await;
    assert_eq!(world.calls().await[0], now(&waiters[0]));
    waiters[0].gets().await;
    assert!(waiters[0].gives().await);
    waiters[2].is_denied(QueueTurn::No).await;
    waiters[1].gets().await;
}

async fn a_waiter_that_leaves_blocks_nobody_behind_it(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 4).await;
    for left in [&waiters[1], &waiters[2]] {
        assert!(!left.gives().await, "it does not hold the lock");
    }
    assert_eq!(
        world.calls().await,
        [],
        "that changes nothing for the first"
    );
    Caller::new(world, &keys).is_denied_for(LEASE_MS).await;
    assert!(holder.gives().await);
    waiters[0].gets().await;
    assert!(waiters[0].gives().await);
    waiters[3].gets().await;
    assert!(waiters[3].gives().await);
    Caller::new(world, &keys).gets().await;
}

async fn when_the_first_leaves_the_next_is_called(world: &impl World) {
    let keys = keys("a");
    Caller::new(world, &keys).gets().await;
    let waiters = queue(world, &keys, 2).await;
    world.pass(&keys, LEASE_MS / 2).await;
    assert!(!waiters[0].gives().await);
    let calls = world.calls().await;
    assert_eq!((calls.len(), calls[0].0), (1, waiters[1].token));
    is_about(calls[0].1, LEASE_MS / 2);
    assert!(!waiters[0].gives().await, "it has left already");
    assert!(!waiters[1].gives().await, "nobody is behind it");
    assert_eq!(world.calls().await, []);
}

async fn when_the_first_leaves_a_free_lock_the_next_is_called_at_once(world: &impl World) {
    let keys = keys("a");
    Caller::new(world, &keys).gets().await;
    let waiters = queue(world, &keys, 2).await;
    world.pass(&keys, LEASE_MS).await;
    assert!(!waiters[0].gives().await);
    assert_eq!(world.calls().await, [now(&waiters[1])]);
    waiters[1].gets().await;
}

async fn who_was_handed_the_lock_and_does_not_want_it_passes_it_on(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 2).await;
    assert!(holder.gives().await);
    world.calls().await;
    assert!(waiters[0].gives().await, "it was handed the lock");
    assert_eq!(world.calls().await, [now(&waiters[1])]);
    Caller::new(world, &keys).is_denied_for(HANDOVER_MS).await;
    assert!(!waiters[0].gives().await);
    assert!(waiters[1].gives().await);
    Caller::new(world, &keys).gets().await;
}

async fn a_lock_that_is_not_taken_over_goes_to_the_next(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 3).await;
    assert!(holder.gives().await);
    // The first two have been killed. Whoever is behind them is called for the end of their time.
    let mut expected = vec![now(&waiters[0]), after(&waiters[1], HANDOVER)];
    assert_eq!(world.calls().await, expected);
    world.pass(&keys, HANDOVER_MS).await;
    waiters[2].is_denied(QueueTurn::No).await;
    expected = vec![now(&waiters[1]), after(&waiters[2], HANDOVER)];
    assert_eq!(world.calls().await, expected);
    assert!(!waiters[0].gives().await, "its time is over");
    world.pass(&keys, HANDOVER_MS).await;
    waiters[2].gets().await;
    assert_eq!(world.calls().await, []);
}

async fn the_first_in_the_queue_is_called_again_with_every_new_lease(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 3).await;
    let longer = Ttl::from_whole_millis(2 * LEASE_MS);
    holder.gets_with(longer, 0).await;
    assert_eq!(world.calls().await, [after(&waiters[0], longer)]);
    world.pass(&keys, 2 * LEASE_MS).await;
    waiters[0].gets().await;
    assert_eq!(world.calls().await, [after(&waiters[1], LEASE)]);
}

async fn a_place_is_kept_by_who_was_lost_from_the_queue(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let lost = Caller::new(world, &keys);
    let place = lost.waits().await;
    let behind = queue(world, &keys, 2).await;
    assert!(!lost.gives().await);
    world.calls().await;
    assert_eq!(lost.is_denied(QueueTurn::Place(place)).await.1, place);
    let last = queue(world, &keys, 1).await;
    assert!(holder.gives().await);
    for next in [&lost, &behind[0], &behind[1], &last[0]] {
        assert_eq!(world.calls().await[0], now(next));
        next.gets().await;
        world.calls().await;
        assert!(next.gives().await);
    }
}

async fn asking_again_neither_loses_nor_doubles_a_place(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let first = Caller::new(world, &keys);
    let place = first.waits().await;
    let second = queue(world, &keys, 1).await.remove(0);
    for _ in 0..3 {
        assert_eq!(first.is_denied(QueueTurn::Place(place)).await.1, place);
    }
    // The answer to the first question was lost: it is asked as a new one.
    first.is_denied(QueueTurn::New).await;
    assert!(holder.gives().await);
    for next in [&first, &second] {
        assert_eq!(world.calls().await[0], now(next));
        assert!(next.gives().await);
    }
    assert_eq!(world.calls().await, [], "nobody is left");
    holder.gets().await;
}

async fn who_asks_once_without_waiting_keeps_its_place(world: &impl World) {
    let keys = keys("a");
    let holder = Caller::new(world, &keys);
    holder.gets().await;
    let waiters = queue(world, &keys, 2).await;
    waiters[0].is_denied_for(LEASE_MS).await;
    assert!(holder.gives().await);
    assert_eq!(world.calls().await[0], now(&waiters[0]));
    waiters[0].gets().await;
}
