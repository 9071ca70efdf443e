//! Fences that were lost or spoilt on Redis.

use super::*;

#[tokio::test]
async fn a_fence_that_was_lost_is_followed_by_a_greater_one() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let caller = Caller::new(world, &keys);
    let mut last = caller.gets().await;
    // By the server's clock alone, then by what the caller knows.
    for ahead in [0, 1_000_000_000_000] {
        world.ask("DEL", &keys.fence, &[]).await;
        let known = last * u64::from(ahead > 0) + ahead;
        let next = caller.gets_with(LEASE, known).await;
        assert!(next > last.max(known), "{next} after {last}, {known}");
        last = next;
    }
    world.call(&[b"FLUSHALL"]).await;
    assert!(caller.gets_with(LEASE, last).await > last);
}

#[tokio::test]
async fn a_fence_grows_when_the_servers_clock_is_set_back() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let caller = Caller::new(world, &keys);
    // As if an hour, or ten years, ahead of now.
    let mut last = caller.gets().await;
    for ahead in [3_600_000_000, 315_360_000_000_000] {
        let future = last + ahead;
        world.set(&keys.fence, &future.to_string()).await;
        for expected in future + 1..future + 4 {
            assert_eq!(caller.gets().await, expected);
            assert!(caller.gives().await);
        }
        let stored = world.ask("GET", &keys.fence, &[]).await;
        last = future + 3;
        assert_eq!(stored, last.to_string());
        assert!(world.ms_left(&keys.fence).await > 0);
    }
}

#[tokio::test]
async fn a_fence_key_that_holds_no_number_does_no_harm() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let caller = Caller::new(world, &keys);
    let mut last = caller.gets().await;
    for foreign in ["", "abc", "-5", "1e3", "0x10", "list"] {
        world.ask("DEL", &keys.fence, &[]).await;
        match foreign {
            "list" => drop(world.ask("RPUSH", &keys.fence, &["x"]).await),
            text => world.set(&keys.fence, text).await,
        }
        let fence = caller.gets().await;
        assert!(fence > last, "{fence} after {last} and {foreign:?}");
        last = fence;
    }
}

/// Lua reads these as numbers, which no other is greater than.
#[tokio::test]
async fn a_fence_key_that_holds_no_end_of_numbers_does_no_harm() {
    let world = &OnRedis::new().await;
    for foreign in ["nan", "-nan", "inf"] {
        let caller = Caller::new(world, &keys(foreign));
        let before = caller.gets().await;
        world.set(&caller.keys.fence, foreign).await;
        let first = caller.gets().await;
        let second = caller.gets().await;
        assert!(
            before < first && first < second,
            "{foreign}: {before}, {first}, {second}"
        );
    }
}
