//! Granting, extending and giving back.

use super::*;

contract!(
    a_free_lock_is_granted_and_a_taken_one_is_denied_until_its_lease_ends,
    who_asks_again_has_the_lock_for_a_full_lease_with_a_greater_fence,
    fences_grow_over_every_acquisition,
    a_fence_is_greater_than_what_the_caller_knows,
    only_the_owner_extends,
    an_extended_lease_ends_when_it_was_said_to,
    a_late_owner_extends_and_frees_nothing,
    a_lock_that_nobody_waits_for_is_free_once_given,
);

async fn a_free_lock_is_granted_and_a_taken_one_is_denied_until_its_lease_ends(world: &impl World) {
    let keys = keys("a");
    let [one, two] = [(); 2].map(|()| Caller::new(world, &keys));
    assert!(one.gets().await > 0);
    two.is_denied_for(LEASE_MS).await;
    world.pass(&keys, LEASE_MS - SLACK_MS).await;
    two.is_denied_for(SLACK_MS).await;
    world.pass(&keys, SLACK_MS).await;
    two.gets().await;
    one.is_denied_for(LEASE_MS).await;
    assert_eq!(world.calls().await, []);
}

async fn who_asks_again_has_the_lock_for_a_full_lease_with_a_greater_fence(world: &impl World) {
    let keys = keys("a");
    let [one, two] = [(); 2].map(|()| Caller::new(world, &keys));
    let first = one.gets().await;
    world.pass(&keys, LEASE_MS - SLACK_MS).await;
    assert!(one.gets().await > first);
    two.is_denied_for(LEASE_MS).await;
    world.pass(&keys, LEASE_MS - SLACK_MS).await;
    two.is_denied(QueueTurn::No).await;
    // The second answer was for the same lock: giving it once is enough.
    assert!(one.gives().await);
    two.gets().await;
}

async fn fences_grow_over_every_acquisition(world: &impl World) {
    let keys = keys("a");
    let mut last = 0;
    for _ in 0..10 {
        let [released, expired, waiting] = [(); 3].map(|()| Caller::new(world, &keys));
        let mut fences = vec![released.gets().await];
        assert!(released.gives().await);
        fences.push(expired.gets().await);
        world.pass(&keys, LEASE_MS).await;
        fences.push(released.gets().await);
        waiting.waits().await;
        assert!(released.gives().await);
        fences.push(waiting.gets().await);
        fences.push(waiting.gets().await);
        assert!(waiting.gives().await);
        for fence in fences {
            assert!(fence > last, "{fence} after {last}");
            last = fence;
        }
    }
}

async fn a_fence_is_greater_than_what_the_caller_knows(world: &impl World) {
    let keys = keys("a");
    let caller = Caller::new(world, &keys);
    let first = caller.gets().await;
    // More than any clock has counted until now.
    let known = first + 1_000_000_000_000;
    assert!(caller.gets_with(LEASE, known).await > known);
    assert!(caller.gives().await);
    let next = Caller::new(world, &keys);
    assert!(next.gets().await > known + 1, "it is remembered");
    assert!(next.gets_with(LEASE, first).await > known + 2);
}

async fn only_the_owner_extends(world: &impl World) {
    let keys = keys("a");
    let [one, two, waiting] = [(); 3].map(|()| Caller::new(world, &keys));
    assert!(!one.extends(LEASE_MS).await, "nobody has it");
    one.gets().await;
    waiting.waits().await;
    for other in [&two, &waiting] {
        assert!(!other.extends(10 * LEASE_MS).await);
        assert!(!other.extends(1).await);
    }
    two.is_denied_for(LEASE_MS).await;
}

async fn an_extended_lease_ends_when_it_was_said_to(world: &impl World) {
    let keys = keys("a");
    let [one, two] = [(); 2].map(|()| Caller::new(world, &keys));
    one.gets().await;
    assert!(one.extends(3 * LEASE_MS).await);
    two.is_denied_for(3 * LEASE_MS).await;
    world.pass(&keys, 2 * LEASE_MS).await;
    two.is_denied_for(LEASE_MS).await;
    assert!(one.extends(LEASE_MS / 2).await, "it may become shorter");
    two.is_denied_for(LEASE_MS / 2).await;
    world.pass(&keys, LEASE_MS / 2).await;
    two.gets().await;
}

async fn a_late_owner_extends_and_frees_nothing(world: &impl World) {
    let keys = keys("a");
    let [late, next, other] = [(); 3].map(|()| Caller::new(world, &keys));
    late.gets().await;
    world.pass(&keys, LEASE_MS).await;
    assert!(!late.extends(LEASE_MS).await && !late.gives().await);
    next.gets().await;
    assert!(!late.extends(10 * LEASE_MS).await && !late.gives().await);
    other.is_denied_for(LEASE_MS).await;
    assert!(next.gives().await);
    // What was given is not the owner's any more, either.
    assert!(!next.extends(LEASE_MS).await && !next.gives().await);
    other.gets().await;
}

async fn a_lock_that_nobody_waits_for_is_free_once_given(world: &impl World) {
    let keys = keys("a");
    for _ in 0..3 {
        let caller = Caller::new(world, &keys);
        caller.gets().await;
        assert!(caller.gives().await);
    }
    assert_eq!(world.calls().await, []);
}
