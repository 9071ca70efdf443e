//! Clocks that jump, scripts that are forgotten, many at once.

use super::*;

#[tokio::test]
async fn a_server_whose_clock_jumps_ahead_frees_the_lock_and_nothing_else() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [old, new, other] = [(); 3].map(|()| Caller::new(world, &keys));
    let fence = old.gets().await;
    world.pass(&keys, 3_600_000).await;
    assert!(new.gets_with(LEASE, 0).await > fence);
    assert!(!old.extends(LEASE_MS).await && !old.gives().await);
    other.is_denied_for(LEASE_MS).await;
}

#[tokio::test]
async fn a_server_whose_clock_is_set_back_leaves_the_lock_to_its_owner() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [holder, waiter] = [(); 2].map(|()| Caller::new(world, &keys));
    holder.gets().await;
    let hour = LEASE_MS + 3_600_000;
    for key in [&keys.lock, &keys.fence] {
        world.ask("PEXPIRE", key, &[&hour.to_string()]).await;
    }
    waiter.waits().await;
    waiter.is_denied_for(hour).await;
    assert!(holder.extends(LEASE_MS).await);
    waiter.is_denied_for(LEASE_MS).await;
    assert!(holder.gives().await);
    waiter.gets().await;
}

/// Nothing is moved here: the server's own clock ends two leases.
#[tokio::test]
async fn leases_end_by_themselves() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [one, two, three] = [(); 3].map(|()| Caller::new(world, &keys));
    let first = one.gets_with(Ttl::from_whole_millis(30), 0).await;
    world.is_gone(&keys.lock).await;
    let second = two.gets_with(LEASE, 0).await;
    assert!(second > first);
    assert!(!one.gives().await);
    three.waits().await;
    assert!(two.extends(30).await);
    assert_eq!(
        world.calls().await,
        [after(&three, Ttl::from_whole_millis(30))]
    );
    world.is_gone(&keys.lock).await;
    assert!(!two.extends(LEASE_MS).await && !two.gives().await);
    two.is_denied(QueueTurn::No).await;
    assert_eq!(world.calls().await, [now(&three)]);
    assert!(three.gets().await > second);
}

/// Whoever was told when a lease ends and comes then finds it has ended.
#[tokio::test]
async fn nobody_is_told_to_come_too_early() {
    let world = &OnRedis::new().await;
    for round in 0..20 {
        let keys = keys(&format!("a{round}"));
        let [one, two] = [(); 2].map(|()| Caller::new(world, &keys));
        one.gets_with(Ttl::from_whole_millis(25), 0).await;
        if let Taken::Denied { free_in, .. } = two.take(QueueTurn::No).await {
            sleep(free_in.expect("a lease that ends")).await;
            two.gets().await;
        }
    }
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_scripts_is_told_them_again() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [holder, waiter] = [(); 2].map(|()| Caller::new(world, &keys));
    let forget: [&[u8]; 2] = [b"SCRIPT", b"FLUSH"];
    for _ in 0..3 {
        holder.gets().await;
        world.call(&forget).await;
        waiter.waits().await;
        world.call(&forget).await;
        assert!(holder.extends(LEASE_MS).await);
        world.call(&forget).await;
        assert!(holder.gives().await);
        world.call(&forget).await;
        waiter.gets().await;
        assert!(waiter.gives().await);
    }
}

/// Of many who ask at once, one has the lock, and all have it once.
#[tokio::test]
async fn many_at_once_have_it_one_after_the_other() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let callers: Vec<_> = (0..200).map(|_| Caller::new(world, &keys)).collect();
    let taken = callers.iter().map(|caller| caller.take(QueueTurn::New));
    let taken = futures_util::future::join_all(taken).await;
    let granted = |taken: &Taken| matches!(taken, Taken::Granted { .. });
    assert_eq!(taken.iter().filter(|taken| granted(taken)).count(), 1);
    let mut holder = taken.iter().position(granted).unwrap();
    let mut had = HashSet::from([holder]);
    let mut last = 0;
    while callers[holder].gives().await {
        let calls = world.calls().await;
        let Some((token, _)) = calls.first() else {
            break;
        };
        holder = callers
            .iter()
            .position(|caller| caller.token == *token)
            .unwrap();
        let fence = callers[holder].gets().await;
        assert!(fence > last);
        last = fence;
        world.calls().await;
        assert!(had.insert(holder), "it had its turn");
    }
    assert_eq!(had.len(), callers.len());
}

/// Redis has granted it before it went away: whoever holds the lock here, it is not theirs.
#[tokio::test]
async fn a_lock_that_is_occupied_is_its_tokens() {
    let world = &InMemory::new().await;
    let keys = keys("a");
    let [owner, one, waiter] = [(); 3].map(|()| Caller::new(world, &keys));
    one.gets().await;
    waiter.waits().await;
    world.locks.occupy(&keys, owner.token, LEASE);
    assert!(!one.extends(LEASE_MS).await && !one.gives().await);
    one.is_denied_for(LEASE_MS).await;
    assert!(owner.extends(LEASE_MS).await);
    assert!(owner.gives().await);
    assert_eq!(world.called(), [after(&waiter, LEASE), now(&waiter)]);
    waiter.gets().await;
}

/// What is swept away is what is over, and fences go on after all is forgotten.
#[tokio::test]
async fn a_sweep_changes_nothing_for_anybody() {
    let world = &InMemory::new().await;
    let [held, awaited, over] = ["a", "b", "c"].map(|name| Caller::new(world, &keys(name)));
    for caller in [&held, &awaited, &over] {
        caller.gets().await;
    }
    let waiter = queue(world, &awaited.keys, 1).await.remove(0);
    world.clock.advance(LEASE_MS - 1);
    let last = held.gets().await;
    world.clock.advance(1);
    world.locks.sweep().await;
    Caller::new(world, &held.keys)
        .is_denied(QueueTurn::No)
        .await;
    Caller::new(world, &awaited.keys)
        .is_denied(QueueTurn::No)
        .await;
    assert_eq!(world.called(), [now(&waiter)]);
    assert!(Caller::new(world, &over.keys).gets().await > last);
    world.locks.clear();
    assert!(!held.gives().await);
    assert!(Caller::new(world, &held.keys).gets().await > last + 1);
}
