//! Sockets of processes that have ended.

use super::*;

#[tokio::test]
async fn who_came_back_under_another_lease_is_there_once() {
    let world = &OnRedis::new().await;
    let (one, other) = (ProcessLease::unique(), ProcessLease::unique());
    let socket = in_rooms("a", "s", &["r"]);
    for lease in [Some(one), None, Some(other)] {
        let set = world.try_set(&socket, lease, TTL, Condition::Always).await;
        assert!(set.unwrap().is_some());
        for place in socket.places() {
            let there = world.list(place, Detail::Records).await;
            assert_eq!(there.len(), 1);
            assert_eq!(there[0].lease, lease);
        }
        assert_eq!(told(world).await, ["r +a/s"]);
        assert_eq!(world.last_seen("a").await.unwrap().1, lease);
    }
}

#[tokio::test]
async fn a_lease_goes_on_while_it_is_heard_of_and_never_again() {
    let world = &OnRedis::new().await;
    let roster = world.roster();
    let lease_ms = LEASE.as_millis() as u64;
    let (one, other) = (ProcessLease::unique(), ProcessLease::unique());
    assert_eq!(roster.beat(one, false).await, Ok(false), "it has not begun");
    assert_eq!(roster.beat(one, true).await, Ok(true));
    assert_eq!(roster.beat(other, true).await, Ok(true));
    world.pass(lease_ms * 2 / 3).await;
    assert_eq!(roster.beat(one, false).await, Ok(true));
    world.pass(lease_ms * 2 / 3).await;
    let leases = roster.leases().await.unwrap();
    assert_eq!(leases.len(), 2);
    assert!(leases[&one].left <= LEASE && !leases[&one].left.is_zero());
    assert!(leases[&other].left.is_zero());
    is_about(leases[&one].at_ms, world.now().await - lease_ms * 2 / 3);
    for _ in 0..2 {
        assert_eq!(roster.beat(other, false).await, Ok(false));
        assert_eq!(roster.beat(one, false).await, Ok(true));
    }
    world.pass(2 * 3_600_000).await;
    assert!(roster.leases().await.unwrap().is_empty());
    let last = roster.last_beat(one).await.unwrap().expect("remembered");
    is_about(world.now().await - last, 2 * 3_600_000);
    assert_eq!(roster.last_beat(ProcessLease::unique()).await, Ok(None));
    world.pass(31 * 24 * 3_600_000).await;
    assert_eq!(roster.beat(ProcessLease::unique(), true).await, Ok(true));
    assert_eq!(roster.last_beat(one).await, Ok(None));
}

#[tokio::test]
async fn only_members_of_the_ended_lease_are_forgotten() {
    let world = &OnRedis::new().await;
    let roster = world.roster();
    let (dead, live) = (ProcessLease::unique(), ProcessLease::unique());
    let sockets = ["s", "t", "1:t", "v"].map(|id| in_rooms("a", id, &["r"]));
    for socket in &sockets[..3] {
        let set = roster
            .set(socket, None, Some(dead), TTL, Condition::Always)
            .await;
        assert!(set.unwrap().is_some());
    }
    let set = roster
        .set(&sockets[3], None, Some(live), TTL, Condition::Always)
        .await;
    assert!(set.unwrap().is_some());
    let places = [Place::User("a"), Place::Room("r")];
    let there = join_all(places.map(|place| roster.list(place, Detail::Ids))).await;
    // One of those who were read as ended comes back before they are forgotten.
    let back = roster
        .set(&sockets[0], None, Some(live), TTL, Condition::Always)
        .await;
    assert!(back.unwrap().is_some());
    for (place, there) in places.into_iter().zip(there) {
        let there = there.unwrap().into_iter();
        let ended: Vec<_> = there.filter(|one| one.lease == Some(dead)).collect();
        assert_eq!(ended.len(), 3);
        roster.forget(place, &[]).await.unwrap();
        assert_eq!(ids(world, place).await.len(), 4);
        roster.forget(place, &ended).await.unwrap();
        assert_eq!(ids(world, place).await, ["a/s", "a/v"]);
    }
}
