//! Beside clients that know only the key of a lock.

use super::*;

#[tokio::test]
async fn a_lock_is_its_token_as_a_plain_text_that_ends() {
    let world = &OnRedis::new().await;
    let holder = Caller::new(world, &keys("a"));
    holder.gets().await;
    let (lock, token) = (&holder.keys.lock, holder.token.to_string());
    assert_eq!(lock, &Key::new(&[b"app:lock:a"]));
    assert_eq!(world.ask("TYPE", lock, &[]).await, "string");
    assert_eq!(world.ask("GET", lock, &[]).await, token);
    is_about(
        Duration::from_millis(world.ms_left(lock).await as u64),
        LEASE_MS,
    );
}

#[tokio::test]
async fn an_older_client_is_kept_out_and_keeps_others_out() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [one, two] = [(); 2].map(|()| Caller::new(world, &keys));
    let older = ["old-token", "NX", "EX", "30"];
    one.gets().await;
    assert_eq!(world.ask("SET", &keys.lock, &older).await, Answer::Null);
    assert!(one.gives().await);
    assert_eq!(world.ask("SET", &keys.lock, &older).await, "OK");
    assert!(!one.extends(LEASE_MS).await && !one.gives().await);
    one.is_denied_for(30_000).await;
    two.waits().await;
    let held = world.ask("GET", &keys.lock, &[]).await;
    assert_eq!(held, "old-token");
    assert_eq!(world.ask("DEL", &keys.lock, &[]).await, 1);
    // Nobody was called; the lock is the waiter's all the same.
    one.is_denied_for(HANDOVER_MS).await;
    two.gets().await;
}

#[tokio::test]
async fn an_older_client_may_end_a_lease() {
    let world = &OnRedis::new().await;
    let holder = Caller::new(world, &keys("a"));
    holder.gets().await;
    assert_eq!(world.ask("DEL", &holder.keys.lock, &[]).await, 1);
    assert!(!holder.extends(LEASE_MS).await && !holder.gives().await);
    Caller::new(world, &holder.keys).gets().await;
}

#[tokio::test]
async fn a_key_that_is_no_lock_of_ours_is_somebodys() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [one, two] = [(); 2].map(|()| Caller::new(world, &keys));
    for foreign in [
        ["RPUSH", "x", ""],
        ["HSET", "x", "y"],
        ["SET", "", "KEEPTTL"],
        ["SET", "1", "KEEPTTL"],
    ] {
        let rest = if foreign[0] == "RPUSH" { 1..2 } else { 1..3 };
        world.ask(foreign[0], &keys.lock, &foreign[rest]).await;
        let before = world.ask("DUMP", &keys.lock, &[]).await;
        assert_eq!(one.is_denied(QueueTurn::No).await, (None, 0), "{foreign:?}");
        assert_eq!(
            two.is_denied(QueueTurn::New).await.0,
            None,
            "nobody knows how long"
        );
        assert!(!one.extends(1).await && !two.extends(1).await);
        assert!(!one.gives().await && !two.gives().await);
        assert_eq!(world.ask("DUMP", &keys.lock, &[]).await, before);
        assert_eq!(world.ms_left(&keys.lock).await, -1, "{foreign:?}");
        world.ask("DEL", &keys.lock, &[]).await;
    }
    one.gets().await;
}

#[tokio::test]
async fn a_lock_whose_lease_somebody_made_endless_is_still_its_owners() {
    let world = &OnRedis::new().await;
    let keys = keys("a");
    let [holder, waiter] = [(); 2].map(|()| Caller::new(world, &keys));
    holder.gets().await;
    world.ask("PERSIST", &keys.lock, &[]).await;
    assert_eq!(waiter.is_denied(QueueTurn::New).await.0, None);
    assert!(holder.extends(LEASE_MS).await);
    waiter.is_denied_for(LEASE_MS).await;
    world.ask("PERSIST", &keys.lock, &[]).await;
    assert!(holder.gives().await);
    waiter.gets().await;
    assert!(world.ms_left(&keys.lock).await > 0);
}
