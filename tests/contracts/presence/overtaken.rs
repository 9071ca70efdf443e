//! Calls that are overtaken by others.

use super::*;

#[tokio::test]
async fn older_news_do_not_replace_newer_ones() {
    let world = &OnRedis::new().await;
    let (older, newer) = (in_rooms("a", "s", &["r"]), in_rooms("a", "s", &["r", "q"]));
    let version = world.set(&older).await;
    let newest = world.set(&newer).await;
    for place in older.places() {
        assert!(!world.put_late(place, &older, version).await, "{place:?}");
        let there = world.list(place, Detail::Records).await;
        assert_eq!(there[0].record.as_ref().unwrap().version, newest);
    }
}

/// A process has claimed a version, another one does something with the socket, then the first goes on.
async fn overtaken(world: &OnRedis, older: &Socket, meanwhile: impl Future<Output = ()>) {
    // The server knows the scripts, so that each is sent once.
    world.set(&in_rooms("x", "x", &["x"])).await;
    world.set(&in_rooms("x", "x", &[])).await;
    world.remove("x", "x").await;
    let roster = world.roster();
    let mut held_up = pin!(roster.set(older, None, None, TTL, Condition::Always));
    let begun = poll_fn(|context| Poll::Ready(held_up.as_mut().poll(context)));
    assert!(begun.await.is_pending());
    meanwhile.await;
    assert!(held_up.await.unwrap().is_some());
}

#[tokio::test]
async fn who_was_overtaken_by_another_user_takes_back_what_it_has_said() {
    let world = &OnRedis::new().await;
    let (older, newer) = (in_rooms("a", "s", &["r", "q"]), in_rooms("b", "s", &["r"]));
    overtaken(world, &older, async {
        world.set(&newer).await;
    })
    .await;
    assert!(user(world, "a").await.is_empty() && room(world, "q").await.is_empty());
    assert_eq!(room(world, "r").await, ["b/s"]);
    world.remove("b", "s").await;
    world.pass(REMOVED_MS).await;
    assert_eq!(world.keys().await, BTreeSet::new());
}

#[tokio::test]
async fn who_was_overtaken_by_a_move_takes_back_what_it_has_said() {
    let world = &OnRedis::new().await;
    let (older, newer) = (in_rooms("a", "s", &["r"]), in_rooms("a", "s", &["q"]));
    overtaken(world, &older, async {
        world.set(&newer).await;
    })
    .await;
    assert!(room(world, "r").await.is_empty());
    assert_eq!(room(world, "q").await, ["a/s"]);
    assert_eq!(user(world, "a").await, ["a/s"]);
}

#[tokio::test]
async fn who_was_overtaken_by_a_removal_takes_back_what_it_has_said() {
    let world = &OnRedis::new().await;
    let older = in_rooms("a", "s", &["r"]);
    overtaken(world, &older, async {
        world.remove("a", "s").await;
    })
    .await;
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
}

/// Two processes at once: whoever has the greater version has the socket, alone.
#[tokio::test]
async fn of_two_users_at_once_one_has_the_socket() {
    let world = &OnRedis::new().await;
    let other = connect(&world.server).await;
    let (here, there) = (world.roster(), world.roster_of(&other));
    for round in 0..300 {
        let id = format!("s{round}");
        let (one, two) = (
            in_rooms("a", &id, &["r", "q"]),
            in_rooms("b", &id, &["q", "p"]),
        );
        let set = join(
            here.set(&one, None, None, TTL, Condition::Always),
            there.set(&two, None, None, TTL, Condition::Always),
        );
        let (first, second) = set.await;
        let (wins, loses) = match first.unwrap() > second.unwrap() {
            true => (&one, &two),
            false => (&two, &one),
        };
        for place in wins.places() {
            let names = ids(world, place).await;
            assert_eq!(names, [format!("{}/{id}", wins.user)], "{round}: {place:?}");
        }
        let places = loses.places();
        for place in places.filter(|place| *place != Place::Room("q")) {
            assert!(ids(world, place).await.is_empty(), "{round}: {place:?}");
        }
        here.remove(&wins.user, &id, &[]).await.unwrap();
    }
}

/// Two processes at once: if the removal is the newer, nothing is left.
#[tokio::test]
async fn of_a_set_and_a_removal_at_once_the_newer_wins() {
    let world = &OnRedis::new().await;
    let other = connect(&world.server).await;
    let (here, there) = (world.roster(), world.roster_of(&other));
    for round in 0..300 {
        let id = format!("s{round}");
        let socket = in_rooms("a", &id, &["r", "q"]);
        let set = here.set(&socket, None, None, TTL, Condition::Always);
        let (set, removed) = match round % 2 {
            0 => join(set, there.remove("a", &id, &[])).await,
            _ => {
                let (removed, set) = join(there.remove("a", &id, &[]), set).await;
                (set, removed)
            }
        };
        let is_there = set.unwrap().unwrap() > removed.unwrap();
        for place in socket.places() {
            let count = ids(world, place).await.len();
            assert_eq!(count, usize::from(is_there), "{round}: {place:?}");
        }
        here.remove("a", &id, &[]).await.unwrap();
    }
}

/// Of one process: what was asked for last is what stays.
async fn sets_and_removes(world: &OnRedis, rooms: &[&str]) {
    let (socket, roster) = (in_rooms("a", "s", rooms), world.roster());
    let set = roster.set(&socket, None, None, TTL, Condition::Always);
    let (set, removed) = join(set, roster.remove("a", "s", &[])).await;
    assert!(removed.unwrap() > set.unwrap().unwrap());
    for place in socket.places() {
        assert!(ids(world, place).await.is_empty(), "{place:?}");
    }
}

#[tokio::test]
async fn a_removal_on_the_heels_of_a_set_wins() {
    let world = &OnRedis::new().await;
    for _ in 0..300 {
        sets_and_removes(world, &["r", "q"]).await;
    }
}

/// Who is there all the time is listed once, even if its lease changes while the pages are read.
#[tokio::test]
async fn a_large_room_lists_everybody_once_while_leases_change() {
    let world = &OnRedis::new().await;
    let sockets: Vec<_> = (0..5000)
        .map(|i| in_rooms("a", &i.to_string(), &["r"]))
        .collect();
    let (one, other) = (Some(ProcessLease::unique()), Some(ProcessLease::unique()));
    let set = |socket, lease| world.try_set(socket, lease, TTL, Condition::Always);
    for set in join_all(sockets.iter().map(|socket| set(socket, one))).await {
        assert!(set.unwrap().is_some());
    }
    let restart = async {
        for chunk in sockets.chunks(100) {
            join_all(chunk.iter().map(|socket| set(socket, other))).await;
        }
    };
    let read = async {
        for _ in 0..10 {
            let there = world.list(Place::Room("r"), Detail::Ids).await;
            let distinct: HashSet<_> = there.iter().map(|one| &*one.socket).collect();
            assert_eq!(
                (there.len(), distinct.len()),
                (sockets.len(), sockets.len())
            );
        }
    };
    join(restart, read).await;
    assert_eq!(
        world.list(Place::Room("r"), Detail::Ids).await.len(),
        sockets.len()
    );
}

/// A server that was restarted may know the script of one and not of the other.
#[tokio::test]
async fn a_removal_on_the_heels_of_a_set_wins_whatever_scripts_are_known() {
    let world = &OnRedis::new().await;
    for _ in 0..20 {
        world.call(&[b"SCRIPT", b"FLUSH"]).await;
        world.roster().remove("b", "t", &[]).await.unwrap();
        sets_and_removes(world, &["r"]).await;
    }
}

#[tokio::test]
async fn of_two_moves_of_one_process_the_last_stays() {
    let world = &OnRedis::new().await;
    let roster = world.roster();
    for round in 0..300 {
        let (one, two) = (
            in_rooms("a", "s", &["r", "q"]),
            in_rooms("a", "s", &["p", "q"]),
        );
        let set = |socket| roster.set(socket, None, None, TTL, Condition::Always);
        let (first, second) = join(set(&one), set(&two)).await;
        assert!(second.unwrap() > first.unwrap());
        assert!(room(world, "r").await.is_empty(), "{round}");
        for name in ["p", "q"] {
            assert_eq!(room(world, name).await, ["a/s"], "{round}");
        }
        roster.remove("a", "s", &[]).await.unwrap();
    }
}

/// The server's answer to a set comes after the socket was removed here.
#[tokio::test]
async fn what_was_asked_for_before_a_removal_is_not_kept_after_it() {
    let world = &InMemory::new().await;
    let socket = Arc::new(in_rooms("a", "s", &["r"]));
    let standing = Standing {
        order: world.roster.order(),
        version: 1,
        ttl: Some(TTL),
        doubt: Doubt::None,
    };
    world.remove("a", "s").await;
    world.roster.keep(socket, standing);
    assert!(user(world, "a").await.is_empty() && room(world, "r").await.is_empty());
}

/// Watchers of a room hear of every end, however it is found.
#[tokio::test]
async fn what_has_ended_in_memory_leaves_once() {
    let world = &InMemory::new().await;
    world.set(&in_rooms("a", "swept", &["r"])).await;
    world.set(&in_rooms("a", "moved", &["r"])).await;
    world.set(&in_rooms("a", "removed", &["r"])).await;
    told(world).await;
    world.pass(TTL_MS).await;
    world.set(&in_rooms("a", "moved", &["q"])).await;
    world.remove("a", "removed").await;
    world.roster.sweep(true).await;
    world.roster.sweep(true).await;
    let expected = ["q +a/moved", "r -a/moved", "r -a/removed", "r -a/swept"];
    assert_eq!(told_in_any_order(world).await, expected);
    is_about(seen_ago(world, "a").await, 0);
}
